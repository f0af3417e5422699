"""docs/DESIGN.md names what is there: the calls of a frame's and of a photo's way, and the packages."""

import importlib
import re

import pytest

from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "DESIGN.md").read_text(encoding="utf-8")
PACKAGES = ROOT / "facerec_mqtt"
_CALL = re.compile(r"`((?:[a-z_]+\.)+[A-Za-z_.]+)`")


def section(heading: str) -> str:
    """The text under a heading of the third level."""
    return re.split(r"\n##", DOCUMENT.split(f"### {heading}\n", 1)[1], maxsplit=1)[0]


def exists(call: str) -> bool:
    """Whether `package.module.name`, or a name within it, is there."""
    package, module, *names = call.split(".")
    try:
        found = importlib.import_module(f"facerec_mqtt.{package}.{module}")
        for name in names:
            found = getattr(found, name)
    except (ImportError, AttributeError):
        return False
    return bool(names)


@pytest.mark.parametrize(
    "heading",
    ["A frame's way, from the camera to the broker", "A photo's way, from the folder to the model in use"],
)
def test_every_call_on_the_way_exists(heading: str) -> None:
    calls = _CALL.findall(section(heading))
    assert len(calls) >= 20
    assert [call for call in calls if not exists(call)] == []


@pytest.mark.parametrize(
    "call", ["service.loop.Service.fly", "service.lop.Service.run", "service.loop", "nowhere.loop.Service"]
)
def test_a_call_that_is_not_there_is_found_out(call: str) -> None:
    assert not exists(call)


def test_every_package_is_listed_and_no_other() -> None:
    listed = re.findall(r"^\| `(\w+)/` \|", DOCUMENT, flags=re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in PACKAGES.glob("*/__init__.py"))
