"""One picture in memory that two processes share: the reader puts the newest, the service takes it."""

import fcntl
import mmap
import os
import struct
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Image

# Time of capture (0 while there is no picture), width and height in pixels; then the pixels.
_HEADER = struct.Struct("<dII")
_NO_PICTURE = _HEADER.pack(0.0, 0, 0)


class SharedFrame:
    """The newest picture of a camera, under a lock of the kernel.

    The memory has no name and no place on disk, and the lock is gone with the process that held it:
    a reader that is killed in the middle of writing leaves "no picture" behind, not half of one.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None

    @classmethod
    def create(cls) -> Self:
        """Make the memory, empty; the caller closes it."""
        try:
            descriptor = os.memfd_create("facerec-frame")
        except (AttributeError, OSError):
            import tempfile

            # An old kernel or a sandbox. A file without a name is as good, where it is in memory too.
            folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - it has no name there
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _HEADER.size)
        return cls(descriptor)

    @property
    def descriptor(self) -> int:
        """To be handed to the reader's process."""
        return self._descriptor

    def close(self) -> None:
        """Release the memory; pictures that were read stay valid."""
        self._map = None
        os.close(self._descriptor)

    def write(self, captured_at_s: float, image: Image) -> None:
        """Replace the picture.

        Args:
            captured_at_s: when it was read, in seconds of `time.monotonic`.
            image: (H, W, 3) uint8 BGR, of any size.
        """
        height_px, width_px = image.shape[:2]
        size = _HEADER.size + image.size
        if os.fstat(self._descriptor).st_size < size:
            os.ftruncate(self._descriptor, size)
        memory = self._mapped()
        with _Lock(self._descriptor, fcntl.LOCK_EX):
            memory[: _HEADER.size] = _NO_PICTURE
            np.copyto(_pixels(memory, width_px, height_px), image)
            memory[: _HEADER.size] = _HEADER.pack(captured_at_s, width_px, height_px)

    def read(self, after_s: float) -> tuple[float, Image] | None:
        """Copy the picture, if it is newer than `after_s`.

        Returns:
            When it was captured and the picture, (H, W, 3) uint8 BGR, read-only; `None` when there is no
            newer one, or when it is being replaced this very moment.
        """
        memory = self._mapped()
        try:
            # Never wait: a reader that is stopped while it writes would stop us too.
            with _Lock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB):
                captured_at_s, width_px, height_px = _HEADER.unpack_from(memory)
                if captured_at_s <= after_s or width_px == 0:
                    return None
                if len(memory) < _HEADER.size + 3 * width_px * height_px:
                    return None  # it has grown since it was mapped
                image = _pixels(memory, width_px, height_px).copy()
        except BlockingIOError:
            return None
        image.flags.writeable = False
        return captured_at_s, image

    def _mapped(self) -> mmap.mmap:
        """All of the memory, mapped here.

        Never called under the lock: the map that is replaced closes its own descriptor of the file, and
        with that the kernel takes every lock of the process away.
        """
        size = os.fstat(self._descriptor).st_size
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self._descriptor, size)
        return self._map


class _Lock:
    """Holds the lock of a file while a block runs."""

    def __init__(self, descriptor: int, kind: int) -> None:
        self._descriptor = descriptor
        self._kind = kind

    def __enter__(self) -> None:
        fcntl.lockf(self._descriptor, self._kind)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def _pixels(memory: mmap.mmap, width_px: int, height_px: int) -> NDArray[np.uint8]:
    flat = np.frombuffer(memory, np.uint8, 3 * width_px * height_px, offset=_HEADER.size)
    return flat.reshape(height_px, width_px, 3)
