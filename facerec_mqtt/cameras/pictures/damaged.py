"""Pictures that cannot be decoded: one among good ones is left out, many in a row are a failure."""

from collections.abc import Callable

from facerec_mqtt.cameras.protocol import CameraFailedError
from facerec_mqtt.core.records import Image

_MOST_BAD_PICTURES = 20


class Tolerant:
    """Decodes pictures as they come, and bears that some are damaged.

    Args:
        decode: decodes one; raises `CameraFailedError` where it is no picture.
        first_counts: whether the first must be a picture.
    """

    def __init__(self, decode: Callable[[bytes], Image], *, first_counts: bool = False) -> None:
        self._decode = decode
        self._bad = _MOST_BAD_PICTURES - 1 if first_counts else 0

    def image(self, data: bytes) -> Image | None:
        """The picture; `None` where it is damaged.

        Raises:
            CameraFailedError: it is, and too many before it were.
        """
        try:
            image = self._decode(data)
        except CameraFailedError:
            self._bad += 1
            if self._bad >= _MOST_BAD_PICTURES:
                raise
            return None
        self._bad = 0
        return image
