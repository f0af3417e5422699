"""Groups of strangers: visits without a name that are one person."""
