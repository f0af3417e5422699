"""Forgetting somebody: nothing of theirs is left on the disk, and nothing of anybody else's is lost."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person, PersonKind
from facerec_mqtt.enrollment.folder import read_enrollment_folder
from facerec_mqtt.enrollment.forget import Likeness, forget
from facerec_mqtt.enrollment.traces import find_traces, mentions
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.history import Embedding, History, visits_to_forget
from facerec_mqtt.presence.state_file import LastSeen, ServiceState, StateFile, remove_person
from facerec_mqtt.recognition.model_store import is_emptied, load_current, versions
from tests.support import killed_forgets
from tests.support.forget import ANNA, TOM, files_in, leave_anna_alone
from tests.support.pattern_world import PatternBackbone, pattern, write_photos
from tests.support.traces import secrets_of, traces_of
from tests.support.visits import STRANGER


def test_of_somebody_who_is_forgotten_nothing_is_left(family: Path) -> None:
    where = killed_forgets.places(family)
    secrets = secrets_of(family, where.enrollment)
    assert len(traces_of(family, secrets)) > 8
    killed_forgets.forget_anna(family)
    assert traces_of(family, [*secrets, b".forgetting"]) == []
    model = load_current(where.models)
    assert model is not None
    assert model.people == (TOM,)
    assert len(versions(where.models)) == 2  # the first, of Tom alone, and the new one
    assert len(list((where.enrollment / "Tom").iterdir())) == 6
    assert [path.name for path in where.review.rglob("*.png")] == ["tom.png"]
    state = StateFile(where.models, "home").state
    assert state == ServiceState(frozenset({"door"}), (TOM,), {"tom": LastSeen("door", 2.0, 0.9)})
    assert {path.name for path in where.enrollment.iterdir()} == {"Tom"}


def test_visits_without_a_name_that_may_be_of_the_forgotten_go_and_others_stay(family: Path) -> None:
    where = killed_forgets.places(family)
    write_photos(where.enrollment / "_known" / "Postman", 3, 5)
    looks = {f"01{person}{network}": (person, network) for person in (1, 3, 9) for network in ("new", "old")}
    secrets = []
    with closing(History.open(where.models / HISTORY)) as history:
        for visit_id, (person, network) in looks.items():
            vector = pattern(person).ravel() / np.linalg.norm(pattern(person))
            digest = PatternBackbone.digest if network == "new" else "another backbone"
            visit = replace(STRANGER, visit_id=visit_id, stranger_id=f"s{person}", picture=None)
            history.put(visit, Embedding(vector.astype(np.float32), digest))
            if person == 1:
                secrets.append(vector.astype(np.float16).tobytes())
        for visit_id, with_anna, with_tom in (("neighbour", 0.32, 0.0), ("sister", 0.5, 0.6)):
            other = replace(STRANGER, visit_id=visit_id, stranger_id=visit_id, picture=None)
            history.put(other, Embedding(like(with_anna, with_tom), PatternBackbone.digest))
    anna = Likeness(where, find_traces(where, "Anna"), [where.enrollment / "Anna"], killed_forgets.recognizer)
    named, unnamed = visits_to_forget(where.models, "anna", anna.looks)
    assert (named, [visit.visit_id for visit in unnamed]) == (0, ["011new"])
    assert traces_of(family, secrets) != []
    killed_forgets.forget_anna(family)
    assert traces_of(family, secrets) == []
    with closing(History.open(where.models / HISTORY)) as history:
        kept = history.strangers.embeddings(PatternBackbone.digest)
        assert {each.visit_id for each in kept} == {"013new", "019new", "neighbour", "sister"}
        # What another network saw cannot be compared, so the visit stays without it.
        assert history.get("013old") is not None
        assert history.strangers.embeddings("another backbone") == ()


def like(with_anna: float, with_tom: float) -> np.ndarray:
    """Somebody whose embedding has these cosines to Anna's and to Tom's."""
    anna, tom, own = (pattern(person).ravel() / np.linalg.norm(pattern(person)) for person in (1, 2, 77))
    both = np.stack([anna, tom])
    parts = np.linalg.solve(both @ both.T, [with_anna, with_tom]) @ both
    own -= np.linalg.solve(both @ both.T, both @ own) @ both
    vector = parts + own / np.linalg.norm(own) * np.sqrt(1 - parts @ parts)
    return np.asarray(vector, np.float32)


def test_a_known_visitor_is_forgotten_as_a_member_is(family: Path) -> None:
    where = killed_forgets.places(family)
    postman, test_pictures = where.enrollment / "_known/Postman", where.enrollment / "_test/_known/Postman"
    write_photos(postman, 3, 5)
    write_photos(test_pictures, 3, 2, first=50)
    killed_forgets.make_model(family)
    gone = killed_forgets.forget_on_disk(family, "Postman")
    assert gone == Person("postman", "Postman", PersonKind.VISITOR)
    assert traces_of(family, [b"postman", b"_known"]) == []
    model = load_current(where.models)
    assert model is not None
    assert model.people == (ANNA, TOM)


def test_when_the_last_one_is_forgotten_no_model_stays(family: Path) -> None:
    where = killed_forgets.places(family)
    leave_anna_alone(family)
    secrets = secrets_of(family, where.enrollment)
    killed_forgets.forget_anna(family)
    assert traces_of(family, secrets) == []
    assert load_current(where.models) is None
    assert versions(where.models) == ()
    assert is_emptied(where.models)
    assert not is_emptied(family / "nowhere")


@pytest.mark.parametrize("others", [["tom"], []])
def test_wherever_it_is_killed_nobody_is_recognised_without_photos_and_the_next_one_completes_it(
    family: Path, others: list[str]
) -> None:
    if not others:
        leave_anna_alone(family)
    secrets = secrets_of(family, family / "enrollment")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_forgets", family],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 10
    assert [line["killed"] for line in lines] == [True] * (len(lines) - 1) + [False]
    for line in lines:
        assert "anna" not in line["then"]["known"] or line["then"]["photos"] >= 5
        assert line["after"] == {"known": others, "photos": 0}
        assert traces_of(Path(line["folder"]), secrets) == []


def test_where_no_model_can_be_made_without_the_person_nothing_is_removed(family: Path) -> None:
    where = killed_forgets.places(family)
    for photo in (where.enrollment / "Tom").iterdir():
        photo.write_text("no picture")
    before = files_in(where.enrollment)
    model = load_current(where.models)
    with pytest.raises(EnrollmentError, match="Anna is not forgotten and nothing was removed"):
        killed_forgets.forget_anna(family)
    assert files_in(where.enrollment) == before
    after = load_current(where.models)
    assert model is not None
    assert after is not None
    assert after.version == model.version


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), RuntimeError("no thread")])
def test_whatever_ends_the_rebuild_the_photos_are_back(family: Path, error: BaseException) -> None:
    where = killed_forgets.places(family)
    before = files_in(family)

    def end(_must_know: Collection[str]) -> None:
        assert not (where.enrollment / "Anna").exists()
        assert read_enrollment_folder(where.enrollment).notes == ()
        raise error

    with pytest.raises(type(error)):
        forget(where, "Anna", end, killed_forgets.recognizer)
    assert files_in(family) == before
    assert not (where.enrollment / ".forgetting").exists()


def test_photos_that_were_moved_aside_before_are_put_back_too(family: Path) -> None:
    where = killed_forgets.places(family)
    before = files_in(where.enrollment)
    aside = where.enrollment / ".forgetting"
    (aside / "_test").mkdir(parents=True)
    for folder in ("Anna", "_test/Anna"):
        (where.enrollment / folder).rename(aside / folder)
    assert "interrupted facerec-mqtt forget" in " ".join(read_enrollment_folder(where.enrollment).notes)
    for photo in (where.enrollment / "Tom").iterdir():
        photo.write_text("no picture")
    with pytest.raises(EnrollmentError, match="nothing was removed"):
        killed_forgets.forget_anna(family)
    assert files_in(where.enrollment).keys() == before.keys()
    assert not aside.exists()


def test_photos_that_were_moved_aside_before_stay_where_newer_ones_have_their_place(family: Path) -> None:
    where = killed_forgets.places(family)
    write_photos(where.enrollment / ".forgetting" / "Anna", 1, 3, first=80)
    for photo in (where.enrollment / "Tom").iterdir():
        photo.write_text("no picture")
    before = files_in(where.enrollment)
    with pytest.raises(EnrollmentError, match="moved aside stay in") as caught:
        killed_forgets.forget_anna(family)
    assert f'"{where.enrollment / ".forgetting" / "Anna"}"' in str(caught.value)
    assert files_in(where.enrollment) == before


def test_photos_that_cannot_all_be_moved_aside_are_put_back(family: Path) -> None:
    where = killed_forgets.places(family)
    (where.enrollment / ".forgetting").mkdir()
    (where.enrollment / ".forgetting" / "_test").write_text("in the way")
    before = files_in(family)
    with pytest.raises(EnrollmentError, match="cannot be changed"):
        killed_forgets.forget_anna(family)
    assert files_in(family) == before


@pytest.mark.parametrize("folder", ["missing", "a file", "unreadable"])
def test_without_a_sight_of_the_photos_nothing_is_removed(family: Path, folder: str) -> None:
    where = killed_forgets.places(family)
    shutil.rmtree(where.enrollment)
    if folder == "a file":
        where.enrollment.write_text("a file")
    elif folder == "unreadable":
        where.enrollment.mkdir()
        (where.enrollment / "Tom").symlink_to("x" * 300)  # as one to a share that has dropped
    before = files_in(where.models)
    with pytest.raises(EnrollmentError, match=r"^Nothing was removed, since .* cannot be read .*mount it"):
        find_traces(where, "Anna")
    assert files_in(where.models) == before


def test_a_model_that_never_knew_the_person_stays_also_without_photos(family: Path) -> None:
    where = killed_forgets.places(family)
    shutil.move(where.enrollment / "Anna", family / "Anna")
    killed_forgets.make_model(family)
    shutil.rmtree(where.enrollment / "Tom")
    shutil.move(family / "Anna", where.enrollment / "Anna")
    secrets = secrets_of(family, where.enrollment)
    killed_forgets.forget_anna(family)
    assert traces_of(family, secrets) == []
    model = load_current(where.models)
    assert model is not None
    assert model.people == (TOM,)


def test_a_folder_of_test_pictures_that_must_stay_does_not_stop_it(family: Path, tmp_path: Path) -> None:
    where = killed_forgets.places(family)
    shutil.move(where.enrollment / "_test", tmp_path / "tests")
    (where.enrollment / "_test").symlink_to(tmp_path / "tests")
    with pytest.raises(OSError, match=os.strerror(errno.ENOTDIR)):
        (where.enrollment / "_test").rmdir()  # as on a disk that cannot be written
    killed_forgets.forget_anna(family)
    assert list((tmp_path / "tests").iterdir()) == []


@pytest.mark.parametrize("alone", [False, True])
def test_who_is_still_to_be_removed_from_the_broker_is_left_to_the_service(family: Path, alone: bool) -> None:
    where = killed_forgets.places(family)
    if alone:
        leave_anna_alone(family)
    file = StateFile(where.models, "home")
    entities = {"person_anna": {"platform": "binary_sensor"}}
    file.save(replace(file.state, announced=entities))
    killed_forgets.forget_on_disk(family)
    assert remove_person(where.models, ANNA, from_broker=True)
    state = StateFile(where.models, "home").state
    assert (state.people, state.removed) == ((TOM,), frozenset({"anna"}))
    assert state.announced == entities
    assert set(state.last_seen) == {"tom"}
    assert not remove_person(where.models, ANNA, from_broker=False)
    assert traces_of(where.models, [b"anna"]) == []


def test_somebody_without_a_trace_cannot_be_forgotten(family: Path) -> None:
    with pytest.raises(EnrollmentError, match=r'anybody called "Ana"; known are: Anna, Tom\.'):
        find_traces(killed_forgets.places(family), "Ana")


def test_a_person_may_be_given_by_slug_and_is_found_without_a_folder(family: Path) -> None:
    where = killed_forgets.places(family)
    shutil.rmtree(where.enrollment / "Anna")
    traces = find_traces(where, "anna")
    assert (traces.person, traces.others, len(traces.versions)) == (ANNA, ("Tom",), 1)
    killed_forgets.forget_anna(family)
    assert traces_of(family, [b"anna"]) == []


def test_a_folder_that_is_a_link_loses_the_link_and_not_what_is_behind_it(
    family: Path, tmp_path: Path
) -> None:
    where = killed_forgets.places(family)
    shutil.move(where.enrollment / "Anna", tmp_path / "album")
    (where.enrollment / "Anna").symlink_to(tmp_path / "album")
    killed_forgets.forget_anna(family)
    assert not (where.enrollment / "Anna").is_symlink()
    assert len(list((tmp_path / "album").iterdir())) == 5


def test_a_longer_name_is_not_mistaken_for_a_shorter_one() -> None:
    assert mentions('{"people": ["Anna"]}', ANNA)
    assert mentions("facerec/person/anna/state", ANNA)
    assert not mentions("Annabel, Hanna and anna_lena", ANNA)
