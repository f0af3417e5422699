"""The pieces in which a model travels: as they were put in, or an error with one sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.service.house.package import (
    CHUNK_BYTES,
    FILES,
    Forgotten,
    HouseManifest,
    Stamp,
    pack,
    parse_manifest,
    unpack,
)

KEY = bytes(range(32))
examples = settings(max_examples=60, deadline=None, derandomize=True)


def a_manifest(*, encrypted: bool, order: int = 1) -> HouseManifest:
    return HouseManifest(
        stamp=Stamp(order=order, node="barn"),
        version="20261123T100411Z-3f2a",
        made_at="2026-11-23T10:04:11+00:00",
        encrypted=encrypted,
        size=1,
        chunks=1,
        digest="0" * 64,
    )


files_of_a_version = st.fixed_dictionaries({name: st.binary(max_size=200) for name in FILES})


@examples
@given(files=files_of_a_version, repeat=st.sampled_from([1, 900]), key=st.sampled_from([None, KEY]))
def test_files_come_out_as_they_went_in_in_pieces_that_brokers_take(
    files: dict[str, bytes], repeat: int, key: bytes | None
) -> None:
    files = {name: content * repeat for name, content in files.items()}
    manifest, chunks = pack(files, a_manifest(encrypted=key is not None), key)
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    parsed = parse_manifest(manifest.model_dump_json().encode())
    assert unpack(parsed, dict(enumerate(chunks)), key) == files


@examples
@given(at=st.integers(0, 10**6), flip=st.integers(1, 255), order=st.integers(1, 3), data=st.data())
def test_what_was_changed_on_the_way_or_put_under_another_manifest_is_refused(
    at: int, flip: int, order: int, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from([None, KEY]))
    manifest, chunks = pack(dict.fromkeys(FILES, b"abc" * 50), a_manifest(encrypted=key is not None), key)
    broken = bytearray(chunks[0])
    broken[at % len(broken)] ^= flip
    with pytest.raises(ModelError):
        unpack(manifest, {0: bytes(broken)}, key)
    if key is not None and order != 1:
        moved = manifest.model_copy(update={"stamp": Stamp(order=order, node="barn")})
        with pytest.raises(ModelError, match="FACEREC_HOUSE__KEY"):
            unpack(moved, dict(enumerate(chunks)), key)


@examples
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_a_manifest_or_are_refused(payload: bytes) -> None:
    with pytest.raises(ModelError):
        parse_manifest(payload)


stamps = st.builds(Stamp, order=st.integers(0, 3), node=st.sampled_from(["attic", "barn"]))


@examples
@given(st.lists(stamps, min_size=1), st.data())
def test_of_all_changes_one_is_the_newest_in_whatever_order_they_come(
    came: list[Stamp], data: st.DataObject
) -> None:
    newest = []
    for order in (came, data.draw(st.permutations(came))):
        held = Stamp()
        for each in order:
            held = each if each.newer_than(held) else held
        newest.append(held)
    assert newest[0] == newest[1]


def test_somebody_who_was_forgotten_is_recognised_only_by_who_knows_the_name() -> None:
    entry = Forgotten.of("anna", "0123456789abcdef")
    assert entry.matches("anna")
    assert not entry.matches("tom")
    assert "anna" not in entry.model_dump_json()
    assert entry != Forgotten.of("anna", "0123456789abcdee")
