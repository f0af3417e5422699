"""`forget`: ask, remove a person from this machine, and take them off the broker."""

import sys

from facerec_mqtt.config import Settings
from facerec_mqtt.cpu import require_tensorflow
from facerec_mqtt.enrollment import rebuild
from facerec_mqtt.errors import BrokerError, FacerecError
from facerec_mqtt.farewell import say_farewell
from facerec_mqtt.forget import Places, Traces, find_traces, forget, forget_in_memory, mentions
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.terminal import progress_on_terminal

# Review pictures are small; a photo may be of a whole room.
_SIDE_PX = 1280


def forget_person(settings: Settings, name: str, *, ask: bool) -> int:
    """Remove a person from everything that this program keeps.

    Args:
        settings: where everything is.
        name: the person's.
        ask: whether to ask on the terminal first.

    Returns:
        0 when the person is forgotten, 1 when the answer was no.

    Raises:
        FacerecError: nobody is called that, there is nobody to ask, or something stands in the way.
    """
    places = Places(settings.enrollment_dir, settings.model_dir, settings.review.folder)
    traces = find_traces(places, name)
    person = traces.person
    if ask:
        if not sys.stdin.isatty():
            raise FacerecError(
                f"Nothing was removed: {person.name} is only forgotten after a question or with --yes."
            )
        if input(f"{_summary(traces)} Type yes to remove all of it for ever: ").strip().lower() != "yes":
            print("Nothing was removed.")
            return 1
    if traces.in_use and traces.others:
        require_tensorflow()

    def make_model() -> None:
        with progress_on_terminal() as progress:
            rebuild(
                settings.enrollment_dir,
                settings.model_dir,
                force=True,
                fpir=settings.recognition.fpir,
                min_margin=settings.recognition.min_margin,
                progress=progress,
            )

    def load_recognizer() -> Recognizer:
        return Recognizer.load(
            None,
            min_detection_score=settings.recognition.min_detection_score,
            max_side_px=max(_SIDE_PX, settings.recognition.max_side_px),
            threads=settings.recognition.threads,
        )

    forget(places, traces, make_model, load_recognizer)
    try:
        on_broker = say_farewell(settings.mqtt, person.slug, lambda text: mentions(text, person))
    except BrokerError as error:
        on_broker = (
            f"{str(error).rstrip('.')}. What the broker and Home Assistant still keep of {person.name} is"
            " removed when the service next connects."
        )
    forget_in_memory(settings.model_dir, person)
    print(f"{person.name} is forgotten on this machine. {on_broker}")
    return 0


def _summary(traces: Traces) -> str:
    photos = sum(1 for folder in traces.folders for path in folder.iterdir() if path.is_file())
    after = (
        f"{', '.join(traces.others)} stay enrolled."
        if traces.others
        else "Nobody else is enrolled: no model stays."
    )
    return (
        f"{traces.person.name}: {photos} pictures in {len(traces.folders)} folders, {len(traces.versions)}"
        f" versions of the model, and what was made of them. {after}"
    )
