"""A missing TensorFlow, and a processor without AVX, are reported before TensorFlow is imported."""

import sys

import pytest

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.training.requirements import has_avx, require_tensorflow


def test_avx_is_found() -> None:
    assert has_avx("processor : 0\nflags : fpu sse4_2 avx avx2\n")


def test_its_lack_is_found() -> None:
    assert not has_avx("processor : 0\nmodel name : avx\nflags : fpu sse4_2 avxless\n")


def test_a_missing_tensorflow_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    with pytest.raises(FacerecError, match="TensorFlow is not installed"):
        require_tensorflow()
