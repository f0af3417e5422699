"""What every request passes before it is answered: who asks, from where, by which name, and how much.

One piece of ASGI middleware. What it finds out, it writes into the request's scope, in the place of what the
connection says: the client behind a proxy, the scheme, and the prefix that stands before our paths in links.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facerec_mqtt.web.access.addresses import is_in, networks
from facerec_mqtt.web.access.security import HEADERS, SESSION_COOKIE, is_foreign, is_rebinding, now_s
from facerec_mqtt.web.context import API, PREFIX_KEY, SIGNED_IN_KEY, Context, failure

MAX_BODY_BYTES = 65_536
MAX_UPLOAD_BYTES = 64 * 2**20
BODY_WITHIN_S, UPLOAD_WITHIN_S = 20.0, 300.0
"""A body that has not come as a whole by then does not come."""
_UPLOADS = re.compile(r"/api/v1/(recognise|people/[^/]+/photos)|/people/[^/]+(/photos)?|/recognise|/model")
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*){1,10}")
_OPEN = ("/sign-in", "/static/")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who asks, and how we are called."""

    address: str
    host: str
    scheme: str
    prefix: str
    is_trusted: bool
    """Whether the connection comes from a proxy that is believed."""


class Guard:
    """Lets through what may be answered.

    Args:
        app: what answers.
        context: settings and sessions.
        clock: gives the time, in seconds of the monotonic clock.
    """

    def __init__(self, app: ASGIApp, context: Context, clock: Callable[[], float] = now_s) -> None:
        self._app = app
        self._context = context
        self._clock = clock
        self._trusted = networks(context.request.believed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        caller = self._caller(scope, headers)
        _apply(caller, scope)
        request, guarded = Request(scope), _Answer(send, has_body=scope["method"] != "HEAD")
        refusal = self._refusal(request, headers, caller)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        try:
            # HEAD is answered as GET is; the server, which has a scope of its own, sends no body.
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            await self._app({**scope, "method": method}, _Body(scope, receive), guarded)
        except Exception:
            _log.exception("Unexpected error at %s %s", scope["method"], scope["path"][:200])
            if not guarded.has_begun:
                sentence = "Something went wrong here; the log of the service has the details."
                await failure(request, 500, sentence)(scope, receive, guarded)

    def _caller(self, scope: Scope, headers: Mapping[str, str]) -> _Caller:
        peer = scope["client"][0] if scope.get("client") else ""
        host, scheme = headers.get("host", ""), scope["scheme"]
        if not is_in(peer, self._trusted):
            return _Caller(peer, host, scheme, "", False)
        is_ingress = self._context.request.supervisor is not None
        prefix = headers.get("x-ingress-path" if is_ingress else "x-forwarded-prefix", "").rstrip("/")
        forwarded = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
        behind = (each for each in reversed(forwarded) if not is_in(each, self._trusted))
        proto = headers.get("x-forwarded-proto", "").split(",")[-1].strip()
        return _Caller(
            address=next(behind, peer),
            host=headers.get("x-forwarded-host", "").split(",")[-1].strip() or host,
            scheme=proto if proto in ("http", "https") else scheme,
            prefix=prefix if len(prefix) <= 200 and _PREFIX.fullmatch(prefix) else "",
            is_trusted=True,
        )

    def _refusal(self, request: Request, headers: Mapping[str, str], caller: _Caller) -> Response | None:
        """What a request is refused with; `None` where it may be answered."""
        settings, path = self._context.request, request.scope["path"][len(caller.prefix) :]
        if settings.supervisor is not None and not caller.is_trusted:
            return failure(
                request, 403, "Only Home Assistant is answered here; open the page from its sidebar."
            )
        if not caller.is_trusted and is_rebinding(caller.host, settings.host):
            sentence = "This address does not lead to this page; open it at 127.0.0.1 or localhost."
            return failure(request, 421, sentence)
        if is_foreign(request.method, headers, caller.host):
            return failure(request, 403, "Another site's page has asked for this; use the page itself.")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > _most_bytes(path):
            return failure(request, 413, _too_large(path))
        who = self._who(request, headers)
        request.scope[SIGNED_IN_KEY] = who
        if who is not None or path.startswith(_OPEN):
            return None
        if path.startswith(API) or request.method not in ("GET", "HEAD"):
            sentence = "Sign in first, or send a token made on the page as Authorization: Bearer."
            return failure(request, 401, sentence, {"WWW-Authenticate": "Bearer"})
        query = request.scope["query_string"].decode("latin-1")
        asked = quote(f"{path}?{query}" if query else path, safe="")
        return RedirectResponse(f"{caller.prefix}/sign-in?next={asked}", 303)

    def _who(self, request: Request, headers: Mapping[str, str]) -> str | None:
        """By what somebody is signed in: "open" where no password is asked for; `None` where by nothing."""
        access = self._context.access
        if access.sign_in is None:
            return "open"
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie is not None and access.sessions.is_valid(cookie, self._clock()):
            return "session"
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and access.tokens.is_valid(token.strip()):
            return "token"
        return None


class _Answer:
    """Sends an answer, with the headers that every one has."""

    def __init__(self, send: Send, *, has_body: bool) -> None:
        self._send = send
        self._has_body = has_body
        self.has_begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            # Whatever has not said otherwise is about people: nobody keeps it.
            headers.setdefault("Cache-Control", "no-store")
            await self._send(message)
            if not self._has_body:  # a stream would have no end
                await self._send({"type": "http.response.body"})
        elif self._has_body:
            await self._send(message)


class _Body:
    """Receives a body of limited size, in limited time."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        path = scope["path"][len(scope[PREFIX_KEY]) :]
        self._receive = receive
        self._path = path
        self._left = _most_bytes(path)
        within_s = UPLOAD_WITHIN_S if _UPLOADS.fullmatch(path) else BODY_WITHIN_S
        self._until_s = asyncio.get_running_loop().time() + within_s
        self._is_whole = False

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()  # that the client has gone, whenever it does
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408, "The request has not come as a whole in time; try again.", {"Connection": "close"}
            ) from None
        if message["type"] == "http.request":
            self._is_whole = not message.get("more_body", False)
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, _too_large(self._path))
        return message


def _apply(caller: _Caller, scope: Scope) -> None:
    scope["client"] = caller.address, 0
    scope["scheme"] = caller.scheme
    scope["root_path"] = scope[PREFIX_KEY] = caller.prefix
    path = scope["path"]
    # The proxy may have taken its prefix off, or not.
    if caller.prefix and path != caller.prefix and not path.startswith(f"{caller.prefix}/"):
        scope["path"] = caller.prefix + path
        scope["raw_path"] = caller.prefix.encode() + scope.get("raw_path", path.encode())


def _most_bytes(path: str) -> int:
    return MAX_UPLOAD_BYTES if _UPLOADS.fullmatch(path) else MAX_BODY_BYTES


def _too_large(path: str) -> str:
    most = _most_bytes(path)
    shown = f"{most // 2**20} MB" if most >= 2**20 else f"{most // 2**10} kB"
    return f"More than {shown} are not taken at once; send less."
