"""What the broker lets us not do, said once for each topic and many in one line."""

import logging

logger = logging.getLogger(__name__)

REFUSALS_DELAY_S = 1.0
"""Where the broker refuses one topic it refuses many; they are named together after this time."""
MAX_TOPICS_NAMED = 4


class Refusals:
    """Keeps what is to be said of the broker's refusals.

    Args:
        where: what the broker is called in sentences.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._told: set[str] = set()
        self._waiting: list[tuple[str, str]] = []
        self.count = 0
        """Messages that it would not take, so far."""

    def is_new(self, topic: str | None, refusal: str | None) -> bool:
        """Take in what the broker said to a message.

        Args:
            topic: of the message; `None` for one that is not known any more.
            refusal: why it would not take it; `None` when it did.

        Returns:
            Whether there is something to `tell` in a moment.
        """
        if refusal is None:
            return False
        self.count += 1
        if topic is None or topic in self._told:
            return False
        self._told.add(topic)
        self._waiting.append((topic, refusal))
        return True

    def tell(self) -> None:
        """Name the topics that we may not write to; all of them in one line."""
        others = len(self._waiting) - MAX_TOPICS_NAMED
        logger.warning(
            "%s refuses what we publish on %s%s (%s); allow us to write there.",
            self._where,
            ", ".join(topic for topic, _ in self._waiting[:MAX_TOPICS_NAMED]),
            f" and {others} more" if others > 0 else "",
            self._waiting[0][1],
        )
        self._waiting.clear()

    def tell_of_subscription(self) -> None:
        """Say once that we may not read something."""
        if "commands" not in self._told:
            self._told.add("commands")
            logger.warning(
                "%s does not let us read some topic, perhaps of commands; "
                "allow those that docs/MQTT.md lists under Connection.",
                self._where,
            )
