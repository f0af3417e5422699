"""What the service still knows after a restart."""

import json
import logging
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.core.records import OpenVisit, Person
from facerec_mqtt.mqtt.home_assistant import discovery_payload
from facerec_mqtt.presence.state_file import LastSeen, ServiceState, StateFile, remove_person, state_files
from facerec_mqtt.settings.schema import MqttSettings

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")
KEPT = ServiceState(
    frozenset({"garden"}),
    (ANNA, Person("jose", "José")),
    {"anna": LastSeen("door", 1795453331.412, 0.97)},
    (OpenVisit("door", "anna", "V", 1795453300.5, 1795453331.412, 0.97),),
    {"rebuild": {"platform": "button", "options": ["a"], "name": "José"}},
    frozenset({"door", "garden"}),
    frozenset({"eve"}),
)


def test_what_was_saved_is_read_by_the_next_run(tmp_path: Path) -> None:
    StateFile(tmp_path / "models", "home").save(KEPT)
    assert StateFile(tmp_path / "models", "home").state == KEPT


def test_the_first_run_has_nothing_to_read_and_logs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert StateFile(tmp_path, "home").state == ServiceState()
    assert not caplog.records


def test_two_services_that_share_a_folder_do_not_share_a_state(tmp_path: Path) -> None:
    StateFile(tmp_path, "home").save(KEPT)
    assert StateFile(tmp_path, "barn").state == ServiceState()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    StateFile(tmp_path, "home").save(KEPT)
    assert (tmp_path / "memory-home.json").stat().st_mode & 0o077 == 0


def test_it_is_written_only_when_it_has_changed(tmp_path: Path) -> None:
    file = StateFile(tmp_path, "home")
    file.save(KEPT)
    (tmp_path / "memory-home.json").unlink()
    file.save(replace(KEPT, last_seen=dict(KEPT.last_seen)))
    assert not (tmp_path / "memory-home.json").exists()
    file.save(ServiceState())
    assert StateFile(tmp_path, "home").state == ServiceState()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"\0" * 300, b"[" * 100_000, b"null"])
def test_a_file_that_holds_no_state_is_logged_and_is_as_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / "memory-home.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert StateFile(tmp_path, "home").state == ServiceState()
    assert "memory-home.json" in caplog.text


def stored(tmp_path: Path) -> dict[str, Any]:
    """What a file of all of `KEPT` holds."""
    StateFile(tmp_path, "home").save(KEPT)
    values: dict[str, Any] = json.loads((tmp_path / "memory-home.json").read_bytes())
    return values


KEYS = {field.name: field.default for field in fields(ServiceState)} | {"last_seen": {}, "announced": {}}


@pytest.mark.parametrize("key", sorted(KEYS))
@pytest.mark.parametrize("damage", ["missing", "null", "of another kind"])
def test_a_key_that_is_missing_or_damaged_costs_no_other(
    tmp_path: Path, key: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    values = stored(tmp_path)
    if damage == "missing":
        del values[key]
    else:
        values[key] = None if damage == "null" else 7
    (tmp_path / "memory-home.json").write_text(json.dumps(values))
    changes: Any = {key: KEYS[key]}
    assert StateFile(tmp_path, "home").state == replace(KEPT, **changes)
    assert [record.levelname for record in caplog.records] == ([] if damage == "missing" else ["WARNING"])


@pytest.mark.parametrize(
    ("key", "entries", "rest"),
    [
        ("switched_off", ["garden", 1, "../x"], frozenset({"garden"})),
        ("people", {"anna": "Anna", "jose": 1, "A/#": "Eve"}, (ANNA,)),
        ("last_seen", {"anna": {"camera": "door", "epoch_s": "now", "score": 0.9}}, {}),
        ("last_seen", {"anna": {"camera": "door", "epoch_s": float("nan"), "score": 0.9}}, {}),
        ("visits", [{"camera": "door"}], ()),
        ("announced", {"a": {"platform": "button"}, "b": 3}, {"a": {"platform": "button"}}),
    ],
)
def test_an_entry_that_is_damaged_costs_no_other(
    tmp_path: Path, key: str, entries: object, rest: object
) -> None:
    (tmp_path / "memory-home.json").write_text(json.dumps(stored(tmp_path) | {key: entries}))
    changes: Any = {key: rest}
    assert StateFile(tmp_path, "home").state == replace(KEPT, **changes)


def test_of_a_file_that_is_cut_short_the_switches_stay(tmp_path: Path) -> None:
    content = json.dumps(stored(tmp_path)).encode()
    end = content.index(b'"cameras"')
    for cut in range(end, len(content)):
        (tmp_path / "memory-home.json").write_bytes(content[:cut])
        assert StateFile(tmp_path, "home").state.switched_off == KEPT.switched_off, cut


def test_a_file_of_a_newer_version_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "memory-home.json").write_text(json.dumps(stored(tmp_path) | {"moods": {"anna": "good"}}))
    assert StateFile(tmp_path, "home").state == KEPT
    assert not caplog.records


def test_whatever_is_done_first_nothing_unread_is_overwritten(tmp_path: Path) -> None:
    stored(tmp_path)
    file = StateFile(tmp_path, "home")
    file.save(KEPT)
    assert StateFile(tmp_path, "home").state == KEPT
    file = StateFile(tmp_path, "home")
    file.save(replace(file.state, people=()))
    assert StateFile(tmp_path, "home").state == replace(KEPT, people=())


def test_a_damaged_file_is_written_whole_again_with_the_next_save(tmp_path: Path) -> None:
    values = stored(tmp_path) | {"people": {"anna": "Anna", "tom": 1}}
    (tmp_path / "memory-home.json").write_text(json.dumps(values))
    file = StateFile(tmp_path, "home")
    file.save(file.state)
    assert b"tom" not in (tmp_path / "memory-home.json").read_bytes()


def test_somebody_is_removed_from_the_states_of_all_services(tmp_path: Path) -> None:
    for node in ("home", "barn"):
        StateFile(tmp_path, node).save(KEPT)
    assert not remove_person(tmp_path, ANNA, from_broker=False)
    for file in state_files(tmp_path):
        assert b"anna" not in file.path.read_bytes().lower()
        assert file.state.switched_off == KEPT.switched_off


def test_who_is_to_be_removed_from_the_broker_is_saved_until_that_is_done(tmp_path: Path) -> None:
    StateFile(tmp_path, "home").save(KEPT)
    StateFile(tmp_path, "barn").save(ServiceState())
    assert remove_person(tmp_path, ANNA, from_broker=True)
    assert StateFile(tmp_path, "home").state.removed == {"anna", "eve"}
    assert StateFile(tmp_path, "barn").state == ServiceState()


def test_a_folder_that_cannot_be_written_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "models").write_text("a file")
    with caplog.at_level(logging.WARNING):
        StateFile(tmp_path / "models", "home").save(KEPT)
    assert "memory-home.json" in caplog.text


def test_a_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "memory-home.json").write_bytes(
        b'{"switched_off":["garden"],"people":{},"last_seen":{},"visits":[],"announced":{}}'
    )
    assert StateFile(tmp_path, "home").state == ServiceState(frozenset({"garden"}))


def test_of_somebody_who_is_forgotten_nothing_is_left_and_of_others_everything() -> None:
    def of(*people: Person) -> ServiceState:
        _, message = discovery_payload(MqttSettings(), [], people, "1")
        announced: Any = message["components"]
        seen = {person.slug: LastSeen("door", 1.0, 0.9) for person in people}
        visits = tuple(OpenVisit("door", person.slug, "V", 1.0, 2.0, 0.9) for person in people)
        return ServiceState(frozenset({"garden"}), people, seen, visits, announced)

    maria = Person("anna_maria", "Anna Maria")
    assert of(ANNA, maria, TOM).without("anna") == of(maria, TOM)
    assert of(TOM).without("anna") == of(TOM)


def test_the_states_of_all_services_that_share_a_folder_are_found(tmp_path: Path) -> None:
    for node in ("home", "Barn-2"):
        StateFile(tmp_path, node).save(KEPT)
    (tmp_path / "current").touch()
    assert [file.state for file in state_files(tmp_path)] == [KEPT, KEPT]
    assert state_files(tmp_path / "nowhere") == ()
