"""A rebuild in one sentence, and its report without what is said of each photo."""

from collections.abc import Mapping
from typing import Any


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without what is said of each photo, which can be long."""
    used, total = _photos_used(report)
    counts = {"photos_used": used, "photos_set_aside": total - used}
    return {key: value for key, value in report.items() if key not in ("photos", "outcomes")} | counts


def rebuild_message(report: Mapping[str, Any]) -> str:
    """One sentence on a rebuild that was done."""
    if not report.get("switched", True):  # the first models were all switched to, and do not say so
        return (
            f"Model {report['version']} is kept but not used, being clearly worse than"
            f" {report['compared_with']['version']}, which stays in use. {report['not_used_because']}"
            ' Send {"force": true} to use it all the same.'
        )
    names = ", ".join(report["details"][slug]["name"] for slug in report["people"])
    return model_message(report["version"], names, report)


def model_message(version: str, names: str, report: Mapping[str, Any]) -> str:
    """One sentence on a model in use; its report is read from the disk and may be of another version."""
    used, total = _photos_used(report)
    return f"Model {version} knows {names}; {used} of {total} photos were used."


def _photos_used(report: Mapping[str, Any]) -> tuple[int, int]:
    """How many photos were used, and how many there were."""
    photos = report.get("photos", ())
    return sum(1 for photo in photos if photo["used"]), len(photos)
