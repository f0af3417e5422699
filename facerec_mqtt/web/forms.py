"""What can be changed without JavaScript: each form leads back to a page."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Form
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from facerec_mqtt.monitoring.page_messages import CapturePhotos, EnableCamera, RebuildModel, StopPhotos
from facerec_mqtt.web.box import PHOTOS_HERE
from facerec_mqtt.web.context import PageContext, url_helper
from facerec_mqtt.web.household import InvalidError
from facerec_mqtt.web.schemas import Assignment, NewChoices, NewName
from facerec_mqtt.web.words import what_is_wrong

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]
_Asked = TypeVar("_Asked", bound=BaseModel)


def back_to(request: Request, path: str) -> RedirectResponse:
    """Lead to a page after a change.

    Args:
        request: what is answered.
        path: of the page.
    """
    return RedirectResponse(url_helper(request)(path), 303)


def asked(kind: type[_Asked], **values: str) -> _Asked:
    """What a form asks for, as the API takes it.

    Raises:
        InvalidError: a value makes no sense.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InvalidError(what_is_wrong(error.errors()[0])) from None


@router.post("/visits/{visit_id}/assign", response_model=None, dependencies=[PHOTOS_HERE])
def assign_visit(
    request: Request,
    context: PageContext,
    visit_id: str,
    name: Text = "",
    visitor: Text = "",
    nobody: Text = "",
    sure: Text = "",
) -> Response:
    """Say who a visit was; where its pictures look like somebody else, it is asked once."""
    assignment = _assignment(context, name, visitor, nobody)
    like = None if sure else context.household.check_visit(visit_id, assignment)
    if like is not None:
        values: dict[str, object] = {
            "question": like.question,
            "fields": {"name": name, "visitor": visitor},
            "back": f"/visits/{visit_id}",
        }
        return context.render(request, "put_anyway.html", values)
    context.household.assign_visit(visit_id, assignment.model_copy(update={"sure": bool(sure)}))
    return back_to(request, f"/visits/{visit_id}")


@router.post("/visits/{visit_id}/delete")
def delete_visit(request: Request, context: PageContext, visit_id: str) -> RedirectResponse:
    """Delete a visit with its pictures."""
    context.household.delete_visit(visit_id)
    return back_to(request, "/visits")


@router.post("/people", dependencies=[PHOTOS_HERE])
def add_person(request: Request, context: PageContext, name: Text) -> RedirectResponse:
    """Begin with somebody new."""
    person = context.household.add_person(asked(NewName, name=name))
    return back_to(request, f"/people/{person.person}")


@router.post("/people/{person}/rename", dependencies=[PHOTOS_HERE])
def rename_person(request: Request, context: PageContext, person: str, name: Text) -> RedirectResponse:
    """Call somebody otherwise."""
    renamed = context.household.rename_person(person, asked(NewName, name=name))
    return back_to(request, f"/people/{renamed.person}")


@router.post("/people/{person}/forget", dependencies=[PHOTOS_HERE])
def forget_person(request: Request, context: PageContext, person: str, sure: Text) -> RedirectResponse:
    """Remove somebody permanently."""
    if sure == "yes":
        context.household.forget_person(person)
    return back_to(request, "/people")


@router.post("/people/{person}/photos/delete", dependencies=[PHOTOS_HERE])
def delete_photo(request: Request, context: PageContext, person: str, file: Text) -> RedirectResponse:
    """Delete a photo."""
    context.household.delete_photo(person, file)
    return back_to(request, f"/people/{person}")


@router.post("/strangers/photos/delete", dependencies=[PHOTOS_HERE])
def delete_stranger_photo(request: Request, context: PageContext, file: Text) -> RedirectResponse:
    """Delete a picture of a stranger."""
    context.household.stranger_photos.delete(file)
    return back_to(request, "/strangers#pictures")


@router.post("/people/{person}/enroll", dependencies=[PHOTOS_HERE])
def capture(request: Request, context: PageContext, person: str, camera: Text) -> RedirectResponse:
    """Take photos of somebody by a camera."""
    name = next((each.name for each in context.household.people().people if each.person == person), person)
    context.live.send(CapturePhotos(person=name, camera=camera))
    return back_to(request, f"/people/{person}/enroll?camera={camera}")


@router.post("/people/{person}/enroll/stop")
def stop_capture(request: Request, context: PageContext, person: str, camera: Text) -> RedirectResponse:
    """Take no more photos."""
    context.live.send(StopPhotos())
    return back_to(request, f"/people/{person}/enroll?camera={camera}")


@router.post("/model/rebuild", dependencies=[PHOTOS_HERE])
def rebuild(request: Request, context: PageContext) -> RedirectResponse:
    """Make a new model."""
    context.household.give_way()
    context.live.send(RebuildModel())
    return back_to(request, "/model")


@router.post("/model/rollback", dependencies=[PHOTOS_HERE])
def rollback(request: Request, context: PageContext, version: Text) -> RedirectResponse:
    """Use another version."""
    context.household.rollback(version)
    return back_to(request, "/model")


@router.post("/model/remove-added", dependencies=[PHOTOS_HERE])
def remove_added(
    request: Request, context: PageContext, photo: Annotated[list[str], Form(max_length=200)]
) -> RedirectResponse:
    """Delete photos that have come since the model in use was made; they can be restored for 30 days."""
    for each in photo:
        person, _, file = each.partition("/")
        if person:
            context.household.delete_photo(person, file)
        else:
            context.household.stranger_photos.delete(file)
    return back_to(request, "/model")


@router.post("/choices")
def choose(request: Request, context: PageContext, keep: Text, back: Text = "") -> RedirectResponse:
    """Say whether pictures of visits are kept."""
    context.household.choose(NewChoices(keeps_pictures=keep == "yes"))
    return back_to(request, "/model#pictures" if back == "model" else "/")


@router.post("/cameras/{camera}")
def enable(request: Request, context: PageContext, camera: str, on: Text) -> RedirectResponse:
    """Switch recognition at a camera on or off."""
    context.live.send(EnableCamera(camera=camera, on=on == "yes"))
    return back_to(request, "/cameras")


def _assignment(context: PageContext, name: str, visitor: str, nobody: str) -> Assignment:
    if nobody:
        return Assignment(nobody=True)
    if visitor:
        return asked(Assignment, visitor=name)
    known = next((each for each in context.household.people().people if each.name == name.strip()), None)
    return asked(Assignment, name=name) if known is None else Assignment(person=known.person)
