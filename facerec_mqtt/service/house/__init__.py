"""What a box has in common with the others of its house: who is there."""
