"""Landmarks that one look at a face does not give: the mean of many looks of the teacher (YuNet).

One look depends on where the face lies in the network's grid, on its size and on what surrounds it: shown the
same face mirrored, YuNet's landmarks move by a tenth of the distance of the eyes. What a network learns from
single looks it cannot know, and where a kind of picture moves them all alike, it learns that.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pretraining.detector.prepare import Teacher

SIZES_PX = (54.0, 80.0)  # of the face (root of its box's area) in a look
TURNS_DEG = (-8.0, 8.0)
REACH = 2.3  # side of what a look shows, in face sizes
BORDERS = (cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT)
UPRIGHT_TURNS, STEP = 3, 1.6  # YuNet says but a third of how far a face is turned: ask until it says upright
MIRRORED = [1, 0, 2, 4, 3]
LEAST_SHARE = 0.6  # of the looks must agree
FARTHEST = 0.2  # of the eyes' distance that a look may be from the middle of all, in the mean of its points
MIN_LOOK_SCORE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What the looks agree on."""

    points: np.ndarray
    """(5, 2) float32 px of the picture: right eye, left eye, nose, right and left corner of the mouth."""
    box: np.ndarray
    """(4,) x, y, width, height of the upright face's box, about its own centre."""
    spread: float
    """How far the looks' points are from `points` in the mean, in distances of the eyes."""
    looks: int
    """How many agreed."""


def robust_landmarks(teacher: Teacher, image: np.ndarray, face: np.ndarray) -> Landmarks | None:
    """Look at a face that was found, many times, and take the mean without what disagrees.

    Args:
        teacher: YuNet.
        image: (H, W, 3) uint8 BGR.
        face: (15,) as the teacher finds it: x, y, width, height, landmarks, score; px of `image`.

    Returns:
        `None` where too few looks find it or agree.
    """
    roll_deg = roll(face[4:14].reshape(5, 2))
    for turns in range(UPRIGHT_TURNS):
        seen = np.array(
            list(_looks(teacher, image, face, roll_deg, SIZES_PX[turns % 2 : turns % 2 + 1], (0.0,)))
        )
        if not len(seen):
            return None
        wrong = roll(np.median(seen, axis=0)[:5]) - roll_deg
        roll_deg += float(np.clip(STEP * wrong, -25, 25))
    seen = np.array(list(_looks(teacher, image, face, roll_deg, SIZES_PX, TURNS_DEG)))
    needed = LEAST_SHARE * 2 * len(SIZES_PX) * len(TURNS_DEG)
    for _ in range(2):
        if len(seen) < needed:
            return None
        middle = np.median(seen, axis=0)
        apart = np.linalg.norm(seen[:, :5] - middle[:5], axis=2).mean(axis=1) / _eyes(middle)
        seen = seen[apart < FARTHEST]
    if len(seen) < needed:
        return None
    mean = seen.mean(axis=0)
    spread = np.linalg.norm(seen[:, :5] - mean[:5], axis=2).mean() / _eyes(mean)
    box = np.concatenate([mean[5] - mean[6] / 2, mean[6]])
    return Landmarks(mean[:5].astype(np.float32), box.astype(np.float32), float(spread), len(seen))


def roll(points: np.ndarray) -> float:
    """How far a face is turned in the picture's plane, clockwise, in degrees: by its eyes and its mouth."""
    across = points[1] - points[0] + points[4] - points[3]
    down = points[3:].sum(axis=0) - points[:2].sum(axis=0)
    both = complex(*across) + complex(down[1], -down[0])
    return float(np.degrees(np.angle(both)))


def _looks(
    teacher: Teacher,
    image: np.ndarray,
    face: np.ndarray,
    roll_deg: float,
    sizes_px: tuple[float, ...],
    turns_deg: tuple[float, ...],
):
    """(7, 2) of each look that finds the face: five landmarks, the box's centre and its sides, all in px."""
    size, centre = float(np.sqrt(face[2] * face[3])), face[:2] + face[2:4] / 2
    number = 0
    for size_px in sizes_px:
        scale = size_px / size
        source, factor = image, 1.0
        while scale * factor < 0.5:  # a warp reads four pixels for each that it writes
            source = cv2.resize(source, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            factor *= 2
        for turn in turns_deg:
            for flip in (False, True):
                # Another place in the network's grid each time, the same for every picture.
                shift = np.array([(number * 5) % 16, (number * 11) % 16]) - 8.0
                number += 1
                angle = np.radians(turn - roll_deg)
                linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                side = int(np.ceil(REACH * size_px / 32)) * 32
                middle = np.full(2, (side - 1) / 2) + shift
                matrix = np.column_stack([linear, middle - linear @ centre])
                shrunk = matrix.copy()
                shrunk[:, :2] *= factor
                shrunk[:, 2] += matrix[:, :2] @ np.full(2, (factor - 1) / 2)  # pixels' centres
                border = BORDERS[number % 3]
                view = cv2.warpAffine(
                    source, shrunk, (side, side), borderMode=border, borderValue=(110, 110, 110)
                )
                if flip:
                    view = np.ascontiguousarray(view[:, ::-1])
                found = teacher.find(view)
                found = found[found[:, 14] >= MIN_LOOK_SCORE]
                if not len(found):
                    continue
                boxes = found[:, :2] + found[:, 2:4] / 2
                aim = middle if not flip else np.array([side - 1 - middle[0], middle[1]])
                best = int(np.argmin(np.linalg.norm(boxes - aim, axis=1)))
                if np.linalg.norm(boxes[best] - aim) > 0.4 * size_px:
                    continue
                points = np.concatenate([found[best, 4:14].reshape(5, 2), boxes[best][None]])
                if flip:
                    points[:, 0] = side - 1 - points[:, 0]
                    points = points[[*MIRRORED, 5]]
                points = (points - matrix[:, 2]) @ np.linalg.inv(linear).T
                yield np.concatenate([points, found[best, None, 2:4] / scale])


def _eyes(points: np.ndarray) -> float:
    return max(1e-3, float(np.linalg.norm(points[0] - points[1])))
