"""Whether a camera gives pictures: what changes is logged and reported, once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facerec_mqtt.cameras.protocol import CameraFailure, Opened
from facerec_mqtt.cameras.streams.messages import DecodedBy, HardwareFault

if TYPE_CHECKING:
    from facerec_mqtt.settings import CameraSettings
_log = logging.getLogger(__name__)
_HARDWARE_FAULTS = {
    HardwareFault.NOT_BUILT_IN: "PyAV is built without it here, or without it for this codec",
    HardwareFault.NO_DEVICE: "there is no such device here, or this user may not open it",
    HardwareFault.REFUSED: "the device failed with this stream",
}
OnStatus = Callable[[str, bool, CameraFailure | None], None]
"""Called on a change with the camera's slug, whether it gives pictures, and why it does not."""


@dataclass(frozen=True, slots=True)
class CameraCounters:
    """What a camera has given."""

    frames: int
    """Frames that were read or found unchanged, since the start."""
    reconnects: int
    """Times that it was opened again, since the start."""
    fps: float
    """Frames a second over the last seconds."""


class CameraStatus:
    """The status of one camera. Its supervising thread alone changes it; all may read it.

    Args:
        settings: which camera.
        on_status: called on a change.
        logged: whether changes are logged too.
    """

    def __init__(self, settings: CameraSettings, on_status: OnStatus | None, *, logged: bool) -> None:
        self._settings = settings
        self._on_status = on_status
        self.info, self._warning = (logging.INFO, logging.WARNING) if logged else (logging.DEBUG,) * 2
        self._lost_s = 0.0
        self._reported: CameraFailure | None = None
        self._decoded_by: DecodedBy | None = None
        self.online: bool | None = None
        """Whether it gives pictures; `None` before that is known."""
        self.failure: CameraFailure | None = None
        """Why it gives none."""

    def report_online(self, opened: Opened | None) -> None:
        """It gives pictures.

        Args:
            opened: what the first is like; `None` where they come only when something happens.
        """
        if self.online:
            return
        name = self._settings.name
        if self.online is None and opened is None:
            _log.log(self.info, 'Camera "%s" is online: it gives pictures when something happens', name)
        elif self.online is None and opened is not None:
            size = opened.width_px, opened.height_px
            _log.log(self.info, 'Camera "%s" is online: %dx%d pixels', name, *size)
        else:
            away_s = time.monotonic() - self._lost_s
            _log.log(self.info, 'Camera "%s" is back after %.0f s', name, away_s)
        self.online, self.failure = True, None
        self._call(online=True, failure=None)

    def report_decoder(self, decoded_by: DecodedBy) -> None:
        """It is decoded by a device, or is not, although that is asked for; logged where it has changed."""
        if decoded_by == self._decoded_by:
            return
        self._decoded_by = decoded_by
        name, wanted = self._settings.name, self._settings.hardware_decoding
        if decoded_by.fault is None:
            _log.log(self.info, 'Camera "%s" is decoded by %s', name, decoded_by.device)
        else:
            reason = _HARDWARE_FAULTS[decoded_by.fault]
            sentence = 'Camera "%s" is decoded by the processor: hardware_decoding is %s, and %s'
            _log.log(self.info, sentence, name, wanted, reason)

    def report_lost(self, failure: CameraFailure) -> None:
        """It gives none, and why; also where that has been so before."""
        was_lost = self.online is False
        # What somebody must set right is logged also when it turns up later, as after a camera's reset.
        if not was_lost or (failure.needs_action and failure != self._reported):
            name = self._settings.name
            _log.log(self._warning, 'Camera "%s" %s. Retrying indefinitely', name, failure.sentence)
            self._reported = failure
        else:
            _log.debug('Camera "%s" is still lost: it %s', self._settings.name, failure.sentence)
        self.failure = failure
        if was_lost:
            return
        self.online, self._lost_s = False, time.monotonic()
        self._call(online=False, failure=failure)

    def _call(self, *, online: bool, failure: CameraFailure | None) -> None:
        if self._on_status is None:
            return
        try:
            self._on_status(self._settings.slug, online, failure)
        except Exception:
            _log.exception('Camera "%s": its status could not be processed', self._settings.name)
