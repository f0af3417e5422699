"""The documents say what the program does, and nothing that it does not."""

import argparse
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_mqtt import __version__
from facerec_mqtt.cli.main import _parser
from facerec_mqtt.core.records import Person
from facerec_mqtt.mqtt.home_assistant import discovery_payload
from facerec_mqtt.settings.loading import load_settings, setting_names
from facerec_mqtt.settings.schema import PREFIX, MqttSettings
from tests.support.paths import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("facerec_mqtt/**/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "COMMANDS.md").read_text(encoding="utf-8")

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
# A group's name alone, as in FACEREC_MQTT__*, is no setting.
_SETTING = re.compile(r"FACEREC_[A-Z_]*[A-Z](?![A-Z_])")


def section(title: str) -> str:
    """The part of README under a heading, up to the next one of its level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def fenced(text: str) -> list[str]:
    """The contents of the fenced blocks."""
    return re.findall(r"^```\w*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """The long options of a command that its help shows."""
    return {
        option
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }


def commands(parser: argparse.ArgumentParser | None = None) -> dict[str, argparse.ArgumentParser]:
    """Each command with its own parser; those of a group as "enroll capture"."""
    parser = _parser() if parser is None else parser
    groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return {
        f"{name} {way}".strip(): own
        for group in groups
        for name, choice in group.choices.items()
        for way, own in (commands(choice) or {"": choice}).items()
    }


def command_rows() -> dict[str, str]:
    """The rows of the table of commands."""
    rows = re.findall(r"^\| `facerec-mqtt ([^`]*)` \| (.*) \|$", COMMANDS, flags=re.MULTILINE)
    known = sorted(commands(), key=len)
    return {
        ([name for name in known if f"{usage} ".startswith(f"{name} ")] or [usage])[-1]: row
        for usage, row in rows
    }


def links(text: str) -> Iterator[str]:
    """Targets of links and pictures that lie in this repository."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            yield target


def test_set_up_has_two_blocks_of_one_line_each() -> None:
    blocks = fenced(section("Set up"))
    assert [block.count("\n") for block in blocks] == [1, 1]
    assert "facerec-mqtt demo" in blocks[0]
    assert "pytest" in blocks[1]


def test_every_command_is_documented_and_no_other() -> None:
    assert set(command_rows()) == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    assert set(_OPTION.findall(command_rows()[name])) == options_of(commands()[name])


def test_the_options_of_the_program_itself_are_documented() -> None:
    introduction = COMMANDS.split("\n|")[0]
    assert set(_OPTION.findall(introduction)) - {"--help"} == options_of(_parser())


@pytest.mark.parametrize(
    "path",
    [*DOCUMENTS, *sorted(path for path in (ROOT / "docker").rglob("*") if path.is_file())],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(_SETTING.findall(path.read_text(encoding="utf-8")))
    assert named <= set(setting_names())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(path: Path) -> None:
    assert [
        target for target in links(path.read_text(encoding="utf-8")) if not (path.parent / target).exists()
    ] == []


def test_links_to_the_outside_are_left_alone_and_those_within_are_found() -> None:
    assert list(links("[a](https://x.org/y) ![b](docs/b.png) [c](#d) [e](F.md#g)")) == ["docs/b.png", "F.md"]


def test_the_settings_of_the_first_steps_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    example = re.search(r"```sh\n(.*?)```", section("From a camera to the first arrival"), flags=re.DOTALL)
    assert example is not None
    env_file = tmp_path / ".env"
    env_file.write_text(textwrap.dedent(example[1]), encoding="utf-8")

    settings = load_settings(env_file)

    assert [camera.name for camera in settings.cameras] == ["front_door"]
    assert settings.mqtt.username == "facerec"


@pytest.mark.parametrize("page", ["README.md", "docs/HOME_ASSISTANT.md"])
def test_the_entities_of_the_automations_exist(page: str) -> None:
    people = [Person("anna", "Anna"), Person("tom", "Tom")]
    settings = MqttSettings(trackers=True)
    _, payload = discovery_payload(settings, [("front_door", "front_door")], people, __version__)
    components = payload["components"]
    assert isinstance(components, dict)
    known = {part.get("default_entity_id") for part in components.values()}
    named = set(re.findall(r"\w+\.face_recognition_\w+", (ROOT / page).read_text(encoding="utf-8")))
    assert named
    assert named <= known


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_dependency_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in tomllib.loads(text)["project"]["dependencies"]:
        line = next(line for line in text.splitlines() if f'"{requirement}"' in line)
        assert re.search(r'",\s*# \w+', line), requirement
