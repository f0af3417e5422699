"""WS-Discovery: which ONVIF devices answer in this network (OASIS WS-Discovery 1.1, as ONVIF uses it)."""

import contextlib
import select
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from facerec_mqtt.cameras.onvif.soap import OnvifError, below, parse, text

GROUP = ("239.255.255.250", 3702)
MAX_DEVICES = 64
_DATAGRAM_BYTES = 65535
_AGAIN_S = 1.0
"""A datagram may be lost; the question is asked again."""
_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:n="http://www.onvif.org/ver10/network/wsdl"><e:Header>'
    "<w:MessageID>uuid:{id}</w:MessageID><w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>"
    "<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>"
    "<e:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A device that has answered."""

    url: str
    """Of its device service."""
    name: str
    """What it calls itself; may be empty."""


def discover(seconds: float, targets: Sequence[tuple[str, int]] = (GROUP,)) -> tuple[Answer, ...]:
    """Ask the network.

    Args:
        seconds: for how long to wait for answers.
        targets: where to ask.

    Returns:
        A device each, in the order of their addresses.

    Raises:
        OSError: nothing can be sent into the network.
    """
    found: dict[str, Answer] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
        end_s = time.monotonic() + seconds
        again_s = 0.0
        while (now_s := time.monotonic()) < end_s and len(found) < MAX_DEVICES:
            if now_s >= again_s:
                again_s = now_s + _AGAIN_S
                for target in targets:
                    connection.sendto(_PROBE.format(id=uuid.uuid4()).encode(), target)
            ready, _, _ = select.select([connection], [], [], max(0.0, min(end_s, again_s) - now_s))
            if ready:
                content, (host, _) = connection.recvfrom(_DATAGRAM_BYTES)
                with contextlib.suppress(OnvifError):
                    _take(content, host, found)
    return tuple(found[url] for url in sorted(found))


def _take(content: bytes, host: str, found: dict[str, Answer]) -> None:
    """Take the devices out of an answer; only those at the address that it came from."""
    for match in below(parse(content), "ProbeMatch"):
        urls = [url for url in text(match, "XAddrs").split() if _is_at(url, host)]
        if urls:
            # One device, however many addresses and however often it answers.
            found.setdefault(urls[0], Answer(urls[0], _name(text(match, "Scopes"))))


def _is_at(url: str, host: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.hostname == host


def _name(scopes: str) -> str:
    """What a device calls itself: `onvif://www.onvif.org/name/Front%20door`."""
    marker = "onvif://www.onvif.org/name/"
    names = [scope[len(marker) :] for scope in scopes.split() if scope.lower().startswith(marker)]
    name = unquote(names[0]).replace("_", " ").strip() if names else ""
    return "".join(letter for letter in name if letter.isprintable())[:40]
