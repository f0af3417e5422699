"""What somebody who is to be forgotten looks like, by which pictures and visits without a name are judged."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from facerec_mqtt.core.errors import ModelError, PictureError
from facerec_mqtt.core.files import files_below
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Vectors
from facerec_mqtt.enrollment.traces import Places, Traces
from facerec_mqtt.recognition import Recognizer, load_version

RESEMBLES = 0.3
"""Cosine above which a review picture is taken for one of the person. Two people's pictures rarely have
more, one person's of different days rarely less; a stranger's picture too many is no loss."""
_MAX_PHOTOS = 60
"""Of the person, by which review pictures are judged."""


class Likeness:
    """What somebody looks like; found out when it is first asked for.

    Args:
        places: where models are.
        traces: of the person.
        aside: folders of photos.
        load_recognizer: opens what finds and embeds faces.
    """

    def __init__(
        self,
        places: Places,
        traces: Traces,
        aside: Iterable[Path],
        load_recognizer: Callable[[], Recognizer],
    ) -> None:
        self._places = places
        self._traces = traces
        self._aside = tuple(aside)
        self._load_recognizer = load_recognizer

    @functools.cached_property
    def recognizer(self) -> Recognizer:
        """Finds and embeds faces."""
        return self._load_recognizer()

    @functools.cached_property
    def embeddings(self) -> Vectors:
        """(N, D) unit embeddings, from photos and from what models know."""
        found = []
        photos = sorted(path for folder in self._aside for path in files_below(folder))
        for path in photos[:: max(1, len(photos) // _MAX_PHOTOS)]:
            with contextlib.suppress(PictureError):
                faces = [each.face for each in self.recognizer.recognise(read_picture(path), min_face_px=0.0)]
                if faces:
                    found.append(self.recognizer.embed(max(faces, key=lambda face: face.width_px)))
        for version in self._traces.versions:
            # One that cannot be read, or only mentions the person, as in the name of somebody else's photo.
            with contextlib.suppress(ModelError, KeyError, IndexError, ValueError):
                model = load_version(self._places.models, version)
                row = [person.slug for person in model.people].index(self._traces.person.slug)
                found.append(model.arrays["templates"][row])
        return np.stack(found) if found else np.zeros((0, 1), np.float32)

    def may_be_in(self, path: Path) -> bool:
        """Whether a picture may show the person; one in which no face is found may."""
        if not len(self.embeddings):
            return False
        try:
            faces = [each.face for each in self.recognizer.recognise(read_picture(path), min_face_px=0.0)]
        except PictureError:
            return True
        return not faces or any(
            float((self.embeddings @ self.recognizer.embed(face)).max()) >= RESEMBLES for face in faces
        )
