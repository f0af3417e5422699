"""What each photo or video gave, kept for the next rebuild under the hash of its content."""

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from facerec_mqtt.core.files import read_plain, replace_file
from facerec_mqtt.core.rejections import Place, Rejection, Remark, RemarkCode
from facerec_mqtt.faces import Backbone, Detector
from facerec_mqtt.recognition import read_arrays
from facerec_mqtt.training import VERSIONS

_RECIPE = 6
"""To be raised whenever the same file and networks would give something else."""
_MAX_CACHE_BYTES = 2**30
_REJECTION = TypeAdapter(Rejection)
_REMARK = TypeAdapter(Remark)


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """What processes the photos; one set for each thread."""

    detector: Detector
    close_detector: Detector
    """The same at a higher resolution, for photos in which the first finds nobody."""
    backbone: Backbone
    detector_digest: str
    """SHA-256 of the detector's file."""
    backbone_digest: str
    """SHA-256 of the backbone's file."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFace:
    """One of the faces of a photo that shows several."""

    vectors: NDArray[np.float16]
    """(1 + versions, D): the face as it is, then its augmented versions."""
    sharpness: float
    """See `AlignedFace.sharpness`."""
    place: Place
    """Where in the photo it is."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoAnalysis:
    """What a photo gave."""

    vectors: NDArray[np.float16] | None
    """(1 + versions, D): the face as it is, then its augmented versions; `None` when it is rejected."""
    rejection: Rejection | None
    """Why it is not used; `None` when it is."""
    remark: Remark | None = None
    """What its owner may want to know of one that is used."""
    sharpness: float = 0.0
    """Of the face; see `AlignedFace.sharpness`."""
    taken_s: float | None = None
    """When it was taken by the camera's clock, in seconds; `None` where the file does not have it."""
    shown: int = 1
    """How many faces it shows; of more than one, `faces` are those that it may be about."""
    faces: tuple[PhotoFace, ...] = ()
    """The usable ones of the largest; the first is the one taken, unless the photo is rejected. Of a
    video with several people, the one that this is about."""
    at_s: float | None = None
    """Of a picture of a video: seconds from its beginning."""

    def taking(self, face: int) -> "PhotoAnalysis":
        """The same where one of `faces` is taken, by its place among them: it fits the other photos."""
        taken = self.faces[face]
        return replace(
            self,
            vectors=taken.vectors,
            rejection=None,
            remark=Remark(code=RemarkCode.FITTING_TAKEN, count=self.shown, place=taken.place),
            sharpness=taken.sharpness,
        )


class PhotoCache:
    """Analyses by the SHA-256 of the content; of a video several, each a picture of it."""

    def __init__(self, path: Path, recipe: str, analyses: dict[str, tuple[PhotoAnalysis, ...]]) -> None:
        self._path = path
        self._recipe = recipe
        self._analyses = analyses

    @classmethod
    def open(cls, path: Path, networks: Networks) -> "PhotoCache":
        """Read what former rebuilds kept; nothing, where other networks made it or it is damaged."""
        recipe = f"{_RECIPE} {VERSIONS} {networks.detector_digest} {networks.backbone_digest}"
        analyses: dict[str, tuple[PhotoAnalysis, ...]] = {}
        try:
            kept = read_arrays(read_plain(path, _MAX_CACHE_BYTES))
            if str(kept["recipe"]) == recipe:
                vectors, rows = kept["vectors"], kept["rows"]
                faces = _faces_of(kept)
                columns = [kept[name] for name in ("keys", "facts", "sharpness", "taken_s", "shown", "at_s")]
                for at, (row, key, facts, sharpness, taken_s, shown, at_s) in enumerate(
                    zip(rows, *columns, strict=True)
                ):
                    used = row >= 0
                    analysis = PhotoAnalysis(
                        vectors=vectors[row] if used else None,
                        rejection=None if used else _REJECTION.validate_json(str(facts), strict=True),
                        remark=_REMARK.validate_json(str(facts), strict=True) if used and facts else None,
                        sharpness=float(sharpness),
                        taken_s=None if np.isnan(taken_s) else float(taken_s),
                        shown=int(shown),
                        faces=faces.get(at, ()),
                        at_s=None if np.isnan(at_s) else float(at_s),
                    )
                    analyses[str(key)] = (*analyses.get(str(key), ()), analysis)
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            analyses = {}  # a cache: the photos are processed again
        return cls(path, recipe, analyses)

    def get(self, key: str) -> tuple[PhotoAnalysis, ...] | None:
        """What is known of a photo or a video, or `None`."""
        return self._analyses.get(key)

    def put(self, key: str, *analyses: PhotoAnalysis) -> None:
        """Keep what a photo or a video gave in memory, and on disk from the next `save` on."""
        self._analyses[key] = analyses

    def keep(self, wanted: Collection[str]) -> None:
        """Drop all files but these."""
        self._analyses = {key: self._analyses[key] for key in wanted if key in self._analyses}

    def save(self) -> None:
        """Write all analyses.

        Raises:
            OSError: the disk is full or not writable.
        """
        analyses = [each for file in self._analyses.values() for each in file]
        used = [each.vectors for each in analyses if each.vectors is not None]
        faces = [(at, face) for at, each in enumerate(analyses) for face in each.faces]
        is_used = np.array([each.vectors is not None for each in analyses], np.bool_)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            allow_pickle=False,
            recipe=np.array(self._recipe),
            keys=np.array([key for key, file in self._analyses.items() for _ in file], np.str_),
            rows=np.where(is_used, np.cumsum(is_used) - 1, -1),
            facts=np.array([_facts(each) for each in analyses], np.str_),
            sharpness=np.array([each.sharpness for each in analyses], np.float64),
            taken_s=_seconds(each.taken_s for each in analyses),
            at_s=_seconds(each.at_s for each in analyses),
            shown=np.array([each.shown for each in analyses], np.int64),
            vectors=_stacked(used),
            face_of=np.array([at for at, _ in faces], np.int64),
            face_sharpness=np.array([face.sharpness for _, face in faces], np.float64),
            face_place=np.array([face.place for _, face in faces], np.str_),
            face_vectors=_stacked([face.vectors for _, face in faces]),
        )
        replace_file(self._path, buffer.getvalue())


def _faces_of(kept: Mapping[str, NDArray[Any]]) -> dict[int, tuple[PhotoFace, ...]]:
    """The faces of photos that show several, by the photo's place in the cache."""
    faces: dict[int, tuple[PhotoFace, ...]] = {}
    columns = [kept[f"face_{name}"] for name in ("of", "vectors", "sharpness", "place")]
    for of, vectors, sharpness, place in zip(*columns, strict=True):
        face = PhotoFace(vectors, float(sharpness), Place(str(place)))
        faces[int(of)] = (*faces.get(int(of), ()), face)
    return faces


def _seconds(times_s: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if each is None else each for each in times_s], np.float64)


def _stacked(vectors: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    return np.stack(vectors) if vectors else np.zeros((0, 1 + VERSIONS, 1), np.float16)


def _facts(analysis: PhotoAnalysis) -> str:
    """Code and data of the rejection or the remark as JSON; empty where there is neither."""
    if analysis.rejection is not None:
        return _REJECTION.dump_json(analysis.rejection, exclude_none=True).decode()
    if analysis.remark is not None:
        return _REMARK.dump_json(analysis.remark, exclude_none=True).decode()
    return ""
