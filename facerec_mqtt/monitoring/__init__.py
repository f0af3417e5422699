"""Metrics, heartbeat and overload of the service."""
