"""The commands on the enrollment folder: `rebuild`, `enroll check` and `enroll capture`.

Each imports what it needs when it runs: a machine that is short of memory may fail at that.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.settings import Settings

if TYPE_CHECKING:
    from facerec_mqtt.core.array_process import ArrayProcess


def rebuild_model(settings: Settings, *, force: bool, as_json: bool) -> int:
    """Make the family's model, and print its report.

    Args:
        settings: where everything is, and how strict the model is to be.
        force: use the new model even when it is clearly worse.
        as_json: print the report as one line of JSON.

    Returns:
        0.

    Raises:
        FacerecError: TensorFlow cannot run here, the rebuild failed, or this box is to have no model.
    """
    from facerec_mqtt.service.roles.requirements import require_photos

    require_photos(settings)
    with _training() as process:
        from facerec_mqtt.cli.output import print_report, progress_on_terminal
        from facerec_mqtt.enrollment.rebuild import rebuild
        from facerec_mqtt.recognition import page_of
        from facerec_mqtt.training import ClassifierTrainer, require_tensorflow

        require_tensorflow()
        with progress_on_terminal() as progress:
            report = rebuild(
                settings.enrollment_dir,
                settings.model_dir,
                force=force,
                fpir=settings.recognition.fpir,
                min_margin=settings.recognition.min_margin,
                progress=progress,
                train=ClassifierTrainer(process),
            )
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        print_report(report)
        print(f'The whole report: "{page_of(settings.model_dir, report.version)}"')
    return 0


def rebuild_for_service(sentence_of: Callable[[Exception], str | None]) -> int:
    """Make the family's model as the service's child: a request in, messages out, by the standard streams.

    Args:
        sentence_of: what the user can do about an error; `None` where it is a bug.

    Returns:
        0 when there is a new model, else 1.
    """
    from facerec_mqtt.cli.output import message_output, progress_messages
    from facerec_mqtt.core.child_process import from_line, when_input_ends
    from facerec_mqtt.service import RebuildDone, RebuildFailed, RebuildRequest

    send = message_output()
    request = from_line(sys.stdin.buffer.readline(), RebuildRequest)
    try:
        # With the service, also when it is killed; a rebuild can be killed at any step.
        when_input_ends(lambda: os._exit(1))
        with _training() as process:
            from facerec_mqtt.enrollment.rebuild import rebuild
            from facerec_mqtt.training import ClassifierTrainer, require_tensorflow

            require_tensorflow()
            report = rebuild(
                Path(request.enrollment_dir),
                Path(request.model_dir),
                force=request.force,
                fpir=request.fpir,
                min_margin=request.min_margin,
                progress=progress_messages(send),
                train=ClassifierTrainer(process),
            )
    except (FacerecError, MemoryError, ImportError, RuntimeError) as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        send(RebuildFailed(sentence))
        return 1
    send(RebuildDone(report.message, report.switched))
    return 0


def _training() -> "ArrayProcess":
    """The process that will train, to be started before all else: meanwhile we import what we need, too."""
    # Both calculate at the same time, and OpenBLAS's threads wait for each other by turning in circles.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from facerec_mqtt.core.array_process import ArrayProcess

    return ArrayProcess("training/layers.py")


def check_photos(settings: Settings, *, as_json: bool) -> int:
    """Print which photos a rebuild would use, and why not the others.

    Returns:
        0.

    Raises:
        FacerecError: the photos cannot be read, or a rebuild is running.
    """
    from facerec_mqtt.cli.output import print_audit, progress_on_terminal
    from facerec_mqtt.enrollment.judging.audit import check_enrollment

    with progress_on_terminal() as progress:
        audit = check_enrollment(settings.enrollment_dir, settings.model_dir, progress=progress)
    if as_json:
        print(json.dumps(audit.as_json(), ensure_ascii=False))
    else:
        print_audit(audit, f"Photos in {settings.enrollment_dir}")
    return 0


def capture_photos(
    settings: Settings, person: str, camera: str, *, count: int, seconds: float, as_json: bool
) -> int:
    """Take pictures of a person from a camera; see `enrollment.capture.capture`.

    Returns:
        0 when enough were taken, else 1.

    Raises:
        FacerecError: an argument is invalid, the camera gives no picture, too few were taken, or no photos
            belong on this box.
    """
    from facerec_mqtt.cli.output import hints_on_terminal
    from facerec_mqtt.enrollment import capture
    from facerec_mqtt.service.roles.requirements import require_photos

    require_photos(settings)

    with hints_on_terminal() as progress:
        outcome = capture(settings, person, camera, count=count, seconds=seconds, progress=progress)
    if not outcome["ok"] and not as_json:
        raise FacerecError(outcome["message"])
    print(json.dumps(outcome, ensure_ascii=False) if as_json else outcome["message"])
    return 0 if outcome["ok"] else 1
