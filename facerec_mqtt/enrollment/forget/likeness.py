"""What somebody who is to be forgotten looks like, by which pictures and visits without a name are judged."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from facerec_mqtt.core.errors import ModelError, PictureError
from facerec_mqtt.core.files import files_below
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.enrollment.traces import Places, Traces
from facerec_mqtt.history import Resemblance, resemblance_to
from facerec_mqtt.recognition import Recognizer, current_version, load_version, template

_MAYBE = 0.5
"""Normalised score from which on a review picture goes: one picture says less than a visit's together. On the
families that are kept for judging, 0.98 of the person's own reach it (of poor ones 0.92), of relatives' 0.02,
of other people's 0.01."""
_MAX_PHOTOS = 60
"""Of the person, by which review pictures are judged."""


class Likeness:
    """What somebody looks like; found out when it is first asked for.

    Args:
        places: where models are.
        traces: of the person.
        folders: of the photos.
        load_recognizer: opens what finds and embeds faces.
    """

    def __init__(
        self,
        places: Places,
        traces: Traces,
        folders: Iterable[Path],
        load_recognizer: Callable[[], Recognizer],
    ) -> None:
        self._places = places
        self._traces = traces
        self._folders = tuple(folders)
        self._load_recognizer = load_recognizer

    @functools.cached_property
    def recognizer(self) -> Recognizer:
        """Finds and embeds faces."""
        return self._load_recognizer()

    @functools.cached_property
    def looks(self) -> Resemblance:
        """What the person looks like, by photos and by what models know, beside the others."""
        models, found = [], []
        current = current_version(self._places.models)
        # The one in use last: it knows the others.
        for version in (*(each for each in self._traces.versions if each != current), current):
            if version is None:
                continue
            # One that cannot be read says nothing.
            with contextlib.suppress(ModelError):
                models.append(load_version(self._places.models, version))
        person, network = self._traces.person.slug, self.recognizer.network
        known = resemblance_to(person, models, self.recognizer.shipped_normaliser, network)
        photos = sorted(path for folder in self._folders for path in files_below(folder))
        for path in photos[:: max(1, len(photos) // _MAX_PHOTOS)]:
            with contextlib.suppress(PictureError):
                faces = [each.face for each in self.recognizer.recognise(read_picture(path), min_face_px=0.0)]
                if faces:
                    found.append(self.recognizer.embed(max(faces, key=lambda face: face.width_px)))
        if not found:
            return known
        return replace(known, own=np.concatenate([known.own, template(np.stack(found))[None]]))

    def may_be_in(self, path: Path) -> bool:
        """Whether a picture may show the person; one in which no face is found may."""
        if not len(self.looks.own):
            return False
        try:
            faces = [each.face for each in self.recognizer.recognise(read_picture(path), min_face_px=0.0)]
        except PictureError:
            return True
        if not faces:
            return True
        return bool(self.looks.fit(np.stack([self.recognizer.embed(face) for face in faces]), _MAYBE).any())
