"""A model that fits together, made of numbers."""

from datetime import UTC, datetime, timedelta

import numpy as np

from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition.model_store import (
    FamilyModel,
    new_version,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_model(minute: int = 0) -> FamilyModel:
    return FamilyModel(
        version=new_version(NOON + timedelta(minutes=minute)),
        created=NOON.isoformat(),
        backbone_digest="ab" * 32,
        cohort_digest="cd" * 32,
        people=(Person("jose_nunez", "José Núñez"), Person("anna", "Anna")),
        arrays={"templates": np.random.default_rng(minute).normal(size=(2, 8)).astype(np.float32)},
        report={"photos": [{"file": "José Núñez/1.jpg", "used": True, "reason": None}]},
    )
