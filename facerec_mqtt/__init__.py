"""Private face recognition for home automation: RTSP cameras in, MQTT events out."""

__version__ = "0.1.0"
