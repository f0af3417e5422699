"""Decoders of devices, where there are any: asked for camera by camera, and never needed."""

from typing import TYPE_CHECKING

from facerec_mqtt.cameras.streams.messages import DecodedBy, HardwareFault

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
AUTO = "auto"
_V4L2 = "v4l2m2m"
_IN_ORDER = ("vaapi", "cuda", _V4L2)


class _UnusableError(Exception):
    def __init__(self, fault: HardwareFault) -> None:
        super().__init__(fault)
        self.fault = fault


def open_hardware(wanted: str, software: "VideoCodecContext") -> "tuple[VideoCodecContext | None, DecodedBy]":
    """Open a device's decoder of a stream.

    Args:
        wanted: "vaapi", "cuda" or "v4l2m2m", or "auto" for the first of these that there is.
        software: the stream's decoder without a device.

    Returns:
        The decoder, `None` where there is none, and what is to be said of it.
    """
    faults = []
    for device in _IN_ORDER if wanted == AUTO else (wanted,):
        try:
            return _open(device, software), DecodedBy(device)
        except _UnusableError as error:
            faults.append(error.fault)
    # Where one is built in and its device is missing, that is what can be changed.
    fault = HardwareFault.NO_DEVICE if HardwareFault.NO_DEVICE in faults else faults[0]
    return None, DecodedBy(None, fault)


def can_forget(context: "VideoCodecContext") -> bool:
    """Whether a decoder can begin anew in the middle of a stream."""
    return not context.codec.name.endswith(_V4L2)


def _open(device: str, software: "VideoCodecContext") -> "VideoCodecContext":
    """Raises `_UnusableError` where that cannot be."""
    import av
    from av.codec.hwaccel import HWAccel, hwdevices_available
    from av.video.codeccontext import VideoCodecContext

    if device == _V4L2:
        name, accelerator = f"{software.codec.canonical_name}_{_V4L2}", None
        is_built_in = name in av.codecs_available
    else:
        name, accelerator = software.codec.name, HWAccel(device, allow_software_fallback=False)
        is_built_in = device in hwdevices_available()
    if not is_built_in:
        raise _UnusableError(HardwareFault.NOT_BUILT_IN)
    try:
        context = av.CodecContext.create(name, "r", accelerator)
        if not isinstance(context, VideoCodecContext) or (accelerator is not None and not context.is_hwaccel):
            # It decodes other streams, but none of this codec.
            raise _UnusableError(HardwareFault.NOT_BUILT_IN)
        context.extradata = software.extradata
        context.width, context.height = software.width, software.height
        context.thread_count = 1
        context.open()
    except (av.error.FFmpegError, OSError, ValueError):
        raise _UnusableError(HardwareFault.NO_DEVICE) from None
    return context
