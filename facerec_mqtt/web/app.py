"""The page as an ASGI application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from facerec_mqtt import __version__
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.web import api, pages
from facerec_mqtt.web.access import sign_in
from facerec_mqtt.web.access.guard import Guard
from facerec_mqtt.web.context import STATIC, Context, failure, path_of, static_digest
from facerec_mqtt.web.live import routes as live_routes
from facerec_mqtt.web.schemas import FAILURE
from facerec_mqtt.web.setup import pages as setup_pages
from facerec_mqtt.web.setup import routes as setup_routes
from facerec_mqtt.web.words import what_is_wrong

_THREADS = 16
"""So many requests are answered from files at once; others wait."""


def create_app(context: Context) -> FastAPI:
    """Make the page.

    Args:
        context: what its requests are answered with.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        await to_thread.run_sync(context.household.start)
        link = asyncio.create_task(context.live.run())
        try:
            yield
        finally:
            link.cancel()
            context.household.close()

    app = FastAPI(
        title="facerec-mqtt",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={"default": {**FAILURE, "description": "Why it was not done."}},
    )
    app.state.context = context
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(FacerecError, _on_error)
    app.add_middleware(Guard, context=context, clock=context.access.clock)
    app.mount("/static", _Static(directory=STATIC), name="static")
    app.include_router(live_routes.router)
    app.include_router(sign_in.router)
    app.include_router(api.router)
    app.include_router(setup_routes.router)
    app.include_router(setup_pages.router)
    app.include_router(pages.router)
    return app


def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and error.detail == "Not Found":
        return failure(request, 404, f"There is nothing at {path_of(request)[:100]}.")
    if error.status_code == 400:
        sentence = "The body is not understood; send what /api/openapi.json describes."
        return failure(request, 400, sentence)
    if error.status_code == 405:
        sentence = f"{request.method} cannot be asked of {path_of(request)[:100]}."
        return failure(request, 405, sentence, dict(error.headers or {}))
    return failure(request, error.status_code, error.detail, dict(error.headers or {}))


def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return failure(request, 422, what_is_wrong(error.errors()[0]))


def _on_error(request: Request, error: Exception) -> Response:
    """An error of ours that a user can act on; its `status`, where it has one, is the answer's."""
    return failure(request, getattr(error, "status", 422), str(error))


class _Static(StaticFiles):
    """Files that a browser keeps until their content changes."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        asked = dict(part.partition("=")[::2] for part in scope["query_string"].decode("latin-1").split("&"))
        digest = static_digest(f"/static/{path}")
        fixed = bool(digest) and asked.get("v") == digest
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if fixed else "no-cache"
        return response
