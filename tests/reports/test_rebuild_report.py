"""What a rebuild tells its owner."""

import json
from dataclasses import replace

import numpy as np
import pytest

from facerec_mqtt.cli.output import print_report
from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition.error_rates import Outcomes
from facerec_mqtt.reports.rebuild_report import PhotoReport, RebuildReport

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
    return tuple(PhotoReport(f"Anna/{number}.jpg", "anna", None) for number in range(count))


def test_all_is_well_is_no_warning() -> None:
    assert a_report(photos(12), tpir={"anna": 0.95}).warnings() == ()


def test_few_photos_are_counted_in_the_warning() -> None:
    assert a_report(photos(1)).warnings() == ("Anna has only 1 usable photo; add ten or more.",)
    assert a_report(photos(4)).warnings() == ("Anna has only 4 usable photos; add ten or more.",)


def test_somebody_who_would_hardly_be_recognised_is_named() -> None:
    (warning,) = a_report(photos(12), tpir={"anna": 0.25}).warnings()
    assert warning.startswith("Anna would be recognised in only 25%")


def test_somebody_without_a_usable_photo_is_named_with_the_reason() -> None:
    aside = PhotoReport("Tom/1.jpg", "tom", "The file is empty; copy the picture again.")
    (warning,) = a_report((*photos(12), aside), left_out=(TOM,)).warnings()
    assert "Tom was left out" in warning
    assert "The file is empty" in warning


def test_the_report_is_plain_json() -> None:
    aside = PhotoReport("Anna/x.jpg", "anna", "No face was found in it.")
    answer = json.loads(json.dumps(a_report((*photos(5), aside), tpir={"anna": 0.91234}).as_json()))
    assert answer["people"] == ["anna"]
    assert answer["details"] == {"anna": {"name": "Anna", "used": 5, "set_aside": 1, "tpir": 0.9123}}
    assert answer["photos"][-1] == {"file": "Anna/x.jpg", "used": False, "reason": "No face was found in it."}
    assert answer["tpir"] == 0.9123
    assert a_report(photos(2)).as_json()["tpir"] is None


def test_what_is_printed_is_a_sentence_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "The picture has 10000x10000 pixels (100 megapixels), more than 64 megapixels; save it smaller."
    aside = PhotoReport("Anna/x.jpg", "anna", reason)
    print_report(a_report((*photos(2), aside), left_out=(TOM,)).as_json())
    lines = capsys.readouterr().out.splitlines()
    assert f"  Anna/x.jpg: {reason}" in lines
    assert [line for line in lines if line.startswith("! Anna: 2 photos (1 more set aside). Add ten or more")]
    assert [line for line in lines if line.startswith("! Tom was left out") and line.endswith("rebuild.")]


@pytest.mark.parametrize(("named", "told"), [(0, False), (2, False), (3, True)])
def test_far_more_strangers_than_were_asked_for_are_told_of(
    named: int, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = Outcomes(
        files=(*(f"_strangers/{number}.jpg" for number in range(20)), "Anna/0.jpg"),
        true=np.array([-1] * 20 + [0]),
        scores=np.zeros((21, 1), np.float32),
        named=np.array([0] * named + [-1] * (20 - named) + [0]),
    )
    report = replace(a_report(photos(12)), outcomes=outcomes)
    assert any("put pictures of twenty people" in note for note in report.warnings()) is told
    assert not replace(report, fpir=0.1).warnings()
    print_report(report.as_json())
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"! Of 20 strangers' faces {named} would be given") for line in lines) is told
    assert f"Strangers who would be given a name: {named / 20:.1%} (at most 1.0% were asked for)." in lines
    called = [line for line in lines if "would be called Anna." in line]
    assert called == [f"  _strangers/{number}.jpg would be called Anna." for number in range(named)]


def test_a_name_in_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(a_report((PhotoReport("Tom [alt]/1.jpg", "tom_alt", None),)).as_json())
    assert "Tom [alt]" in capsys.readouterr().out


def test_advice_that_is_needed_is_marked_and_other_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(a_report(photos(12), tpir={"anna": 1.0}).as_json())
    assert "  Anna: 12 photos; 100% of them would be recognised." in capsys.readouterr().out
    print_report(a_report(photos(12), tpir={"anna": 0.5}).as_json())
    assert "! Anna: 12 photos; 50% of them would be recognised." in capsys.readouterr().out
