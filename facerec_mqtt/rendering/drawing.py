"""Draw a person into a picture: camera, light and composition."""

from dataclasses import dataclass

import cv2
import numpy as np

from facerec_mqtt.rendering.features import draw_glasses
from facerec_mqtt.rendering.figure import (
    DEPTH_CENTRE_CM,
    DEPTH_PX_PER_CM,
    DEPTH_SIDE_PX,
    Head,
    bake_figure,
    bake_head,
)
from facerec_mqtt.rendering.people import Identity, Light, Pose
from facerec_mqtt.rendering.surface import Array, Raster, Surface, draw, rotation, sample

FACE_CM = 17.5
"""From chin to hairline: what `Pose.face_px` measures."""
_NECK_JOINT = np.array([0, -8, -3], np.float32)
_FACE_FRONT = np.array([0, 0, 8.5], np.float32)
_REACH_CM = (28.0, 18.0)
"""How far a person reaches to the sides and above the eyes."""
_TO_CAMERA = np.array([0, 0, 1], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera that looks at one person, cut to the part of the picture they are in."""

    left_px: int
    top_px: int
    width: int
    """Of the part, in samples."""
    height: int
    samples: int
    """Per pixel, along each side."""
    focal_px: float
    pose: Pose
    head_turn: Array
    """(3, 3) rotation of the head."""

    @classmethod
    def on(cls, pose: Pose, size: tuple[int, int], focal_px: float, samples: int) -> "Camera":
        """Aim at a person in a picture of `size` (width, height)."""
        per_cm = pose.face_px / FACE_CM
        left = max(0, int(pose.x_px - _REACH_CM[0] * per_cm))
        right = min(size[0], int(pose.x_px + _REACH_CM[0] * per_cm))
        top = min(max(0, int(pose.y_px - _REACH_CM[1] * per_cm)), size[1])
        turn = rotation(*np.radians([pose.yaw_deg, pose.pitch_deg, pose.roll_deg]))
        width, height = max(0, right - left) * samples, (size[1] - top) * samples
        return cls(left, top, width, height, samples, focal_px, pose, turn)

    def turned(self, share: float) -> Array:
        """(3, 3) rotation of a part that follows only a share of the head's yaw."""
        return rotation(float(np.radians(self.pose.yaw_deg)) * share, 0.0, 0.0)

    def project(self, points: Array, turn: Array) -> tuple[Array, Array]:
        """Project points of the head's coordinates.

        Args:
            points: (..., 3) cm.
            turn: (3, 3) rotation about the neck.

        Returns:
            (..., 2) float32 samples x, y in the part, and (...) float32 nearness, 1 / distance.
        """
        turned = (points - _NECK_JOINT) @ turn.T + _NECK_JOINT
        eyes = (_FACE_FRONT - _NECK_JOINT) @ self.head_turn.T + _NECK_JOINT
        distance = self.focal_px * FACE_CM / self.pose.face_px + _FACE_FRONT[2] - turned[..., 2]
        nearness = 1 / np.maximum(distance, 1.0)
        x = self.pose.x_px - self.left_px + self.focal_px * (turned[..., 0] - eyes[0]) * nearness
        y = self.pose.y_px - self.top_px - self.focal_px * (turned[..., 1] - eyes[1]) * nearness
        pixels = np.stack([x, y], axis=-1) * self.samples
        return pixels.astype(np.float32), nearness.astype(np.float32)


def draw_person(
    picture: Array, identity: Identity, pose: Pose, light: Light, *, focal_px: float, samples: int
) -> None:
    """Draw a person over a picture.

    Args:
        picture: (H, W, 3) float32 RGB, 0 to 255, changed in place.
        identity: who.
        pose: where, and how the head is held.
        light: what falls on them.
        focal_px: focal length of the camera.
        samples: per pixel, along each side: 1 is fast, 2 is smooth.
    """
    camera = Camera.on(pose, (picture.shape[1], picture.shape[0]), focal_px, samples)
    if camera.width <= 0 or camera.height <= 0:
        return
    figure, head = bake_figure(identity), bake_head(identity, pose.expression)
    turn, half_turn, body_turn = camera.head_turn, camera.turned(0.7), camera.turned(0.4)
    parts = [(head.surface, turn), *((part, turn) for part in figure.head), (figure.neck, half_turn)]
    parts += [(part, body_turn) for part in figure.body]
    raster = Raster.empty(camera.height, camera.width)
    for number, (surface, part_turn) in enumerate(parts):
        draw(raster, number, *camera.project(surface.points, part_turn))
    colour = np.zeros((camera.height, camera.width, 3), np.float32)
    opacity = (raster.surface >= 0).astype(np.float32)
    for number, (surface, part_turn) in enumerate(parts):
        where = np.nonzero(raster.surface == number)
        if len(where[0]):
            place = raster.place[where]
            shadow = _shadow_on_face(head, turn, light, place) if number == 0 else 0.0
            colour[where] = _shade_solid(surface, part_turn, light, place, shadow)
    pixels, nearness = camera.project(figure.hair.points, turn)
    for inside in (True, False):
        layer = raster.behind(2e-4 if inside else 0.0)
        draw(layer, 0, pixels, nearness, inside=inside)
        where = np.nonzero(layer.surface == 0)
        if len(where[0]):
            strand, cover = _shade_hair(figure.hair, turn, light, layer.place[where], inside)
            colour[where] += (strand - colour[where]) * cover[:, None]
            opacity[where] = np.maximum(opacity[where], cover)
    draw_glasses(colour, opacity, raster.nearness, identity, head.landmarks, camera)
    _compose(picture, colour, opacity, camera)


def _compose(picture: Array, colour: Array, opacity: Array, camera: Camera) -> None:
    size = (camera.width // camera.samples, camera.height // camera.samples)
    shown: Array = np.clip(colour, 0, 1) ** (1 / 2.2) * 255 * opacity[..., None]
    if camera.samples > 1:
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
        opacity = cv2.resize(opacity, size, interpolation=cv2.INTER_AREA)
    part = picture[camera.top_px : camera.top_px + size[1], camera.left_px : camera.left_px + size[0]]
    part *= 1 - opacity[..., None]
    part += shown


def _texture_places(surface: Surface, place: Array) -> tuple[Array, Array]:
    """Columns and rows in the surface's textures for places on its mesh."""
    mesh, texture = surface.points.shape, surface.gloss.shape
    columns = place[:, 0] * ((texture[1] - 1) / (mesh[1] - 1))
    return columns, place[:, 1] * ((texture[0] - 1) / (mesh[0] - 1))


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    return unit


def _tone(light: Light) -> Array:
    """(3,) colour of the lamp."""
    return np.array([1 + light.warmth, 1, 1 - light.warmth], np.float32)


def _shade_solid(surface: Surface, turn: Array, light: Light, place: Array, shadow: Array | float) -> Array:
    """(n, 3) linear RGB of skin and cloth: soft diffuse light, light from above, a highlight."""
    columns, rows = _texture_places(surface, place)
    relief, painted = sample(surface.relief, columns, rows), sample(surface.colour, columns, rows)
    gloss = sample(surface.gloss, columns, rows)
    normal, openness = _unit(relief[:, :3] @ turn.T), relief[:, 3]
    towards = _unit(np.array(light.direction, np.float32))
    facing = normal @ towards
    bleed = np.array([0.28, 0.17, 0.14], np.float32)  # red light travels further through skin
    diffuse = np.clip((facing[:, None] + bleed) / (1 + bleed), 0, 1) * _tone(light)
    lit = light.key * (1 - 0.55 * shadow) * np.minimum(1, 0.35 + 0.65 * openness)
    ambient = light.ambient * (0.7 + 0.3 * normal[:, 1]) * openness
    highlight = np.clip(normal @ _unit(towards + _TO_CAMERA), 0, 1) ** 18 * gloss * 0.14
    highlight = highlight * np.clip(facing * 3, 0, 1) * light.key * (1 - shadow)
    rim = (1 - np.clip(normal[:, 2], 0, 1)) ** 4 * 0.06 * gloss
    shaded: Array = painted[:, :3] * (ambient[:, None] + diffuse * lit[:, None])
    shaded += (highlight + rim)[:, None] * _tone(light)
    return shaded


def _shade_hair(hair: Surface, turn: Array, light: Light, place: Array, inside: bool) -> tuple[Array, Array]:
    """(n, 3) linear RGB and (n,) opacity of hair, with a shine across the strands."""
    columns, rows = _texture_places(hair, place)
    relief, painted = sample(hair.relief, columns, rows), sample(hair.colour, columns, rows)
    normal = _unit(relief[:, :3] @ turn.T) * (-1 if inside else 1)
    towards = _unit(np.array(light.direction, np.float32))
    diffuse = np.clip((normal @ towards + 0.4) / 1.4, 0, 1)[:, None] * _tone(light)
    ambient = light.ambient * (0.45 if inside else 1.0) * (0.75 + 0.25 * normal[:, 1])
    colour = painted[:, :3] * (ambient[:, None] + light.key * diffuse)
    if not inside:
        strands = sample(hair.gloss, columns, rows)
        across = normal @ _unit(towards + _TO_CAMERA) - 0.78 + 0.05 * strands
        shine = np.clip(1 - 5 * np.abs(across), 0, 1) ** 2 * (0.5 + 0.5 * np.clip(strands, -1, 1))
        colour += (0.1 * light.key * shine * (0.4 + painted[:, :3].max(axis=1)))[:, None] * _tone(light)
    return colour, np.clip(painted[:, 3], 0, 1)


def _shadow_on_face(head: Head, turn: Array, light: Light, place: Array) -> Array:
    """(n,) how much of the lamp the nose, brows and chin keep off places of the head, 0 to 1."""
    towards = _unit(np.array(light.direction, np.float32)) @ turn
    if towards[2] < 0.05:
        return np.zeros(len(place), np.float32)
    rise = max(float(towards[2]), 0.35)
    shadow = np.zeros_like(head.depth)
    for step in (3, 5, 8, 12, 17, 23):
        shift = np.array([[1, 0, towards[0] * step / rise], [0, 1, -towards[1] * step / rise]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (DEPTH_SIDE_PX, DEPTH_SIDE_PX)
        towards_light = cv2.warpAffine(head.depth, shift, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        above = towards_light - head.depth - step / DEPTH_PX_PER_CM * towards[2] / rise
        shadow = np.maximum(shadow, np.clip(above / (0.25 + step * 0.02), 0, 1))
    shadow = cv2.GaussianBlur(shadow.astype(np.float32), (0, 0), 2.0)
    frontal = sample(head.frontal, place[:, 0], place[:, 1])
    columns = DEPTH_SIDE_PX / 2 + DEPTH_PX_PER_CM * frontal[:, 0]
    rows = DEPTH_SIDE_PX / 2 - DEPTH_PX_PER_CM * (frontal[:, 1] - DEPTH_CENTRE_CM)
    return sample(shadow, columns, rows) * frontal[:, 2]
