"""Finding cameras in the network by ONVIF, and the settings that each needs.

discovery   WS-Discovery: which devices answer
soap        one request to a device, with its login
device      what a device says of itself, and its streams
find        all of that for a command or a page

Neither the service nor a camera's reader imports this.
"""

from facerec_mqtt.cameras.onvif.device import Stream
from facerec_mqtt.cameras.onvif.find import FoundCamera, find_cameras, ready_settings
from facerec_mqtt.cameras.onvif.soap import OnvifError, Trouble

__all__ = ["FoundCamera", "OnvifError", "Stream", "Trouble", "find_cameras", "ready_settings"]
