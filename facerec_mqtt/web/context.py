"""What a request is answered with: the household, the service, links and templates."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from facerec_mqtt.monitoring.page_messages import PageRequest
from facerec_mqtt.web.access.security import TOKENS_FILE, Sessions, SignIn, Tokens, now_s
from facerec_mqtt.web.household import Household
from facerec_mqtt.web.live import Frames, Live
from facerec_mqtt.web.setup.cameras import CameraSetupStore
from facerec_mqtt.web.setup.finding import CameraFinder
from facerec_mqtt.web.words import FILTERS

STATIC = Path(__file__).parent / "static"
API = "/api/"
PREFIX_KEY = "facerec_prefix"
"""In the scope of each request: what stands before our paths in links; `root_path` grows in mounts."""
SIGNED_IN_KEY = "facerec_signed_in"
"""In the scope of each request: "session", "token", "open" where no password is set, or `None`."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the page."""

    sign_in: SignIn | None
    """`None` where no password is asked for."""
    tokens: Tokens
    sessions: Sessions = field(default_factory=Sessions)
    clock: Callable[[], float] = now_s
    """Gives the time, in seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all requests share."""

    request: PageRequest
    """Settings, folders, cameras."""
    household: Household
    live: Live
    frames: Frames
    """Pictures of the cameras."""
    setups: CameraSetupStore
    """Settings of the cameras."""
    finder: CameraFinder
    """Cameras in the network."""
    access: Access
    templates: Environment

    @classmethod
    def of(
        cls, request: PageRequest, live: Live | None = None, clock: Callable[[], float] = now_s
    ) -> "Context":
        """Make the context of a page.

        Args:
            request: what the service has sent.
            live: the link to the service; without one nothing is live.
            clock: gives the time, in seconds of the monotonic clock.
        """
        password = None if request.supervisor is not None else request.password
        sign_in = None if password is None else SignIn.with_password(password.get_secret_value())
        tokens = Tokens(request.folders.model_dir / TOKENS_FILE)
        live = live or Live(request.cameras)
        access = Access(sign_in, tokens, clock=clock)
        templates = Environment(
            loader=PackageLoader("facerec_mqtt.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters.update(FILTERS)
        household, frames = Household(request.folders, live), Frames(request.cameras)
        setups, finder = CameraSetupStore(request, frames), CameraFinder(request.cameras)
        return cls(request, household, live, frames, setups, finder, access, templates)

    def render(
        self, request: Request, template: str, values: dict[str, object] | None = None, status: int = 200
    ) -> HTMLResponse:
        """Fill in a template.

        Besides `values` a template has `url(path)`, which makes the link to a path of ours, `path`, the path
        of this request, and `has_password`, whether a password is asked for, so that one may sign out.

        Args:
            request: what is answered.
            template: name of a file in `templates/`.
            values: what is filled in.
            status: of the answer.
        """
        shared: dict[str, object] = {
            "url": url_helper(request),
            "path": path_of(request),
            "has_password": self.access.sign_in is not None,
        }
        text = self.templates.get_template(template).render(shared | (values or {}))
        return HTMLResponse(text, status)


def context_of(connection: HTTPConnection) -> Context:
    """The context of the page that a request came to."""
    context: Context = connection.app.state.context
    return context


PageContext = Annotated[Context, Depends(context_of)]
"""Parameter of a route that needs the context."""


def failure(request: Request, status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """Answer that something was not done: as JSON below /api/, else as a page.

    Args:
        request: what is answered.
        status: of the answer.
        sentence: what is wrong, and what to do.
        headers: of the answer.
    """
    if path_of(request).startswith(API):
        return JSONResponse({"error": sentence}, status, headers)
    page = context_of(request).render(request, "message.html", {"title": sentence, "status": status}, status)
    page.headers.update(headers or {})
    return page


def path_of(connection: HTTPConnection) -> str:
    """The path that is asked for, without the prefix of a proxy: "/visits"."""
    path: str = connection.scope["path"]
    return path.removeprefix(connection.scope[PREFIX_KEY]) or "/"


def url_helper(connection: HTTPConnection) -> Callable[[str], str]:
    """Make the function that turns our paths into links, for whoever sent this request.

    A link has the prefix of a proxy before it, and to a static file the digest of its content behind it.
    """
    prefix: str = connection.scope[PREFIX_KEY]

    def url(path: str) -> str:
        digest = f"?v={static_digest(path)}" if path.startswith("/static/") else ""
        return f"{prefix}{path}{digest}"

    return url


_digests: dict[str, tuple[int, str]] = {}


def static_digest(path: str) -> str:
    """Of a static file's content, as it stands in links: "/static/page.css" -> "1f0e…"; of none, ""."""
    file = STATIC / path.removeprefix("/static/")
    try:
        changed = file.stat().st_mtime_ns
        known = _digests.get(path)
        if known is None or known[0] != changed:
            known = changed, hashlib.sha256(file.read_bytes()).hexdigest()[:16]
            _digests[path] = known
    except OSError:
        return ""
    return known[1]
