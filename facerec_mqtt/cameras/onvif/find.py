"""Find cameras with their streams, and the settings that each needs; for the command and the page."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from facerec_mqtt.cameras.network import Login
from facerec_mqtt.cameras.onvif.device import DeviceFacts, Stream, read_device
from facerec_mqtt.cameras.onvif.discovery import Answer, discover
from facerec_mqtt.cameras.onvif.soap import Device, OnvifError
from facerec_mqtt.core.slugs import SlugError, slug

ENOUGH_PX = 640
"""Of a stream's width: more is rarely better for faces at a door, and costs up to eight times as much."""
_DEVICE_S = 10.0
_AT_ONCE = 16
Discover = Callable[[float], Sequence[Answer]]


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A device in the network."""

    host: str
    name: str
    """What it calls itself, or its model; never empty."""
    maker: str = ""
    model: str = ""
    streams: tuple[Stream, ...] = ()
    """The best for recognition first; empty where it did not say."""
    failure: OnvifError | None = None
    """Why it did not say."""


def find_cameras(
    login: Login | None,
    *,
    hosts: Sequence[str] = (),
    seconds: float = 4.0,
    device_s: float = _DEVICE_S,
    ask_network: Discover = discover,
) -> tuple[FoundCamera, ...]:
    """Find cameras.

    Args:
        login: user and password for all of them; `None` for none.
        hosts: ask these, each `host` or `host:port`, and not the network.
        seconds: for how long to wait for answers from the network.
        device_s: how long one device may take altogether.
        ask_network: finds devices.

    Returns:
        A camera each, by address; also those that do not say what they have, with the reason.

    Raises:
        OSError: nothing can be sent into the network.
    """
    answers = [Answer(f"http://{host}/onvif/device_service", "") for host in hosts] or ask_network(seconds)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(lambda answer: _read(answer, login, device_s), answers))


def _read(answer: Answer, login: Login | None, device_s: float) -> FoundCamera:
    host = urlsplit(answer.url).hostname or ""
    try:
        facts = read_device(Device(answer.url, login, time.monotonic() + device_s))
    except OnvifError as error:
        return FoundCamera(host, answer.name or f"Camera {host}", failure=error)
    name = answer.name or facts.model or f"Camera {host}"
    return FoundCamera(host, name, facts.maker, facts.model, _best_first(facts))


def _best_first(facts: DeviceFacts) -> tuple[Stream, ...]:
    """The sub-stream before the main one: the narrowest that is wide enough, else the widest."""

    def order(stream: Stream) -> tuple[bool, int]:
        enough = stream.width_px >= ENOUGH_PX
        return not enough, stream.width_px if enough else -stream.width_px

    return tuple(sorted(facts.streams, key=order))


def ready_settings(
    camera: FoundCamera, taken: Collection[str], login: Login | None, *, show_password: bool
) -> dict[str, str]:
    """Make the element of `FACEREC_CAMERAS` for a camera.

    Args:
        camera: one with a stream.
        taken: slugs of names that are given already.
        login: user and password.
        show_password: whether the password itself is in it, or a word in its place.
    """
    settings = {"name": _free_name(camera, taken), "url": camera.streams[0].url}
    if login is not None:
        settings |= {"username": login.username, "password": login.password if show_password else "PASSWORD"}
    return settings


def _free_name(camera: FoundCamera, taken: Collection[str]) -> str:
    """A name whose slug no other camera has."""
    name = camera.name
    try:
        slug(name)
    except SlugError:
        name = f"Camera {camera.host}"
    free, number = name, 2
    while slug(free) in taken:
        free, number = f"{name} {number}", number + 1
    return free
