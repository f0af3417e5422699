"""What becomes of a frame: `pipeline` is its way, the rest helps it."""
