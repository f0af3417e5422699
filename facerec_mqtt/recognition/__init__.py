"""Embeddings to people: normalised scores, the classifier, the threshold, and the model that holds them."""
