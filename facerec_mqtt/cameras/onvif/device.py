"""What an ONVIF device says of itself, and its streams (ONVIF Core and Media, version 1)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit, urlunsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from facerec_mqtt.cameras.onvif.soap import Device, OnvifError, Trouble, below, child, text

_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_MOST_PROFILES = 16
_MOST_LETTERS = 80


@dataclass(frozen=True, slots=True)
class Stream:
    """One of the streams of a camera."""

    url: str
    """Without user and password."""
    profile: str
    """What the camera calls it."""
    encoding: str
    """`H264`, `H265`, `JPEG`; empty where it does not say."""
    width_px: int
    height_px: int
    fps: float
    """0 where it does not say, as the sizes are."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a device says of itself."""

    maker: str
    model: str
    streams: tuple[Stream, ...]


def read_device(device: Device) -> DeviceFacts:
    """Ask a device for all that is needed to watch it.

    Raises:
        OnvifError: it does not say, or has no stream.
    """
    device.clock_ahead_s = _clock_ahead_s(device)
    facts = _information(device)
    media = _media_service(device)
    answer = device.ask(media, f'<GetProfiles xmlns="{_MEDIA}"/>')
    streams = []
    trouble: OnvifError | None = None
    for profile in list(below(answer, "Profiles"))[:_MOST_PROFILES]:
        try:
            streams.append(_stream(device, media, profile))
        except OnvifError as error:
            # One profile without a stream is no reason to hide the others; a slow device is asked no more.
            trouble = error
            if error.trouble in (Trouble.TIMEOUT, Trouble.UNREACHABLE):
                break
    if not streams:
        raise trouble or OnvifError(Trouble.NO_STREAMS)
    return DeviceFacts(*facts, tuple(streams))


def _clock_ahead_s(device: Device) -> float:
    """By how much a device's clock is ahead of ours; it says so to anybody, or is taken to be right."""
    try:
        answer = device.ask(device.url, f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>', with_login=False)
        when = next(below(answer, "UTCDateTime"))
        numbers = [
            int(text(when, *path))
            for path in (
                ("Date", "Year"),
                ("Date", "Month"),
                ("Date", "Day"),
                ("Time", "Hour"),
                ("Time", "Minute"),
                ("Time", "Second"),
            )
        ]
        year, month, day, hour, minute, second = numbers
        there = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (StopIteration, ValueError, OverflowError):
        return 0.0
    except OnvifError as error:
        if error.trouble in (Trouble.TIMEOUT, Trouble.UNREACHABLE):
            raise
        return 0.0
    return (there - datetime.now(UTC)).total_seconds()


def _information(device: Device) -> tuple[str, str]:
    """Maker and model; many a device says nothing without a login."""
    answer = device.ask(device.url, f'<GetDeviceInformation xmlns="{_DEVICE}"/>')
    found = child(answer, "GetDeviceInformationResponse")
    return _short(text(found, "Manufacturer")), _short(text(found, "Model"))


def _media_service(device: Device) -> str:
    body = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
    answer = device.ask(device.url, body)
    for media in below(answer, "Media"):
        if address := text(media, "XAddr"):
            return _at(device, address)
    raise OnvifError(Trouble.NO_STREAMS)


def _stream(device: Device, media: str, profile: Element) -> Stream:
    token = profile.get("token", "")
    body = (
        f'<GetStreamUri xmlns="{_MEDIA}"><StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
        f'<Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
        f"<ProfileToken>{escape(token)}</ProfileToken></GetStreamUri>"
    )
    uri = next((found.text or "" for found in below(device.ask(media, body), "Uri")), "").strip()
    encoder = child(profile, "VideoEncoderConfiguration")
    return Stream(
        url=_stream_url(device, uri),
        profile=_short(text(profile, "Name") or token),
        encoding=_short(text(encoder, "Encoding")),
        width_px=int(_number(text(encoder, "Resolution", "Width"))),
        height_px=int(_number(text(encoder, "Resolution", "Height"))),
        fps=_number(text(encoder, "RateControl", "FrameRateLimit")),
    )


def _at(device: Device, address: str) -> str:
    """An address of a service, at the device that was asked: behind a router it may name another host.

    So no login is sent to wherever an answer points.
    """
    found, asked = _split(address), urlsplit(device.url)
    if found.scheme not in ("http", "https") or found.hostname != asked.hostname:
        return urlunsplit((asked.scheme, asked.netloc, found.path or "/", found.query, ""))
    return address


def _stream_url(device: Device, uri: str) -> str:
    """A stream's address: at this device, and without the login that some put in."""
    parts = _split(uri)
    if parts.scheme not in ("rtsp", "rtsps", "http", "https") or not parts.hostname:
        raise OnvifError(Trouble.NO_STREAMS)
    host, port = urlsplit(device.url).hostname or parts.hostname, parts.port
    place = f"[{host}]" if ":" in host else host
    return urlunsplit(
        (parts.scheme, place if port is None else f"{place}:{port}", parts.path, parts.query, "")
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a bad one is found out only when it is looked at
    except ValueError as error:
        raise OnvifError(Trouble.NOT_ONVIF, "an address that is none") from error
    return parts


def _number(value: str) -> float:
    """A number of a device; 0 where it is none or absurd."""
    try:
        number = float(value)
    except ValueError:
        return 0.0
    return number if 0 <= number < 100_000 else 0.0


def _short(value: str) -> str:
    return "".join(letter for letter in value if letter.isprintable())[:_MOST_LETTERS]
