"""Pictures from a video file that may be anything: cut short, hours long, of sound alone, or damaged.

Only so many pictures are decoded as are asked for, or the key frames beside them; one is in memory at a time.
What a file claims to be is decided by its first bytes, and FFmpeg is told so: it must not take a file for a
playlist that leads to others. PyAV is imported when the first video comes.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from facerec_mqtt.cameras import bgr
from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.files import open_plain
from facerec_mqtt.core.images import check_size
from facerec_mqtt.core.picture_formats import HEAD_BYTES, VideoFormat, video_format_of
from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import Rejection, RejectionCode

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_MINUTES = 30.0
MOST_S = 60.0
"""So long may the pictures of one video take; what has been decoded until then is used."""
_MOST_DECODED = 900
"""A video of more frames is read at its key frames alone."""
_MOST_PACKETS = 3000
"""Of the packets after a place that was sought, one must be a key frame's."""
_MOST_DAMAGED = 200
_UNKNOWN_INTERVAL_S = 0.25
_PIECES, _PIECE_BYTES = 64, 2**20
_DEMUXERS = {VideoFormat.MP4: "mov", VideoFormat.MATROSKA: "matroska", VideoFormat.AVI: "avi"}
_EARLIEST_YEAR = 1990  # cameras without a clock write 1904 or 1970


@dataclass(frozen=True, slots=True, eq=False)
class VideoPicture:
    """One picture of a video."""

    at_s: float
    """Seconds from the beginning."""
    image: Image
    """(H, W, 3) uint8 BGR, upright as the file says; the next one may take its place in memory."""


class VideoFile:
    """An open video file."""

    def __init__(self, container: "InputContainer", stream: "VideoStream") -> None:
        self._container = container
        self._stream = stream

    @property
    def taken_s(self) -> float | None:
        """When it was begun by the camera's clock, in seconds of any epoch; `None` where it does not say."""
        metadata = {**self._stream.metadata, **self._container.metadata}
        # Telephones write local time there, as in the EXIF data of their photos.
        text = metadata.get("com.apple.quicktime.creationdate") or metadata.get("creation_time") or ""
        with contextlib.suppress(ValueError):
            taken = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
            return taken.timestamp() if taken.year >= _EARLIEST_YEAR else None
        return None

    @property
    def _seconds(self) -> float | None:
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else None

    def pictures(self, most: int, enough_px: int) -> Iterator[VideoPicture]:
        """Pictures from all over the video, in order.

        Args:
            most: how many at most.
            enough_px: of the longer side; larger ones are reduced to a half, a quarter or an eighth, never
                below this.

        Raises:
            PictureError: the video is too long, too large, or nothing of it can be decoded.
        """
        seconds = self._seconds
        if seconds is not None and seconds > 60 * MAX_MINUTES:
            raise PictureError(
                Rejection(
                    code=RejectionCode.VIDEO_TOO_LONG, found_minutes=seconds / 60, limit_minutes=MAX_MINUTES
                )
            )
        rate = float(self._stream.average_rate or 25)
        if seconds is None or seconds * rate <= _MOST_DECODED:
            interval_s = _UNKNOWN_INTERVAL_S if seconds is None else max(seconds / most, 1 / rate)
            frames = self._all_frames(interval_s, most)
        else:
            frames = self._key_frames([seconds * (at + 0.5) / most for at in range(most)])
        ends_s, given = time.monotonic() + MOST_S, 0
        for at_s, frame in frames:
            given += 1
            yield VideoPicture(at_s, bgr(frame, _divisor(frame, enough_px)))
            if time.monotonic() > ends_s:
                return
        if given == 0:
            raise PictureError(Rejection(code=RejectionCode.VIDEO_EMPTY))

    def _all_frames(self, interval_s: float, most: int) -> Iterator[tuple[float, "VideoFrame"]]:
        """Decode from the beginning, and give a frame every so often."""
        due_s, given = 0.0, 0
        for number, (at_s, frame) in enumerate(self._decoded()):
            if at_s >= due_s - 0.001:
                due_s = max(due_s + interval_s, at_s)
                given += 1
                yield at_s, frame
            if number >= _MOST_DECODED or given >= most:
                return

    def _key_frames(self, moments_s: list[float]) -> Iterator[tuple[float, "VideoFrame"]]:
        """Give the key frames before these moments, each once."""
        import av

        self._stream.codec_context.skip_frame = "NONKEY"
        last_s = -1.0
        for moment_s in moments_s:
            at = int((self._starts_s + moment_s) / float(self._stream.time_base or 1))
            try:
                self._container.seek(max(at, 0), stream=self._stream)
            except (av.error.FFmpegError, OSError):
                continue
            for at_s, frame in self._decoded():
                if at_s > last_s:
                    last_s = at_s
                    yield at_s, frame
                break

    @property
    def _starts_s(self) -> float:
        return float((self._stream.start_time or 0) * (self._stream.time_base or 0))

    def _decoded(self) -> Iterator[tuple[float, "VideoFrame"]]:
        """Decode what follows, without what is damaged."""
        import av

        damaged = packets = 0
        try:
            for packet in self._container.demux(self._stream):
                packets += 1
                try:
                    for frame in packet.decode():
                        packets = 0
                        check_size(frame.width, frame.height)
                        yield max(0.0, (frame.time or 0.0) - self._starts_s), frame
                except av.error.InvalidDataError:
                    damaged += 1
                if damaged > _MOST_DAMAGED or packets > _MOST_PACKETS:
                    return
        except (av.error.FFmpegError, OSError):
            return  # what came before is used


def _divisor(frame: "VideoFrame", enough_px: int) -> int:
    divisor = 1
    while divisor < 8 and max(frame.width, frame.height) // (2 * divisor) >= enough_px:
        divisor *= 2
    return divisor


@contextlib.contextmanager
def open_video(file: BinaryIO, kind: VideoFormat) -> Iterator[VideoFile]:
    """Open a video.

    Args:
        file: at its beginning.
        kind: what it is, see `video_format_of`.

    Raises:
        PictureError: it is damaged, of a kind that is not supported, or of sound alone.
    """
    import av

    file.seek(0)
    try:
        container = av.open(file, "r", format=_DEMUXERS[kind], metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise PictureError(Rejection(code=RejectionCode.VIDEO_DAMAGED)) from error
    with container:
        attached = av.stream.Disposition.attached_pic
        streams = [each for each in container.streams.video if not each.disposition & attached]
        if not streams:
            raise PictureError(Rejection(code=RejectionCode.NO_VIDEO))
        stream = streams[0]
        if stream.codec_context is None:
            raise PictureError(Rejection(code=RejectionCode.VIDEO_DAMAGED))
        if stream.codec_context.width * stream.codec_context.height:
            check_size(stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        yield VideoFile(container, stream)


@contextlib.contextmanager
def plain_video(path: Path) -> Iterator[tuple[BinaryIO, int, VideoFormat] | None]:
    """Open a file where it is a video by its first bytes.

    Yields:
        The open file, how many bytes it has, and what it is; `None` for all else.

    Raises:
        OSError: it is missing or forbidden.
        NotPlainError: it is no plain file.
    """
    with open_plain(path) as (file, size_bytes):
        kind = video_format_of(file.read(HEAD_BYTES))
        yield None if kind is None else (file, size_bytes, kind)


def video_key(file: BinaryIO, size_bytes: int) -> str:
    """What a video is recognised by: a hash of all of it, or of pieces of a large one."""
    digest = hashlib.sha256(f"video {size_bytes} ".encode())
    step = max(_PIECE_BYTES, size_bytes // _PIECES)
    for at in range(0, size_bytes, step):
        file.seek(at)
        digest.update(file.read(_PIECE_BYTES))
    file.seek(max(0, size_bytes - _PIECE_BYTES), os.SEEK_SET)
    digest.update(file.read(_PIECE_BYTES))
    return digest.hexdigest()
