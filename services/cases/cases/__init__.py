"""Cases: submitting, acting on, listing, exporting."""
