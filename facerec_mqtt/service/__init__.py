"""The long-running service: the loop, and what it owns."""
