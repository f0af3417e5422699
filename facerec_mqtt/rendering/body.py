"""What a head rests on: ears, neck, torso and arms, in plain clothes."""

import numpy as np

from facerec_mqtt.rendering.anatomy import head_section
from facerec_mqtt.rendering.identity import RGB, Identity
from facerec_mqtt.rendering.skin import hair_colour, skin_colour
from facerec_mqtt.rendering.surface import Array, Surface, ellipsoid, grain, linear, ramp, tube

_TROUSERS: RGB = (52, 56, 70)
_BELT_CM = -64.0


def bake_ears(identity: Identity) -> tuple[Surface, Surface]:
    """The left and right ear, as seen in the picture."""
    reach = float(head_section(identity, np.array([-1.0])).half_width[0]) + 0.2
    colour = skin_colour(identity) * np.array([0.95, 0.76, 0.72])
    left, right = (
        Surface.from_grid(ellipsoid((side * reach, -1.2, -0.6), (0.7, 2.8, 1.6), 0.2), colour, step=4)
        for side in (-1, 1)
    )
    return left, right


def bake_bun(identity: Identity) -> Surface:
    """A knot of hair on top of the head."""
    points = ellipsoid((0, 11.0, -4.5), (3.4, 3.0, 3.4))
    return Surface.from_grid(points, hair_colour(identity), step=4, gloss=0.2)


def bake_neck(identity: Identity) -> Surface:
    """The neck, dark under the chin."""
    y = np.linspace(-5, -20, 65)
    radius = (4.75 + 0.7 * identity.fullness) * (0.7 + 0.3 * identity.jaw_width) * identity.head_width
    radius *= 0.86 if identity.female else 1.0
    widths = radius * (1 + 0.12 * ramp(-12, -16, y))
    points = tube(_upright(y, -1.9), widths, widths * 0.95)
    in_shade = 0.35 + 0.6 * ramp(-10.5, -15, y)
    colour = skin_colour(identity) * np.array([0.88, 0.80, 0.77])
    return Surface.from_grid(points, colour, step=2, occlusion=in_shade[:, None])


def bake_torso(identity: Identity) -> Surface:
    """Shoulders to below the picture, with a collar and a belt."""
    heights = np.array([-15.0, -15.3, -16.3, -18, -20, -22.5, -26, -32, -46, -62, -80, -115])
    widths = np.array([3.0, 5.6, 8.6, 12.6, 16.4, 18.4, 19.4, 19.4, 17.6, 17.2, 18.0, 17.0])
    depths = np.array([3.0, 5.4, 6.2, 7.2, 8.2, 9.2, 10.3, 11.2, 10.2, 10.2, 10.6, 10.4])
    if identity.female:
        widths = widths * np.interp(heights, [-115, -80, -50, -30, -14.2], [0.95, 0.98, 0.84, 0.87, 0.93])
    y = np.interp(np.linspace(0, 1, 193), np.linspace(0, 1, len(heights)), heights)
    width = np.interp(y, heights[::-1], widths[::-1])
    depth = np.interp(y, heights[::-1], depths[::-1])
    kernel = np.hanning(11) / np.hanning(11).sum()
    width, depth = (np.convolve(np.pad(a, 5, "edge"), kernel, "valid") for a in (width, depth))
    points = tube(_upright(y, -2.6), width, depth, columns=129)
    dip = ramp(-18, -15.3, points[..., 1])
    points[..., 1] -= 1.3 * dip * ramp(-4, 4, points[..., 2])
    colour = _cloth(identity, points)
    collar = ramp(-16.5, -16.2, y)[:, None, None]
    colour = colour * (1 - 0.38 * collar)
    return Surface.from_grid(points, colour, step=4, gloss=0.03)


def bake_arms(identity: Identity) -> tuple[Surface, Surface]:
    """Both arms, hanging."""
    y = np.concatenate([np.linspace(-19, -24, 17), np.linspace(-25, -85, 32)])
    radius = np.interp(y, [-85, -60, -40, -26, -22, -20, -19], [3.4, 4.0, 4.6, 4.9, 4.0, 2.3, 0.1])
    narrow = 0.87 if identity.female else 1.0
    left, right = (_arm(identity, side, y, radius * narrow, narrow) for side in (-1, 1))
    return left, right


def _arm(identity: Identity, side: int, y: Array, radius: Array, narrow: float) -> Surface:
    line = _upright(y, -2.8)
    line[:, 0] = side * narrow * np.interp(y, [-85, -45, -26, -21, -19], [20.5, 19.4, 17.6, 15.4, 13.4])
    points = tube(line, radius, radius)
    return Surface.from_grid(points, _cloth(identity, points), step=4, gloss=0.03)


def _upright(y: Array, z: float) -> Array:
    """(n, 3) a vertical line of points at a depth."""
    return np.stack([np.zeros_like(y), y, np.full_like(y, z)], axis=1)


def _cloth(identity: Identity, points: Array) -> Array:
    """(H, W, 3) linear RGB of shirt and trousers, with soft folds."""
    size = (points.shape[0], points.shape[1])
    folds = 1 + 0.06 * grain(np.random.default_rng([identity.seed, 3]), 12, 8, size)
    shirt = ramp(_BELT_CM - 0.4, _BELT_CM + 0.4, points[..., 1])[..., None]
    colour: Array = linear(identity.clothes) * shirt + linear(_TROUSERS) * (1 - shirt)
    return colour * folds[..., None]
