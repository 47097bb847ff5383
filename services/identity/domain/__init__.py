"""Values and rules of identity, by noun; pure."""
