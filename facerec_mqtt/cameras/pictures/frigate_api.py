"""Frigate's HTTP interface, as much of it as is needed: a camera's newest picture, and an object's sub label.

Port 5000 asks for no login. Port 8971 takes a token, or a user and a password for a cookie that lasts a day.
"""

import http.client
import json
import urllib.parse
from dataclasses import dataclass, field

from facerec_mqtt.cameras.http_source import Body, decoded, exchange, whole_body
from facerec_mqtt.cameras.network import Address
from facerec_mqtt.cameras.protocol import FailureKind, failed
from facerec_mqtt.core.records import Image

_PORTS = {"http": 5000, "https": 8971}
_QUALITY = 95
_LONGEST_LABEL = 100
_LONGEST_COOKIE = 4096


@dataclass(frozen=True, slots=True)
class FrigateLogin:
    """How Frigate knows us; nothing is set for port 5000."""

    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


class FrigateApi:
    """One Frigate.

    Args:
        url: `frigate://host/camera`, or `frigates://` with TLS.
        login: how it knows us.
        fingerprint: SHA-256 of the only certificate to trust, in hexadecimal.
    """

    def __init__(self, url: str, login: FrigateLogin, fingerprint: str | None) -> None:
        parts = urllib.parse.urlsplit(url)
        scheme = "https" if parts.scheme == "frigates" else "http"
        self._address = Address(scheme, parts.hostname or "", parts.port or _PORTS[scheme], "/", fingerprint)
        self._camera = parts.path.strip("/")
        self._login = login
        self._cookie: str | None = None

    def picture(self, timeout_s: float) -> Image:
        """The camera's newest picture, (H, W, 3) uint8 BGR, in the size in which Frigate looks for objects.

        Raises:
            CameraFailedError: there is none, and why.
        """
        path = f"/api/{self._camera}/latest.jpg?quality={_QUALITY}"
        connection, response = self._ask("GET", path, None, timeout_s)
        body = Body(self._address, connection, response)
        try:
            self._check(response, path_is_camera=True)
            if response.headers.get("X-Frigate-Offline") == "true":
                raise failed(FailureKind.OFFLINE_AT_FRIGATE)
            return decoded(whole_body(body))
        finally:
            body.close()

    def set_sub_label(self, event_id: str, name: str, score: float, timeout_s: float) -> None:
        """Say who a tracked person is.

        Args:
            event_id: of the tracked object.
            name: who it is.
            score: from 0 to 1, and not 0.
            timeout_s: for each step.

        Raises:
            CameraFailedError: Frigate does not take it, and why.
        """
        content = {"subLabel": name[:_LONGEST_LABEL], "subLabelScore": score}
        connection, response = self._ask("POST", f"/api/events/{event_id}/sub_label", content, timeout_s)
        try:
            self._check(response, path_is_camera=False)
        finally:
            response.close()
            connection.close()

    def _check(self, response: http.client.HTTPResponse, *, path_is_camera: bool) -> None:
        status, login = response.status, self._login
        if status in (401, 403):
            if login.token is not None:
                raise failed(FailureKind.TOKEN_REFUSED, status=status)
            missing = login.username is None
            raise failed(FailureKind.LOGIN_MISSING if missing else FailureKind.UNAUTHORIZED, status=status)
        if status == 404 and path_is_camera:
            raise failed(FailureKind.NOT_AT_FRIGATE, place=self._camera)
        if not 200 <= status < 300:
            raise failed(FailureKind.STATUS, status=status)

    def _ask(
        self, method: str, path: str, content: object, timeout_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection, response = self._send(method, path, content, timeout_s)
        # A cookie that has run out is replaced; so is one that there never was.
        if response.status == 401 and self._login.username is not None:
            connection.close()
            self._log_in(timeout_s)
            connection, response = self._send(method, path, content, timeout_s)
        return connection, response

    def _log_in(self, timeout_s: float) -> None:
        content = {"user": self._login.username, "password": self._login.password or ""}
        connection, response = self._send("POST", "/api/login", content, timeout_s)
        cookie = (response.headers.get("Set-Cookie") or "").partition(";")[0].strip()
        response.close()
        connection.close()
        self._cookie = cookie if cookie.isprintable() and len(cookie) <= _LONGEST_COOKIE else None
        self._check(response, path_is_camera=False)

    def _send(
        self, method: str, path: str, content: object, timeout_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        headers: dict[str, str] = {}
        if self._login.token is not None:
            headers["Authorization"] = f"Bearer {self._login.token}"
        elif self._cookie is not None:
            headers["Cookie"] = self._cookie
        body = None
        if content is not None:
            body, headers["Content-Type"] = json.dumps(content).encode(), "application/json"
        return exchange(self._address, method, path, headers, timeout_s, body)
