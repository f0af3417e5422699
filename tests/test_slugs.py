"""Slugs: identifiers made of names."""

import re

import pytest

from facerec_mqtt.errors import FacerecError
from facerec_mqtt.slugs import SlugError, slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Anna", "anna"),
        ("José Núñez", "jose_nunez"),
        ("  Ole-Jørgen  Åse ", "ole_jorgen_ase"),
        ("Weiß", "weiss"),
        ("front door 2", "front_door_2"),
        ("Tom 🎉", "tom"),
        ("../../etc/passwd", "etc_passwd"),
        ("a/b#c+d", "a_b_c_d"),
        ("İpek", "ipek"),
    ],
)
def test_a_name_becomes_an_identifier(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize("name", ["Анна", "安娜", "नेहा", "محمد"])
def test_a_name_in_another_script_has_an_identifier_of_its_own(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", slug(name))
    assert slug(name) != slug(name + name)


@pytest.mark.parametrize("name", ["", "   ", "🎉🎉", "///", "..", "\u0301"])
def test_a_name_without_letters_is_refused_and_named(name: str) -> None:
    with pytest.raises(SlugError, match="no letter or digit") as caught:
        slug(name)
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, FacerecError)
    assert isinstance(caught.value, ValueError)


def test_a_very_long_name_is_cut() -> None:
    assert len(slug("Анна" * 60)) <= 64
