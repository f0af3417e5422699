"""Which frames become enrollment pictures: the session alone, with time as an argument."""

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Detection
from facerec_mqtt.enrollment.capture_session import Assessment, FrameSelector, Seen

FACE_PX = 100.0
SHARP = 60.0
STEP_S = 0.2


def seen(
    turn: float = 0.0,
    look: int = 0,
    *,
    person: int = 0,
    width: float = FACE_PX,
    sharpness: float = SHARP,
    light: int = 150,
) -> Seen:
    """A face that is turned by this share of the eyes' distance; another `look` is another picture of it."""
    points = np.array([[30, 40], [70, 40], [50 + 40 * turn, 60], [35, 80], [65, 80]], np.float32)
    image = np.full((112, 112, 3), light, np.uint8)
    image[0, 0] = (person, look, 100 + round(100 * turn))  # what the embedding below reads
    return Detection((0, 0, width, width * 1.2), points, 0.9), AlignedFace(image, width, sharpness)


def embed(face: AlignedFace) -> NDArray[np.float32]:
    """People are orthogonal; pictures of one person are as alike as their turns and looks are."""
    person, look, turn = (int(value) for value in face.image[0, 0])
    vector = np.zeros(300, np.float32)
    vector[person] = 1.0
    vector[10 + look] += 0.3
    vector[50 + turn] += 0.2
    return vector / np.float32(np.linalg.norm(vector))


class Shoot:
    """Shows frames to a session, one every `STEP_S`."""

    def __init__(self, count: int = 8, seconds: float = 60.0) -> None:
        self.now_s = 1000.0
        self.session = FrameSelector("Anna", count, seconds, self.now_s, embed)
        self.answers: list[Assessment] = []
        self.taken_s: dict[str, list[float]] = {"learn": [], "test": []}

    def show(self, *faces: Seen) -> Assessment:
        self.now_s += STEP_S
        answer = self.session.assess(self.now_s, faces)
        self.answers.append(answer)
        if answer.part is not None:
            self.taken_s[answer.part].append(self.now_s)
        return answer

    def show_all(self, each: Iterable[Seen]) -> "Shoot":
        for face in each:
            if not self.session.over(self.now_s):
                self.show(face)
        return self

    @property
    def hints(self) -> set[str]:
        return {answer.hint for answer in self.answers}


def lively(frames: int = 600) -> Iterable[Seen]:
    """Somebody who turns to both sides and does something new every half second."""
    for number in range(frames):
        yield seen((0.0, 0.2, -0.2, 0.0)[number // 10 % 4], look=number // 3 % 40)


def test_a_lively_person_gives_all_pictures_of_both_parts() -> None:
    shoot = Shoot(count=20).show_all(lively())
    assert (len(shoot.taken_s["learn"]), len(shoot.taken_s["test"])) == (15, 5)
    assert shoot.session.over(shoot.now_s)
    assert shoot.now_s - 1000.0 < 60.0
    assert shoot.session.outcome() == (
        True,
        "20 pictures of Anna were taken: 15 to learn from, 5 to test with. Now rebuild the model.",
    )


def test_pictures_to_test_with_come_after_a_pause() -> None:
    shoot = Shoot(count=20).show_all(lively())
    assert shoot.taken_s["test"][0] - shoot.taken_s["learn"][-1] >= 3.0
    assert any("test with come next" in hint for hint in shoot.hints)


def test_pictures_to_test_with_are_taken_even_when_those_to_learn_from_are_too_few() -> None:
    shoot = Shoot(count=100, seconds=20.0).show_all(lively())
    assert 0 < len(shoot.taken_s["learn"]) < 75
    assert shoot.taken_s["test"]
    assert min(shoot.taken_s["test"]) >= 1000.0 + 14.0
    assert "before the time was over" in shoot.session.outcome()[1]


def test_somebody_who_stands_still_gives_one_picture_and_is_asked_for_other_views() -> None:
    shoot = Shoot().show_all([seen()] * 290)
    assert shoot.session.taken == 1
    assert {"Turn your head a little to your left.", "Turn your head a little to your right."} <= shoot.hints
    assert "Look up a little." in shoot.hints


def test_a_side_that_is_missing_is_asked_for_and_then_taken() -> None:
    shoot = Shoot(count=8)
    shoot.show_all(seen(look=number // 3) for number in range(12))
    asked = shoot.show(seen(look=20))
    assert asked == Assessment("Turn your head a little to your left.", None)
    assert shoot.show(seen(0.2, look=20)).part == "learn"


def test_a_turn_to_the_wrong_side_is_not_what_was_asked_for() -> None:
    shoot = Shoot(count=8)
    shoot.show_all(seen(look=number // 3) for number in range(12))
    shoot.show(seen(-0.2, look=20))
    assert shoot.session.taken == 5
    shoot.show_all(seen(-0.2, look=30) for _ in range(4))
    assert shoot.answers[-1] == Assessment("Turn your head a little to your left.", None)


@pytest.mark.parametrize(
    ("face", "hint"),
    [
        (seen(width=30), "Come closer."),
        (seen(light=20), "It is too dark; switch on a light."),
        (seen(sharpness=5), "Hold still."),
        (seen(0.6), "Turn back to the camera a little."),
    ],
)
def test_a_useless_frame_is_not_taken_and_the_reason_is_said(face: Seen, hint: str) -> None:
    shoot = Shoot()
    assert shoot.show(face) == Assessment(hint, None)
    assert shoot.show(seen()).part == "learn"


def test_nobody_in_view_is_said() -> None:
    assert Shoot().show() == Assessment("No face is in view; stand before the camera.", None)


def test_while_two_are_in_view_nothing_is_taken() -> None:
    shoot = Shoot().show_all(())
    for _ in range(20):
        assert shoot.show(seen(), seen(person=1)) == Assessment(
            "2 faces are in view; only Anna may be.", None
        )
    assert shoot.session.taken == 0
    assert shoot.show(seen()).part == "learn"


def test_somebody_who_takes_the_persons_place_is_refused() -> None:
    shoot = Shoot().show_all(seen(look=number // 3) for number in range(6))
    before = shoot.session.taken
    for number in range(20):
        answer = shoot.show(seen(0.2, look=number, person=1))
    assert "somebody else" in answer.hint
    assert shoot.session.taken == before
    assert shoot.show(seen(0.2, look=30)).part == "learn"


def test_a_session_without_a_picture_says_what_stood_in_the_way() -> None:
    shoot = Shoot().show_all([seen(light=20)] * 10)
    assert shoot.session.outcome() == (
        False,
        "No picture of Anna was taken. It is too dark; switch on a light.",
    )


def test_a_session_without_a_frame_says_so() -> None:
    assert Shoot().session.outcome() == (
        False,
        "No picture of Anna was taken. No picture came from the camera.",
    )


def test_what_is_lacking_at_the_end_is_named() -> None:
    shoot = Shoot(count=40, seconds=20.0).show_all(seen(look=number // 3 % 40) for number in range(99))
    ok, message = shoot.session.outcome()
    assert ok
    assert "few are turned left or turned right" in message


def test_a_session_ends_when_its_time_is_over_and_not_before() -> None:
    session = FrameSelector("Anna", 20, 30.0, 1000.0, embed)
    assert not session.over(1029.9)
    assert session.over(1030.0)
