"""Where rendered people stand: a hall with a door, and a camera that is not perfect.

A little story in front of a camera: people come, stay a moment and leave.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import cv2
import numpy as np

from facerec_mqtt.core.records import Image
from facerec_mqtt.rendering.drawing import Camera, draw_person
from facerec_mqtt.rendering.figure import bake_head
from facerec_mqtt.rendering.people import (
    DAYLIGHT,
    HALF_SMILE,
    NEUTRAL,
    RGB,
    SMILE,
    TALKING,
    Expression,
    Identity,
    Light,
    Pose,
)
from facerec_mqtt.rendering.surface import Array, grain

Size = tuple[int, int]
"""Width and height in pixels."""
_WALLS: tuple[RGB, ...] = (
    (204, 196, 182), (186, 198, 196), (212, 200, 190), (176, 188, 202), (198, 204, 184), (214, 208, 204)
)  # fmt: skip
_DOORS: tuple[RGB, ...] = ((146, 108, 78), (92, 116, 110), (172, 160, 144), (112, 72, 58), (86, 96, 124))
_FLOORS: tuple[RGB, ...] = ((150, 122, 96), (128, 124, 120), (166, 146, 120))


def render_frame(
    people: Sequence[tuple[Identity, Pose]],
    *,
    size: Size = (640, 360),
    seed: int,
    room: int = 0,
    light: Light = DAYLIGHT,
    samples: int = 1,
    noise: float = 2.0,
) -> Image:
    """One frame of a camera in a hall, with nobody, one or several people in it.

    Args:
        people: who, and where; the nearer hide the others.
        size: of the frame.
        seed: of the sensor's noise: frames of one camera differ in it.
        room: which hall; the same number gives the same walls.
        light: what falls on the people.
        samples: per pixel, along each side: 1 is fast, 2 is smooth.
        noise: standard deviation of the sensor's noise, in grey levels.
    """
    picture = paint_room(room, size).copy()
    for identity, pose in sorted(people, key=lambda person: person[1].face_px):
        draw_person(picture, identity, pose, light, focal_px=_focal_px(size), samples=samples)
    rng = np.random.default_rng([seed, 4])
    return sense(picture, rng, blur_px=0.5, noise=noise, jpeg_quality=88)


def landmarks(identity: Identity, pose: Pose, *, size: Size = (640, 360)) -> Array:
    """Where `render_frame` draws somebody's eyes, nose and mouth corners.

    Returns:
        (5, 2) float32 pixels, in the order of `Detection.landmarks`.
    """
    camera = Camera.on(pose, size, _focal_px(size), samples=1)
    pixels, _ = camera.project(bake_head(identity, pose.expression).landmarks, camera.head_turn)
    return pixels + np.array([camera.left_px, camera.top_px], np.float32)


def _focal_px(size: Size) -> float:
    """Of a lens that sees 55 degrees across the frame."""
    return size[0] * 0.95


def sense(
    picture: Array, rng: np.random.Generator, *, blur_px: float, noise: float, jpeg_quality: int
) -> Image:
    """What a camera makes of a scene: a soft lens, noise, and JPEG.

    Args:
        picture: (H, W, 3) RGB, 0 to 255.
        rng: of the noise.
        blur_px: standard deviation of the blur.
        noise: standard deviation of the noise, in grey levels.
        jpeg_quality: 1 to 100.
    """
    soft: Array = cv2.GaussianBlur(picture[..., ::-1].astype(np.float32), (0, 0), blur_px)
    soft += noise * rng.standard_normal(soft.shape, np.float32)
    pixels = np.clip(soft, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    return cv2.imdecode(packed, cv2.IMREAD_COLOR).astype(np.uint8)  # type: ignore[union-attr]


@lru_cache(maxsize=32)
def paint_room(room: int, size: Size) -> Array:
    """A hall seen by a camera: wall, floor, a door, a picture on the wall.

    Args:
        room: the same number gives the same hall.
        size: of the picture.

    Returns:
        (H, W, 3) float32 RGB, 0 to 255, read-only.
    """
    width, height = size
    rng = np.random.default_rng([room, 5])
    wall, door, floor = (np.array(p[rng.integers(len(p))], np.float32) for p in (_WALLS, _DOORS, _FLOORS))
    picture = np.tile(wall, (height, width, 1))
    falloff = np.linspace(1.08, 0.86, width, dtype=np.float32)
    picture *= (falloff if rng.random() < 0.5 else falloff[::-1])[None, :, None]
    base = round(height * float(rng.uniform(0.86, 0.93)))
    picture[base:] = floor * np.linspace(0.8, 1.05, height - base, dtype=np.float32)[:, None, None]
    picture[base - max(2, height // 45) : base] = wall * 1.12
    door_width, door_height = round(height * 0.44), round(height * 0.78)
    left = round(width * float(rng.uniform(0.05, 0.72)))
    _paint_door(picture, door, (left, base - door_height, door_width, door_height))
    free = (left + width // 2 + round(width * float(rng.uniform(-0.08, 0.08)))) % width
    free = min(max(free, width // 10), width - width // 4)
    frame = (free, round(height * 0.16), round(height * 0.34), round(height * 0.25))
    _paint_landscape(picture, frame, rng)
    picture *= 1 + 0.02 * grain(rng, 6, 9, (height, width))[..., None]
    picture = cv2.GaussianBlur(picture, (0, 0), height / 260).clip(0, 255)
    picture.flags.writeable = False
    return picture


def _paint_door(picture: Array, colour: Array, box: tuple[int, int, int, int]) -> None:
    left, top, width, height = box
    edge = max(2, width // 14)
    _fill(picture, (left - edge, top - edge, width + 2 * edge, height + edge), colour * 1.25)
    _fill(picture, box, colour)
    inset = width // 6
    for start, share in ((0.08, 0.36), (0.52, 0.38)):
        panel = (left + inset, top + round(height * start), width - 2 * inset, round(height * share))
        _fill(picture, panel, colour * 0.8)
        x, y, panel_width, panel_height = panel
        _fill(picture, (x + 2, y + 3, panel_width - 3, panel_height - 4), colour * 0.95)
    handle = (left + width - inset + 2, top + round(height * 0.47), max(3, inset - 6), max(2, height // 60))
    _fill(picture, handle, np.array([196, 190, 170], np.float32))


def _paint_landscape(picture: Array, box: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    left, top, width, height = box
    _fill(picture, box, np.array([82, 66, 54], np.float32))
    _fill(picture, (left + 4, top + 4, width - 8, height - 8), np.array([238, 234, 226], np.float32))
    x, y, inner_width, inner_height = left + 10, top + 10, width - 20, height - 20
    _fill(picture, (x, y, inner_width, inner_height), np.array([158, 192, 216], np.float32))
    hills = inner_height * (0.55 + 0.12 * np.sin(np.linspace(0, 5, inner_width) + float(rng.uniform(0, 6))))
    for column, sky in enumerate(hills.astype(int)):
        _fill(picture, (x + column, y + sky, 1, inner_height - sky), np.array([112, 142, 96], np.float32))


def _fill(picture: Array, box: tuple[int, int, int, int], colour: Array) -> None:
    """Fill x, y, width, height, cut to the picture."""
    left, top, width, height = box
    picture[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = colour


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
