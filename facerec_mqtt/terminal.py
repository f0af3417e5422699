"""What a rebuild shows: a progress bar on a terminal, lines of JSON to the service, a table at the end."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, [0, 1]."""


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
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)


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


@contextmanager
def progress_lines() -> Iterator[ProgressCallback]:
    """Write each whole per cent as a line of JSON to standard error, for a program that reads it."""
    last = -1

    def write_line(stage: str, share: float) -> None:
        nonlocal last
        percent = int(share * 100)
        if percent != last:
            last = percent
            print(json.dumps({"stage": stage, "progress": percent}), file=sys.stderr, flush=True)

    yield write_line


def print_report(report: Mapping[str, Any]) -> None:
    """Print what a rebuild found as a table and sentences on standard output.

    Args:
        report: as `facerec-mqtt rebuild --json` prints it.
    """
    console = Console()
    used, aside = Counter[str](), Counter[str]()
    for photo in report["photos"]:
        (used if photo["used"] else aside)[photo["file"].split("/")[0]] += 1
    table = Table(title=f"Model {report['version']}")
    table.add_column("Folder")
    table.add_column("Photos used", justify="right")
    table.add_column("Set aside", justify="right")
    for folder in sorted({*used, *aside}):
        table.add_row(folder, str(used[folder]), str(aside[folder]))
    console.print(table)
    for photo in report["photos"]:
        if not photo["used"]:
            console.print(f"  {photo['file']}: {photo['reason']}", markup=False, highlight=False)
    for warning in report.get("warnings", ()):
        console.print(f"! {warning}", markup=False, highlight=False)
