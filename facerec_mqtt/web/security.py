"""Who may use the page: passwords, sessions, tokens, and what a browser is told to refuse.

Without a password the page is served on the loopback interface alone. A session is a random number in a
cookie that neither scripts nor other sites' forms can use; what it stands for is kept here, in memory, and
ends with the process.
Tokens for programs are kept as hashes in `web.json` beside the models.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from facerec_mqtt.settings import is_loopback

SESSION_COOKIE = "facerec_session"
SESSION_S = 30 * 86_400.0
"""A session that is not used for this long has ended."""
MAX_SESSIONS = 200
FREE_ATTEMPTS = 5
"""Wrong passwords from one address before they are slowed down."""
MAX_DELAY_S = 60.0
MAX_ADDRESSES = 1000
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self';"
        " manifest-src 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
"""Sent with every answer."""


@dataclass(slots=True)
class _Attempts:
    wrong: int = 0
    until_s: float = 0.0
    """No attempt is looked at before, in seconds of the monotonic clock."""


@dataclass(slots=True)
class SignIn:
    """Checks passwords, and slows down who guesses. Times are arguments, in seconds of the monotonic clock.

    Args:
        password: the one that is set; its hash alone is kept.
    """

    _hash: str = field(repr=False)
    _attempts: OrderedDict[str, _Attempts] = field(default_factory=OrderedDict)

    @classmethod
    def with_password(cls, password: str) -> "SignIn":
        """Hash the password (argon2id) and keep nothing else of it."""
        return cls(PasswordHasher().hash(password))

    def wait_s(self, address: str, now_s: float) -> float:
        """For how long an address has to wait before its next attempt; 0 when it may try."""
        known = self._attempts.get(address)
        return 0.0 if known is None else max(0.0, known.until_s - now_s)

    def check(self, address: str, password: str, now_s: float) -> bool:
        """Whether a password is right; who still has to wait is wrong whatever it is.

        Args:
            address: the client's.
            password: as it was typed.
            now_s: the time.
        """
        if self.wait_s(address, now_s) > 0:
            return False
        # Argon2 itself costs time and memory: nobody gets that for megabytes of text.
        if len(password) <= 1024:
            try:
                PasswordHasher().verify(self._hash, password)
            except Argon2Error:
                pass
            else:
                self._attempts.pop(address, None)
                return True
        known = self._attempts.setdefault(address, _Attempts())
        self._attempts.move_to_end(address)
        known.wrong += 1
        known.until_s = now_s + min(MAX_DELAY_S, 2.0 ** max(0, known.wrong - FREE_ATTEMPTS) - 1)
        while len(self._attempts) > MAX_ADDRESSES:
            self._attempts.popitem(last=False)
        return False


class Sessions:
    """Sessions of browsers. Times are arguments, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._used_s: OrderedDict[str, float] = OrderedDict()

    def begin(self, now_s: float) -> str:
        """Make a session; returns the value of its cookie."""
        token = secrets.token_urlsafe(32)
        self._used_s[_digest(token)] = now_s
        while len(self._used_s) > MAX_SESSIONS:
            self._used_s.popitem(last=False)
        return token

    def is_valid(self, token: str, now_s: float) -> bool:
        """Whether a cookie's value stands for a session; it is used now."""
        key = _digest(token)
        used_s = self._used_s.get(key)
        if used_s is None:
            return False
        if now_s - used_s > SESSION_S:
            del self._used_s[key]
            return False
        self._used_s[key] = now_s
        self._used_s.move_to_end(key)
        return True

    def end(self, token: str) -> None:
        """End a session; an unknown one is ignored."""
        self._used_s.pop(_digest(token), None)


def is_foreign(method: str, headers: Mapping[str, str], host: str) -> bool:
    """Whether a change is asked for by another site's page.

    Args:
        method: of the request.
        headers: of the request, with lower-case names.
        host: the `Host` header.
    """
    if method in _SAFE_METHODS:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != host


def is_rebinding(host: str, listens_on: str) -> bool:
    """Whether a request to a loopback address names another host: a foreign site's name was pointed here."""
    if not is_loopback(listens_on):
        return False
    name = urlsplit(f"//{host}").hostname or ""
    return not is_loopback(name)


def token_digest(token: str) -> str:
    """What is kept of a token for programs: it has 256 random bits, so a fast hash will do."""
    return _digest(token)


def now_s() -> float:
    """The monotonic clock, which all times here are of."""
    return time.monotonic()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
