"""Photos' embeddings to a family's model: fitting, judging it, comparing it with the one in use."""
