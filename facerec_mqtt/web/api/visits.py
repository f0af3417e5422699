"""The API of visits, of groups of strangers, and of pictures of strangers."""

import os
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from facerec_mqtt.core.clock import epoch_of, zone_or_machines
from facerec_mqtt.history import MAX_PAGE, VisitFilter, VisitKind
from facerec_mqtt.web.api.shared import (
    FAILURES,
    PHOTOS_BODY,
    PICTURE_HEADERS,
    PhotoPath,
    PhotoWidth,
    picture_file,
    read_photos,
)
from facerec_mqtt.web.box import PHOTOS_HERE
from facerec_mqtt.web.context import PageContext
from facerec_mqtt.web.household import InvalidError
from facerec_mqtt.web.household.people import stranger_url
from facerec_mqtt.web.schemas import (
    AddedPhotos,
    Assignment,
    Kind,
    LookAlikes,
    Merge,
    Slug,
    Split,
    Stranger,
    StrangerId,
    StrangerPhoto,
    StrangerPhotos,
    Strangers,
    Visit,
    VisitDetail,
    VisitId,
    Visits,
)

router = APIRouter(responses=FAILURES)
VisitPath = Annotated[VisitId, Path()]
StrangerPath = Annotated[StrangerId, Path()]


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


@router.post("/visits/{visit_id}/assign", dependencies=[PHOTOS_HERE])
def assign_visit(context: PageContext, visit_id: VisitPath, assignment: Assignment) -> Visit:
    """Say who a visit was; its pictures move into that folder."""
    return context.household.assign_visit(visit_id, assignment)


@router.post("/visits/{visit_id}/assign/check", dependencies=[PHOTOS_HERE])
def check_visit(context: PageContext, visit_id: VisitPath, assignment: Assignment) -> LookAlikes:
    """Whether that can be said of a visit, and whether its pictures look like somebody else."""
    return LookAlikes(looks_like=context.household.check_visit(visit_id, assignment))


@router.delete("/visits/{visit_id}", status_code=204)
def delete_visit(context: PageContext, visit_id: VisitPath) -> None:
    """Delete a visit with its pictures."""
    context.household.delete_visit(visit_id)


@router.get("/visits/{visit_id}/picture.jpg", response_class=FileResponse)
def visit_picture(context: PageContext, visit_id: VisitPath) -> Response:
    """The best picture of a visit."""
    return picture_file(context.household.visit_picture(visit_id), "image/jpeg")


@router.get("/visits/{visit_id}/pictures/{number}.jpg", response_class=FileResponse)
def other_picture(
    context: PageContext, visit_id: VisitPath, number: Annotated[int, Path(ge=0, le=99)]
) -> Response:
    """One of the pictures of a visit; the best is number 0."""
    return picture_file(context.household.visit_picture(visit_id, number), "image/jpeg")


@router.get("/strangers")
def strangers(context: PageContext) -> Strangers:
    """Visits without a name that are one person, the one that was seen last first."""
    return context.household.strangers()


@router.post("/strangers/merge")
def merge_strangers(context: PageContext, merge: Merge) -> Stranger:
    """Make two groups one, which keeps the id of `into`."""
    return context.household.merge_strangers(merge)


@router.post("/strangers/photos", status_code=201, openapi_extra=PHOTOS_BODY, dependencies=[PHOTOS_HERE])
async def add_stranger_photos(request: Request, context: PageContext) -> AddedPhotos:
    """Add pictures of people who are not family, multipart fields `photo`; each is judged at once."""
    async with read_photos(request) as files:
        return AddedPhotos(photos=await run_in_threadpool(context.household.stranger_photos.add, files))


@router.get("/strangers/photos")
def stranger_photos(context: PageContext) -> StrangerPhotos:
    """Pictures of people who are not family, the last first."""
    files = context.household.stranger_photos.files()
    return StrangerPhotos(photos=[StrangerPhoto(file=file, url=stranger_url(file)) for file in files])


@router.get("/strangers/photos/{file:path}", response_class=Response)
def stranger_jpeg(context: PageContext, file: PhotoPath, width: PhotoWidth = 640) -> Response:
    """One of them as JPEG, upright, its longer side at most `width` pixels."""
    jpeg = context.household.stranger_photos.copy(file, width)
    return Response(jpeg, media_type="image/jpeg", headers=PICTURE_HEADERS)


@router.delete("/strangers/photos/{file:path}", status_code=204, dependencies=[PHOTOS_HERE])
def delete_stranger_photo(context: PageContext, file: PhotoPath) -> None:
    """Delete one of them; it is kept for 30 days."""
    context.household.stranger_photos.delete(file)


@router.post("/strangers/{stranger_id}/assign", dependencies=[PHOTOS_HERE])
def assign_stranger(context: PageContext, stranger_id: StrangerPath, assignment: Assignment) -> Visits:
    """Say who a group of strangers is: as for a visit, for all of them."""
    return context.household.assign_stranger(stranger_id, assignment)


@router.post("/strangers/{stranger_id}/assign/check", dependencies=[PHOTOS_HERE])
def check_stranger(context: PageContext, stranger_id: StrangerPath, assignment: Assignment) -> LookAlikes:
    """The same of a group of strangers."""
    return LookAlikes(looks_like=context.household.check_stranger(stranger_id, assignment))


@router.post("/strangers/{stranger_id}/split", status_code=201)
def split_stranger(context: PageContext, stranger_id: StrangerPath, split: Split) -> Stranger:
    """Take visits out of a group into one of their own."""
    return context.household.split_stranger(stranger_id, split.visits)


@router.delete("/strangers/{stranger_id}", status_code=204)
def delete_stranger(context: PageContext, stranger_id: StrangerPath) -> None:
    """Delete all visits of a group, with their pictures."""
    context.household.delete_stranger(stranger_id)


def _epoch(name: str, text: str, *, end: bool) -> float:
    try:
        return epoch_of(text[:64], zone_or_machines(os.environ), end=end)
    except ValueError as error:
        raise InvalidError(
            f'"{name}" is neither a date nor a time; give one such as 2026-11-30 or 2026-11-30T18:00.'
        ) from error
