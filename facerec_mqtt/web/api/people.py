"""The API of people and their photos."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from facerec_mqtt.web.api.shared import (
    FAILURES,
    PHOTOS_BODY,
    PICTURE_HEADERS,
    PhotoPath,
    PhotoWidth,
    read_photos,
)
from facerec_mqtt.web.box import PHOTOS_HERE
from facerec_mqtt.web.context import PageContext
from facerec_mqtt.web.schemas import (
    AddedPhotos,
    Face,
    LookAlikes,
    NewName,
    People,
    Person,
    Photo,
    PhotoChange,
    Photos,
    PhotosToCompare,
    Slug,
    ToForget,
)

router = APIRouter(responses=FAILURES, dependencies=[PHOTOS_HERE])
PersonPath = Annotated[Slug, Path()]


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


@router.get("/people/{person}/to-forget")
def to_forget(context: PageContext, person: PersonPath) -> ToForget:
    """What goes when somebody is forgotten, also visits without a name that probably are theirs."""
    return context.household.to_forget(person)


@router.delete("/people/{person}", status_code=204, responses={202: {"description": "It goes on."}})
def forget_person(context: PageContext, person: PersonPath) -> Response:
    """Remove all traces of somebody, permanently; 202 where that goes on, since a model is made."""
    return Response(status_code=204 if context.household.forget_person(person) else 202)


@router.get("/people/{person}/photos")
def photos(context: PageContext, person: PersonPath) -> Photos:
    """Somebody's photos, the latest first, each with what became of it."""
    return context.household.photos(person)


@router.post(
    "/people/{person}/photos",
    status_code=201,
    openapi_extra=PHOTOS_BODY,
)
async def add_photos(request: Request, context: PageContext, person: PersonPath) -> AddedPhotos:
    """Add photos, multipart fields `photo`; each is judged at once."""
    async with read_photos(request) as files:
        added = await run_in_threadpool(context.household.add_photos, person, files)
    return AddedPhotos(photos=added)


@router.post("/people/{person}/look-alikes")
def look_alikes(context: PageContext, person: PersonPath, asked: PhotosToCompare) -> LookAlikes:
    """Which of somebody's photos look like somebody else to the model in use."""
    return LookAlikes(looks_like=context.household.look_alikes(person, asked))


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
    width: PhotoWidth = 1280,
) -> Response:
    """A photo as JPEG, upright, its longer side at most `width` pixels."""
    jpeg = context.household.photo_jpeg(person, file, width)
    return Response(jpeg, media_type="image/jpeg", headers=PICTURE_HEADERS)


@router.patch("/people/{person}/photos/{file:path}")
def change_photo(context: PageContext, person: PersonPath, file: PhotoPath, change: PhotoChange) -> Photo:
    """Move a photo to somebody else, use it although it was rejected, or choose one of its faces."""
    return context.household.change_photo(person, file, change)


@router.delete("/people/{person}/photos/{file:path}", status_code=204)
def delete_photo(context: PageContext, person: PersonPath, file: PhotoPath) -> None:
    """Delete a photo; it can be restored for 30 days."""
    context.household.delete_photo(person, file)
