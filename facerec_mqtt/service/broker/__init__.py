"""The service's connection to the broker, what it publishes there, and connecting again."""
