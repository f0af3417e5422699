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
from facerec_mqtt.recognition import Gallery, Normaliser, unit

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
        self._groups = _Groups({}, {}, normaliser)

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
            stranger_id = self._groups.nearest(vector, self._same_person) or self._new_id()
            self._unwritten[visit_id] = _Joined(stranger_id, vector)
            return StrangerSeen(stranger_id, self._groups.add(stranger_id, vector))

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
        sums: dict[str, NDArray[np.float32]] = {}
        for each in kept:
            sums[each.stranger_id] = sums.get(each.stranger_id, np.float32(0)) + each.vector
        # Before the lock, which a frame may wait for.
        groups = _Groups(dict(visits), sums, self._normaliser)
        with self._lock:
            for joined in self._unwritten.values():
                groups.add(merged.get(joined.stranger_id, joined.stranger_id), joined.vector)
            self._groups = groups


class _Groups:
    """How many visits each group has, and what is in the middle of what they look like.

    Args:
        visits: how many, by the group's id.
        sums: (D,) sum of the visits' vectors, by the group's id.
        normaliser: of the scores.
    """

    def __init__(
        self, visits: dict[str, int], sums: dict[str, NDArray[np.float32]], normaliser: Normaliser
    ) -> None:
        self._visits = visits
        self._sums = sums
        self._normaliser = normaliser
        self._rows = {stranger_id: row for row, stranger_id in enumerate(sums)}
        self._gallery = Gallery.of(unit(np.stack([*sums.values()])), normaliser) if sums else None

    def nearest(self, vector: NDArray[np.float32], least: float) -> str | None:
        """Which group resembles a vector most; `None` where that is less than `least`."""
        if self._gallery is None:
            return None
        scores = self._gallery.normalised(vector[None], self._normaliser)[0]
        best = int(scores.argmax())
        return [*self._rows][best] if scores[best] >= least else None

    def add(self, stranger_id: str, vector: NDArray[np.float32]) -> int:
        """Add a visit to a group, which may be new; how many it has then."""
        self._visits[stranger_id] = self._visits.get(stranger_id, 0) + 1
        self._sums[stranger_id] = self._sums.get(stranger_id, np.float32(0)) + vector
        # Only this row: to compare all groups with the cohort again would take longer than a frame.
        new = Gallery.of(unit(self._sums[stranger_id][None]), self._normaliser)
        row = self._rows.setdefault(stranger_id, len(self._rows))
        old = new if self._gallery is None else self._gallery
        before, after = old.only(slice(row)), old.only(slice(row + 1, None))
        self._gallery = Gallery(
            np.concatenate([before.templates, new.templates, after.templates]),
            np.concatenate([before.mean, new.mean, after.mean]),
            np.concatenate([before.deviation, new.deviation, after.deviation]),
        )
        return self._visits[stranger_id]
