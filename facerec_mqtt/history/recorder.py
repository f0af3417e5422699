"""Makes records of what the service decides: visits begin, are seen, get a picture, and end."""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import OpenVisit, PooledEmbedding, PresenceChange, StrangerSeen
from facerec_mqtt.history.records import Looks, VisitFacts, VisitKind, VisitRecord
from facerec_mqtt.history.strangers import StrangerGroups
from facerec_mqtt.history.writer import HistoryWriter
from facerec_mqtt.presence import Explanation, KeptLooks, new_visit_id

_KINDS = {"arrived": VisitKind.FAMILY, "visitor": VisitKind.VISITOR, "stranger": VisitKind.STRANGER}
_SEEN_EVERY_S = 60.0
_GROUPS_EVERY_S = 2.0
"""Until what was merged, split or named on the page counts here."""
_PRUNE_EVERY_S = 86_400.0
_MOST_OF_THIS_RUN = 1000


class VisitRecorder:
    """Records the visits of one service; nothing here waits for the disk.

    Args:
        writer: writes them.
        service: node id of the service.
        groups: of strangers; `None` where no embedding may be kept, so that nobody is known to come again.
    """

    def __init__(self, writer: HistoryWriter, service: str, groups: StrangerGroups | None) -> None:
        self._writer = writer
        self._service = service
        self._groups = groups
        self._explanations: dict[str, Explanation] = {}
        self._open: dict[str, OpenVisit] = {}
        # Of these the times are wrong where the wall clock is found to have been.
        self._of_this_run: deque[str] = deque(maxlen=_MOST_OF_THIS_RUN)
        self._seen_due_s = -math.inf
        self._groups_due_s = -math.inf
        self._prune_due_s = -math.inf

    def start(self, resumed: Iterable[OpenVisit], names: Mapping[str, str], clock: Clock) -> None:
        """Begin. The visits that an earlier run left open end, but for those that go on.

        Args:
            resumed: visits that go on.
            names: display names of people, by slug.
            clock: the wall clock.
        """
        self._writer.start()
        self._load_groups()
        self._seen_due_s = self._groups_due_s = self._prune_due_s = -math.inf
        self._open = {visit.visit_id: visit for visit in resumed}
        self._writer.end_open(self._service, frozenset(self._open))
        for visit in self._open.values():
            person = visit.person
            self._writer.resume(
                VisitRecord(
                    visit_id=visit.visit_id,
                    kind=VisitKind.STRANGER if person is None else VisitKind.FAMILY,
                    person=person,
                    name=None if person is None else names.get(person, person),
                    camera=visit.camera,
                    began=clock.epoch(visit.began_s),
                    ended=None,
                    score=visit.score,
                    service=self._service,
                )
            )

    def stop(self, clock: Clock) -> None:
        """The service ends; its visits may go on in its next run."""
        self._write_seen(clock)
        self._writer.stop()

    def explained(self, why: Explanation) -> None:
        """Take in why a visit begins, before it does."""
        if why.visit_id is not None:
            self._explanations[why.visit_id] = why

    def stranger(self, change: PresenceChange) -> StrangerSeen | None:
        """Find out which stranger was seen; `None` for everybody else, and where no visits are kept."""
        if change.kind != "stranger" or change.pooled is None or not self._writer.is_on:
            return None
        if self._groups is None:
            return None
        return self._groups.join(change.visit_id, change.pooled.vector)

    def began(
        self, change: PresenceChange, name: str | None, clock: Clock, stranger: StrangerSeen | None = None
    ) -> None:
        """Record the beginning of a visit; a departure is ignored, as the visit's end is seen in `update`.

        Args:
            change: what happened.
            name: the person's display name; `None` for a stranger.
            clock: the wall clock.
            stranger: what `stranger` said of it.
        """
        if change.sighting is None:
            return
        why = self._explanations.pop(change.visit_id, None)
        self._put(
            VisitRecord(
                visit_id=change.visit_id,
                kind=_KINDS[change.kind],
                person=change.person,
                name=name,
                camera=change.camera,
                began=clock.epoch(change.at_s),
                ended=None,
                score=float(change.sighting.identification.score),
                stranger_id=None if stranger is None else stranger.stranger_id,
                why=VisitFacts() if why is None else VisitFacts.of(why, change.votes),
                service=self._service,
            ),
            None if stranger is None else change.pooled,
        )

    def update(self, open_visits: Iterable[OpenVisit], clock: Clock, now_s: float) -> None:
        """Record which visits have ended, and delete what is too old.

        Args:
            open_visits: all that go on.
            clock: the wall clock.
            now_s: now, of `time.monotonic`.
        """
        before, self._open = self._open, {visit.visit_id: visit for visit in open_visits}
        for visit_id in before.keys() - self._open.keys():
            self._writer.end(visit_id, clock.epoch(before[visit_id].last_seen_s))
            pooled = before[visit_id].pooled
            if self._groups is not None and pooled is not None and before[visit_id].person is None:
                self._writer.improve(visit_id, self._groups.embedding(pooled.vector))
        if now_s >= self._groups_due_s:
            self._groups_due_s = now_s + _GROUPS_EVERY_S
            self._load_groups()
        if now_s >= self._seen_due_s:
            self._seen_due_s = now_s + _SEEN_EVERY_S
            self._write_seen(clock)
        if now_s >= self._prune_due_s:
            self._prune_due_s = now_s + _PRUNE_EVERY_S
            self._writer.prune(clock.epoch(now_s))

    def looked(
        self, kept: Iterable[KeptLooks], clock: Clock, discard: Callable[[tuple[str, ...]], None]
    ) -> None:
        """Record scores and pictures of visits, and doubtful visits with theirs.

        Args:
            kept: what there is of each.
            clock: the wall clock.
            discard: deletes pictures of a visit that is not in the history any more.
        """
        for each in kept:
            looks, pictures = each.looks, each.pictures
            visit_id = looks.visit_id or new_visit_id()
            if (unnamed := looks.unnamed) is not None:
                self._put(
                    VisitRecord(
                        visit_id=visit_id,
                        kind=VisitKind.DOUBTFUL,
                        person=None,
                        name=None,
                        camera=looks.camera,
                        began=clock.epoch(unnamed.began_s),
                        ended=clock.epoch(unnamed.ended_s),
                        score=float(unnamed.why.best_score),
                        why=VisitFacts.of(unnamed.why, 0),
                        service=self._service,
                    )
                )
            self._writer.set_looks(
                visit_id,
                Looks(looks.person, looks.scores, pictures, each.removed),
                rejected=partial(discard, pictures),
            )

    def set_people(self, people: Collection[str]) -> None:
        """Another model is in use: what is not written yet of others, given by slug, never is."""
        self._writer.keep_only(people)

    def clock_was_set(self, step_s: float) -> None:
        """The wall clock was set by some seconds: the times of this run's visits were wrong by as much."""
        if self._of_this_run:
            self._writer.shift(tuple(self._of_this_run), step_s)

    def _put(self, visit: VisitRecord, pooled: PooledEmbedding | None = None) -> None:
        self._of_this_run.append(visit.visit_id)
        groups = self._groups
        if groups is None:
            self._writer.put(visit, None, done=lambda: None)
            return
        embedding = None if pooled is None else groups.embedding(pooled.vector)
        self._writer.put(visit, embedding, done=lambda: groups.written(visit.visit_id))

    def _load_groups(self) -> None:
        if self._groups is not None:
            self._writer.load_groups(self._groups)

    def _write_seen(self, clock: Clock) -> None:
        if self._open:
            self._writer.seen(
                {visit_id: clock.epoch(visit.last_seen_s) for visit_id, visit in self._open.items()}
            )
