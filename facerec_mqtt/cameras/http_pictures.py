"""Pictures over HTTP: a camera's snapshot URL, asked again and again."""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from typing import Self

from facerec_mqtt.cameras.protocol import ReaderRequest
from facerec_mqtt.core.errors import CameraError, CameraRefusedError, PictureError
from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.core.records import Image

_LONGEST_PICTURE = 20 * 2**20
_RETRY_S = 0.5


class Snapshots:
    """One snapshot URL."""

    def __init__(
        self, url: str, opener: urllib.request.OpenerDirector, timeout_s: float, *, has_login: bool
    ) -> None:
        self._url = url
        self._opener = opener
        self._has_login = has_login
        self._timeout_s = timeout_s
        self._has_given = False

    @classmethod
    def of(cls, orders: ReaderRequest) -> Self:
        """Prepare to ask a camera; nothing is sent yet."""
        # A proxy is for the world outside; the camera is in the house.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        has_login = orders.username is not None or orders.password is not None
        if has_login:
            logins = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            logins.add_password(None, orders.url, orders.username or "", orders.password or "")
            handlers += [
                urllib.request.HTTPDigestAuthHandler(logins),
                urllib.request.HTTPBasicAuthHandler(logins),
            ]
        opener = urllib.request.build_opener(*handlers)
        return cls(orders.url, opener, orders.timeout_s, has_login=has_login)

    def take(self) -> Image:
        """Ask for a picture; once there was one, a passing fault is borne for as long as the watchdog would.

        Raises:
            CameraError: no picture is to be had; why, as the middle of a sentence.
        """
        give_up_s = time.monotonic() + 0.8 * self._timeout_s
        while True:
            try:
                image = self._ask(max(0.1, give_up_s - time.monotonic()))
                self._has_given = True
                return image
            except urllib.error.HTTPError as error:
                error.close()
                fault = _fault_of_status(error.code, self._has_login)
                if error.code < 500:
                    raise fault from None
            except (OSError, ValueError, http.client.HTTPException) as error:
                fault = _fault(error)
            except PictureError as error:
                fault = CameraError(f"sends no picture: {str(error)[:1].lower()}{str(error)[1:].rstrip('.')}")
            if not self._has_given or time.monotonic() + _RETRY_S > give_up_s:
                raise fault
            time.sleep(_RETRY_S)

    def _ask(self, timeout_s: float) -> Image:
        with self._opener.open(self._url, timeout=timeout_s) as answer:
            if answer.headers.get_content_maintype() == "multipart":
                raise CameraError("sends a film, not pictures; give the URL of its snapshots")
            data = answer.read(_LONGEST_PICTURE + 1)
        if len(data) > _LONGEST_PICTURE:
            raise CameraError(f"sends more than {_LONGEST_PICTURE // 2**20} MB; give the URL of one picture")
        return decode_picture(data)


def _fault_of_status(status: int, has_login: bool) -> CameraError:
    if status == 401 and not has_login:
        return CameraRefusedError("asks for a login (401); set username and password")
    if status in (401, 403):
        return CameraRefusedError(f"refuses the login ({status}); check username and password")
    if status in (404, 410):
        return CameraRefusedError(f"knows no such path ({status}); check its URL")
    return CameraError(f"refuses the picture (HTTP status {status}); see its manual or restart it")


def _fault(error: Exception) -> CameraError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return CameraError("cannot be reached: it does not answer; see that it is on and the address right")
    if isinstance(reason, ConnectionRefusedError):
        return CameraError("cannot be reached: it refuses connections; check the port in its URL")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return CameraError(
            f"cannot be trusted: {reason.verify_message}; name its certificate in SSL_CERT_FILE, or use http://"
        )
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
    return CameraError(f"cannot be reached: {text}; see that the address is right")
