"""Faces over time: tracks, visits, who is present, and pictures to review."""
