"""Signing in and out, and tokens for programs."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.web.access.security import SESSION_COOKIE, SESSION_S, SignIn
from facerec_mqtt.web.context import PREFIX_KEY, SIGNED_IN_KEY, Context, PageContext, url_helper
from facerec_mqtt.web.schemas import FAILURE, MadeToken, NewToken, Tokens

router = APIRouter()
_REFUSED: dict[int | str, dict[str, Any]] = {403: {**FAILURE}, 409: {**FAILURE}}
_TokenId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}$")]


class _Password(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    password: str


class RefusedError(FacerecError):
    """A program may not do this."""

    status = 403


class UnknownTokenError(FacerecError):
    """There is no such token."""

    status = 404


@router.get("/sign-in", include_in_schema=False)
async def ask_for_password(request: Request, context: PageContext, next: str = "/") -> Response:  # noqa: A002
    """The form."""
    if request.scope[SIGNED_IN_KEY] is not None:
        return RedirectResponse(url_helper(request)(_ours(next)), 303)
    return _form(request, context, next, None, 200)


@router.post("/sign-in", include_in_schema=False)
async def sign_in(request: Request, context: PageContext) -> Response:
    """Begin a session, for a form or for `{"password": …}`."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    typed, after = await (_typed_in_json(request) if is_json else _typed_in_form(request))
    known = context.access.sign_in
    if known is not None:
        address, at_s = request.client.host if request.client else "", context.access.clock()
        right = await run_in_threadpool(known.check, address, typed, at_s)
        if not right:
            return _wrong(request, context, after, known, address, at_s, is_json=is_json)
    answer: Response = Response(status_code=204)
    if not is_json:
        answer = RedirectResponse(url_helper(request)(_ours(after)), 303)
    if known is not None:
        answer.set_cookie(
            SESSION_COOKIE,
            context.access.sessions.begin(at_s),
            max_age=int(SESSION_S),
            path=request.scope[PREFIX_KEY] or "/",
            secure=request.scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )
    return answer


@router.post("/sign-out", include_in_schema=False)
async def sign_out(request: Request, context: PageContext) -> Response:
    """End the session."""
    context.access.sessions.end(request.cookies.get(SESSION_COOKIE, ""))
    answer = RedirectResponse(url_helper(request)("/sign-in"), 303)
    answer.delete_cookie(SESSION_COOKIE, path=request.scope[PREFIX_KEY] or "/")
    return answer


@router.get("/api/v1/tokens", tags=["tokens"])
def tokens(context: PageContext) -> Tokens:
    """The tokens for programs, without their text."""
    kept = [each.model_dump(exclude={"digest"}) for each in context.access.tokens.all()]
    return Tokens.model_validate({"tokens": kept})


@router.post(
    "/api/v1/tokens",
    status_code=201,
    responses={403: {**FAILURE}, 409: {**FAILURE}},
    tags=["tokens"],
)
def make_token(request: Request, context: PageContext, asked: NewToken) -> MadeToken:
    """Make a token for a program; its text is shown this once."""
    _require_a_person(request)
    kept, text = context.access.tokens.make(asked.name, datetime.now(UTC).astimezone())
    return MadeToken(token_id=kept.token_id, name=kept.name, created=kept.created, token=text)


@router.delete(
    "/api/v1/tokens/{token_id}",
    status_code=204,
    responses={**_REFUSED, 404: {**FAILURE}},
    tags=["tokens"],
)
def delete_token(request: Request, context: PageContext, token_id: _TokenId) -> None:
    """Delete a token: whoever has it is not answered any more."""
    _require_a_person(request)
    if not context.access.tokens.delete(token_id):
        raise UnknownTokenError(f'There is no token "{token_id}".')


def _require_a_person(request: Request) -> None:
    if request.scope[SIGNED_IN_KEY] == "token":
        raise RefusedError("A token makes and deletes no tokens; sign in with the password.")


async def _typed_in_json(request: Request) -> tuple[str, str]:
    try:
        return _Password.model_validate_json(await request.body()).password, "/"
    except ValidationError:
        raise FacerecError('Send the password as {"password": "…"}.') from None


async def _typed_in_form(request: Request) -> tuple[str, str]:
    async with request.form(max_files=0, max_fields=10) as form:
        return str(form.get("password", "")), str(form.get("next", "/"))


def _wrong(
    request: Request,
    context: Context,
    after: str,
    known: SignIn,
    address: str,
    at_s: float,
    *,
    is_json: bool,
) -> Response:
    wait_s = known.wait_s(address, at_s)
    status, headers = (429, {"Retry-After": f"{wait_s + 1:.0f}"}) if wait_s > 0 else (401, {})
    sentence = "This is not the password."
    if wait_s > 0:
        sentence = f"This is not the password, too often in a row; wait {wait_s + 1:.0f} s, then try again."
    if is_json:
        return JSONResponse({"error": sentence}, status, headers)
    answer = _form(request, context, after, sentence, status)
    answer.headers.update(headers)
    return answer


def _form(request: Request, context: Context, after: str, problem: str | None, status: int) -> Response:
    return context.render(request, "sign_in.html", {"next": _ours(after), "problem": problem}, status)


def _ours(path: str) -> str:
    """A path of ours, to go to after signing in; "/" for any other address."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours and len(path) <= 1000 else "/"
