"""docs/TROUBLESHOOTING.md quotes the program's sentences as they stand in the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "TROUBLESHOOTING.md").read_text(encoding="utf-8")
# A value in a sentence: as logging, `str.format` or an f-string has it.
_VALUE = re.compile(r"%(?:\.\d+)?[sdf]|\{[a-z_]+(?::[^{}]*)?\}")


def sentences_of(source: str) -> Iterator[str]:
    """The texts in a program, with `…` for each value."""
    tree = ast.parse(source)
    parts = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    } | {
        id(node.body[0].value)  # docstrings
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield _VALUE.sub("…", node.value)


def all_sentences() -> tuple[str, ...]:
    """The texts of the whole program."""
    return tuple(
        shortened(text)
        for path in sorted((ROOT / "facerec_mqtt").rglob("*.py"))
        for text in sentences_of(Path(path).read_text(encoding="utf-8"))
    )


def shortened(text: str) -> str:
    """The same with one `…` for values side by side, with or without quotes around them."""
    return re.sub(r"…+", "…", text.replace('"…"', "…"))


def is_said(quote: str, sentences: tuple[str, ...]) -> bool:
    """Whether a quote is a sentence, or three and more whole words of one."""
    bare = shortened(quote).strip("… ")
    if len(re.findall(r"\w+", bare)) < 3:
        return any(bare == sentence.strip("… ") for sentence in sentences)
    whole = re.compile(rf"(?<!\w){re.escape(bare)}(?!\w)")
    return any(whole.search(sentence) for sentence in sentences)


def quotes() -> list[str]:
    """The messages in the first columns."""
    return re.findall(r"^\| `(.+?)` \|", PAGE, flags=re.MULTILINE)


def test_every_quoted_sentence_is_in_the_code() -> None:
    sentences = all_sentences()
    assert len(quotes()) >= 40
    assert [quote for quote in quotes() if not is_said(quote, sentences)] == []


@pytest.mark.parametrize(
    "quote",
    [
        "The cat sits on the keyboard; take it off.",
        "refuses the login (…); check user and password",
        "fuses the login (…); check username",
        "the … of …",
    ],
)
def test_a_sentence_that_is_made_up_is_found_out(quote: str) -> None:
    assert not is_said(quote, all_sentences())


def test_no_sentence_is_explained_twice() -> None:
    assert len(set(quotes())) == len(quotes())


def test_values_are_found_however_a_sentence_is_made() -> None:
    source = '"""A docstring."""\n_log.info("a %s of %.0f s", 1)\nb = f"c {d} e"\nf = "g {h:.1f}"\n'
    assert sorted(sentences_of(source)) == ["a … of … s", "c … e", "g …"]
