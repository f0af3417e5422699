"""What stands on the first page: what is to be done, the steps to the first arrival, and who is here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facerec_mqtt.web.schemas import Person, PersonStatus, Status, Visit
from facerec_mqtt.web.words import by_button


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is to be known or done, with the page where."""

    kind: str
    """`warn`, `wrong` or empty."""
    title: str
    text: str = ""
    link: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One of the four from nothing to the first arrival."""

    name: str
    title: str
    text: str
    state: str
    """`done`, `now` or `later`."""


def notes(service: Status, strangers: int, new: str) -> list[Note]:
    """What is to be known or done.

    Args:
        service: as it is at present.
        strangers: how many have no name.
        new: that photos are new; empty where none are.
    """
    found = []
    if not service.broker.online:
        text = service.broker.message or "Nothing is published until it is back."
        found.append(Note("warn", "No connection to the broker", text, "/cameras?check=1", "Check"))
    if service.model.status == "failed":
        text = by_button(service.model.message or "")
        title = "Nobody is recognised" if service.role == "camera" else "The last rebuild failed"
        found.append(Note("wrong", title, text, "/model", "Model"))
    if strangers:
        title = "One stranger has no name" if strangers == 1 else f"{strangers} strangers have no name"
        found.append(Note("", title, "If you know who it is, say so.", "/strangers", "Look"))
    if new:
        found.append(Note("", new, "The model learns from them at the next rebuild.", "/model", "Rebuild"))
    return found


def camera_step(state: str) -> Step:
    """The first step, with how far it is."""
    text = "The picture arrives." if state == "done" else "Which camera is to be watched?"
    return Step("camera", "A camera", text, state)


def steps_to_arrival(
    service: Status,
    people: Iterable[Person],
    visits: Iterable[Visit],
    *,
    keeps_history: bool,
    takes_photos: bool,
) -> list[Step]:
    """The way from nothing to the first arrival; empty once it has been walked.

    Args:
        service: as it is at present.
        people: of the family.
        visits: the latest.
        keeps_history: whether visits are kept.
        takes_photos: whether photos belong on this box.
    """
    if service.role == "recogniser":
        return []  # it has no cameras, and nobody arrives here
    photos = {person.name: person.photos for person in people if person.photos}
    elsewhere = service.model.made_by
    ready = service.model.version is not None
    seen = any(visit.kind == "family" for visit in visits) or any(each.last_seen for each in service.people)
    done = [bool(service.cameras), bool(photos or elsewhere or not takes_photos), ready, seen]
    if all(done[:3]) and (seen or not keeps_history):
        return []
    current = done.index(False)
    states = ["done" if at else "now" if number == current else "later" for number, at in enumerate(done)]
    of_whom = ", ".join(f"{name} {count}" for name, count in photos.items())
    if not photos and (elsewhere or not takes_photos):
        of_whom = (
            f"They are on the box {elsewhere}." if elsewhere else "They are on another box of the house."
        )
    return [
        camera_step(states[0]),
        Step("photos", "Photos", of_whom or "Of each person ten to begin with, from a telephone.", states[1]),
        Step("rebuild", "Rebuild", "A model is trained on the photos. It takes a minute or two.", states[2]),
        Step(
            "see",
            "See it work",
            "Walk to the camera: within seconds your name stands here.",
            states[3],
        ),
    ]


def with_presence(people: Iterable[Person], seen: Iterable[PersonStatus]) -> list[Mapping[str, object]]:
    """People with the camera that saw them last; who is here comes first.

    Of some the photos are on another box of the house: they have no page here, but visits.
    """
    there = {each.person: each for each in seen}
    own = [person.model_dump() | {"path": f"/people/{person.person}"} for person in people]
    known = {person["person"] for person in own}
    others = [
        each.model_dump() | {"picture": None, "path": f"/visits?person={each.person}"}
        for each in there.values()
        if each.person not in known
    ]
    listed = [person | {"camera": _camera_of(there.get(person["person"]))} for person in own + others]
    return sorted(listed, key=lambda person: not person["present"])


def _camera_of(seen: PersonStatus | None) -> str | None:
    return None if seen is None else seen.camera
