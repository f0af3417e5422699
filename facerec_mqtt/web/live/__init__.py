"""What is live: the link to the service, its events and states, pictures of cameras, commands."""

from facerec_mqtt.web.live.link import Live, NoServiceError

__all__ = ["Live", "NoServiceError"]
