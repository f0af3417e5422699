"""Rebuilds in the world of patterns, where networks are arithmetic."""

from pathlib import Path

from facerec_mqtt.core.records import Identification
from facerec_mqtt.enrollment.judging.photo_cache import Networks
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.enrollment.reports.rebuild_report import RebuildReport
from facerec_mqtt.recognition.model_store import (
    load_current,
)
from facerec_mqtt.recognition.recognizer import Recognizer
from tests.support.pattern_world import (
    PatternBackbone,
    PatternDetector,
    closest_classifier,
    pattern_cohort,
    pattern_networks,
    picture_of,
)


def rebuild_patterns(enrollment: Path, models: Path, networks: Networks | None = None) -> RebuildReport:
    return rebuild(
        enrollment,
        models,
        # The cohort of patterns is too small to tell of rarer strangers.
        fpir=0.01,
        load_networks=pattern_networks if networks is None else lambda: networks,
        cohort=pattern_cohort(),
        train=closest_classifier,
    )


def identify(models: Path, person: int, picture: int) -> Identification:
    blank = Recognizer(
        PatternDetector(), PatternBackbone(), PatternBackbone.digest, pattern_cohort(), None, None
    )
    recognizer = blank.with_model(load_current(models))
    (found,) = recognizer.recognise(picture_of(person, picture=picture), min_face_px=40)
    return found.identification


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
