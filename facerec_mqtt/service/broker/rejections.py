"""What the broker does not allow us."""

import logging

from facerec_mqtt.mqtt import Rejection

logger = logging.getLogger(__name__)
MAX_TOPICS_NAMED = 4


class Rejections:
    """Logs what the broker does not allow us, once for each topic and many topics in one line.

    Args:
        where: what the broker is called in sentences.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._known: set[str] = set()
        self._waiting: list[tuple[str, Rejection]] = []
        self._reading_logged = False
        self.count = 0
        """Messages that it rejected so far."""

    def add(self, topic: str | None, rejection: Rejection | None) -> bool:
        """Take in the broker's answer to a message.

        Args:
            topic: of the message; `None` for one that is not known any more.
            rejection: why the broker rejects it; `None` when it does not.

        Returns:
            Whether there is something to `log` in a moment.
        """
        if rejection is None:
            return False
        self.count += 1
        if topic is None or topic in self._known:
            return False
        self._known.add(topic)
        self._waiting.append((topic, rejection))
        return True

    def log(self) -> None:
        """Name the topics that we may not write to; all of them in one line."""
        others = len(self._waiting) - MAX_TOPICS_NAMED
        logger.warning(
            "%s refuses what we publish on %s%s (%s); allow us to write there.",
            self._where,
            ", ".join(topic for topic, _ in self._waiting[:MAX_TOPICS_NAMED]),
            f" and {others} more" if others > 0 else "",
            self._waiting[0][1].words,
        )
        self._waiting.clear()

    def log_denied_subscription(self) -> None:
        """Log once that we may not read something."""
        if not self._reading_logged:
            self._reading_logged = True
            logger.warning(
                "%s does not let us read a topic, possibly one of commands; "
                "allow those that docs/MQTT.md lists under Connection.",
                self._where,
            )
