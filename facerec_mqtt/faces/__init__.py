"""Pictures to embeddings: what to look at, detection, alignment, the backbone."""
