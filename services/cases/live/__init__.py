"""Live updates: what changes goes on to whoever has a stream open and may know of it. Nothing of this is stored."""
