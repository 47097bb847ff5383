"""Plumbing and published language; no business rule lives here."""
