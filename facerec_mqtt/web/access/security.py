"""Who may use the page: passwords, sessions, tokens, and what a browser is told to refuse.

Without a password the page is served on the loopback interface alone. A session is a random number in a
cookie that neither scripts nor other sites' forms can use; what it stands for is kept here, in memory, and
ends with the process.
Tokens for programs are kept as hashes in `web.json` beside the models.
"""

import hashlib
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.files import UnfitFileError, read_plain, replace_file
from facerec_mqtt.settings import is_loopback
from facerec_mqtt.web.access.addresses import counted_as

SESSION_COOKIE = "facerec_session"
SESSION_S = 30 * 86_400.0
"""A session that is not used for this long has ended."""
MAX_SESSIONS = 200
FREE_ATTEMPTS = 5
"""Wrong passwords from one address before they are slowed down."""
MAX_DELAY_S = 60.0
MAX_ADDRESSES = 1000
MAX_TOKENS = 50
TOKENS_FILE = "web.json"
_MAX_TOKENS_BYTES = 100_000
# What OWASP's cheat sheet on storing passwords has as the least for argon2id: 19 MiB, which a small box has.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_PATIENCE_S = 5.0
"""One password is checked at a time; whoever has to wait for longer is told to come again."""
_log = logging.getLogger(__name__)
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


class BusyError(FacerecError):
    """A password cannot be checked at present."""

    status = 429


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
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def with_password(cls, password: str) -> "SignIn":
        """Hash the password (argon2id) and keep nothing else of it."""
        return cls(_HASHER.hash(password))

    def wait_s(self, address: str, now_s: float) -> float:
        """For how long an address has to wait before its next attempt; 0 when it may try."""
        known = self._attempts.get(counted_as(address))
        return 0.0 if known is None else max(0.0, known.until_s - now_s)

    def check(self, address: str, password: str, now_s: float) -> bool:
        """Whether a password is right; who still has to wait is wrong whatever it is.

        Args:
            address: the client's.
            password: as it was typed.
            now_s: the time.

        Raises:
            BusyError: many passwords are being checked.
        """
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise BusyError("Many people are signing in; try again in a moment.")
        try:
            return self._check(counted_as(address), password, now_s)
        finally:
            self._lock.release()

    def _check(self, address: str, password: str, now_s: float) -> bool:
        if self.wait_s(address, now_s) > 0:
            return False
        # Argon2 itself costs time and memory: nobody gets that for megabytes of text.
        if len(password) <= 1024:
            try:
                _HASHER.verify(self._hash, password)
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


class KeptToken(BaseModel):
    """A token for a program, as it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    token_id: str
    name: str
    created: str
    digest: str


class _TokensFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = 1
    tokens: list[KeptToken] = []


class TokenError(FacerecError):
    """A token cannot be made or deleted."""

    status = 409


class Tokens:
    """Tokens for programs, kept as hashes.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._kept: dict[str, KeptToken] | None = None
        self._is_logged = False

    def all(self) -> list[KeptToken]:
        """All of them, the oldest first; none where the file cannot be read."""
        with self._lock:
            try:
                return list(self._load().values())
            except TokenError as error:
                if not self._is_logged:  # anybody can ask again and again
                    self._is_logged = True
                    _log.warning("%s", error)
                return []

    def is_valid(self, token: str) -> bool:
        """Whether a program has shown a token of ours."""
        digest = _digest(token)
        return any(secrets.compare_digest(digest, kept.digest) for kept in self.all())

    def make(self, name: str, now: datetime) -> tuple[KeptToken, str]:
        """Make a token; returns it as it is kept, and its text, which is shown this once.

        Raises:
            TokenError: there are too many, or the file cannot be read or written.
        """
        text = f"facerec_{secrets.token_urlsafe(32)}"
        made = KeptToken(
            token_id=secrets.token_hex(4),
            name=name,
            created=now.isoformat(timespec="seconds"),
            digest=_digest(text),
        )
        with self._lock:
            kept = self._load()
            if len(kept) >= MAX_TOKENS:
                raise TokenError(f"There are {MAX_TOKENS} tokens already; delete one that is not used.")
            self._save(kept | {made.token_id: made})
        return made, text

    def delete(self, token_id: str) -> bool:
        """Delete a token; returns whether there was one.

        Raises:
            TokenError: the file cannot be read or written.
        """
        with self._lock:
            kept = self._load()
            if token_id not in kept:
                return False
            self._save({key: each for key, each in kept.items() if key != token_id})
            return True

    def _load(self) -> dict[str, KeptToken]:
        if self._kept is None:
            try:
                content = _TokensFile.model_validate_json(read_plain(self._path, _MAX_TOKENS_BYTES))
            except FileNotFoundError:
                content = _TokensFile()
            except (OSError, UnfitFileError, ValidationError) as error:
                raise TokenError(
                    f"The tokens in {self._path} cannot be read ({type(error).__name__}); delete that file,"
                    " and make them again."
                ) from None
            self._kept = {token.token_id: token for token in content.tokens}
        return self._kept

    def _save(self, kept: dict[str, KeptToken]) -> None:
        content = _TokensFile(tokens=list(kept.values())).model_dump_json(indent=2)
        try:
            replace_file(self._path, content.encode())
        except OSError as error:
            raise TokenError(f"{self._path} cannot be written ({error.strerror}).") from None
        self._kept = kept


def is_foreign(method: str, headers: Mapping[str, str], host: str) -> bool:
    """Whether a change is asked for by another site's page.

    Args:
        method: of the request.
        headers: of the request, with lower-case names.
        host: the `Host` header.
    """
    if method in _SAFE_METHODS:
        return False
    # Where a browser says where a request comes from, that counts: a proxy may call us by another name.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != host


def is_rebinding(host: str, listens_on: str) -> bool:
    """Whether a request to a loopback address names another host: a foreign site's name was pointed here."""
    if not is_loopback(listens_on):
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # a bracket without its other one
        return True
    # The dot at the end of a full name says nothing else.
    return not is_loopback(name.removesuffix("."))


def now_s() -> float:
    """The monotonic clock, which all times here are of."""
    return time.monotonic()


def _digest(token: str) -> str:
    """What is kept of a random text: it has 256 bits, so a fast hash will do."""
    return hashlib.sha256(token.encode()).hexdigest()
