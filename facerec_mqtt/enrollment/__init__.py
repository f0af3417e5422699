"""The enrollment folder: reading it, adding to it, rebuilding the model from it, forgetting a person."""
