"""A new model that is clearly worse than the one in use is kept, and not switched to."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facerec_mqtt.cli.models import kept_models
from facerec_mqtt.core.records import Vectors
from facerec_mqtt.enrollment.judging.photo_cache import Networks
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.enrollment.reports.rebuild_report import RebuildReport
from facerec_mqtt.recognition.classifier import Classifier
from facerec_mqtt.recognition.model_store import current_version, load_version, page_of, versions
from facerec_mqtt.training.classifier_trainer import Lesson
from facerec_mqtt.training.comparison import WorseCode
from facerec_mqtt.training.fit import Trainer
from tests.support.pattern_world import closest_classifier, pattern_cohort, pattern_networks, write_photos


def first_only_classifier(
    vectors: Vectors, nobody: Vectors, lessons: Sequence[Lesson], progress: Callable[[float], None]
) -> list[Classifier]:
    """Classifiers that have learnt nothing but the first person's name: they recognise no others."""
    del nobody
    progress(1.0)
    classifiers = []
    for people in (lesson.people for lesson in lessons):
        bias = np.zeros(people + 1, np.float32)
        bias[0] = 3
        classifiers.append(Classifier((np.zeros((vectors.shape[1], people + 1), np.float32),), (bias,)))
    return classifiers


def make(
    enrollment: Path,
    models: Path,
    *,
    force: bool = False,
    fpir: float = 0.01,
    networks: Networks | None = None,
    train: Trainer = closest_classifier,
) -> RebuildReport:
    return rebuild(
        enrollment,
        models,
        force=force,
        fpir=fpir,
        load_networks=pattern_networks if networks is None else lambda: networks,
        cohort=pattern_cohort(),
        train=train,
    )


@pytest.fixture
def enrollment(tmp_path: Path) -> Path:
    folder = tmp_path / "enrollment"
    write_photos(folder / "Anna", 1, 12)
    write_photos(folder / "Tom", 2, 12)
    write_photos(folder / "_strangers", 3, 4)
    return folder


@pytest.fixture
def models(enrollment: Path, tmp_path: Path) -> Path:
    """A model folder with a good model in use."""
    assert make(enrollment, tmp_path / "models").comparison is None
    return tmp_path / "models"


def rewrite_report(models: Path, version: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the report of a version, as if another version of this program had written it."""
    folder = models / "versions" / version
    content = json.dumps(change(json.loads((folder / "report.json").read_text()))).encode()
    (folder / "report.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["report.json"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def without_new_keys(report: dict[str, Any]) -> dict[str, Any]:
    """As it was before photos were listed with their folder."""
    listed = [{key: photo[key] for key in ("file", "used", "reason")} for photo in report["photos"]]
    return report | {"photos": listed}


def test_the_same_folder_is_compared_photo_by_photo_and_switched_to(enrollment: Path, models: Path) -> None:
    before = current_version(models)
    report = make(enrollment, models)
    assert report.comparison is not None
    assert report.comparison.version == before
    assert report.comparison.members.pictures == 24
    assert report.comparison.strangers.pictures == 4
    assert (report.comparison.members.lost, report.comparison.members.won) == (0, 0)
    assert current_version(models) == report.version
    answer = report.as_json()
    assert (answer["switched"], answer["not_used_because"]) == (True, None)
    assert answer["compared_with"]["version"] == before


def test_a_clearly_worse_model_is_kept_with_its_reason_and_the_one_in_use_stays(
    enrollment: Path, models: Path
) -> None:
    before = current_version(models)
    report = make(enrollment, models, train=first_only_classifier)
    assert current_version(models) == before
    assert versions(models) == (before, report.version)
    answer = load_version(models, report.version).report
    assert not answer["switched"]
    assert answer["compared_with"]["worse_code"] in (WorseCode.MEMBERS_MISSED, WorseCode.MEMBER_MISSED)
    message = report.message
    assert "kept but not used" in message
    assert answer["not_used_because"] in message
    assert '{"force": true}' in message
    assert answer["not_used_because"] in unescape(page_of(models, report.version).read_text())
    newest, oldest = kept_models(models)
    assert (newest["version"], newest["current"]) == (report.version, False)
    assert newest["reason"] == answer["not_used_because"]
    assert oldest["current"]
    # What is compared with is what is in use, not what was made last.
    again = make(enrollment, models)
    assert again.comparison is not None
    assert again.comparison.version == before
    assert current_version(models) == again.version


def test_force_switches_to_a_clearly_worse_model(enrollment: Path, models: Path) -> None:
    report = make(enrollment, models, force=True, train=first_only_classifier)
    assert current_version(models) == report.version
    assert report.comparison is not None
    assert report.comparison.worse is not None
    assert report.as_json()["switched"]
    assert "kept but not used" not in report.message


def test_photos_that_came_are_asked_of_the_model_in_use_and_photos_that_went_are_not_compared(
    enrollment: Path, models: Path
) -> None:
    write_photos(enrollment / "Anna", 1, 5, first=50)
    for number in range(4):
        (enrollment / "Tom" / f"{number:03}.png").unlink()
    report = make(enrollment, models)
    assert report.comparison is not None
    assert report.comparison.members.pictures == 12 + 5 + 8
    assert current_version(models) == report.version


def test_photos_under_other_names_are_not_taken_for_new_ones(enrollment: Path, models: Path) -> None:
    for photo in (enrollment / "Anna").iterdir():
        photo.rename(photo.with_name(f"2024-{photo.name}"))
    report = make(enrollment, models)
    assert report.comparison is not None
    assert report.comparison.members.pictures == 12
    assert current_version(models) == report.version


def test_photos_in_a_folder_under_another_spelling_of_the_name_are_not_taken_for_new_ones(
    enrollment: Path, models: Path
) -> None:
    (enrollment / "Anna").rename(enrollment / "anna")
    report = make(enrollment, models)
    assert report.comparison is not None
    assert report.comparison.members.pictures == 12


def test_a_report_of_an_earlier_version_is_compared_with(enrollment: Path, models: Path) -> None:
    version = str(current_version(models))
    rewrite_report(models, version, without_new_keys)
    report = make(enrollment, models)
    assert report.comparison is not None
    assert report.comparison.members.pictures == 24
    assert report.comparison.strangers.pictures == 4


def test_somebody_new_is_no_reason_to_keep_the_old_model(enrollment: Path, models: Path) -> None:
    write_photos(enrollment / "Mia", 7, 12)
    report = make(enrollment, models)
    assert report.comparison is not None
    assert report.comparison.members.pictures == 24
    assert current_version(models) == report.version


def test_somebody_whose_folder_is_gone_is_forgotten(enrollment: Path, models: Path) -> None:
    shutil.rmtree(enrollment / "Tom")
    report = make(enrollment, models)
    assert [person.slug for person in report.people] == ["anna"]
    assert current_version(models) == report.version


def test_somebody_whose_photos_have_all_become_unusable_is_not_forgotten(
    enrollment: Path, models: Path
) -> None:
    before = current_version(models)
    for photo in (enrollment / "Tom").iterdir():
        photo.write_bytes(b"")
    report = make(enrollment, models)
    assert current_version(models) == before
    assert report.comparison is not None
    assert report.comparison.worse is not None
    assert (report.comparison.worse.code, report.comparison.worse.people) == (WorseCode.PEOPLE_LOST, ("Tom",))
    forced = make(enrollment, models, force=True)
    assert current_version(models) == forced.version


def test_a_model_of_other_networks_is_replaced_whatever_the_new_one_is_like(
    enrollment: Path, models: Path
) -> None:
    other = replace(pattern_networks(), backbone_digest="another backbone of patterns")
    report = make(enrollment, models, networks=other, train=first_only_classifier)
    assert report.comparison is None
    assert current_version(models) == report.version


def test_a_damaged_model_is_replaced_whatever_the_new_one_is_like(enrollment: Path, models: Path) -> None:
    (models / "versions" / str(current_version(models)) / "model.npz").write_bytes(b"half")
    report = make(enrollment, models, train=first_only_classifier)
    assert report.comparison is None
    assert current_version(models) == report.version


def test_a_model_whose_report_says_nothing_of_photos_is_compared_on_none(
    enrollment: Path, models: Path
) -> None:
    # As a model of an earlier version of this program.
    version = str(current_version(models))
    rewrite_report(models, version, lambda report: {"version": version, "people": report["people"]})
    report = make(enrollment, models, train=first_only_classifier)
    assert report.comparison is not None
    assert report.comparison.members.pictures == 0
    assert current_version(models) == report.version


def test_a_stricter_threshold_that_the_owner_asked_for_is_no_fault(enrollment: Path, models: Path) -> None:
    report = make(enrollment, models, fpir=0.005, train=first_only_classifier)
    assert report.comparison is not None
    assert report.comparison.members.lost >= 10
    assert report.not_used_because is None
    assert current_version(models) == report.version
