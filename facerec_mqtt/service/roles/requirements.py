"""What a role needs."""

from facerec_mqtt.core.errors import CommandError, SettingsError
from facerec_mqtt.settings import Role, Settings

NO_MODEL_HERE = (
    "This box has the role camera, so that no photos and no model belong on it; do this at the box that has"
    " the photos."
)


def require_role(settings: Settings) -> None:
    """See that a box has what its role needs.

    Raises:
        SettingsError: something is missing, or there is what the role cannot use.
    """
    house, role = settings.house, settings.house.role
    if role is Role.ALL:
        return
    if house.name is None:
        raise SettingsError(
            f'The role "{role}" is of one of several boxes; set FACEREC_HOUSE__NAME, the same on each.'
        )
    if settings.mqtt.protocol != "5":
        raise SettingsError(
            f'The role "{role}" needs MQTT 5, and FACEREC_MQTT__PROTOCOL is "{settings.mqtt.protocol}";'
            ' set it to "5".'
        )
    if role is Role.CAMERA and house.camera_key is None:
        raise SettingsError(
            'The role "camera" sends faces to other boxes, and needs a key for that; set'
            ' FACEREC_HOUSE__CAMERA_KEY to what "facerec-mqtt camera-key" prints on a box that has the key'
            " of the house."
        )
    if role is Role.RECOGNISER and house.key is None:
        raise SettingsError(
            'The role "recogniser" needs the key of the house; set FACEREC_HOUSE__KEY to what'
            ' "openssl rand -hex 32" prints, on all boxes that have a model.'
        )
    if role is Role.RECOGNISER and settings.cameras:
        raise SettingsError(
            f'The role "recogniser" watches no camera, and FACEREC_CAMERAS has {len(settings.cameras)};'
            ' leave them to boxes with the role "camera", or take the role "all".'
        )


def require_photos(settings: Settings) -> None:
    """See that photos and models belong on this box.

    Raises:
        CommandError: it is one with the role camera.
    """
    if settings.house.role is Role.CAMERA:
        raise CommandError(NO_MODEL_HERE)
