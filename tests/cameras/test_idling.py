"""While nothing moves key frames alone are decoded; whoever walks through the picture is not missed."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from facerec_mqtt.cameras import CameraFailedError, Scene
from facerec_mqtt.cameras.sources import Shot
from facerec_mqtt.cameras.streams import idling as idling_module
from facerec_mqtt.cameras.streams.idling import Idling
from facerec_mqtt.cameras.streams.taking import take
from tests.support.films import FPS, GROUP, LIVELY, film


@dataclass(eq=False)
class Sized:
    """As much of a packet as is looked at before it is decoded."""

    size: int
    is_keyframe: bool


class Stream:
    """A stream whose sizes are as those of a still scene, with `extra` bytes for what moves.

    A packet is decoded, or held back; the service sees in decoded ones whether something moves.
    """

    def __init__(self, idling: Idling, noise: int = 60, usual: int = 2000) -> None:
        self._idling, self._noise, self._usual = idling, noise, usual
        self.number = 0
        self.scene = Scene.STILL

    def play(self, seconds: float, extra: int = 0, *, sees: Scene | None = None) -> list[int]:
        """Send so many seconds; returns for each packet how many were decoded with it."""
        taken = []
        for _ in range(round(seconds * FPS)):
            number, self.number = self.number, self.number + 1
            is_key = number % GROUP == 0
            noise = self._noise * ((number * 7919) % 5 - 2) // 2
            size = 50_000 if is_key else self._usual + 10 * (number % GROUP) + noise + extra
            packets = self._idling.due(Sized(size, is_key), number / FPS, self.scene)  # type: ignore[arg-type]
            taken.append(len(packets))
            if packets and sees is not None:
                self.scene = sees
        return taken

    def walk(self, extra: int = 1000) -> list[int]:
        """Somebody crosses the picture in two seconds, and the scene is still three seconds later."""
        taken = self.play(2.0, extra, sees=Scene.MOVED)
        taken += self.play(3.0)
        self.scene = Scene.STILL
        return taken


@pytest.fixture
def proven() -> Stream:
    """After five people whom the sizes of packets have shown."""
    stream = Stream(Idling())
    stream.play(10)
    for _ in range(5):
        stream.walk()
        stream.play(4)
    return stream


def test_in_a_still_scene_key_frames_alone_are_decoded(proven: Stream) -> None:
    assert proven.play(60).count(1) == pytest.approx(60 * FPS / GROUP, abs=1)


def test_whoever_walks_through_is_seen_from_the_beginning(proven: Stream) -> None:
    proven.play(7.5)
    began = proven.number
    taken = proven.walk()
    first = next(number for number, packets in enumerate(taken) if packets > 1)
    assert first <= 4, "a third of a second"
    # Nothing is left out: what was held back is decoded with it, and then every packet.
    assert set(taken[first + 1 :]) == {1}
    assert taken[first] == (began + first) % GROUP + 1


def test_what_the_service_sees_is_decoded_at_once_whatever_the_sizes_say(proven: Stream) -> None:
    assert 0 in proven.play(5)
    proven.scene = Scene.ACTIVE
    assert set(proven.play(10)[1:]) == {1}


def test_a_stream_that_has_not_proven_itself_is_decoded_whole() -> None:
    assert set(Stream(Idling()).play(60)) == {1}


def test_a_movement_that_the_sizes_did_not_show_ends_it_until_five_have(proven: Stream) -> None:
    proven.walk(extra=0)  # a constant bit rate
    proven.walk(extra=0)
    assert set(proven.play(20)) == {1}
    for _ in range(5):
        assert set(proven.play(6)) == {1}
        proven.walk()
    assert 0 in proven.play(6)


def test_a_small_movement_proves_nothing() -> None:
    stream = Stream(Idling())
    for _ in range(6):
        stream.play(6)
        stream.play(2, extra=1000, sees=Scene.ACTIVE)
        stream.scene = Scene.STILL
    assert set(stream.play(20)) == {1}


def test_a_noisier_night_is_learned_and_costs_no_more(proven: Stream) -> None:
    proven._usual, proven._noise = 6000, 200
    proven.play(60)
    assert proven.play(60).count(1) <= 60 * FPS / GROUP + 1


# --- With a decoder


def taken(path: Path, scene: Scene) -> list[bytes | None]:
    """What is taken of a film, as if it came live: pictures, and `None` where one was not decoded."""
    found: list[bytes | None] = []
    with av.open(str(path)) as container, contextlib.suppress(CameraFailedError):
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        shots = take(container, video, 1e9, lambda: None, lambda: scene)
        found.extend(shot.image.tobytes() if isinstance(shot, Shot) else None for shot in shots)
    return found


@pytest.mark.parametrize(
    ("codec", "parameters"),
    [
        ("libx264", "bframes=0:rc-lookahead=0"),
        ("libx264", "bframes=2"),
        ("libx265", "bframes=0:log-level=none:open-gop=0"),
    ],
)
def test_what_was_held_back_is_decoded_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, parameters: str
) -> None:
    path = tmp_path / "film.mkv"
    film(path, codec, parameters)
    whole = taken(path, Scene.ACTIVE)
    monkeypatch.setattr(idling_module, "_PROVEN_AFTER", 0)
    pictures = taken(path, Scene.STILL)
    assert None not in whole
    # Three groups are learned from; of the next two there are key frames alone.
    assert pictures[: 3 * GROUP - 2].count(None) == 0
    assert pictures[3 * GROUP : LIVELY.start].count(None) >= 2 * (GROUP - 2)
    # What moved is there from the beginning, but for a third of a second, and as it was.
    assert pictures[LIVELY.start + 5 :].count(None) == 0
    assert set(pictures) - {None} <= set(whole)
    assert set(whole[LIVELY.start + 3 : LIVELY.stop]) <= set(pictures)
