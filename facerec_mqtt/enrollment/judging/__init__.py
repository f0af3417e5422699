"""Which enrollment photos can be used: each by itself (`photos`), then beside the others (`audit`)."""
