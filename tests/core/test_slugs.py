"""Slugs: identifiers made of names."""

import re
import sys
import unicodedata

import pytest

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.slugs import SlugError, slug


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
        ("Anna™", "annatm"),
        ("Camera №1", "camera_no1"),
        ("𝐀𝐧𝐧𝐚", "anna"),
        ("ᴭrø", "aero"),
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


def test_whatever_character_is_in_a_name_the_identifier_is_plain_and_is_its_own() -> None:
    nothing = ("Cn", "Co", "Cs")  # unassigned, for private use, half a pair
    letters = [
        letter
        for letter in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(letter) not in nothing
    ]
    assert len(letters) > 100_000
    found = {letter: slug(f"a{letter}b") for letter in letters}
    assert [letter for letter, made in found.items() if not re.fullmatch("[a-z0-9_]+", made)] == []
    assert [letter for letter, made in found.items() if slug(made) != made] == []
