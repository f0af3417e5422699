"""The settings of a house that is watched by several boxes."""

import re
from enum import StrEnum

from pydantic import SecretStr, field_validator

from facerec_mqtt.settings.groups.base import Group, OptionalPath, OptionalSecret, OptionalText


class Role(StrEnum):
    """What a box does of the work of its house."""

    ALL = "all"
    """Watches its cameras, and names the faces itself."""
    CAMERA = "camera"
    """Watches its cameras, and asks for names: it has no model of the family."""
    RECOGNISER = "recogniser"
    """Has the model, no cameras, and names the faces of those that ask."""


class HouseSettings(Group):
    """Several boxes that watch one house."""

    name: OptionalText = None
    """What they have in common, with the broker and the base topic: each box has the same house, and a node
    id and cameras of its own. Empty where one box watches alone."""

    share_model: bool = True
    """Pass the family's model on to the other boxes by the broker, and use what they have made."""
    key: OptionalSecret = None
    """Encrypts the model on its way, the same on all boxes: 64 hexadecimal digits, "openssl rand -hex 32"
    makes them. Without it, whoever reads on the broker has the model of the family's faces."""
    key_file: OptionalPath = None
    """File that holds the key instead, alone, as a Docker secret does: /run/secrets/house_key."""
    role: Role = Role.ALL
    """What this box does: all; camera: it asks others for names and has no model; recogniser: it answers and
    has no cameras. `facerec-mqtt run --role ROLE` wins over it."""
    camera_key: OptionalSecret = None
    """Encrypts faces and names on their way between a box with the role camera and the recognisers: what
    "facerec-mqtt camera-key" prints, made of the house's key. It opens no model and reads no other box."""
    camera_key_file: OptionalPath = None
    """File that holds the camera key instead, alone: /run/secrets/camera_key."""

    @property
    def key_bytes(self) -> bytes | None:
        """The key, 32 bytes; `None` where none is set."""
        return _bytes_of(self.key)

    @property
    def camera_key_bytes(self) -> bytes | None:
        """The camera key, 32 bytes; `None` where none is set."""
        return _bytes_of(self.camera_key)

    @field_validator("key", "camera_key")
    @classmethod
    def _key_is_one(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch("[0-9a-fA-F]{64}", key.get_secret_value()):
            raise ValueError(
                'write 64 hexadecimal digits; "openssl rand -hex 32" makes them for a house, and'
                ' "facerec-mqtt camera-key" those of its cameras'
            )
        return key

    @field_validator("name")
    @classmethod
    def _name_can_stand_in_an_identifier(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch("[a-zA-Z0-9_-]{1,64}", name):
            raise ValueError("take letters, digits, _ and - alone, at most 64 of them, such as house")
        return name


def _bytes_of(key: SecretStr | None) -> bytes | None:
    return None if key is None else bytes.fromhex(key.get_secret_value())
