"""Frames of rendered people for training, so that the detector knows them beside real ones."""

from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.rendering import Expression, Identity, Light, Pose, render_frame

PEOPLE, FRAMES_EACH = 100, 6
HAIR = ("short", "side", "fringe", "buzz", "receding", "bald", "long", "long fringe", "bob", "bun")
HAIR_COLOURS = ("black", "dark brown", "brown", "light brown", "blond", "red", "grey", "white")
BEARDS = ("none", "none", "stubble", "full", "moustache", "goatee")
GLASSES = ("none", "none", "thick", "thin")


def somebody(rng: np.random.Generator) -> Identity:
    """A person made up at random; `Identity` says what the ranges mean."""
    hair = int(rng.integers(len(HAIR)))
    female = hair >= 6
    return Identity(
        seed=int(rng.integers(1000, 100000)),
        female=female,
        head_width=rng.uniform(0.92, 1.08),
        face_length=rng.uniform(0.93, 1.07),
        jaw_width=rng.uniform(0.82, 1.06),
        chin_squareness=rng.uniform(1.9, 3.2),
        fullness=rng.uniform(-0.3, 0.6),
        brow_ridge=rng.uniform(0.05, 0.3 if female else 0.7),
        eye_offset=rng.uniform(2.85, 3.45),
        eye_width=rng.uniform(2.6, 3.4),
        eye_height=rng.uniform(0.75, 1.2),
        brow_height=rng.uniform(1.5, 2.3),
        brow_thickness=rng.uniform(0.28, 0.75),
        nose_length=rng.uniform(3.5, 4.7),
        nose_depth=rng.uniform(1.7, 2.9),
        nose_width=rng.uniform(0.8, 1.3),
        mouth_width=rng.uniform(4.2, 5.8),
        melanin=rng.uniform(0, 1),
        age=rng.uniform(0, 1),
        lipstick=rng.uniform(0, 1) if female else 0.0,
        hair_style=HAIR[hair],
        hair_colour=HAIR_COLOURS[int(rng.integers(len(HAIR_COLOURS)))],
        beard="none" if female else BEARDS[int(rng.integers(len(BEARDS)))],
        glasses=GLASSES[int(rng.integers(len(GLASSES)))],
        clothes=tuple(int(value) for value in rng.integers(20, 220, 3)),
    )


def somehow(rng: np.random.Generator, expression: Expression) -> Pose:
    """Somewhere in a 640×360 frame, near or far; one in three looks well aside."""
    reach = 60 if rng.random() < 0.33 else 30
    return Pose(
        x_px=rng.uniform(0.15, 0.85) * 640,
        y_px=rng.uniform(0.25, 0.7) * 360,
        face_px=float(np.exp(rng.uniform(np.log(40), np.log(260)))),
        yaw_deg=rng.uniform(-reach, reach),
        pitch_deg=rng.uniform(-18, 18),
        roll_deg=rng.uniform(-12, 12),
        expression=expression,
    )


def render(folder: Path, seed: int) -> None:
    """Write the frames as JPEG; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for person in range(PEOPLE):
        rng = np.random.default_rng((seed, person))
        identity = somebody(rng)
        # Each expression costs a second to prepare: two for each person.
        moods = (
            Expression(),
            Expression(rng.uniform(-0.5, 1), rng.uniform(0, 0.8), float(rng.random() < 0.2)),
        )
        for number in range(FRAMES_EACH):
            pose = somehow(rng, moods[number % 2])
            light = Light(
                (rng.uniform(-1, 1), rng.uniform(-0.1, 0.9), rng.uniform(0.4, 1.0)),
                rng.uniform(0.3, 1.2),
                rng.uniform(0.15, 0.7),
            )
            path = folder / f"{person:04d}_{number}.jpg"
            if path.exists():
                continue
            frame = render_frame(((identity, pose),), seed=number, room=int(rng.integers(60)), light=light)
            cv2.imwrite(str(path), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
