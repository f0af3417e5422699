"""Imports point down only, and the hot path never meets TensorFlow."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import facerec_mqtt

PACKAGE = Path(facerec_mqtt.__file__).parent

# From the ground up. A room may import from lower floors, never from its own floor or a higher one.
FLOORS = (
    {"errors"},
    {"arrays", "complaints", "cpu", "evaluation", "files", "fontlist", "records", "settings_file", "slugs"},
    {"config"},
    # What several stages or commands need, each knowing one thing.
    {
        "advice",
        "announcements",
        "augmentation",
        "broker",
        "capacity",
        "commands",
        "comparison",
        "heartbeat",
        "logs",
        "metrics",
        "outbox",
        "payloads",
        "pictures",
        "rebuild_process",
        "refusals",
        "region",
        "roster",
        "snapshot",
        "terminal",
        "following",
    },
    {"rebuild_report", "report_plots"},
    {"report_page"},
    {"announcer"},
    # The stages. They do not know each other; what is above composes them.
    {
        "alignment",
        "artifact",
        "calibration",
        "camera",
        "capture",
        "detection",
        "discovery",
        "embedding",
        "farewell",
        "head",
        "motion",
        "presence",
        "prometheus",
        "publisher",
        "rendering",
        "visits",
    },
    {"album", "memory", "photos", "review"},
    {"audit", "audit_report", "examination", "recognition"},
    {"capturing", "forget", "learning", "watch"},
    {"crossvalidation", "learning_curve", "model_desk", "never_worse"},
    {"bench", "check", "demo", "enrollment", "model_commands", "prediction", "scoring", "service"},
    {"forgetting", "run"},
    {"cli"},
    {"__main__"},
)
TRAINING = {"keras", "matplotlib", "tensorflow"}
NAMELESS = {"common", "helpers", "manager", "misc", "shared", "utils"}


@dataclass(frozen=True, slots=True)
class Import:
    """One module that another imports."""

    target: str
    at_top: bool


def floor_of(room: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), len(FLOORS))


def imports(source: str) -> Iterator[Import]:
    """All imports in a module, also those within functions."""
    tree = ast.parse(source)
    within_functions = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            base = node.module or ""
            targets = [f"{base}.{alias.name}" for alias in node.names] if base == "facerec_mqtt" else [base]
        for target in targets:
            yield Import(target, at_top=id(node) not in within_functions)


def rooms_imported(source: str) -> set[str]:
    """Names of the package's own rooms that a module imports."""
    parts = [found.target.split(".") for found in imports(source)]
    own = {part[1] for part in parts if part[0] == "facerec_mqtt" and len(part) > 1}
    return own - {"__version__"}


def upward_imports(room: str, source: str) -> set[str]:
    """What a module of `room` imports although it lies no lower."""
    return {other for other in rooms_imported(source) - {room} if floor_of(other) >= floor_of(room)}


def training_at_top(source: str) -> set[str]:
    """Which training libraries are imported as soon as the module is."""
    targets = {found.target for found in imports(source) if found.at_top}
    return {target for target in targets if target.split(".")[0] in TRAINING}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def test_every_room_has_its_floor() -> None:
    assert {room_of(path) for path in MODULES} <= set().union(*FLOORS)


@each_module
def test_imports_point_down_only(path: Path) -> None:
    assert upward_imports(room_of(path), path.read_text(encoding="utf-8")) == set()


def test_an_import_of_a_room_above_or_beside_is_found() -> None:
    assert upward_imports("detection", "from facerec_mqtt.service import Service") == {"service"}
    assert upward_imports("detection", "def f():\n    from facerec_mqtt import embedding") == {"embedding"}
    assert upward_imports("detection", "from facerec_mqtt.records import Detection") == set()


@each_module
def test_training_libraries_are_imported_only_where_training_begins(path: Path) -> None:
    assert training_at_top(path.read_text(encoding="utf-8")) == set()


def test_a_training_library_at_the_top_of_a_module_is_found() -> None:
    assert training_at_top("if True:\n    import tensorflow as tf") == {"tensorflow"}
    assert training_at_top("def train():\n    import keras") == set()


@each_module
def test_the_package_never_imports_how_its_weights_were_made(path: Path) -> None:
    targets = {found.target.split(".")[0] for found in imports(path.read_text(encoding="utf-8"))}
    assert targets.isdisjoint({"pretraining", "benchmarks", "tests"})


def test_every_module_is_named_for_what_it_knows() -> None:
    assert {path.stem for path in MODULES}.isdisjoint(NAMELESS)
