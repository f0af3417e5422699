"""What a household has chosen on the page, beside the models: `choices.json`. A setting stands above it."""

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.core.files import UnfitFileError, read_plain, replace_file

FILE = "choices.json"
_MAX_BYTES = 65_536
_AGAIN_S = 5.0


class Choices(BaseModel):
    """What was chosen."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    keeps_pictures: bool | None = None
    """Whether pictures of visits are kept; `None` where nobody was asked yet."""


def read_choices(model_dir: Path) -> Choices:
    """Read what was chosen; nothing, where there is no file or it cannot be read."""
    try:
        return Choices.model_validate_json(read_plain(model_dir / FILE, _MAX_BYTES))
    except (OSError, UnfitFileError, ValidationError):
        return Choices()


def write_choices(model_dir: Path, choices: Choices) -> None:
    """Write what was chosen.

    Raises:
        OSError: it cannot be written; what was chosen before holds.
    """
    replace_file(model_dir / FILE, choices.model_dump_json(exclude_none=True).encode())


class PicturesChoice:
    """Whether pictures of visits are kept; cheap enough to ask for each frame.

    Args:
        model_dir: where the models are.
        enabled: by the settings, whatever was chosen.
        clock: gives the time, in seconds of the monotonic clock.
    """

    def __init__(
        self, model_dir: Path, *, enabled: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model_dir = model_dir
        self._enabled = enabled
        self._clock = clock
        self._chosen = False
        self._due_s = 0.0

    def __call__(self) -> bool:
        """Whether they are; what was chosen on the page counts within seconds."""
        now_s = self._clock()
        if not self._enabled and now_s >= self._due_s:
            self._due_s = now_s + _AGAIN_S
            self._chosen = bool(read_choices(self._model_dir).keeps_pictures)
        return self._enabled or self._chosen
