"""One SOAP request to an ONVIF device: limited in time and size, and parsed without entities.

OASIS WS-Security UsernameToken Profile 1.0 (password digest); RFC 7616 where a device asks for it by HTTP.
A password is never sent in plain text: ONVIF asks for a digest, and anybody may answer in a network.
"""

import base64
import hashlib
import http.client
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from facerec_mqtt.cameras.network import Login
from facerec_mqtt.core.errors import CameraError

MAX_ANSWER_BYTES = 2**20
_MAX_DEPTH = 40
_SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_REFUSALS = ("NotAuthorized", "FailedAuthentication", "InvalidSecurity")


class Trouble(StrEnum):
    """Why a device does not say which streams it has."""

    TIMEOUT = auto()
    """It did not answer in time."""
    UNREACHABLE = auto()
    """There is no connection to it."""
    NOT_ONVIF = auto()
    """Its answer is not what ONVIF says."""
    LOGIN_NEEDED = auto()
    """It asks for a login, and none was given."""
    LOGIN_REFUSED = auto()
    """It refuses the login."""
    NO_STREAMS = auto()
    """It has none that can be read."""


class OnvifError(CameraError):
    """A device does not answer as it should.

    Args:
        trouble: why.
        detail: what it said or what the system said, shortened; never a secret.
    """

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(trouble, detail)
        self.trouble = trouble
        self.detail = "".join(letter for letter in detail if letter.isprintable())[:120]

    def __str__(self) -> str:
        return f"{self.trouble.value}: {self.detail}" if self.detail else self.trouble.value


@dataclass(slots=True)
class Device:
    """Where a device is asked.

    Args:
        url: of its device service.
        login: user and password; `None` for none.
        deadline_s: when to give up, of `time.monotonic`.
    """

    url: str
    login: Login | None
    deadline_s: float
    clock_ahead_s: float = 0.0
    """By how much its clock is ahead of ours: a login is only good for some minutes of its own time."""

    def ask(self, url: str, body: str, *, with_login: bool = True) -> Element:
        """Ask one of its services.

        Args:
            url: of the service.
            body: the request, XML.
            with_login: whether the login may be sent.

        Returns:
            The body of the answer.

        Raises:
            OnvifError: there is no such answer.
        """
        login = self.login if with_login else None
        status, content, challenges = self._post(url, self._envelope(body, login), None)
        if status == http.client.UNAUTHORIZED and login is not None:
            digests = [each for each in challenges if "digest" in each.lower()]
            path = urlsplit(url).path or "/"
            answer = login.answer(digests, "POST", path)
            if answer is not None and answer.startswith("Digest "):
                status, content, _ = self._post(url, self._envelope(body, login), answer)
        if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            raise OnvifError(Trouble.LOGIN_NEEDED if self.login is None else Trouble.LOGIN_REFUSED)
        return self._body(status, content)

    def _body(self, status: int, content: bytes) -> Element:
        envelope = parse(content)
        found = child(envelope, "Body")
        if local_name(envelope) != "Envelope" or found is None:
            raise OnvifError(Trouble.NOT_ONVIF, f"HTTP {status}")
        fault = child(found, "Fault")
        if fault is not None:
            said = " ".join("".join(fault.itertext()).split())
            if any(word in said for word in _REFUSALS):
                raise OnvifError(Trouble.LOGIN_NEEDED if self.login is None else Trouble.LOGIN_REFUSED)
            raise OnvifError(Trouble.NOT_ONVIF, said)
        return found

    def _envelope(self, body: str, login: Login | None) -> bytes:
        header = ""
        if login is not None:
            now = datetime.now(UTC) + timedelta(seconds=self.clock_ahead_s)
            nonce, created = secrets.token_bytes(16), f"{now:%Y-%m-%dT%H:%M:%SZ}"
            digest = hashlib.sha1(
                nonce + created.encode() + login.password.encode(), usedforsecurity=False
            ).digest()
            header = (
                f'<s:Header><w:Security xmlns:w="{_SECURITY}wssecurity-secext-1.0.xsd" s:mustUnderstand="1">'
                f"<w:UsernameToken><w:Username>{escape(login.username)}</w:Username>"
                f'<w:Password Type="{_SECURITY}username-token-profile-1.0#PasswordDigest">'
                f"{base64.b64encode(digest).decode()}</w:Password>"
                f"<w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce>"
                f'<u:Created xmlns:u="{_SECURITY}wssecurity-utility-1.0.xsd">{created}</u:Created>'
                "</w:UsernameToken></w:Security></s:Header>"
            )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">{header}<s:Body>{body}</s:Body></s:Envelope>'
        ).encode()

    def _post(self, url: str, content: bytes, authorization: str | None) -> tuple[int, bytes, list[str]]:
        """Send a request; status, body and challenges of the answer."""
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        headers = {"Content-Type": "application/soap+xml; charset=utf-8", "Connection": "close"}
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            with closing(kind(parts.hostname or "", parts.port, timeout=self._left_s())) as connection:
                connection.connect()
                link: socket.socket = connection.sock
                connection.request("POST", parts.path or "/", content, headers)
                with closing(connection.getresponse()) as response:
                    challenges = response.headers.get_all("WWW-Authenticate") or []
                    return response.status, self._read(link, response), challenges
        except TimeoutError:
            raise OnvifError(Trouble.TIMEOUT) from None
        except (http.client.HTTPException, ValueError) as error:
            raise OnvifError(Trouble.NOT_ONVIF, type(error).__name__) from error
        except OSError as error:
            raise OnvifError(Trouble.UNREACHABLE, error.strerror or type(error).__name__) from error

    def _read(self, link: socket.socket, response: http.client.HTTPResponse) -> bytes:
        content = b""
        while len(content) <= MAX_ANSWER_BYTES:
            # Each part may come just in time; together they may not.
            left_s = self._left_s()
            if link.fileno() >= 0:  # it is closed with the answer's end
                link.settimeout(left_s)
            part = response.read1(65536)
            if not part:
                return content
            content += part
        raise OnvifError(Trouble.NOT_ONVIF, f"more than {MAX_ANSWER_BYTES} bytes")

    def _left_s(self) -> float:
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


def parse(content: bytes) -> Element:
    """Read XML that may be anything; without entities, and not nested without end.

    Raises:
        OnvifError: it is none, or would harm.
    """
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise OnvifError(Trouble.NOT_ONVIF, type(error).__name__) from error
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise OnvifError(Trouble.NOT_ONVIF, "too deep")
        level = [inner for element in level for inner in element]
    return root


def local_name(element: Element) -> str:
    """An element's name without its namespace, which devices get wrong."""
    return element.tag.rpartition("}")[2]


def child(element: Element | None, *path: str) -> Element | None:
    """The first element by a path of local names; `None` where there is none."""
    for name in path:
        element = next(
            (inner for inner in (() if element is None else element) if local_name(inner) == name), None
        )
    return element


def below(element: Element, name: str) -> Iterator[Element]:
    """All elements of a local name, however deep."""
    return (inner for inner in element.iter() if local_name(inner) == name)


def text(element: Element | None, *path: str) -> str:
    """The text of an element by a path of local names; empty where there is none."""
    found = child(element, *path)
    return "" if found is None or found.text is None else found.text.strip()
