"""A rebuild in one sentence, and its report without what it says of each photo."""

from collections.abc import Mapping
from typing import Any

from facerec_mqtt.recognition.saved_report import SavedReport


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without what it says of each photo, which can be long."""
    photos = SavedReport.of(report).photos
    used = sum(photo.used for photo in photos)
    counts = {"photos_used": used, "photos_set_aside": len(photos) - used}
    return {key: value for key, value in report.items() if key not in ("photos", "outcomes")} | counts


def rebuild_message(report: Mapping[str, Any]) -> str:
    """One sentence on a rebuild that was done.

    Args:
        report: as `facerec-mqtt rebuild --json` prints it.
    """
    saved = SavedReport.of(report)
    if not saved.switched:
        before = "the model" if saved.compared_with is None else saved.compared_with.version
        return (
            f"Model {saved.version} is kept but not used, being clearly worse than {before}, which stays in"
            f' use. {saved.not_used_because} Send {{"force": true}} to use it all the same.'
        )
    names = ", ".join(saved.details[slug].name for slug in saved.people if slug in saved.details)
    return model_message(str(saved.version), names, report)


def model_message(version: str, names: str, report: Mapping[str, Any]) -> str:
    """One sentence on a model in use; its report is read from the disk and may be of another version."""
    photos = SavedReport.of(report).photos
    used = sum(photo.used for photo in photos)
    return f"Model {version} knows {names}; {used} of {len(photos)} photos were used."
