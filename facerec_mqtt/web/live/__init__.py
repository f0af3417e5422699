"""What is live: the link to the service, its events and states, pictures of cameras, commands."""

from facerec_mqtt.web.live.frames import Frames
from facerec_mqtt.web.live.link import Live, NoServiceError, report_failure

__all__ = ["Frames", "Live", "NoServiceError", "report_failure"]
