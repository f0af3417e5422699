"""The API of the model."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from facerec_mqtt.core.images import MAX_FILE_BYTES
from facerec_mqtt.web.api.shared import FAILURES, picture_file, read_body, read_form
from facerec_mqtt.web.box import PHOTOS_HERE
from facerec_mqtt.web.context import PageContext
from facerec_mqtt.web.household import InvalidError
from facerec_mqtt.web.schemas import (
    Checks,
    Choices,
    Models,
    NewChoices,
    Quality,
    Recognised,
    RollbackRequest,
)

router = APIRouter(responses=FAILURES)


@router.get("/model")
def model(context: PageContext) -> Models:
    """The model in use and the versions that are kept."""
    return context.household.model()


@router.post("/model/rollback", status_code=202, dependencies=[PHOTOS_HERE])
def roll_back(context: PageContext, wanted: RollbackRequest | None = None) -> Models:
    """Go back to a version that is kept; the service follows within seconds."""
    return context.household.rollback(None if wanted is None else wanted.version)


@router.get("/model/versions/{version}/report.html", response_class=FileResponse)
def report(context: PageContext, version: Annotated[str, Path(max_length=40)]) -> Response:
    """What the rebuild of a version found, as a page."""
    answer = picture_file(context.household.report_page(version), "text/html; charset=utf-8")
    # One file that loads nothing and runs nothing; its styles are in it.
    answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return answer


@router.get("/checks")
def checks(context: PageContext) -> Checks:
    """Everything that recognition needs, tried again; it may take some seconds."""
    return context.household.checks()


@router.get("/choices")
def choices(context: PageContext) -> Choices:
    """What was chosen on the page: whether pictures of strangers and of doubtful visits are kept."""
    return context.household.choices()


@router.put("/choices")
def choose(context: PageContext, chosen: NewChoices) -> Choices:
    """Choose whether pictures are kept; the service follows within seconds."""
    return context.household.choose(chosen)


@router.get("/quality")
def quality(context: PageContext, days: Annotated[int, Query(ge=1, le=3650)] = 7) -> Quality:
    """Whether it works: the visits of the last days."""
    return context.household.quality(days)


@router.post(
    "/recognise",
    dependencies=[PHOTOS_HERE],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def recognise(request: Request, context: PageContext) -> Recognised:
    """Who is in a picture, which is sent as the body or as a multipart field; it is not kept."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        async with read_form(request) as files:
            picture = files[0].read(MAX_FILE_BYTES + 1) if files else b""
    else:
        picture = await read_body(request)
    if not picture:
        raise InvalidError("Send a picture, as the body or as a multipart field with a file in it.")
    return await run_in_threadpool(context.household.recognise, picture)
