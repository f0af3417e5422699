"""The settings of a house that is watched by several boxes."""

import re

from pydantic import SecretStr, field_validator

from facerec_mqtt.settings.groups.base import Group, OptionalPath, OptionalSecret, OptionalText


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

    @field_validator("key")
    @classmethod
    def _key_is_one(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch("[0-9a-fA-F]{64}", key.get_secret_value()):
            raise ValueError('write 64 hexadecimal digits; "openssl rand -hex 32" makes them')
        return key

    @field_validator("name")
    @classmethod
    def _name_can_stand_in_an_identifier(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch("[a-zA-Z0-9_-]{1,64}", name):
            raise ValueError("take letters, digits, _ and - alone, at most 64 of them, such as house")
        return name
