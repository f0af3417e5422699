"""Decodes what is due of a stream, by a device where there is one, or without."""

from typing import TYPE_CHECKING, Any

from facerec_mqtt.cameras.streams.hardware import can_forget
from facerec_mqtt.cameras.streams.idling import Idling
from facerec_mqtt.cameras.streams.messages import DecodedBy, HardwareFault

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
# A device may keep some pictures back, but not two seconds of them.
_MOST_WITHOUT_PICTURE = 60


class Decoder:
    """Decodes packets that may not have been preceded by all of those before them.

    Args:
        software: the stream's decoder.
        idling: says what is due.
        hardware: a device's decoder of the stream; `None` for none. Key frames that are looked at alone are
            decoded without it: it may keep a picture back until the next one comes.
    """

    def __init__(
        self, software: "VideoCodecContext", idling: Idling, hardware: "VideoCodecContext | None" = None
    ) -> None:
        self._software = software
        self._hardware = hardware
        self._idling = idling
        self._is_drained = False
        self._is_behind = False
        """Whether the device has missed pictures."""
        self._began: int | None = None
        """The first picture that it was given since, by the stream's time."""
        self._unanswered = 0
        self._waits_for_key = False
        self._fault: DecodedBy | None = None

    def take_fault(self) -> DecodedBy | None:
        """What is to be said, once, where the device has failed and everything is decoded without it now."""
        fault, self._fault = self._fault, None
        return fault

    def frames(self, packets: "list[Packet[Any]]") -> "list[VideoFrame]":
        """The pictures that the last packet completes; an `InvalidDataError` where there are none."""
        if self._hardware is not None and not self._idling.idles:
            return self._by_hardware(self._hardware, packets)
        self._is_behind = True
        if self._waits_for_key and not packets[0].is_keyframe:
            return []
        self._waits_for_key = False
        return self._by_software(packets)

    def _by_software(self, packets: "list[Packet[Any]]") -> "list[VideoFrame]":
        if self._is_drained or len(packets) > 1:
            # What is kept in the decoder belongs to a key frame that was decoded alone.
            self._software.flush_buffers()
            self._is_drained = False
        frames: list[VideoFrame] = []
        for packet in packets:
            frames = self._software.decode(packet)
        if self._idling.idles and not frames:
            # Some streams have it wait for the next picture, which will not come.
            frames = self._software.decode(None)
            self._is_drained = True
            if not frames:
                self._idling.give_up()
        return frames

    def _by_hardware(self, hardware: "VideoCodecContext", packets: "list[Packet[Any]]") -> "list[VideoFrame]":
        import av

        try:
            if self._is_behind or len(packets) > 1:
                self._is_behind, self._began = False, packets[0].pts
                if can_forget(hardware):
                    hardware.flush_buffers()
            frames: list[VideoFrame] = []
            for packet in packets:
                frames = hardware.decode(packet)
        except (av.error.FFmpegError, OSError):
            return self._without_hardware(packets)
        self._unanswered = 0 if frames else self._unanswered + len(packets)
        if self._unanswered > _MOST_WITHOUT_PICTURE:
            return self._without_hardware(packets)
        # One that could not forget what was before may still give it.
        began = self._began
        return [frame for frame in frames if began is None or frame.pts is None or frame.pts >= began]

    def _without_hardware(self, packets: "list[Packet[Any]]") -> "list[VideoFrame]":
        self._hardware, self._waits_for_key = None, True
        self._fault = DecodedBy(None, HardwareFault.REFUSED)
        return self.frames(packets)
