"""What a rebuild found, for people: sentences, a page, plots."""
