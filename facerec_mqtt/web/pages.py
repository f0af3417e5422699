"""The pages that a person reads: every one is complete without JavaScript, which adds what is live."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from facerec_mqtt.history import VisitFilter, VisitKind
from facerec_mqtt.web import forms, words
from facerec_mqtt.web.api.models import recognise
from facerec_mqtt.web.api.people import add_photos as add_sent
from facerec_mqtt.web.api.visits import add_stranger_photos, stranger_photos
from facerec_mqtt.web.box import PHOTOS_HERE, where_photos_are, work_of
from facerec_mqtt.web.context import Context, PageContext
from facerec_mqtt.web.first_page import notes, steps_to_arrival, with_presence
from facerec_mqtt.web.schemas import ModelVersion, Person, Status, Visit

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
router.include_router(forms.router)

LATEST = 6
"""Visits on the first page."""
PAGE = 50
"""Visits that are loaded at once."""


def render(request: Request, context: Context, template: str, **values: object) -> HTMLResponse:
    """Fill in a page's template, with what all pages show.

    Args:
        request: what is answered.
        context: what it is answered with.
        template: name of the file.
        values: what is filled in besides.
    """
    service = context.live.status
    names = {camera.camera: camera.name for camera in service.cameras}

    def place(camera: str) -> str:
        name = names.get(camera, camera).replace("_", " ")
        return name[:1].upper() + name[1:]

    shared = {
        "service": service,
        "place": place,
        "folders": context.request.folders,
        "takes_photos": context.request.folders.takes_photos,
        "photos_are": where_photos_are(context),
        "work": work_of(service.house),
    }
    return context.render(request, template, shared | values)


@router.get("/")
def now(request: Request, context: PageContext) -> HTMLResponse:
    """Who is here, the cameras, the latest visits, and what is to be done."""
    home, service = context.household, context.live.status
    everybody = home.people().people
    people = [each for each in everybody if each.kind == "family"]
    visits = home.visits(VisitFilter(), LATEST, None).visits
    steps = steps_to_arrival(
        service,
        people,
        visits,
        keeps_history=bool(context.request.folders.history_days),
        takes_photos=context.request.folders.takes_photos,
    )
    return render(
        request,
        context,
        "now.html",
        headline=words.headline(service.people) if people or service.people else "Welcome",
        notes=[] if steps else notes(service, len(home.strangers().strangers), _to_rebuild(context)),
        steps=steps,
        people=with_presence(people, service.people),
        photos=sum(each.photos for each in people),
        visits=visits,
        portrait_of=_portraits(everybody),
        choices=home.choices(),
    )


@router.get("/visits")
def visits(
    request: Request,
    context: PageContext,
    kind: str = "",
    person: str = "",
    camera: str = "",
    day: str = "",
    stranger: str = "",
    cursor: str = "",
) -> HTMLResponse:
    """The visits, a section for each day."""
    asked = {
        "kind": kind,
        "person": person,
        "camera": camera,
        "day": day,
        "stranger": stranger,
        "cursor": cursor,
    }
    since, until = words.bounds(day)
    found = context.household.visits(
        VisitFilter(
            person=person or None,
            camera=camera or None,
            kind=VisitKind(kind) if kind in set(VisitKind) else None,
            since=since,
            until=until,
            stranger_id=stranger or None,
        ),
        PAGE,
        cursor or None,
    )
    everybody = context.household.people().people
    return render(
        request,
        context,
        "visits.html",
        to_rebuild=_to_rebuild(context),
        portrait_of=_portraits(everybody),
        asked=asked,
        days=_by_day(found.visits),
        next=found.next,
        people=everybody,
        history_days=context.request.folders.history_days,
    )


@router.get("/visits/{visit_id}")
def visit(request: Request, context: PageContext, visit_id: str) -> HTMLResponse:
    """One visit: its pictures, and why it was named or not."""
    found = context.household.visit(visit_id)
    everybody = context.household.people().people
    return render(
        request,
        context,
        "visit.html",
        visit=found,
        pictures=found.pictures,
        facts=words.facts(found),
        curve=words.curve(found),
        people=everybody,
        portrait=next((each.picture for each in everybody if each.person == found.person), None),
        to_rebuild=_to_rebuild(context),
        keeps_pictures=context.household.choices().keeps_pictures,
    )


@router.get("/strangers")
def strangers(request: Request, context: PageContext) -> HTMLResponse:
    """Visits without a name, put together when they seem to be of one person."""
    return _strangers_page(request, context)


def _strangers_page(request: Request, context: Context, **values: object) -> HTMLResponse:
    return render(
        request,
        context,
        "strangers.html",
        strangers=context.household.strangers().strangers,
        pictures=stranger_photos(context).photos,
        to_rebuild=_to_rebuild(context),
        **values,
    )


@router.post("/strangers/photos", response_model=None, dependencies=[PHOTOS_HERE])
async def add_strangers(request: Request, context: PageContext) -> Response:
    """Add pictures of strangers, without JavaScript; what is wrong with one is said."""
    added = (await add_stranger_photos(request, context)).photos
    wrong = [each for each in added if each.reason or each.looks_like]
    if not wrong:
        return forms.back_to(request, "/strangers#pictures")
    return await run_in_threadpool(lambda: _strangers_page(request, context, answers=wrong))


@router.get("/people")
def people(request: Request, context: PageContext) -> HTMLResponse:
    """Everybody who is enrolled."""
    found = context.household.people()
    enrolled = found.people if context.request.folders.takes_photos else []
    return render(
        request,
        context,
        "people.html",
        people=enrolled,
        forgetting=found.notes,
        to_rebuild=_to_rebuild(context) if enrolled else "",
    )


@router.get("/people/{person}")
def person(request: Request, context: PageContext, person: str) -> HTMLResponse:
    """One person: photos, name, and the way to be forgotten."""
    return _person_page(request, context, person)


def _person_page(request: Request, context: Context, person: str, **values: object) -> HTMLResponse:
    if not context.request.folders.takes_photos:
        return people(request, context)
    found = context.household.photos(person)
    return render(
        request,
        context,
        "person.html",
        person=context.household.person(person),
        photos=found.photos,
        judging=found.judging,
        to_rebuild=_to_rebuild(context, person),
        **values,
    )


@router.post("/people/{person}/photos", response_model=None, dependencies=[PHOTOS_HERE])
async def add_photos(request: Request, context: PageContext, person: str) -> Response:
    """Add photos, without JavaScript; what is wrong with one is said."""
    added = (await add_sent(request, context, person)).photos
    wrong = [each for each in added if each.reason or each.looks_like]
    if not wrong:
        return forms.back_to(request, f"/people/{person}")
    return await run_in_threadpool(lambda: _person_page(request, context, person, answers=wrong))


@router.get("/people/{person}/enroll")
def enroll(request: Request, context: PageContext, person: str, camera: str = "") -> HTMLResponse:
    """Enroll somebody by a camera."""
    usable = [each for each in context.live.status.cameras if each.online and each.enabled]
    chosen = next((each for each in usable if each.camera == camera), usable[0] if usable else None)
    return render(request, context, "enroll.html", person=context.household.person(person), chosen=chosen)


@router.get("/model")
def model(request: Request, context: PageContext) -> HTMLResponse:
    """The model: rebuild, versions, try a picture, and whether it works."""
    return _model_page(request, context)


def _model_page(request: Request, context: Context, **values: object) -> HTMLResponse:
    home = context.household
    versions = home.model().versions
    # What cannot be read knows nobody, and cannot be used either.
    refused = next((each for each in versions[:1] if each.not_used_because and each.people), None)
    return render(
        request,
        context,
        "model.html",
        model_title=_model_title(context.live.status, versions),
        versions=versions,
        refused=refused,
        photos=sum(each.photos for each in home.people().people),
        quality=[home.quality(days) for days in (7, 28)],
        choices=home.choices(),
        **values,
    )


@router.post("/model/try", dependencies=[PHOTOS_HERE])
async def try_picture(request: Request, context: PageContext) -> HTMLResponse:
    """Who is in a picture, without JavaScript."""
    found = await recognise(request, context)
    faces = sorted(found.faces, key=lambda face: face.box[0])
    number = "{}. " if len(faces) > 1 else ""
    said = [number.format(at) + words.found(face) for at, face in enumerate(faces, 1)]
    said = said or ["There is no face in this picture."]
    return await run_in_threadpool(lambda: _model_page(request, context, tried=said))


def _by_day(visits: Iterable[Visit]) -> list[Mapping[str, object]]:
    today = words.local_now()
    return [
        {"date": date.isoformat(), "title": words.day(words.moment(group[0].began), today), "visits": group}
        for date, each in groupby(visits, lambda visit: words.moment(visit.began).date())
        if (group := list(each))
    ]


def _to_rebuild(context: Context, person: str | None = None) -> str:
    """That photos are new; nothing while a model is made of them."""
    idle = context.live.status.model.status != "training" and context.request.folders.takes_photos
    return words.to_rebuild(context.household.new_photos(person)) if idle else ""


def _portraits(people: Iterable[Person]) -> Callable[[Visit], str | None]:
    """Gives the picture of whoever a visit was."""
    pictures = {person.person: f"{person.picture}?width=168" for person in people if person.picture}
    return lambda visit: None if visit.person is None else pictures.get(visit.person)


def _model_title(service: Status, versions: Iterable[ModelVersion]) -> str:
    if service.model.status == "training":
        return "Rebuilding"
    if service.role == "camera":
        return "The model is on the recognisers"
    current = next((each for each in versions if each.current), None)
    return "No model yet" if current is None else f"In use: the one of {words.when(current.created)}"
