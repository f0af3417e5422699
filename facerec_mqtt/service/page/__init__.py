"""The page beside the service: its process, and what it is sent."""

from facerec_mqtt.service.page.feed import PageFeed

__all__ = ["PageFeed"]
