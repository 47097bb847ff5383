"""The whole stack on one machine, without Docker: `make run`, and the real parts of the tests."""
