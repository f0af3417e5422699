"""`forget` and `rename`: a person is removed from this machine and from the broker, or called otherwise."""

import os
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial

from facerec_mqtt.cli.output import progress_on_terminal
from facerec_mqtt.core.clock import zone_or_machines
from facerec_mqtt.core.errors import BrokerError, EnrollmentError, FacerecError, ModelError
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.enrollment import (
    Places,
    Traces,
    everybody_in,
    find_remainders_in_state,
    find_remaining_visits,
    find_traces,
    mentions,
    require_nothing_left,
)
from facerec_mqtt.enrollment.changes import rename_in_model, rename_person
from facerec_mqtt.enrollment.forget import Likeness, forget
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.faces import STILL_SIDE_PX
from facerec_mqtt.history import (
    HistoryError,
    VisitRecord,
    forget_visits,
    knows_strangers,
    unnamed_that_go,
    visits_to_forget,
)
from facerec_mqtt.mqtt import remove_person_from_broker
from facerec_mqtt.presence import remove_person
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.house.confirmations import unconfirmed
from facerec_mqtt.service.house.memory import note, withdraw
from facerec_mqtt.service.house.package import Forgotten
from facerec_mqtt.settings import Settings
from facerec_mqtt.training import require_tensorflow


def forget_person(
    settings: Settings, name: str, *, ask: bool, at_broker: bool = True, for_house: bool = False
) -> int:
    """Remove a person from everything that this program keeps.

    Args:
        settings: where everything is.
        name: the person's.
        ask: whether to ask on the terminal first.
        at_broker: whether the person is removed from the broker; else a service does that, or will.
        for_house: whether other boxes are to forget, too, where the settings do not say that there are any.

    Returns:
        0 when the person is forgotten, 1 when the answer was no, or when not all boxes of a house have
        confirmed that they have forgotten, too.

    Raises:
        FacerecError: nobody is called that, there is nobody to ask, a rebuild is running, something stands in
            the way, or something is left.
    """
    places = Places(settings.enrollment_dir, settings.model_dir, settings.review.folder)
    traces = find_traces(places, name)
    load_recognizer = partial(_load_recognizer, settings)
    if ask:
        if not sys.stdin.isatty():
            raise FacerecError(
                f"Nothing was removed: {traces.person.name} is only forgotten after a question or with --yes."
            )
        if not _is_wanted(_summary(traces, *_visits_that_go(places, traces, load_recognizer))):
            print("Nothing was removed.")
            return 1
    if traces.in_use and traces.others:
        require_tensorflow()

    def make_model(must_know: Collection[str]) -> None:
        with progress_on_terminal() as progress:
            rebuild(
                settings.enrollment_dir,
                settings.model_dir,
                force=True,
                must_know=must_know,
                is_locked=True,
                fpir=settings.recognition.fpir,
                min_margin=settings.recognition.min_margin,
                progress=progress,
            )

    # By name: what was found before the question may be something else now.
    shares = for_house or (settings.house.name is not None and settings.house.share_model)
    entry = note(places.models, traces.person.slug) if shares else None
    try:
        person = forget(places, traces.person.slug, make_model, load_recognizer)
    except BaseException:
        if entry is not None:
            withdraw(places.models, entry)
        raise
    if at_broker:
        done = _remove_from_services(settings, places, person)
    else:
        remove_person(settings.model_dir, person, from_broker=True)
        done = "The service removes what the broker and Home Assistant keep."
    # Last, when the service has had time to follow the model.
    _remove_visits(places, person)
    print(f"{person.name} is forgotten on this machine. {done}")
    return 0 if entry is None or not at_broker else _ask_other_boxes(settings, person, entry)


def _ask_other_boxes(settings: Settings, person: Person, entry: Forgotten) -> int:
    """Print whether all boxes of the house have forgotten a person; returns 0 when they have."""
    try:
        missing = unconfirmed(settings, entry)
    except BrokerError as error:
        print(f"Whether the other boxes of the house forget {person.name} is not known: {error}")
        return 1
    if not missing:
        print(f"All boxes of the house have forgotten {person.name}.")
        return 0
    for box in missing:
        if box.keeps_photos:
            why = f'photos of {person.name} lie there; give "facerec-mqtt forget" on it, too'
        elif not box.online:
            why = "it is not there; it forgets when it is back"
        else:
            why = box.problem or "it has not answered within a minute"
        print(f'The box "{box.node}" has not forgotten {person.name}: {why.rstrip(".")}.')
    return 1


def show_what_would_go(settings: Settings, name: str) -> int:
    """Print what `forget_person` would remove, with each visit that has no name.

    Returns:
        0.

    Raises:
        FacerecError: nobody is called that, or something cannot be read.
    """
    places = Places(settings.enrollment_dir, settings.model_dir, settings.review.folder)
    traces = find_traces(places, name)
    named, unnamed = _visits_that_go(places, traces, partial(_load_recognizer, settings))
    print(_summary(traces, named, unnamed))
    zone = zone_or_machines(os.environ)
    for visit in unnamed:
        began = datetime.fromtimestamp(visit.began, UTC).astimezone(zone)
        print(f"  {visit.visit_id}  {began:%Y-%m-%d %H:%M:%S}  {visit.camera}")
    print("Nothing was removed.")
    return 0


def _load_recognizer(settings: Settings) -> Recognizer:
    return Recognizer.from_settings(settings.recognition, min_side_px=STILL_SIDE_PX)


def rename(settings: Settings, old: str, new: str) -> int:
    """Call a person otherwise; the folder, entities and visits stay what they are.

    Returns:
        0.

    Raises:
        FacerecError: nobody is called that, the new name is none or taken, or the folder cannot be written.
    """
    owners = everybody_in(settings.enrollment_dir)
    key = slug(old)
    called = [folder for folder, person in owners.items() if slug(person.name) == key]
    folder = next(iter(called), None) or next((each for each, who in owners.items() if who.slug == key), None)
    if folder is None:
        there = ", ".join(sorted(person.name for person in owners.values())) or "nobody"
        raise EnrollmentError(f'Nobody called "{old}" is enrolled; known are: {there}.')
    try:
        rename_person(settings.enrollment_dir, folder, new)
    except OSError as error:
        raise EnrollmentError(
            f'"{folder}" cannot be written ({error.strerror}); make it writable.'
        ) from error
    person = everybody_in(settings.enrollment_dir)[folder]
    try:
        rename_in_model(settings.model_dir, person.slug, person.name)
    except ModelError as error:
        print(f"The next rebuild brings the name to Home Assistant: {error}")
    print(f'The person with the folder "{folder.name}" is called {person.name}; entities and visits stay.')
    return 0


def _remove_from_services(settings: Settings, places: Places, person: Person) -> str:
    """Remove a person from the broker, and from what services have saved.

    Returns:
        What was done, in sentences.

    Raises:
        EnrollmentError: a service has saved something that cannot be removed.
    """
    try:
        done = remove_person_from_broker(
            settings.mqtt, person.slug, lambda text: mentions(text, person), settings.house.name
        )
    except BrokerError as error:
        reason = f"{str(error).rstrip('.')}."
        if remove_person(settings.model_dir, person, from_broker=True):
            return (
                f"{reason} What the broker and Home Assistant still keep of {person.name} is removed when the"
                f' service next connects; until then its state in "{settings.model_dir}" holds the name.'
            )
        return (
            f"{reason} No service has saved anything by which it would remove what the broker may still keep"
            f' of {person.name}; empty such topics by hand, as docs/PRIVACY.md says under "Remove it".'
        )
    remove_person(settings.model_dir, person, from_broker=False)
    require_nothing_left(person, find_remainders_in_state(places, person))
    return done


def _remove_visits(places: Places, person: Person) -> None:
    """Remove a person's visits from the history.

    Raises:
        EnrollmentError: they cannot be removed.
    """
    try:
        forget_visits(places.models, person, places.review)
        left = find_remaining_visits(places, person)
    except HistoryError as error:
        raise EnrollmentError(
            f"{person.name} is forgotten but for visits: {str(error).rstrip('.')}; then give the same"
            " command again."
        ) from error
    require_nothing_left(person, left)


def _is_wanted(summary: str) -> bool:
    """Ask; the end of the input is a no."""
    try:
        answer = input(f"{summary} Type yes to remove all of it permanently: ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() == "yes"


def _summary(traces: Traces, named: int, unnamed: Sequence[VisitRecord]) -> str:
    photos = sum(len(files) for folder in traces.folders for _, _, files in os.walk(folder))
    person = traces.person.name
    after = (
        f"{', '.join(traces.others)} stay enrolled."
        if traces.others
        else "Nobody else is enrolled: no model stays."
    )
    return (
        f"{person}: {photos} pictures in {len(traces.folders)} folders, {len(traces.versions)} versions of"
        f" the model, {named} visits, {unnamed_that_go(len(unnamed), person)}, and what was made"
        f" of them. {after}"
    )


def _visits_that_go(
    places: Places, traces: Traces, load_recognizer: Callable[[], Recognizer]
) -> tuple[int, tuple[VisitRecord, ...]]:
    """How many visits have the name, and those without one that probably are the person's.

    Raises:
        EnrollmentError: the history cannot be read.
    """
    try:
        known = knows_strangers(places.models)
        looks = Likeness(places, traces, traces.folders, load_recognizer).looks if known else None
        return visits_to_forget(places.models, traces.person.slug, looks)
    except HistoryError as error:
        raise EnrollmentError(
            f"Nobody can tell which visits would go, and nothing was removed: {error}"
        ) from error
