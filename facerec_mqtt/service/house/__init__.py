"""What a box shares with the others of its house: who is there, and the family's model."""
