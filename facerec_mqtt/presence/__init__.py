"""Faces over time: tracks, votes, visits, who is present, and pictures for review."""
