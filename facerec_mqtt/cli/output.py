"""What commands show: a progress bar on a terminal, messages to the service, a report as a table."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from facerec_mqtt.core.child_process import Message, to_line
from facerec_mqtt.core.records import ProgressCallback
from facerec_mqtt.faces import without_chatter
from facerec_mqtt.service import RebuildProgress

if TYPE_CHECKING:  # what is printed is imported already, and the service's child must not need it
    from facerec_mqtt.enrollment.reports import AuditReport, PhotoReport, RebuildReport

_ENOUGH_TO_ESTIMATE = 0.02


@contextmanager
def progress_on_terminal() -> Iterator[ProgressCallback]:
    """Show a progress bar on standard error; where that is no terminal, a line for each stage."""
    console = Console(stderr=True)
    if not console.is_terminal:
        stages: list[str] = []

        def print_stage(stage: str, _share: float) -> None:
            if stage not in stages:
                stages.append(stage)
                print(f"{stage} ...", file=sys.stderr, flush=True)

        with without_chatter():
            yield print_stage
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
    """Reserve standard error. What C++ libraries write there would break the bar, and is dropped."""
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

        def print_hint(hint: str, _share: float) -> None:
            nonlocal last
            if hint != last:
                last = hint
                print(hint, file=sys.stderr, flush=True)

        yield print_hint
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
    return round(passed_s * rest / done) if done >= _ENOUGH_TO_ESTIMATE else None


def print_report(report: "RebuildReport") -> None:
    """Print what a rebuild found as a table and sentences on standard output."""
    console = Console()
    rates = {person.name: report.tpir[person.slug] for person in report.people if person.slug in report.tpir}
    _print_photos(console, report.photos, f"Model {report.version}", rates)
    for note in report.general_notes():
        _print_line(console, f"! {note}")
    for advice in report.advice():
        _print_line(console, f"{'!' if advice.needed else ' '} {advice.text}")
    if report.measured_fpir is not None:
        _print_line(
            console,
            f"Strangers who would be given a name: {report.measured_fpir:.1%}"
            f" (at most {report.fpir:.1%} were asked for).",
        )
    for file, person in report.named_strangers:
        _print_line(console, f"  {file} would be called {person.name}.")
    if report.comparison is not None and not report.switched:
        _print_line(
            console,
            f"! It is kept but not used, being clearly worse than {report.comparison.version}, which"
            f" stays in use. {report.not_used_because} Use it all the same with"
            ' "facerec-mqtt rebuild --force".',
        )


def print_audit(audit: "AuditReport", title: str) -> None:
    """Print what became of the photos as a table and sentences on standard output.

    Args:
        audit: what `enroll check` found.
        title: of the table.
    """
    console = Console()
    _print_photos(console, audit.photos, title, {})
    for warning in audit.warnings():
        _print_line(console, f"! {warning}")


def _print_photos(
    console: Console, photos: Sequence["PhotoReport"], title: str, rates: Mapping[str, float]
) -> None:
    """Print the photos.

    Args:
        console: where to.
        photos: all of them.
        title: of the table.
        rates: for folders, the share of the photos that is recognised; may be empty.
    """
    used, rejected = Counter[str](), Counter[str]()
    for photo in photos:
        (used if photo.used else rejected)[photo.folder or photo.file] += 1
    table = Table(title=escape(title))
    table.add_column("Folder")
    for heading in ("Photos used", "Rejected", *(["Recognised"] if rates else [])):
        table.add_column(heading, justify="right")
    for folder in sorted({*used, *rejected}):
        cells = [str(used[folder]), str(rejected[folder])]
        if rates:
            cells.append(f"{rates[folder]:.0%}" if folder in rates else "")
        table.add_row(escape(folder), *cells)
    console.print(table)
    for photo in photos:
        if photo.sentence is not None:
            _print_line(console, f"  {photo.file}{' (used)' * photo.used}: {photo.sentence}")


def _print_line(console: Console, text: str) -> None:
    """Print a sentence on a line of its own; the terminal breaks it where it must."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
