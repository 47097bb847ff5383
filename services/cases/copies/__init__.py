"""Local copies of what other services own."""
