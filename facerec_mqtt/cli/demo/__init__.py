"""A first look with nothing to set up: drawn people, a small broker, the real rebuild and service."""
