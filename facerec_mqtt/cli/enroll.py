"""The commands on the enrollment folder: `rebuild`, `enroll check` and `enroll capture`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from facerec_mqtt.cli.output import (
    hints_on_terminal,
    print_audit,
    print_report,
    progress_lines,
    progress_on_terminal,
)
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.enrollment.capture import capture
from facerec_mqtt.enrollment.rebuild import check_enrollment, rebuild
from facerec_mqtt.recognition.model_store import page_of
from facerec_mqtt.settings.schema import Settings
from facerec_mqtt.training.requirements import require_tensorflow


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """What a rebuild needs of the settings."""

    enrollment_dir: Path
    model_dir: Path
    fpir: float
    """Share of strangers who may be taken for somebody, (0, 1)."""
    min_margin: float
    """The least lead over the runner-up with which a face will be named, [0, 1]."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the settings."""
        recognition = settings.recognition
        return cls(settings.enrollment_dir, settings.model_dir, recognition.fpir, recognition.min_margin)


def rebuild_model(options: RebuildOptions, *, force: bool, as_json: bool, progress_as_json: bool) -> int:
    """Make the family's model, and print its report.

    Args:
        options: where everything is, and how strict the model is to be.
        force: use the new model even when it is clearly worse.
        as_json: print the report as one line of JSON.
        progress_as_json: write the progress as lines of JSON to standard error.

    Returns:
        0.

    Raises:
        FacerecError: TensorFlow cannot run here, or the rebuild failed.
    """
    require_tensorflow()
    with progress_lines() if progress_as_json else progress_on_terminal() as progress:
        report = rebuild(
            options.enrollment_dir,
            options.model_dir,
            force=force,
            fpir=options.fpir,
            min_margin=options.min_margin,
            progress=progress,
        )
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        print_report(report)
        print(f'The whole report: "{page_of(options.model_dir, report.version)}"')
    return 0


def check_photos(settings: Settings, *, as_json: bool) -> int:
    """Print of each photo whether a rebuild would use it, and why not.

    Returns:
        0.

    Raises:
        FacerecError: the photos cannot be read, or a rebuild is running.
    """
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
        FacerecError: an argument is invalid, the camera gives no picture, or too few were taken.
    """
    with hints_on_terminal() as progress:
        outcome = capture(settings, person, camera, count=count, seconds=seconds, progress=progress)
    if not outcome["ok"] and not as_json:
        raise FacerecError(outcome["message"])
    print(json.dumps(outcome, ensure_ascii=False) if as_json else outcome["message"])
    return 0 if outcome["ok"] else 1
