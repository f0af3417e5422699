"""Draw docs/demo.png: a frame of the demo's camera with what the program says of it.

Run it from the repository: python docs/demo_picture.py
"""

import tempfile
from pathlib import Path

import cv2

from facerec_mqtt.cli.predict import annotate
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.recognition import Recognizer, load_current
from facerec_mqtt.rendering import (
    FAMILY,
    UNSEEN_STRANGERS,
    Identity,
    Pose,
    render_frame,
    write_enrollment,
)
from facerec_mqtt.rendering.people import HALF_SMILE, NEUTRAL, SMILE, Light

SIZE = (800, 450)
PEOPLE: tuple[tuple[Identity, Pose], ...] = (
    (FAMILY["Anna"], Pose(150, 185, 112, yaw_deg=14, pitch_deg=2, roll_deg=-2, expression=HALF_SMILE)),
    (FAMILY["Tom"], Pose(330, 150, 104, yaw_deg=6, pitch_deg=3, expression=NEUTRAL)),
    (FAMILY["Grandma Edith"], Pose(500, 195, 106, yaw_deg=-8, pitch_deg=3, roll_deg=2, expression=SMILE)),
    (UNSEEN_STRANGERS[1], Pose(685, 150, 88, yaw_deg=-16, pitch_deg=3, expression=NEUTRAL)),
)


def main() -> None:
    """Enroll the drawn family, look at one frame, and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        enrollment, models = Path(folder) / "enrollment", Path(folder) / "models"
        write_enrollment(enrollment, photos=10, stranger_photos=3, side_px=240)
        rebuild(enrollment, models)
        model = load_current(models)
    assert model is not None
    light = Light((0.3, 0.5, 0.8), key=0.85, ambient=0.58)
    frame = render_frame(PEOPLE, size=SIZE, seed=1, room=0, light=light, samples=3, noise=0.0)
    found = Recognizer.load(model).recognise(frame, min_face_px=40)
    picture = annotate(frame, found, {person.slug: person.name for person in model.people})
    target = Path(__file__).with_name("demo.png")
    cv2.imwrite(str(target), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
