"""`models`: which versions of the family's model are kept, and the way back to one of them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_mqtt.recognition import KeptVersion, kept_versions
from facerec_mqtt.recognition import roll_back as go_back


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
    model = go_back(model_dir, version)
    if as_json:
        return list_models(model_dir, as_json=True)
    print(f"Model {model.version} is in use; it knows {', '.join(person.name for person in model.people)}.")
    return 0


def kept_models(model_dir: Path) -> list[dict[str, Any]]:
    """What is kept, as `models list --json` prints it, the newest first.

    Raises:
        ModelError: `current` cannot be read.
    """
    return [_described(each) for each in kept_versions(model_dir)]


def _described(kept: KeptVersion) -> dict[str, Any]:
    listed: dict[str, Any] = {
        "version": kept.version,
        "current": kept.current,
        "people": [person.slug for person in kept.people],
        "created": kept.created,
        "tpir": kept.tpir,
        "fpir": kept.fpir,
        "recognised": kept.recognised,
    }
    return listed if kept.reason is None else listed | {"reason": kept.reason}


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
            _percent(each["recognised"]),
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
