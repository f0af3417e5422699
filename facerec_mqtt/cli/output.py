"""What a rebuild shows: a progress bar on a terminal, messages to the service, a table at the end."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from facerec_mqtt.core.child_process import Message, to_line
from facerec_mqtt.service.rebuild_process import RebuildProgress

ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, [0, 1]."""
_ENOUGH_TO_TELL = 0.02


@contextmanager
def progress_on_terminal() -> Iterator[ProgressCallback]:
    """Show a progress bar on standard error; where that is no terminal, a line for each stage."""
    console = Console(stderr=True)
    if not console.is_terminal:
        stages: list[str] = []

        def say_stage(stage: str, _share: float) -> None:
            if stage not in stages:
                stages.append(stage)
                print(f"{stage} ...", file=sys.stderr, flush=True)

        yield say_stage
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with (
        _terminal_to_ourselves() as terminal,
        Progress(*columns, console=Console(file=terminal), transient=True) as bar,
    ):
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)


@contextmanager
def _terminal_to_ourselves() -> Iterator[TextIO]:
    """Lend out standard error. What C++ libraries write there meanwhile would tear the bar, and is lost."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        with os.fdopen(os.dup(kept), "w") as terminal:
            yield terminal
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def hints_on_terminal() -> Iterator[ProgressCallback]:
    """Show what somebody before a camera is to do, beside a progress bar; without a terminal, in lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        last = ""

        def say_hint(hint: str, _share: float) -> None:
            nonlocal last
            if hint != last:
                last = hint
                print(hint, file=sys.stderr, flush=True)

        yield say_hint
        return
    with Progress(
        BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), console=console
    ) as bar:
        task = bar.add_task("Opening the camera", total=1.0)
        yield lambda hint, share: bar.update(task, description=hint, completed=share)


def message_output() -> Callable[[Message], None]:
    """Keep standard output for messages to the service; whatever else is printed goes to standard error."""
    output = os.dup(1)
    os.dup2(2, 1)

    def send(message: Message) -> None:
        line = to_line(message)
        while line:
            line = line[os.write(output, line) :]

    return send


def progress_messages(send: Callable[[Message], None]) -> ProgressCallback:
    """Send each stage and whole per cent to the service."""
    last = "", -1
    began_at, began_s = 0.0, 0.0

    def report(stage: str, share: float) -> None:
        nonlocal last, began_at, began_s
        if stage != last[0]:
            # The stages' paces have nothing to do with each other: photos that are known pass at once.
            began_at, began_s = share, time.monotonic()
        if (stage, int(share * 100)) != last:
            last = stage, int(share * 100)
            left_s = seconds_left(1 - share, share - began_at, time.monotonic() - began_s)
            send(RebuildProgress(stage, last[1], left_s))

    return report


def seconds_left(rest: float, done: float, passed_s: float) -> int | None:
    """How long the rest will take, if it goes on as the present stage has so far.

    Args:
        rest: share of the whole that is not done, [0, 1].
        done: share of the whole that the stage has done, [0, 1].
        passed_s: time that this took, in seconds.

    Returns:
        Whole seconds; `None` as long as too little is done to say.
    """
    return round(passed_s * rest / done) if done >= _ENOUGH_TO_TELL else None


def print_report(report: Mapping[str, Any]) -> None:
    """Print what a rebuild found as a table and sentences on standard output.

    Args:
        report: as `facerec-mqtt rebuild --json` prints it.
    """
    console = Console()
    _print_photos(console, report, f"Model {report['version']}")
    for note in report["notes"]:
        _say(console, f"! {note}")
    for advice in report["advice"]:
        _say(console, f"{'!' if advice['needed'] else ' '} {advice['text']}")
    if report["measured_fpir"] is not None:
        _say(
            console,
            f"Strangers who would be given a name: {report['measured_fpir']:.1%}"
            f" (at most {report['fpir']:.1%} were asked for).",
        )
    folders = {entry["name"] for entry in report["details"].values()}
    for each in report["outcomes"]:
        if each["named"] is not None and each["file"].split("/")[0] not in folders:
            _say(console, f"  {each['file']} would be called {report['details'][each['named']]['name']}.")
    if not report["switched"]:
        _say(
            console,
            f"! It is kept but not used, being clearly worse than {report['compared_with']['version']}, which"
            f" stays in use. {report['not_used_because']} Use it all the same with"
            ' "facerec-mqtt rebuild --force".',
        )


def print_photos(report: Mapping[str, Any], title: str) -> None:
    """Print what became of the photos as a table and sentences on standard output.

    Args:
        report: as `facerec-mqtt enroll check --json` prints it.
        title: of the table.
    """
    console = Console()
    _print_photos(console, report, title)
    for warning in report["warnings"]:
        _say(console, f"! {warning}")


def _print_photos(console: Console, report: Mapping[str, Any], title: str) -> None:
    used, aside = Counter[str](), Counter[str]()
    for photo in report["photos"]:
        (used if photo["used"] else aside)[photo["file"].split("/")[0]] += 1
    rates = {entry["name"]: entry.get("tpir") for entry in report["details"].values()}
    judged = any(rate is not None for rate in rates.values())
    table = Table(title=escape(title))
    table.add_column("Folder")
    for heading in ("Photos used", "Set aside", *(["Recognised"] if judged else [])):
        table.add_column(heading, justify="right")
    for folder in sorted({*used, *aside}):
        rate = rates.get(folder)
        cells = [str(used[folder]), str(aside[folder]), "" if rate is None else f"{rate:.0%}"]
        table.add_row(escape(folder), *cells[: 3 if judged else 2])
    console.print(table)
    for photo in report["photos"]:
        if not photo["used"]:
            _say(console, f"  {photo['file']}: {photo['reason']}")
        elif "note" in photo:
            _say(console, f"  {photo['file']} (used): {photo['note']}")


def _say(console: Console, text: str) -> None:
    """Print a sentence on a line of its own; the terminal breaks it where it must."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
