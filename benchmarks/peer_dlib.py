"""`face_recognition` (dlib) as a contestant of `peers.py`, as its own documentation uses it.

Runs in an environment of its own: face_recognition, face_recognition_models, dlib, numpy, Pillow.
"""

from pathlib import Path

import face_recognition
import numpy as np
import peer_contest as contest

TOLERANCE = 0.6  # the library's default


def enrol(work: Path) -> None:
    """Keep one encoding of each photo."""
    names, encodings = [], []
    for path in sorted((work / "enrollment").glob("*/*")):
        found = face_recognition.face_encodings(face_recognition.load_image_file(path))
        if found:
            names.append(contest.slug(path.parent.name))
            encodings.append(found[0])
    np.savez(work / "dlib.npz", names=np.array(names), encodings=np.array(encodings))


def recognise(work: Path) -> contest.Recognise:
    """Name the nearest encoding, where it is near enough."""
    with np.load(work / "dlib.npz") as kept:
        names, encodings = kept["names"], kept["encodings"]

    def answer(image: contest.Image) -> list[contest.Face]:
        rgb = np.ascontiguousarray(image[..., ::-1])
        places = face_recognition.face_locations(rgb)
        faces = []
        for (top, right, bottom, left), encoding in zip(
            places, face_recognition.face_encodings(rgb, places), strict=True
        ):
            distances = face_recognition.face_distance(encodings, encoding)
            nearest = int(distances.argmin())
            name = str(names[nearest])
            passed = distances[nearest] <= TOLERANCE
            box = (float(left), float(top), float(right), float(bottom))
            faces.append(contest.Face(box, name if passed else None, name, -float(distances[nearest])))
        return faces

    return answer


if __name__ == "__main__":
    contest.main(enrol, recognise)
