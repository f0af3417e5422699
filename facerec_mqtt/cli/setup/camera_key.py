"""`camera-key`: the key for boxes that have cameras and no model."""

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.service.roles.keys import camera_key
from facerec_mqtt.settings import Settings


def print_camera_key(settings: Settings) -> int:
    """Print it, alone, so that it can be written into a file.

    Raises:
        SettingsError: there is no key of the house to make it of.
    """
    key = settings.house.key_bytes
    if key is None:
        raise SettingsError(
            "The camera key is made of the key of the house, and none is set; set FACEREC_HOUSE__KEY to what"
            ' "openssl rand -hex 32" prints, on all boxes that have a model.'
        )
    print(camera_key(key).hex())
    return 0
