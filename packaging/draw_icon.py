"""Draws the app's icon and logo; run once, by hand: `python packaging/draw_icon.py`."""

from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent / "apps" / "facerec_mqtt"
SCALE = 4
GROUND, LINE, FACE = "#03a9f4", "#ffffff", "#ffe0b2"


def icon(side_px: int) -> Image.Image:
    """A face between the corners of a viewfinder: (side, side) RGBA."""
    side = side_px * SCALE
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)

    def at(*share: float) -> tuple[float, ...]:
        return tuple(value * side for value in share)

    draw.rounded_rectangle(at(0, 0, 1, 1), radius=side * 0.2, fill=GROUND)
    draw.ellipse(at(0.3, 0.22, 0.7, 0.76), fill=FACE)
    for x in (0.42, 0.58):
        draw.ellipse(at(x - 0.035, 0.43, x + 0.035, 0.5), fill="#37474f")
    draw.arc(at(0.4, 0.48, 0.6, 0.66), 25, 155, fill="#37474f", width=side // 40)
    for x in (0, 1):
        for y in (0, 1):
            corner = (0.14 if x == 0 else 0.86), (0.12 if y == 0 else 0.88)
            inward = (0.14 if x == 0 else -0.14), (0.14 if y == 0 else -0.14)
            points = (
                at(corner[0] + inward[0], corner[1]),
                at(*corner),
                at(corner[0], corner[1] + inward[1]),
            )
            draw.line(points, fill=LINE, width=side // 24, joint="curve")  # type: ignore[arg-type]
    return picture.resize((side_px, side_px), Image.Resampling.LANCZOS)


def main() -> None:
    """Write both files, in the sizes that the supervisor asks for."""
    icon(128).save(FOLDER / "icon.png", optimize=True)
    logo = Image.new("RGBA", (250, 100), (0, 0, 0, 0))
    logo.paste(icon(100), (75, 0))
    logo.save(FOLDER / "logo.png", optimize=True)


if __name__ == "__main__":
    main()
