"""What a rebuild reports to its owner."""

import json
from dataclasses import replace

import numpy as np
import pytest

from facerec_mqtt.cli.output import print_report
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.rejections import Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.reports.photo_report import PhotoReport
from facerec_mqtt.enrollment.reports.rebuild_report import RebuildReport
from facerec_mqtt.enrollment.reports.summary import model_message, summary
from facerec_mqtt.recognition.error_rates import NOBODY, Outcomes
from facerec_mqtt.recognition.saved_report import SavedReport
from facerec_mqtt.training.comparison import Comparison, Tally, Worse, WorseCode
from tests.support.reports import a_photo

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")


def a_report(
    photos: tuple[PhotoReport, ...],
    *,
    people: tuple[Person, ...] = (ANNA,),
    left_out: tuple[Person, ...] = (),
    tpir: dict[str, float] | None = None,
) -> RebuildReport:
    return RebuildReport(
        version="20261123T120000Z-3f2a",
        people=people,
        left_out=left_out,
        photos=photos,
        notes=(),
        tpir=tpir or {},
        fpir=0.01,
        threshold=2.19,
        outcomes=Outcomes((), np.zeros(0, np.int64), np.zeros((0, 1), np.float32), np.zeros(0, np.int64)),
        seconds=1.234,
    )


def photos(count: int) -> tuple[PhotoReport, ...]:
    return tuple(a_photo(ANNA, f"Anna/{number}.jpg") for number in range(count))


def test_all_is_well_is_no_warning() -> None:
    assert a_report(photos(12), tpir={"anna": 0.95}).warnings() == ()


def test_who_comes_nearest_and_what_a_relative_would_be_called_is_said_of_each_member() -> None:
    """Two of Anna's three photos would be taken for Tom, were she not enrolled; of his none."""
    shown = (*photos(3), *(a_photo(TOM, f"Tom/{number}.jpg") for number in range(3)))
    own = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3)
    as_strangers = np.array([[0, 0.6], [0, 0.7], [0, 0.3], [0.2, 0], [0.1, 0], [0.1, 0]])
    outcomes = Outcomes(
        files=tuple(photo.file for photo in shown) * 2,
        true=np.array([0, 0, 0, 1, 1, 1] + [NOBODY] * 6),
        scores=np.concatenate([own, as_strangers]).astype(np.float32),
        named=np.array([0, 0, 0, 1, 1, 1, 1, 1] + [NOBODY] * 4),
    )
    report = replace(a_report(shown, people=(ANNA, TOM)), outcomes=outcomes)
    assert report.as_json()["nearest"] == {
        "anna": {"person": "tom", "would_be_named": 2, "photos": 3},
        "tom": {"person": "anna", "would_be_named": 0, "photos": 3},
    }
    of_anna, of_tom = (each.text for each in report.advice())
    assert (
        "Of the others Tom comes nearest: were Anna not enrolled, 2 of 3 photos would be given a name"
        in of_anna
    )
    assert "_known" in of_anna
    assert "were Tom not enrolled, none of 3 photos would be given a name" in of_tom
    assert "_known" not in of_tom
    alone = a_report(photos(3))
    assert alone.as_json()["nearest"] == {}
    assert "nearest" not in alone.advice()[0].text


def test_few_photos_are_counted_in_the_warning() -> None:
    assert a_report(photos(1)).warnings() == ("Anna has only 1 usable photo; add ten or more.",)
    assert a_report(photos(4)).warnings() == ("Anna has only 4 usable photos; add ten or more.",)


def test_somebody_who_would_hardly_be_recognised_is_named() -> None:
    (warning,) = a_report(photos(12), tpir={"anna": 0.25}).warnings()
    assert warning.startswith("Anna would be recognised in only 25%")


def test_somebody_without_a_usable_photo_is_named_with_the_reason() -> None:
    rejected = a_photo(TOM, "Tom/1.jpg", Rejection(code=RejectionCode.EMPTY_FILE))
    (warning,) = a_report((*photos(12), rejected), left_out=(TOM,)).warnings()
    assert "Tom was left out" in warning
    assert "The file is empty" in warning


def test_the_report_is_plain_json() -> None:
    rejected = a_photo(ANNA, "Anna/x.jpg", Rejection(code=RejectionCode.NO_FACE))
    answer = json.loads(json.dumps(a_report((*photos(5), rejected), tpir={"anna": 0.91234}).as_json()))
    assert answer["people"] == ["anna"]
    assert answer["details"] == {"anna": {"name": "Anna", "used": 5, "set_aside": 1, "tpir": 0.9123}}
    assert answer["photos"][-1] == {
        "file": "Anna/x.jpg",
        "folder": "Anna",
        "person": "anna",
        "used": False,
        "reason": "No face was found in it.",
        "reason_code": "no_face",
    }
    assert answer["tpir"] == 0.9123
    assert a_report(photos(2)).as_json()["tpir"] is None


def test_what_is_printed_is_a_sentence_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    rejection = Rejection(code=RejectionCode.LOOKS_LIKE_ANOTHER, name="Tom" * 40, own="Anna")
    rejected = a_photo(ANNA, "Anna/x.jpg", rejection)
    print_report(a_report((*photos(2), rejected), left_out=(TOM,)))
    lines = capsys.readouterr().out.splitlines()
    assert f"  Anna/x.jpg: {rejection.sentence}" in lines
    assert [line for line in lines if line.startswith("! Anna: 2 photos (1 more rejected). Add ten or more")]
    assert [line for line in lines if line.startswith("! Tom was left out") and line.endswith("rebuild.")]


@pytest.mark.parametrize(("named", "reported"), [(0, False), (2, False), (3, True)])
def test_far_more_strangers_than_were_asked_for_are_reported(
    named: int, reported: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = Outcomes(
        files=(*(f"_strangers/{number}.jpg" for number in range(20)), "Anna/0.jpg"),
        true=np.array([-1] * 20 + [0]),
        scores=np.zeros((21, 1), np.float32),
        named=np.array([0] * named + [-1] * (20 - named) + [0]),
    )
    strangers = (
        PhotoReport(file=f"_strangers/{number}.jpg", folder="_strangers", person=None) for number in range(20)
    )
    report = replace(a_report((*photos(12), *strangers)), outcomes=outcomes)
    assert any("put pictures of twenty people" in note for note in report.warnings()) is reported
    assert not replace(report, fpir=0.1).warnings()
    assert ("put pictures of twenty people" in report.message) is reported
    assert report.as_json()["many_strangers"] == report.many_strangers
    print_report(report)
    lines = capsys.readouterr().out.splitlines()
    assert (
        any(line.startswith(f"! Of 20 strangers' faces {named} would be given") for line in lines) is reported
    )
    assert f"Strangers who would be given a name: {named / 20:.1%} (at most 1.0% were asked for)." in lines
    called = [line for line in lines if "would be called Anna." in line]
    assert called == [f"  _strangers/{number}.jpg would be called Anna." for number in range(named)]


def test_a_name_in_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(a_report((a_photo(Person("tom_alt", "Tom [alt]"), "Tom [alt]/1.jpg"),)))
    assert "Tom [alt]" in capsys.readouterr().out


def test_advice_that_is_needed_is_marked_and_other_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(a_report(photos(12), tpir={"anna": 1.0}))
    assert "  Anna: 12 photos; 100% of them would be recognised." in capsys.readouterr().out
    print_report(a_report(photos(12), tpir={"anna": 0.5}))
    assert "! Anna: 12 photos; 50% of them would be recognised." in capsys.readouterr().out


def test_a_member_held_out_who_is_taken_for_another_is_no_stranger() -> None:
    outcomes = Outcomes(
        files=("Anna/0.jpg", "_strangers/0.jpg"),
        true=np.array([-1, -1]),
        scores=np.zeros((2, 1), np.float32),
        named=np.array([0, 0]),
    )
    stranger = PhotoReport(file="_strangers/0.jpg", folder="_strangers", person=None)
    report = replace(a_report((*photos(12), stranger)), outcomes=outcomes)
    assert report.named_strangers == (("_strangers/0.jpg", ANNA),)


def test_a_remark_is_in_the_report_with_its_code() -> None:
    remark = Remark(code=RemarkCode.RESEMBLES, name="Anna")
    photo = PhotoReport(file="_strangers/0.jpg", folder="_strangers", person=None, remark=remark)
    answer = photo.as_json()
    assert (answer["note"], answer["note_code"]) == (remark.sentence, "resembles")
    assert (answer["used"], answer["reason"], answer["reason_code"]) == (True, None, None)
    assert "note" not in a_photo(ANNA, "Anna/1.jpg").as_json()


def a_worse_report() -> RebuildReport:
    loss = Tally(20, 8, 0, 10)
    worse = Worse(WorseCode.MEMBER_MISSED, loss, ("Anna",))
    comparison = Comparison("20261122T120000Z-aaaa", loss, Tally(0, 0, 0, 0), worse)
    return replace(a_report(photos(12)), comparison=comparison)


def test_a_worse_model_is_not_switched_to_and_says_in_which_way() -> None:
    report = a_worse_report()
    assert not report.switched
    compared = report.as_json()["compared_with"]
    assert compared["worse_code"] == "member_missed"
    assert SavedReport.of({"compared_with": compared}).compared_with is not None
    assert compared["worse_tally"]["right"] < compared["worse_tally"]["right_before"]
    assert compared["worse"] == report.not_used_because
    assert replace(report, forced=True).switched
    assert replace(report, forced=True).not_used_because is None


def test_what_a_report_says_is_read_back() -> None:
    report = a_worse_report()
    saved = SavedReport.of(json.loads(json.dumps(report.as_json())))
    assert saved.fpir == report.fpir
    assert [(photo.file, photo.used, saved.person_in(photo)) for photo in saved.photos] == [
        (photo.file, photo.used, photo.person) for photo in report.photos
    ]


def test_a_report_of_an_earlier_version_is_read_back() -> None:
    old = {
        "people": ["anna"],
        "details": {"anna": {"name": "Anna", "used": 1}},
        "photos": [
            {"file": "Anna/1.jpg", "used": True, "reason": None},
            {"file": "_strangers/1.jpg", "used": True, "reason": None},
        ],
    }
    saved = SavedReport.of(old)
    assert [saved.person_in(photo) for photo in saved.photos] == ["anna", None]


@pytest.mark.parametrize(
    "report", [{"photos": 5}, {"photos": [{"file": 1}]}, {"fpir": "much"}, {"details": []}]
)
def test_a_report_that_makes_no_sense_says_nothing(report: dict[str, object]) -> None:
    assert SavedReport.of(report) == SavedReport()


def test_the_sentence_on_a_rebuild_counts_the_photos() -> None:
    rejected = a_photo(ANNA, "Anna/x.jpg", Rejection(code=RejectionCode.NO_FACE))
    report = a_report((*photos(5), rejected))
    assert report.message == f"Model {report.version} knows Anna; 5 of 6 photos were used."
    assert model_message(report.version, "Anna", report.as_json()) == report.message
    assert a_worse_report().message.startswith(f"Model {report.version} is kept but not used")


def test_the_summary_of_a_report_has_counts_and_no_photos() -> None:
    report = a_report((*photos(5), a_photo(ANNA, "Anna/x.jpg", Rejection(code=RejectionCode.NO_FACE))))
    short = summary(report.as_json())
    assert (short["photos_used"], short["photos_set_aside"]) == (5, 1)
    assert not {"photos", "outcomes"} & short.keys()
