"""Motion JPEG over HTTP: pictures one after the other in one endless answer."""

import re
import time
from collections.abc import Iterator

from facerec_mqtt.cameras.http_source import LONGEST_PICTURE, Body, decoded
from facerec_mqtt.cameras.pacing import Pacer
from facerec_mqtt.cameras.pictures.damaged import Tolerant
from facerec_mqtt.cameras.protocol import FailureKind, failed
from facerec_mqtt.cameras.sources import Alive, Shot

_LONGEST_HEADER = 65536
_ANY_DELIMITER = re.compile(rb"(?:^|\r?\n)--([^\r\n]+?)[ \t]*\r?\n")
_END_OF_HEADER = re.compile(rb"(?:^|\r?\n)\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def multipart_shots(body: Body, fps: float, alive: Alive) -> Iterator[Shot]:
    """Take every part of a multipart stream as it comes, and decode those that are wanted.

    Raises:
        CameraFailedError: the stream has ended, or too many parts in a row are damaged.
    """
    pacer, tolerant = Pacer(fps), Tolerant(decoded)
    for data in _multipart_pictures(body):
        now_s = time.monotonic()
        alive()
        if not pacer.takes(now_s):
            continue
        image = tolerant.image(data)
        if image is not None:
            yield Shot(now_s, image)


def _multipart_pictures(body: Body) -> Iterator[bytes]:
    """The parts of a multipart stream, as they are written by cameras.

    Which boundary they use, their first line says: in the header it may be quoted, have its dashes too, or be
    another one. A part may come without its length.

    Raises:
        CameraFailedError: a part is too long, or the stream has ended.
    """
    delimiter = _ANY_DELIMITER
    waiting = _Waiting(body)
    while True:
        found = waiting.until(delimiter, LONGEST_PICTURE)
        if delimiter is _ANY_DELIMITER:
            delimiter = re.compile(rb"(?:^|\r?\n)--" + re.escape(found[1]) + rb"(?:--)?[ \t]*\r?\n")
        waiting.take(found.end())
        end = waiting.until(_END_OF_HEADER, _LONGEST_HEADER)
        length = _LENGTH.search(waiting.take(end.end()))
        if length is not None:
            waiting.fill(int(length[1]))
            yield waiting.take(int(length[1]))
        else:
            yield waiting.take(waiting.until(delimiter, LONGEST_PICTURE).start())


class _Waiting:
    """What has been read of a body and not been used yet."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._data = bytearray()

    def fill(self, size: int) -> None:
        """Read until there are so many bytes."""
        while len(self._data) < size:
            self._more(max(size, 1), LONGEST_PICTURE)

    def until(self, pattern: re.Pattern[bytes], limit: int) -> re.Match[bytes]:
        """Read until there is a match, within so many bytes."""
        searched = 0
        while (found := pattern.search(self._data, searched)) is None:
            # What is searched for may be cut in two.
            searched = max(0, len(self._data) - 200)
            self._more(len(self._data) + 1, limit)
        return found

    def take(self, size: int) -> bytes:
        """Take so many bytes off."""
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _more(self, size: int, limit: int) -> None:
        if size > limit:
            raise failed(FailureKind.PICTURE_TOO_LARGE, detail=f"{LONGEST_PICTURE // 2**20} MB")
        data = self._body.read(65536)
        if not data:
            raise failed(FailureKind.ENDED)
        self._data += data
