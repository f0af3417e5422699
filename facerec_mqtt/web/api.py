"""The API of what is on the disk: JSON below /api/v1; what is live is in `live.routes`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from facerec_mqtt.core.clock import epoch_of, zone_or_machines
from facerec_mqtt.core.images import MAX_FILE_BYTES
from facerec_mqtt.history import MAX_PAGE, VisitFilter, VisitKind
from facerec_mqtt.web.context import PageContext
from facerec_mqtt.web.household import InvalidError
from facerec_mqtt.web.schemas import (
    AddedPhotos,
    Assignment,
    Error,
    Face,
    Kind,
    Models,
    NewName,
    People,
    Person,
    Photo,
    PhotoChange,
    Photos,
    Quality,
    Recognised,
    RollbackRequest,
    Slug,
    Visit,
    VisitDetail,
    VisitId,
    Visits,
)

_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": description}
    for status, description in (
        (401, "Nobody is signed in."),
        (404, "There is no such thing any more."),
        (409, "What is there at present does not allow it."),
        (413, "It is too large."),
        (422, "What was sent makes no sense."),
        (503, "It cannot be done at present; try again."),
    )
}
router = APIRouter(prefix="/api/v1", tags=["household"], responses=_FAILURES)

MAX_FILES = 100
"""In one request."""
_PICTURE_HEADERS = {"Cache-Control": "private, no-cache"}
VisitPath = Annotated[VisitId, Path()]
PersonPath = Annotated[Slug, Path()]
PhotoPath = Annotated[str, Path(max_length=4096)]


# --- Visits


@router.get("/visits")
def visits(
    context: PageContext,
    person: Slug | None = None,
    camera: Slug | None = None,
    kind: Kind | None = None,
    since: str | None = None,
    until: str | None = None,
    stranger: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Visits:
    """Visits, the latest first. Times are dates or times as ISO 8601; a date alone lasts until its end."""
    wanted = VisitFilter(
        person=person,
        camera=camera,
        kind=None if kind is None else VisitKind(kind),
        since=None if since is None else _epoch("since", since, end=False),
        until=None if until is None else _epoch("until", until, end=True),
        stranger_id=stranger,
    )
    return context.household.visits(wanted, limit, cursor)


@router.get("/visits/{visit_id}")
def visit(context: PageContext, visit_id: VisitPath) -> VisitDetail:
    """One visit with all that is kept of it."""
    return context.household.visit(visit_id)


@router.post("/visits/{visit_id}/assign")
def assign_visit(context: PageContext, visit_id: VisitPath, assignment: Assignment) -> Visit:
    """Say who a visit was; its pictures move into that folder."""
    return context.household.assign_visit(visit_id, assignment)


@router.delete("/visits/{visit_id}", status_code=204)
def delete_visit(context: PageContext, visit_id: VisitPath) -> None:
    """Delete a visit with its pictures."""
    context.household.delete_visit(visit_id)


@router.get("/visits/{visit_id}/picture.jpg", response_class=FileResponse)
def visit_picture(context: PageContext, visit_id: VisitPath) -> Response:
    """The picture that decided a visit."""
    return _file(context.household.visit_picture(visit_id), "image/jpeg")


# --- People


@router.get("/people")
def people(context: PageContext) -> People:
    """Everybody enrolled, with how well each is recognised."""
    return context.household.people()


@router.post("/people", status_code=201)
def add_person(context: PageContext, name: NewName) -> Person:
    """Make a folder for somebody new."""
    return context.household.add_person(name)


@router.get("/people/{person}")
def one_person(context: PageContext, person: PersonPath) -> Person:
    """Somebody enrolled."""
    return context.household.person(person)


@router.patch("/people/{person}")
def rename_person(context: PageContext, person: PersonPath, name: NewName) -> Person:
    """Call somebody otherwise; entities and visits stay."""
    return context.household.rename_person(person, name)


@router.delete("/people/{person}", status_code=204, responses={202: {"description": "It goes on."}})
def forget_person(context: PageContext, person: PersonPath) -> Response:
    """Remove all traces of somebody, permanently; 202 where that goes on, since a model is made."""
    return Response(status_code=204 if context.household.forget_person(person) else 202)


# --- Photos


@router.get("/people/{person}/photos")
def photos(context: PageContext, person: PersonPath) -> Photos:
    """Somebody's photos, the latest first, each with what became of it."""
    return context.household.photos(person)


@router.post(
    "/people/{person}/photos",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["photo"],
                        "properties": {
                            "photo": {"type": "array", "items": {"type": "string", "format": "binary"}}
                        },
                    }
                }
            },
        }
    },
)
async def add_photos(request: Request, context: PageContext, person: PersonPath) -> AddedPhotos:
    """Add photos, multipart fields `photo`; each is judged at once."""
    async with _read_form(request) as files:
        if not files:
            raise InvalidError('Send at least one picture, as a multipart field "photo" with a file in it.')
        added = await run_in_threadpool(context.household.add_photos, person, files)
    return AddedPhotos(photos=added)


@router.get("/people/{person}/photos/{file:path}/faces")
def photo_faces(context: PageContext, person: PersonPath, file: PhotoPath) -> list[Face]:
    """The faces that a photo shows, the largest first; `PATCH` with `face` chooses one."""
    return context.household.photo_faces(person, file)


@router.post("/people/{person}/photos/{file:path}/restore")
def restore_photo(context: PageContext, person: PersonPath, file: PhotoPath) -> Photo:
    """Take a photo back that was deleted."""
    return context.household.restore_photo(person, file)


@router.get("/people/{person}/photos/{file:path}", response_class=Response)
def photo_jpeg(
    context: PageContext,
    person: PersonPath,
    file: PhotoPath,
    width: Annotated[int, Query(ge=16, le=2048)] = 1280,
) -> Response:
    """A photo as JPEG, upright, its longer side at most `width` pixels."""
    jpeg = context.household.photo_jpeg(person, file, width)
    return Response(jpeg, media_type="image/jpeg", headers=_PICTURE_HEADERS)


@router.patch("/people/{person}/photos/{file:path}")
def change_photo(context: PageContext, person: PersonPath, file: PhotoPath, change: PhotoChange) -> Photo:
    """Move a photo to somebody else, use it although it was rejected, or choose one of its faces."""
    return context.household.change_photo(person, file, change)


@router.delete("/people/{person}/photos/{file:path}", status_code=204)
def delete_photo(context: PageContext, person: PersonPath, file: PhotoPath) -> None:
    """Delete a photo; it can be restored for 30 days."""
    context.household.delete_photo(person, file)


# --- The model


@router.get("/model")
def model(context: PageContext) -> Models:
    """The model in use and the versions that are kept."""
    return context.household.model()


@router.post("/model/rollback", status_code=202)
def roll_back(context: PageContext, wanted: RollbackRequest | None = None) -> Models:
    """Go back to a version that is kept; the service follows within seconds."""
    return context.household.rollback(None if wanted is None else wanted.version)


@router.get("/model/versions/{version}/report.html", response_class=FileResponse)
def report(context: PageContext, version: Annotated[str, Path(max_length=40)]) -> Response:
    """What the rebuild of a version found, as a page."""
    return _file(context.household.report_page(version), "text/html; charset=utf-8")


@router.get("/quality")
def quality(context: PageContext, days: Annotated[int, Query(ge=1, le=3650)] = 7) -> Quality:
    """Whether it works: the visits of the last days."""
    return context.household.quality(days)


@router.post(
    "/recognise",
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
        async with _read_form(request) as files:
            picture = files[0].read(MAX_FILE_BYTES + 1) if files else b""
    else:
        picture = await _read_body(request)
    if not picture:
        raise InvalidError("Send a picture, as the body or as a multipart field with a file in it.")
    return await run_in_threadpool(context.household.recognise, picture)


def _epoch(name: str, text: str, *, end: bool) -> float:
    try:
        return epoch_of(text[:64], zone_or_machines(os.environ), end=end)
    except ValueError as error:
        raise InvalidError(
            f'"{name}" is neither a date nor a time; give one such as 2026-11-30 or 2026-11-30T18:00.'
        ) from error


def _file(path: FilePath, media_type: str) -> Response:
    return FileResponse(path, media_type=media_type, headers=_PICTURE_HEADERS)


# --- Files that are sent: gone from the disk however the request ends; `guard` limits how large they are


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a form; read in the thread that needs it."""

    name: str
    """What it was called; anything."""
    _file: UploadFile

    def read(self, most_bytes: int) -> bytes:
        """Its content, or so many bytes of it."""
        self._file.file.seek(0)
        return self._file.file.read(most_bytes)


@asynccontextmanager
async def _read_form(request: Request) -> AsyncIterator[list[SentFile]]:
    """Read the files of a multipart form; they are deleted afterwards.

    Raises:
        HTTPException: the form is malformed, or ends early.
    """
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
            sent = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
            yield [SentFile(each.filename or "", each) for each in sent]
    except ClientDisconnect as error:
        raise HTTPException(400, "The request ended early.") from error


async def _read_body(request: Request) -> bytes:
    """Read a whole body.

    Raises:
        HTTPException: it ends early.
    """
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise HTTPException(400, "The request ended early.") from error
