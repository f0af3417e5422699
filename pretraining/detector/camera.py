"""What cameras, light and things in front of a face do to a picture."""

import cv2
import numpy as np

Rng = np.random.Generator


def tint(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Another light or sensor: gamma, gain, colour, at times grey or infrared; (H, W, 3) uint8."""
    if rng.random() < 0.2:
        weights = rng.dirichlet((2.0, 3.0, 2.0)).astype(np.float32)  # infrared sees channels otherwise
        image = cv2.cvtColor(cv2.transform(image, weights[None]), cv2.COLOR_GRAY2BGR)
    if rng.random() < 0.3:
        return image
    level = np.arange(256, dtype=np.float32)[:, None] / 255
    gamma = np.exp(rng.normal(0, 0.35))
    cast = np.exp(rng.normal(0, 0.09, 3)) if rng.random() < 0.7 else np.ones(3)
    gain = np.exp(rng.normal(0, 0.22)) * cast
    table = level**gamma * gain * 255 + rng.normal(0, 10)
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8).reshape(1, 256, 3))


def spoil(rng: Rng, image: np.ndarray) -> np.ndarray:
    """A whole scene as a camera delivers it: light, blur, low resolution, noise, compression."""
    side = image.shape[0]
    if rng.random() < 0.25:  # strong light from one side, or a dark corner
        corners = np.exp(rng.normal(0, 0.5, (2, 2))).astype(np.float32)
        light = cv2.resize(corners, (side, side), interpolation=cv2.INTER_LINEAR)
        image = cv2.multiply(image, cv2.merge([light] * 3), dtype=cv2.CV_8U)
    if rng.random() < 0.12:  # night
        image = cv2.convertScaleAbs(image, alpha=rng.uniform(0.15, 0.5), beta=rng.uniform(0, 15))
    if rng.random() < 0.12:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    chance = rng.random()
    if chance < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8))
    elif chance < 0.2:
        kernel = np.zeros((7, 7), np.float32)
        reach = rng.normal(0, 1, 2)
        reach *= 3 / np.hypot(*reach)
        cv2.line(
            kernel,
            tuple(np.round(3 - reach).astype(int).tolist()),
            tuple(np.round(3 + reach).astype(int).tolist()),
            1.0,
        )
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    elif chance < 0.3:
        small = int(side / rng.uniform(1.3, 2.2))
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), (side, side))
    if rng.random() < 0.25:
        coarse = rng.random() < 0.4
        shape = (side // 2, side // 2, 3) if coarse else image.shape
        noise = np.zeros(shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0, float(rng.uniform(2, 16)))
        if coarse:
            noise = cv2.resize(noise, (side, side))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.3:
        quality = int(rng.integers(25, 90))
        image = cv2.imdecode(
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
        )
    return image


def hide(rng: Rng, image: np.ndarray, points: np.ndarray, box: np.ndarray) -> None:
    """Draw a mask, a cap, glasses or a hand over a face, in place.

    Args:
        rng: the source of chance.
        image: (H, W, 3) uint8.
        points: (5, 2) right eye, left eye, nose, mouth corners, px.
        box: x, y, width, height, px.
    """
    eyes = (points[0] + points[1]) / 2
    mouth = (points[3] + points[4]) / 2
    across = points[1] - points[0]
    across = across / max(1e-3, float(np.hypot(*across)))
    down = np.array([-across[1], across[0]])
    if down @ (mouth - eyes) < 0:
        down = -down
    unit = max(2.0, 0.42 * float(np.sqrt(box[2] * box[3])))  # about the distance of the eyes
    colour = rng.integers(0, 256, 3).tolist() if rng.random() < 0.6 else [int(rng.integers(0, 256))] * 3

    def at(origin: np.ndarray, x: float, y: float) -> np.ndarray:
        return origin + (across * x + down * y) * unit

    def fill(*corners: np.ndarray) -> None:
        cv2.fillPoly(image, [np.round(np.stack(corners) * 8).astype(np.int32)], colour, cv2.LINE_AA, 3)

    kind = rng.choice(["mask", "cap", "glasses", "sunglasses", "hand"], p=(0.3, 0.2, 0.2, 0.15, 0.15))
    if kind == "mask":
        top = points[2] - down * unit * rng.uniform(0.0, 0.35)
        chin = rng.uniform(0.55, 0.8)
        fill(
            at(top, -1.05, 0.0),
            at(top, 0.0, -0.12),
            at(top, 1.05, 0.0),
            at(mouth, 0.95, 0.3),
            at(mouth, 0.45, chin),
            at(mouth, -0.45, chin),
            at(mouth, -0.95, 0.3),
        )
    elif kind == "cap":
        brim = -rng.uniform(0.28, 0.55)
        fill(
            at(eyes, -1.15, brim),
            at(eyes, 0.0, brim - 0.1),
            at(eyes, 1.15, brim),
            at(eyes, 1.1, -1.1),
            at(eyes, 0.6, -1.7),
            at(eyes, -0.6, -1.7),
            at(eyes, -1.1, -1.1),
        )
    elif kind in ("glasses", "sunglasses"):
        thick = -1 if kind == "sunglasses" else max(1, round(unit * rng.uniform(0.03, 0.1)))
        axes = (unit * np.array([rng.uniform(0.3, 0.42), rng.uniform(0.22, 0.36)])).astype(int)
        angle = float(np.degrees(np.arctan2(across[1], across[0])))
        for eye in points[:2]:
            cv2.ellipse(
                image,
                np.round(eye).astype(int).tolist(),
                axes.tolist(),
                angle,
                0,
                360,
                colour,
                thick,
                cv2.LINE_AA,
            )
        bridge = np.round(np.stack([at(eyes, -0.15, 0.0), at(eyes, 0.15, 0.0)])).astype(int)
        cv2.line(image, bridge[0].tolist(), bridge[1].tolist(), colour, max(1, abs(thick)), cv2.LINE_AA)
    else:
        skin = image[tuple(np.clip(np.round(points[2]).astype(int)[::-1], 0, np.array(image.shape[:2]) - 1))]
        colour = np.clip(skin * rng.uniform(0.7, 1.2), 0, 255).astype(int).tolist()
        centre = at((eyes + mouth) / 2, rng.uniform(-0.9, 0.9), rng.uniform(-0.2, 0.8))
        axes = (unit * rng.uniform(0.25, 0.5, 2)).astype(int)
        cv2.ellipse(
            image,
            np.round(centre).astype(int).tolist(),
            axes.tolist(),
            float(rng.uniform(0, 180)),
            0,
            360,
            colour,
            -1,
            cv2.LINE_AA,
        )
