"""A model in one sentence, and its report without the list of photos: what is published on MQTT."""

from collections.abc import Mapping
from typing import Any

from facerec_mqtt.recognition import SavedReport


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without the list of photos, which can be long."""
    photos = SavedReport.of(report).photos
    used = sum(photo.used for photo in photos)
    counts = {"photos_used": used, "photos_set_aside": len(photos) - used}
    return {key: value for key, value in report.items() if key not in ("photos", "outcomes")} | counts


def model_message(version: str, names: str, report: Mapping[str, Any]) -> str:
    """One sentence on a model in use; its report is read from the disk and may be of another version."""
    saved = SavedReport.of(report)
    used = sum(photo.used for photo in saved.photos)
    return model_sentence(version, names, used, len(saved.photos), saved.many_strangers)


def model_sentence(
    version: str, names: str, used: int, photos: int, many_strangers: str | None = None
) -> str:
    """One sentence on a model in use, and one more where it names many strangers.

    Args:
        version: of the model.
        names: of the people it knows.
        used: how many photos it was made of.
        photos: how many there were.
        many_strangers: what to do, where it names far more than were asked for.
    """
    knows = f"Model {version} knows {names}; {used} of {photos} photos were used."
    return knows if many_strangers is None else f"{knows} {many_strangers}"
