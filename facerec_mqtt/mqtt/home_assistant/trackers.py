"""Who counts as at home for Home Assistant's persons.

Being seen proves that somebody is at home; not being seen proves nothing. So nobody is ever away by this:
some hours after they were last seen it is not known.
"""

from collections.abc import Iterator, Sequence

from facerec_mqtt.core.records import PersonState


class Trackers:
    """Notices when somebody begins or ceases to count as at home.

    Args:
        hold_s: for how long after they were last seen.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._home: dict[str, bool] = {}

    def changed(self, people: Sequence[PersonState], now_s: float) -> Iterator[tuple[str, bool]]:
        """Whose tracker is to be published, by slug, and whether they are at home.

        Args:
            people: the state of everybody who is enrolled.
            now_s: now, of `time.monotonic`.
        """
        before, self._home = self._home, {}
        for state in people:
            seen_s = state.last_seen_s
            home = state.present or (seen_s is not None and now_s - seen_s < self._hold_s)
            self._home[state.person.slug] = home
            if before.get(state.person.slug) != home:
                yield state.person.slug, home
