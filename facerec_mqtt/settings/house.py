"""The settings of a house that is watched by several boxes."""

import re

from pydantic import field_validator

from facerec_mqtt.settings.groups import Group, OptionalText


class HouseSettings(Group):
    """Several boxes that watch one house."""

    name: OptionalText = None
    """What they have in common, with the broker and the base topic: each box has the same house, and a node
    id and cameras of its own. Empty where one box watches alone."""

    @field_validator("name")
    @classmethod
    def _name_can_stand_in_an_identifier(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch("[a-zA-Z0-9_-]{1,64}", name):
            raise ValueError("take letters, digits, _ and - alone, at most 64 of them, such as house")
        return name
