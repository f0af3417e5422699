"""The rebuild, from a folder of photos to a model in use."""

import json
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.errors import EnrollmentError, FacerecError, ModelError
from facerec_mqtt.core.records import Person, PersonKind
from facerec_mqtt.core.rejections import RejectionCode, RemarkCode
from facerec_mqtt.enrollment.judging.audit import check_enrollment
from facerec_mqtt.enrollment.judging.photo_cache import Networks
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.history import FILE, Embedding, History, VisitKind, VisitRecord
from facerec_mqtt.recognition.model_store import (
    FamilyModel,
    load_current,
    new_version,
    rebuilding,
    save_model,
    versions,
)
from tests.support.paths import ROOT
from tests.support.pattern_world import (
    LOOKS,
    PatternBackbone,
    PatternDetector,
    closest_classifier,
    pattern,
    pattern_cohort,
    pattern_networks,
    picture_of,
    write_photos,
)
from tests.support.patterns_rebuild import contents, identify, rebuild_patterns


def test_a_known_visitor_is_in_the_model_as_one(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 12)
    write_photos(enrollment / "_known" / "Postman", 2, 6)
    report = rebuild_patterns(enrollment, models)
    model = load_current(models)
    assert model is not None
    assert model.people == (Person("anna", "Anna"), Person("postman", "Postman", PersonKind.VISITOR))
    assert report.photos[-1].file == "_known/Postman/005.png"
    assert identify(models, 2, 100).person == "postman"
    # A manifest from before there were visitors knows members alone.
    path = models / "versions" / model.version / "manifest.json"
    manifest = json.loads(path.read_text())
    for person in manifest["people"]:
        del person["kind"]
    path.write_text(json.dumps(manifest))
    before = load_current(models)
    assert before is not None
    assert [person.kind for person in before.people] == [PersonKind.FAMILY] * 2


def test_the_family_is_known_afterwards_and_strangers_are_not(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 12)
    write_photos(enrollment / "José Núñez", 2, 6)
    write_photos(enrollment / "_strangers", 3, 4)
    before = contents(enrollment)
    stages: list[tuple[str, float]] = []
    report = rebuild(
        enrollment,
        models,
        progress=lambda stage, share: stages.append((stage, share)),
        load_networks=pattern_networks,
        cohort=pattern_cohort(),
    )
    assert identify(models, 1, 100).person == "anna"
    assert identify(models, 2, 100).person == "jose_nunez"
    named = [identify(models, person, 100).person for person in range(3, 40)]
    assert sum(name is not None for name in named) <= 1
    assert contents(enrollment) == before
    shares = [share for _, share in stages]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    answer = json.loads(json.dumps(report.as_json()))
    assert answer["people"] == ["anna", "jose_nunez"]
    assert answer["details"]["jose_nunez"]["name"] == "José Núñez"
    assert answer["details"]["anna"]["tpir"] > 0.8
    assert answer["photos"][0] == {
        "file": "Anna/000.png",
        "folder": "Anna",
        "person": "anna",
        "used": True,
        "reason": None,
        "reason_code": None,
    }
    assert len(answer["photos"]) == 22
    model = load_current(models)
    assert model is not None
    assert model.version == answer["version"]
    assert model.report == answer


def test_a_family_of_one_with_one_photo_works_and_is_warned(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", 1, 1)
    report = rebuild_patterns(tmp_path / "enrollment", tmp_path / "models")
    assert identify(tmp_path / "models", 1, 100).person == "anna"
    assert identify(tmp_path / "models", 2, 100).refusal == "below threshold"
    assert report.warnings() == ("Anna has only 1 usable photo; add ten or more.",)


def test_a_second_rebuild_analyses_new_photos_only_and_gives_the_same_model_for_the_same_folder(
    tmp_path: Path,
) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 6)
    networks = pattern_networks()
    assert isinstance(networks.detector, PatternDetector)
    rebuild_patterns(enrollment, models, networks)
    first = load_current(models)
    assert networks.detector.looked_at == 6 * LOOKS
    rebuild_patterns(enrollment, models, networks)
    again = load_current(models)
    assert networks.detector.looked_at == 6 * LOOKS
    write_photos(enrollment / "Anna", 1, 2, first=6)
    rebuild_patterns(enrollment, models, networks)
    changed = load_current(models)
    assert networks.detector.looked_at == 8 * LOOKS
    assert first is not None
    assert again is not None
    assert changed is not None
    assert first.arrays.keys() == again.arrays.keys()
    assert all(np.array_equal(array, again.arrays[name]) for name, array in first.arrays.items())
    assert not np.array_equal(first.arrays["templates"], changed.arrays["templates"])
    assert versions(models) == (first.version, again.version, changed.version)


def test_strangers_whom_the_cameras_have_seen_are_taken_into_account_and_a_damaged_history_is_said(
    tmp_path: Path,
) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 8)
    write_photos(enrollment / "Tom", 2, 8)
    models.mkdir()
    with closing(History.open(models / FILE)) as history:
        for number, who in enumerate((30, 31, 1)):
            vector = pattern(who).ravel().astype(np.float32)
            visit = VisitRecord(
                f"V{number}", VisitKind.STRANGER, None, None, "door", 9.0, 10.0, 0.1, stranger_id=f"S{number}"
            )
            embedding = Embedding(vector / np.linalg.norm(vector), PatternBackbone.digest)
            history.put(visit, embedding)
    report = rebuild_patterns(enrollment, models)
    model = load_current(models)
    assert model is not None
    assert report.as_json()["own_strangers"] == len(model.arrays["strangers"]) == 2  # the third is Anna
    assert identify(models, 1, 100).person == "anna"
    (models / FILE).write_bytes(b"no database at all, but something else" * 50)
    report = rebuild_patterns(enrollment, models)
    assert report.own_strangers == 0
    (note,) = report.notes
    assert note.startswith("The strangers whom the cameras have seen were not taken into account: ")


def test_bad_photos_are_rejected_with_their_reasons_and_never_fatal(tmp_path: Path) -> None:
    enrollment = tmp_path / "enrollment"
    write_photos(enrollment / "Anna", 1, 5)
    good = (enrollment / "Anna" / "000.png").read_bytes()
    bad = {
        "text.jpg": (b"a letter", RejectionCode.NOT_A_PICTURE),
        "short.png": (good[:-2000], RejectionCode.CUT_SHORT),
        "pixel.png": (
            bytes(cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1]),
            RejectionCode.PICTURE_TOO_SMALL,
        ),
        "empty.jpg": (b"", RejectionCode.EMPTY_FILE),
        "photo.heic": (b"anything", RejectionCode.NOT_A_PICTURE),
        "landscape.png": (bytes(cv2.imencode(".png", picture_of())[1]), RejectionCode.NO_FACE),
        "two.png": (bytes(cv2.imencode(".png", picture_of(2, 3))[1]), RejectionCode.SEVERAL_FACES),
    }
    for name, (data, _) in bad.items():
        (enrollment / "Anna" / name).write_bytes(data)
    report = rebuild_patterns(enrollment, tmp_path / "models")
    rejected = {photo.file: photo.rejection.code for photo in report.photos if photo.rejection is not None}
    assert rejected == {f"Anna/{name}": code for name, (_, code) in bad.items()}
    assert sum(photo.used for photo in report.photos) == 5


def test_a_person_without_a_usable_photo_is_left_out_and_named(tmp_path: Path) -> None:
    enrollment = tmp_path / "enrollment"
    write_photos(enrollment / "Anna", 1, 6)
    (enrollment / "Tom").mkdir()
    (enrollment / "Tom" / "1.jpg").write_text("not a picture")
    (enrollment / "Mia").mkdir()
    report = rebuild_patterns(enrollment, tmp_path / "models")
    assert [person.name for person in report.people] == ["Anna"]
    warnings = " ".join(report.warnings())
    assert "Tom was left out, having no usable photo: of 1, the first is Tom/1.jpg." in warnings
    assert "Mia was left out, having no usable photo: none is to be seen in the folder." in warnings
    assert report.as_json()["details"]["tom"]["used"] == 0


def old_model(models: Path) -> str:
    version = new_version(datetime(2026, 1, 1, tzinfo=UTC))
    save_model(models, FamilyModel(version, "", "", "", (), {"a": np.zeros(1, np.float32)}, {}))
    return version


@pytest.mark.parametrize("folder", ["missing", "empty", "nobody usable", "strangers only"])
def test_where_nobody_can_be_enrolled_the_old_model_stays(folder: str, tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    if folder != "missing":
        enrollment.mkdir()
    if folder == "nobody usable":
        (enrollment / "Tom").mkdir()
        (enrollment / "Tom" / "1.jpg").write_text("not a picture")
    if folder == "strangers only":
        write_photos(enrollment / "_strangers", 1, 3)
    version = old_model(models)
    with pytest.raises(EnrollmentError) as caught:
        rebuild_patterns(enrollment, models)
    assert "\n" not in str(caught.value)
    assert versions(models) == (version,)


def test_a_full_disk_is_reported_and_the_old_model_stays(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 5)
    version = old_model(models)
    # The system refuses files above this size as it refuses any on a full disk.
    program = (
        "import pathlib, resource, signal, sys\n"
        "from tests.support.patterns_rebuild import rebuild_patterns\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try:\n    rebuild_patterns(*map(pathlib.Path, sys.argv[1:]))\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(enrollment), str(models)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert ended.stdout.startswith("ModelError")
    assert "cannot be written" in ended.stdout
    assert versions(models) == (version,)
    assert load_current(models) is not None


def test_of_two_rebuilds_at_once_the_second_is_refused(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", 1, 2)
    refused: list[FacerecError] = []

    def rebuild_meanwhile() -> None:
        try:
            rebuild_patterns(tmp_path / "enrollment", tmp_path / "models")
        except ModelError as error:
            refused.append(error)

    def once(stage: str, _share: float) -> None:
        if stage.startswith("Training") and not refused:
            other = threading.Thread(target=rebuild_meanwhile)
            other.start()
            other.join()

    rebuild(
        tmp_path / "enrollment",
        tmp_path / "models",
        progress=once,
        load_networks=pattern_networks,
        cohort=pattern_cohort(),
        train=closest_classifier,
    )
    assert len(refused) == 1
    assert "already running" in str(refused[0])
    assert len(versions(tmp_path / "models")) == 1


def test_what_was_analysed_before_an_interruption_is_not_analysed_again(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 5)

    def interrupt(stage: str, _share: float) -> None:
        if stage.startswith("Training"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(
            enrollment, models, progress=interrupt, load_networks=pattern_networks, cohort=pattern_cohort()
        )
    assert load_current(models) is None
    networks = pattern_networks()
    assert isinstance(networks.detector, PatternDetector)
    rebuild_patterns(enrollment, models, networks)
    assert networks.detector.looked_at == 0


def test_photos_that_vanished_leave_the_cache(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 5)
    rebuild_patterns(enrollment, models)
    photo = enrollment / "Anna" / "003.png"
    kept = photo.read_bytes()
    photo.unlink()
    rebuild_patterns(enrollment, models)
    photo.write_bytes(kept)
    networks = pattern_networks()
    assert isinstance(networks.detector, PatternDetector)
    rebuild_patterns(enrollment, models, networks)
    assert networks.detector.looked_at == LOOKS


def check_patterns(enrollment: Path, models: Path, networks: Networks | None = None) -> dict[str, Any]:
    return check_enrollment(
        enrollment,
        models,
        load_networks=pattern_networks if networks is None else lambda: networks,
        cohort=pattern_cohort(),
    ).as_json()


def test_a_check_reports_of_each_photo_what_a_rebuild_reports_and_changes_nothing(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 8)
    write_photos(enrollment / "Tom", 2, 8)
    cv2.imwrite(str(enrollment / "Tom" / "wrong.png"), picture_of(1, picture=50))
    cv2.imwrite(str(enrollment / "Anna" / "nobody.png"), picture_of(9, picture=50))
    (enrollment / "Tom" / "copy.png").write_bytes((enrollment / "Tom" / "000.png").read_bytes())
    (enrollment / "Tom" / "letter.jpg").write_text("not a picture")
    before = contents(enrollment)
    answer = json.loads(json.dumps(check_patterns(enrollment, models)))
    assert contents(enrollment) == before
    assert load_current(models) is None
    rejected = {photo["file"]: photo["reason_code"] for photo in answer["photos"] if not photo["used"]}
    assert rejected == {
        "Tom/wrong.png": RejectionCode.LOOKS_LIKE_ANOTHER,
        "Anna/nobody.png": RejectionCode.UNLIKE_THE_OTHERS,
        "Tom/copy.png": RejectionCode.DUPLICATE_OF,
        "Tom/letter.jpg": RejectionCode.NOT_A_PICTURE,
    }
    reasons = {photo["file"]: photo["reason"] for photo in answer["photos"]}
    assert reasons["Tom/wrong.png"].startswith("It looks more like Anna than like the other photos of Tom;")
    assert reasons["Tom/copy.png"] == "It is a near-duplicate of Tom/000.png, which is used."
    assert answer["details"] == {
        "anna": {"name": "Anna", "used": 8, "set_aside": 1},
        "tom": {"name": "Tom", "used": 8, "set_aside": 3},
    }
    networks = pattern_networks()
    assert isinstance(networks.detector, PatternDetector)
    report = rebuild_patterns(enrollment, models, networks).as_json()
    assert networks.detector.looked_at == 0
    assert report["photos"] == answer["photos"]


def test_a_members_photo_among_the_strangers_is_found(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 8)
    write_photos(enrollment / "Tom", 2, 8)
    for stranger in range(20, 28):
        write_photos(enrollment / "_strangers", stranger, 1, first=stranger)
    strangers = enrollment / "_strangers"
    (strangers / "copy.png").write_bytes((enrollment / "Tom" / "000.png").read_bytes())
    cv2.imwrite(str(strangers / "anna.png"), picture_of(1, picture=50))
    answer = check_patterns(enrollment, models)
    codes = {photo["file"]: photo.get("note_code") or photo["reason_code"] for photo in answer["photos"]}
    assert {file: code for file, code in codes.items() if code is not None} == {
        "_strangers/anna.png": RemarkCode.RESEMBLES,
        "_strangers/copy.png": RejectionCode.DUPLICATE_OF_MEMBER,
    }
    (warning,) = answer["warnings"]
    assert warning.startswith("_strangers/anna.png resembles Anna; if that is who it shows, move it")
    assert rebuild_patterns(enrollment, models).as_json()["warnings"] == [warning]


def test_a_check_of_good_photos_has_nothing_to_say(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", 1, 8)
    answer = check_patterns(tmp_path / "enrollment", tmp_path / "models")
    assert answer["people"] == ["anna"]
    assert answer["warnings"] == []
    assert all(photo["used"] for photo in answer["photos"])


def test_a_check_warns_of_people_with_few_or_no_photos(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", 1, 3)
    (tmp_path / "enrollment" / "Tom").mkdir()
    answer = check_patterns(tmp_path / "enrollment", tmp_path / "models")
    assert answer["warnings"] == [
        "Anna has only 3 usable photos; add ten or more.",
        "Tom has no usable photo: none is to be seen in the folder.",
    ]


def test_a_check_while_a_rebuild_runs_is_refused(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", 1, 3)
    with rebuilding(tmp_path / "models"), pytest.raises(ModelError, match="already running"):
        check_patterns(tmp_path / "enrollment", tmp_path / "models")


def test_a_family_of_thirty_is_known(tmp_path: Path) -> None:
    for person in range(1, 31):
        write_photos(tmp_path / "enrollment" / f"Person {person}", person, 5)
    report = rebuild_patterns(tmp_path / "enrollment", tmp_path / "models")
    assert len(report.people) == 30
    answers = [identify(tmp_path / "models", person, 100).person for person in range(1, 31)]
    assert sum(answer == f"person_{person}" for person, answer in enumerate(answers, start=1)) >= 27
