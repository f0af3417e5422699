"""Commands for setting a house up, and for moving it to another machine."""
