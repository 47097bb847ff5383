"""What Portico does in a second, and what a second of it costs: `make bench`."""
