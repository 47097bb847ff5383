"""The rules of contracts; pure."""
