"""`models`: which versions of the family's model are kept, and the way back to one of them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.recognition import (
    Recognizer,
    current_version,
    load_version,
    rebuilding,
    use_version,
    versions,
)


def list_models(model_dir: Path, *, as_json: bool) -> int:
    """Print the versions that are kept, the newest first.

    Returns:
        0.

    Raises:
        ModelError: `current` cannot be read.
    """
    listed = kept_models(model_dir)
    if as_json:
        print(json.dumps({"models": listed}, ensure_ascii=False))
    elif not listed:
        print(f'There is no model in "{model_dir}"; make one with "facerec-mqtt rebuild".')
    else:
        _print_table(listed)
    return 0


def roll_back(model_dir: Path, version: str | None, *, as_json: bool) -> int:
    """Switch to another version that is kept; a running service follows within seconds.

    Args:
        model_dir: where the models are.
        version: which one; `None` is the last one that was made before the current one and was switched to.
        as_json: print the versions, as `list_models` does, and not a sentence.

    Returns:
        0.

    Raises:
        ModelError: there is no such version, or it cannot be used; the current one stays in use.
    """
    if not versions(model_dir):
        raise ModelError(f'There is no model in "{model_dir}"; make one with "facerec-mqtt rebuild".')
    with rebuilding(model_dir):
        chosen = _version_before(model_dir) if version is None else version
        if chosen not in versions(model_dir):
            raise ModelError(
                f'There is no model version "{chosen}" in "{model_dir}"; there are:'
                f" {', '.join(versions(model_dir))}."
            )
        model = load_version(model_dir, chosen)
        # What the service could not use is not switched to.
        Recognizer.load(model)
        use_version(model_dir, chosen)
    if as_json:
        return list_models(model_dir, as_json=True)
    print(f"Model {chosen} is in use; it knows {', '.join(person.name for person in model.people)}.")
    return 0


def kept_models(model_dir: Path) -> list[dict[str, Any]]:
    """What is kept, as `models list --json` prints it, the newest first.

    Raises:
        ModelError: `current` cannot be read.
    """
    current = current_version(model_dir)
    return [_described(model_dir, version, current) for version in reversed(versions(model_dir))]


def _described(model_dir: Path, version: str, current: str | None) -> dict[str, Any]:
    listed: dict[str, Any] = {"version": version, "current": version == current}
    try:
        model = load_version(model_dir, version)
    except ModelError as error:
        unknown: dict[str, Any] = {"people": [], "created": None, "tpir": None, "fpir": None}
        return listed | unknown | {"reason": str(error)}
    report = model.report
    listed["people"] = [person.slug for person in model.people]
    listed["created"] = model.created
    listed["tpir"] = report.get("tpir")
    listed["fpir"] = report.get("measured_fpir")
    if report.get("not_used_because") is not None and not listed["current"]:
        listed["reason"] = report["not_used_because"]
    return listed


def _version_before(model_dir: Path) -> str:
    """The last version before the current one that was good enough to be switched to.

    Raises:
        ModelError: there is none.
    """
    kept = kept_models(model_dir)
    current = next((listed["version"] for listed in kept if listed["current"]), "")
    for listed in kept:
        if listed["version"] < current and "reason" not in listed:
            return str(listed["version"])
    raise ModelError(
        f'No older model in "{model_dir}" can be gone back to; "facerec-mqtt models list" shows what is kept.'
    )


def _print_table(listed: list[dict[str, Any]]) -> None:
    console = Console()
    table = Table()
    # In full however narrow the screen is: it is what `models rollback` is given.
    table.add_column("Version", no_wrap=True, min_width=len(listed[0]["version"]))
    table.add_column("In use")
    table.add_column("Made", min_width=10)
    table.add_column("Knows", overflow="fold")
    for heading in ("Recognised", "Strangers named"):
        table.add_column(heading, justify="right")
    for each in listed:
        table.add_row(
            each["version"],
            "yes" if each["current"] else "",
            "" if each["created"] is None else _local(each["created"]),
            ", ".join(each["people"]),
            _percent(each["tpir"]),
            _percent(each["fpir"]),
        )
    console.print(table)
    for each in listed:
        if "reason" in each:
            console.print(f"{each['version']} is not in use: {each['reason']}", markup=False, highlight=False)


def _local(created: str) -> str:
    """A time in the local zone; what is not a time is returned as it is."""
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return escape(created)


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"
