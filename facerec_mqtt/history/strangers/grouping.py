"""Which visits without a name are one person.

A new visit joins the group that it resembles most, or begins one. Resemblance is the normalised score that
names people (AS-norm, `recognition.calibration`), with the shipped cohort alone, so that another model of the
family changes nothing. Nothing is put together or taken apart later, but by the user: a group keeps its id.
`benchmarks/strangers.py` measures it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import StrangerSeen
from facerec_mqtt.history.strangers.tables import Embedding, GroupedEmbedding
from facerec_mqtt.presence import new_visit_id
from facerec_mqtt.recognition import Gallery, Normaliser

SAME_PERSON = 4.5
"""Normalised score from which on a visit joins a group. Chosen on people of whom the backbone has seen
nothing and who are not reported, LFW's fold 7 and the held out tenth of other households: the lowest at which
0.98 of the pairs in a group are one person in every draw. Lower, two people share a group more often; higher,
one person has two groups more often, which is easily set right."""


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """A visit that joined a group and is not written yet."""

    stranger_id: str
    vector: NDArray[np.float32]


class StrangerGroups:
    """The groups of strangers, in memory. Any thread may use it.

    Args:
        normaliser: of the backbone's scores, without what belongs to one model.
        network: SHA-256 of the backbone, in hex: nothing of another is compared.
        new_id: makes the identifiers of groups.
        same_person: normalised score from which on a visit joins a group.
    """

    def __init__(
        self,
        normaliser: Normaliser,
        network: str,
        new_id: Callable[[], str] = new_visit_id,
        *,
        same_person: float = SAME_PERSON,
    ) -> None:
        self._normaliser = normaliser
        self._network = network
        self._new_id = new_id
        self._same_person = same_person
        self._lock = threading.Lock()
        self._unwritten: dict[str, _Joined] = {}
        self._seen: dict[str, int] = {}
        self._sums: dict[str, NDArray[np.float32]] = {}
        self._gallery: Gallery | None = None

    @property
    def network(self) -> str:
        """SHA-256 of the backbone, in hex."""
        return self._network

    def embedding(self, vector: NDArray[np.float32]) -> Embedding:
        """Say of a vector which network made it."""
        return Embedding(vector, self._network)

    def join(self, visit_id: str, vector: NDArray[np.float32]) -> StrangerSeen:
        """Find the group of a new visit.

        Args:
            visit_id: of the visit.
            vector: (D,) float32 unit embedding of its face.
        """
        with self._lock:
            stranger_id = self._nearest(vector) or self._new_id()
            self._unwritten[visit_id] = _Joined(stranger_id, vector)
            self._add(stranger_id, vector)
            self._gallery = None
            return StrangerSeen(stranger_id, self._seen[stranger_id])

    def written(self, visit_id: str) -> None:
        """A visit is in the history, or never will be."""
        with self._lock:
            self._unwritten.pop(visit_id, None)

    def load(
        self,
        kept: Sequence[GroupedEmbedding],
        visits: Mapping[str, int],
        merged: Mapping[str, str],
    ) -> None:
        """Take in what the history has: somebody else may have changed it.

        Args:
            kept: the embeddings of this network.
            visits: how many visits each group has.
            merged: of groups that were merged into others, the id of the one that stayed.
        """
        with self._lock:
            self._seen, self._sums = dict(visits), {}
            for each in kept:
                self._sums[each.stranger_id] = self._sums.get(each.stranger_id, np.float32(0)) + each.vector
            for joined in self._unwritten.values():
                self._add(merged.get(joined.stranger_id, joined.stranger_id), joined.vector)
            self._gallery = None

    def _add(self, stranger_id: str, vector: NDArray[np.float32]) -> None:
        self._seen[stranger_id] = self._seen.get(stranger_id, 0) + 1
        self._sums[stranger_id] = self._sums.get(stranger_id, np.float32(0)) + vector

    def _nearest(self, vector: NDArray[np.float32]) -> str | None:
        if not self._sums:
            return None
        if self._gallery is None:
            self._gallery = Gallery.of(centres(list(self._sums.values())), self._normaliser)
        scores = self._gallery.normalised(vector[None], self._normaliser)[0]
        best = int(scores.argmax())
        return [*self._sums][best] if scores[best] >= self._same_person else None


def centres(sums: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(N, D) float32 unit rows in the middle of each group, of the sums of its vectors."""
    rows = np.stack(sums)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
