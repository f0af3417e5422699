"""Putting what a restore has verified in place, step by step, so that whatever kills it, it can be completed.

    <enrollment folder>/.unfinished-restore/new|old     what is to be put in place, and what it has replaced
    <model folder>/.restoring/new|old, plan.json        the same; that it has this name is the decision

Before the decision nothing that was there has been touched. After it every step is one renaming (or, for the
history, one transaction), each is skipped where it is done already, and what was there is deleted last. Until
then no rebuild can run, and the model in use is always whole.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.core.files import UNFINISHED_PREFIX, UnfitFileError, read_plain, replace_file, sync_folder
from facerec_mqtt.enrollment import RESTORE_STAGE
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.history import HistoryError, load_copy
from facerec_mqtt.maintenance.backup.archive import BackupError
from facerec_mqtt.maintenance.backup.contents import Area
from facerec_mqtt.recognition import ModelPaths

_PLAN = "plan.json"
_MAX_PLAN_BYTES = 256 * 2**20


class Step(BaseModel):
    """Something to be put in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    area: Area
    source: str
    """In `new`."""
    target: str
    """In the area's folder."""


class Plan(BaseModel):
    """All that is to be done after the decision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enrollment: str
    """The enrollment folder, an absolute path."""
    merge: bool
    steps: list[Step]
    outdated: list[str] = []
    """In the model folder: what is taken out after another model is in use."""
    removed: list[str] = []
    """In the enrollment folder: what is taken out."""
    current: str | None = None
    """The version of the model to be used."""
    has_history: bool = False


@dataclass(frozen=True, slots=True)
class Stages:
    """Where a restore works in the two folders."""

    enrollment: Path
    models: Path

    def new(self, area: Area) -> Path:
        """What is to be put in place."""
        return (self.enrollment if area is Area.ENROLLMENT else self.models) / "new"

    def old(self, area: Area) -> Path:
        """What was there."""
        return (self.enrollment if area is Area.ENROLLMENT else self.models) / "old"

    def clear(self) -> None:
        """Delete what an earlier restore has left, before its decision."""
        for folder in (self.enrollment, self.models):
            if folder.exists():
                shutil.rmtree(folder)


def decide(stages: Stages, models: Path, plan: Plan) -> None:
    """Write the plan; with the last renaming it is decided.

    Raises:
        OSError: it cannot be written; nothing is decided.
    """
    stages.models.mkdir(mode=0o700, exist_ok=True)
    replace_file(stages.models / _PLAN, plan.model_dump_json().encode())
    stages.models.rename(ModelPaths(models).restoring)
    sync_folder(models)


def complete(models: Path) -> bool:
    """Do what was decided and is not done yet.

    Args:
        models: the model folder, locked.

    Returns:
        Whether there was anything.

    Raises:
        BackupError: something cannot be put in place; the command is to be repeated.
    """
    restoring = ModelPaths(models).restoring
    if not restoring.exists():
        return False
    try:
        plan = Plan.model_validate_json(read_plain(restoring / _PLAN, _MAX_PLAN_BYTES))
        _carry_out(models, plan)
    except HistoryError as error:
        raise BackupError(
            f"{error} The restore is not complete; then give the same command again."
        ) from error
    except (OSError, UnfitFileError, ValidationError) as error:
        reason = (
            f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else "its plan is damaged"
        )
        raise BackupError(
            f'The restore into "{models}" is not complete ({reason}); make the folders writable, free some'
            f' space, and give the same command again. What was there before is in "{restoring}".'
        ) from error
    return True


def _carry_out(models: Path, plan: Plan) -> None:
    enrollment, restoring = Path(plan.enrollment), ModelPaths(models).restoring
    stages = Stages(enrollment / RESTORE_STAGE, restoring)
    roots = {Area.ENROLLMENT: enrollment, Area.MODELS: models}
    for step in plan.steps:
        source, target = stages.new(step.area) / step.source, roots[step.area] / step.target
        if not os.path.lexists(source):
            continue
        if os.path.lexists(target):
            if plan.merge:
                target = free_name(target)
            else:
                _take_out(target, stages.old(step.area) / step.target)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        source.rename(target)
    if plan.current is not None:
        replace_file(ModelPaths(models).current, f"{plan.current}\n".encode("ascii"))
    copy = stages.new(Area.MODELS) / HISTORY
    if plan.has_history and copy.exists():
        load_copy(copy, models, merge=plan.merge)
    for area, names in ((Area.MODELS, plan.outdated), (Area.ENROLLMENT, plan.removed)):
        for name in names:
            if os.path.lexists(roots[area] / name):
                _take_out(roots[area] / name, stages.old(area) / name)
    if stages.enrollment.exists():
        shutil.rmtree(stages.enrollment)
    # From here on it is done; what is left is cleared away by the next rebuild.
    doomed = models / f"{UNFINISHED_PREFIX}restored"
    restoring.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _take_out(path: Path, aside: Path) -> None:
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.rename(free_name(aside))


def names_for(path: Path) -> Iterator[Path]:
    """A path, and names beside it should it be taken: `001-restored.jpg`."""
    yield path
    for number in itertools.count(1):
        yield path.with_name(f"{path.stem}-restored{'' if number == 1 else f'-{number}'}{path.suffix}")


def free_name(path: Path) -> Path:
    """The first of these names that nothing has."""
    return next(name for name in names_for(path) if not os.path.lexists(name))
