"""What may be attached, and what becomes of a file; pure values."""
