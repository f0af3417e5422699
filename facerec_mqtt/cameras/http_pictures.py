"""Pictures over HTTP: a camera's snapshot URL, asked again and again."""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from typing import Self
from urllib.parse import urlsplit

from facerec_mqtt.cameras.failures import CameraFailedError, FailureKind, failed
from facerec_mqtt.cameras.protocol import ReaderRequest
from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.core.picture_formats import WEB_FORMATS
from facerec_mqtt.core.records import Image

_LONGEST_PICTURE = 20 * 2**20
_RETRY_S = 0.5


class Snapshots:
    """One snapshot URL."""

    def __init__(
        self, url: str, opener: urllib.request.OpenerDirector, timeout_s: float, *, has_login: bool
    ) -> None:
        self._url = url
        self._place = urlsplit(url).netloc
        self._opener = opener
        self._has_login = has_login
        self._timeout_s = timeout_s
        self._has_given = False

    @classmethod
    def of(cls, request: ReaderRequest) -> Self:
        """Prepare to ask a camera; nothing is sent yet."""
        # A proxy is for the internet; the camera is in the local network.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        has_login = request.username is not None or request.password is not None
        if has_login:
            logins = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            logins.add_password(None, request.url, request.username or "", request.password or "")
            handlers += [
                urllib.request.HTTPDigestAuthHandler(logins),
                urllib.request.HTTPBasicAuthHandler(logins),
            ]
        opener = urllib.request.build_opener(*handlers)
        return cls(request.url, opener, request.timeout_s, has_login=has_login)

    def take(self) -> Image:
        """Ask for a picture; after the first, a passing fault is retried for as long as the watchdog allows.

        Raises:
            CameraFailedError: there is no picture, and why.
        """
        give_up_s = time.monotonic() + 0.8 * self._timeout_s
        while True:
            try:
                image = self._ask(max(0.1, give_up_s - time.monotonic()))
                self._has_given = True
                return image
            except urllib.error.HTTPError as error:
                error.close()
                fault = self._failure_of_status(error.code)
                if error.code < 500:
                    raise fault from None
            except (OSError, ValueError, http.client.HTTPException) as error:
                fault = self._failure_of(error)
            except PictureError as error:
                detail = f"{str(error)[:1].lower()}{str(error)[1:].rstrip('.')}"
                fault = failed(FailureKind.NO_PICTURE, detail=detail)
            if not self._has_given or time.monotonic() + _RETRY_S > give_up_s:
                raise fault
            time.sleep(_RETRY_S)

    def _ask(self, timeout_s: float) -> Image:
        with self._opener.open(self._url, timeout=timeout_s) as answer:
            if answer.headers.get_content_maintype() == "multipart":
                raise failed(FailureKind.VIDEO_STREAM)
            data = answer.read(_LONGEST_PICTURE + 1)
        if len(data) > _LONGEST_PICTURE:
            raise failed(FailureKind.PICTURE_TOO_LARGE, detail=f"{_LONGEST_PICTURE // 2**20} MB")
        return decode_picture(data, formats=WEB_FORMATS)

    def _failure_of_status(self, status: int) -> CameraFailedError:
        if status in (401, 403):
            kind = FailureKind.UNAUTHORIZED if self._has_login else FailureKind.LOGIN_MISSING
            return failed(kind, status=status)
        if status in (404, 410):
            return failed(FailureKind.NOT_FOUND, status=status, place=self._place)
        return failed(FailureKind.STATUS, status=status)

    def _failure_of(self, error: Exception) -> CameraFailedError:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return failed(FailureKind.TIMEOUT, place=self._place)
        if isinstance(reason, ConnectionRefusedError):
            return failed(FailureKind.REFUSED, place=self._place)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return failed(FailureKind.UNTRUSTED, detail=reason.verify_message)
        text = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        return failed(FailureKind.UNREACHABLE, place=self._place, detail=text)
