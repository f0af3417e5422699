"""A little story in front of a camera: people come, stay a moment and leave."""

from collections.abc import Iterator, Sequence

import numpy as np

from facerec_mqtt.core.records import Image
from facerec_mqtt.rendering.identity import (
    HALF_SMILE,
    NEUTRAL,
    SMILE,
    TALKING,
    Expression,
    Identity,
    Light,
    Pose,
)
from facerec_mqtt.rendering.scene import Size, render_frame

_MOODS: tuple[Expression, ...] = (NEUTRAL, HALF_SMILE, TALKING, SMILE, NEUTRAL)
_CROSSING_SHARE = 0.2
"""Share of a visit that coming takes, and again leaving."""


def walk(
    cast: Sequence[Identity],
    *,
    frames_per_second: float = 5.0,
    size: Size = (640, 360),
    visit_s: float = 6.0,
    pause_s: float = 3.0,
    room: int = 0,
    seed: int = 0,
) -> Iterator[Image]:
    """Frames of people who come one after the other, with an empty hall before each.

    Args:
        cast: who, in their order.
        frames_per_second: of the clip.
        size: of a frame.
        visit_s: how long each is seen.
        pause_s: how long nobody is seen before each.
        room: which hall.
        seed: of how they move and of the noise.
    """
    number = 0
    visit_frames, pause_frames = round(visit_s * frames_per_second), round(pause_s * frames_per_second)
    for order, identity in enumerate(cast):
        rng = np.random.default_rng([seed, order, 7])
        side = 1 if rng.random() < 0.5 else -1
        stance = float(rng.uniform(-0.06, 0.06)), float(rng.uniform(0.27, 0.33))
        light = Light((0.5 * side, 0.5, 0.8), key=float(rng.uniform(0.75, 0.95)))
        for _ in range(pause_frames):
            yield render_frame((), size=size, seed=seed + number, room=room)
            number += 1
        for step in range(visit_frames):
            pose = _pose_at((step + 0.5) / visit_frames, visit_s, size, side, stance)
            yield render_frame(((identity, pose),), size=size, seed=seed + number, room=room, light=light)
            number += 1


def _pose_at(progress: float, visit_s: float, size: Size, side: int, stance: tuple[float, float]) -> Pose:
    """Where somebody is after a share of their visit.

    Args:
        progress: 0 to 1.
        visit_s: how long the visit takes.
        size: of the frame.
        side: 1 comes from the left and leaves to the right, -1 the other way.
        stance: how far off the middle they stand, and how large the face is then, in shares of the frame.
    """
    width, height = size
    coming = _ease(progress / _CROSSING_SHARE)
    leaving = _ease((progress - 1 + _CROSSING_SHARE) / _CROSSING_SHARE)
    time_s = progress * visit_s
    x = side * (-0.72 * (1 - coming) + 0.78 * leaving) + stance[0]
    walking = (1 - coming) + leaving
    standing = 1 - walking
    nearness = stance[1] * (0.72 + 0.28 * coming + 0.15 * leaving)
    return Pose(
        x_px=width * (0.5 + x),
        y_px=height * (0.40 - 0.25 * (nearness - 0.3) + 0.008 * walking * np.sin(9 * time_s)),
        face_px=height * nearness,
        yaw_deg=side * 32 * walking + 15 * standing * float(np.sin(1.1 * time_s)),
        pitch_deg=4 + 4 * float(np.sin(0.8 * time_s + 1)),
        roll_deg=3 * float(np.sin(0.9 * time_s + 2)),
        expression=_MOODS[int(progress * len(_MOODS)) % len(_MOODS)],
    )


def _ease(share: float) -> float:
    """0 before, 1 after, smooth between."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)
