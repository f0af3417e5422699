"""Groups of strangers in the history: visits without a name that are one person.

A group is the visits that have its id; it begins with the first and goes with the last. What a visit's face
looks like is kept as an embedding of one network, for as long as the visit has no name.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition import unit


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What the face of a visit looks like."""

    vector: NDArray[np.float32]
    """(D,) float32 of unit length."""
    network: str
    """SHA-256 of the backbone that made it, in hex: embeddings compare only within one network."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupedEmbedding:
    """An embedding that is kept, and the group its visit belongs to."""

    visit_id: str
    stranger_id: str
    vector: NDArray[np.float32]
    """(D,) float32 of unit length."""


@dataclass(frozen=True, slots=True, eq=False)
class StrangerGroup:
    """Visits without a name that are one person."""

    stranger_id: str
    visits: int
    first_seen: float
    """When the first of these visits began, seconds since 1970."""
    last_seen: float
    """When the last one was last seen, seconds since 1970."""
    cameras: tuple[str, ...]
    """Slugs, the one with most visits first."""
    pictures: tuple[str, ...]
    """Files below the review folder, the latest first."""
    embeddings: Mapping[str, Vectors]
    """(n, D) float32 unit rows of its visits, by network."""


class Strangers:
    """The groups in an open database. Not thread-safe.

    Args:
        connection: of a database that has the schema of this version.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # --- Asking

    def groups(self, stranger_id: str | None = None) -> tuple[StrangerGroup, ...]:
        """All groups, the one that was seen last first; or one of them.

        Args:
            stranger_id: which; `None` for all.
        """
        of_all = self._connection.execute(
            "SELECT stranger_id, COUNT(*), MIN(began), MAX(last_seen) FROM grouped"
            " WHERE ?1 IS NULL OR stranger_id = ?1 GROUP BY stranger_id"
            " ORDER BY MAX(last_seen) DESC, stranger_id",
            (stranger_id,),
        ).fetchall()
        cameras = self._lists(
            "SELECT stranger_id, camera FROM grouped WHERE ?1 IS NULL OR stranger_id = ?1"
            " GROUP BY stranger_id, camera ORDER BY COUNT(*) DESC, camera",
            stranger_id,
        )
        pictures = self._lists(
            "SELECT stranger_id, picture FROM grouped"
            " WHERE picture IS NOT NULL AND (?1 IS NULL OR stranger_id = ?1)"
            " ORDER BY began DESC, visit_id DESC",
            stranger_id,
        )
        vectors: defaultdict[str, defaultdict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
        for group, network, vector in self._connection.execute(
            "SELECT stranger_id, network, vector FROM grouped JOIN embeddings USING (visit_id)"
            " WHERE ?1 IS NULL OR stranger_id = ?1 ORDER BY began, visit_id",
            (stranger_id,),
        ):
            vectors[group][network].append(vector)
        return tuple(
            StrangerGroup(
                stranger_id=group,
                visits=visits,
                first_seen=first_seen,
                last_seen=last_seen,
                cameras=tuple(cameras[group]),
                pictures=tuple(pictures[group]),
                embeddings={
                    network: np.stack([_vector(row) for row in rows])
                    for network, rows in vectors[group].items()
                },
            )
            for group, visits, first_seen, last_seen in of_all
        )

    def group(self, stranger_id: str) -> StrangerGroup | None:
        """One group; `None` where there is none of that id."""
        return next(iter(self.groups(stranger_id)), None)

    def visits(self, stranger_id: str) -> tuple[str, ...]:
        """Ids of the visits of a group, the first one first; empty where there is no such group."""
        found = self._connection.execute(
            "SELECT visit_id FROM grouped WHERE stranger_id = ? ORDER BY began, visit_id",
            (stranger_id,),
        )
        return tuple(visit_id for (visit_id,) in found)

    def embeddings(self, network: str) -> tuple[GroupedEmbedding, ...]:
        """What the visits of all groups look like to one network, the first visit first."""
        found = self._connection.execute(
            "SELECT visit_id, stranger_id, vector FROM grouped JOIN embeddings USING (visit_id)"
            " WHERE network = ? ORDER BY began, visit_id",
            (network,),
        )
        return tuple(GroupedEmbedding(visit, group, _vector(vector)) for visit, group, vector in found)

    def are_kept(self) -> bool:
        """Whether anything is kept of what anybody looks like."""
        return self._connection.execute("SELECT 1 FROM embeddings LIMIT 1").fetchone() is not None

    def sizes(self) -> dict[str, int]:
        """How many visits each group has."""
        return dict(
            self._connection.execute("SELECT stranger_id, COUNT(*) FROM grouped GROUP BY stranger_id")
        )

    def merged(self) -> dict[str, str]:
        """Of groups that were merged into others, the id of the one that stayed."""
        return dict(self._connection.execute("SELECT stranger_id, into_id FROM merged"))

    # --- Changing

    def keep(self, visit_id: str, embedding: Embedding) -> None:
        """Keep what the face of a visit looks like, where it has no name; within the caller's transaction."""
        self._connection.execute(
            "INSERT OR REPLACE INTO embeddings (visit_id, network, vector)"
            " SELECT visit_id, ?, ? FROM grouped WHERE visit_id = ?",
            (embedding.network, embedding.vector.astype(np.float16).tobytes(), visit_id),
        )

    def improve(self, visit_id: str, embedding: Embedding) -> None:
        """Replace what is kept of a visit's face; a visit of which nothing is kept is ignored."""
        with self._connection:
            self._connection.execute(
                "UPDATE embeddings SET network = ?, vector = ? WHERE visit_id = ?",
                (embedding.network, embedding.vector.astype(np.float16).tobytes(), visit_id),
            )

    def current(self, stranger_id: str) -> str:
        """The id of the group that a group is part of by now."""
        row = self._connection.execute(
            "SELECT into_id FROM merged WHERE stranger_id = ?", (stranger_id,)
        ).fetchone()
        return stranger_id if row is None else str(row[0])

    def merge(self, from_id: str, into_id: str) -> bool:
        """Make two groups one; it keeps the second one's id.

        Returns:
            Whether there are both, and two.
        """
        if from_id == into_id or not self.visits(into_id):
            return False
        with self._connection:
            moved = self._connection.execute(
                "UPDATE visits SET stranger_id = ? WHERE visit_id IN"
                " (SELECT visit_id FROM grouped WHERE stranger_id = ?)",
                (into_id, from_id),
            ).rowcount
            if moved:
                # Those that were merged before lead to the new one at once.
                self._connection.execute(
                    "UPDATE merged SET into_id = ? WHERE into_id = ?", (into_id, from_id)
                )
                self._connection.execute("DELETE FROM merged WHERE stranger_id = ?", (into_id,))
                self._connection.execute("INSERT OR REPLACE INTO merged VALUES (?, ?)", (from_id, into_id))
        return moved > 0

    def split(self, stranger_id: str, visits: Collection[str], new_id: str) -> int:
        """Take visits out of a group into one of their own.

        Args:
            stranger_id: the group.
            visits: their ids; those of other groups are ignored.
            new_id: of the new group.

        Returns:
            How many were taken.
        """
        chosen = set(visits) & set(self.visits(stranger_id))
        with self._connection:
            self._connection.executemany(
                "UPDATE visits SET stranger_id = ? WHERE visit_id = ?",
                [(new_id, visit_id) for visit_id in chosen],
            )
        return len(chosen)

    def prune(self) -> None:
        """Delete what was noted of groups that are gone; within the caller's transaction."""
        self._connection.execute(
            "DELETE FROM merged WHERE into_id NOT IN"
            " (SELECT stranger_id FROM visits WHERE stranger_id IS NOT NULL)"
        )

    def _lists(self, question: str, stranger_id: str | None) -> defaultdict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for group, value in self._connection.execute(question, (stranger_id,)):
            found[group].append(value)
        return found


def _vector(content: bytes) -> NDArray[np.float32]:
    return unit(np.frombuffer(content, np.float16).astype(np.float32))
