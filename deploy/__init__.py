"""How Portico is put to work: this folder holds no business rule."""
