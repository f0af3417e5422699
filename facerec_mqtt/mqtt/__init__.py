"""MQTT: the connection, topics and payloads, commands, and what Home Assistant is told."""
