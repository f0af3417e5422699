"""When to try again to reach the broker, and what to log of it. Time is an argument."""

import logging

from facerec_mqtt.mqtt import Fault, Outage, failures
from facerec_mqtt.settings import MqttSettings

logger = logging.getLogger(__name__)
FIRST_DELAY_S, MAX_DELAY_S = 0.5, 5.0
"""Between two attempts to connect."""
REFUSED_DELAY_S = 10.0
"""At most, where something must be set right first."""
STEADY_S = 10.0
"""A connection that lasted this long was a good one: the next attempt follows at once."""
MAX_BREAKS = 3
"""After this many connections in a row that broke sooner, the next ones are doubted."""
DOUBTED_STEADY_S = 60.0
"""A connection that is doubted is a good one after this time."""
DOUBTED_DELAY_S = 25.0
"""At most between two attempts then. Less than half of it, so that two services with one client id, who take
the connection from each other, never believe that it is over, and neither do it often nor log it often."""


class ReconnectPolicy:
    """Logs once that the connection is lost and once that it is back, and decides how long to wait.

    Times are arguments, in seconds of `time.monotonic`.

    Args:
        settings: the broker.
    """

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._delay_s = FIRST_DELAY_S
        self._breaks = 0
        self._doubted = False
        self._connected_s: float | None = None
        self._lost_s: float | None = None
        self._logged: Outage | None = None
        self._was_connected = False
        self._outage: Outage | None = None

    @property
    def reason(self) -> str | None:
        """Why there is no connection; `None` while there is one, and before the first attempt has ended."""
        return None if self._outage is None else failures.sentence(self._outage, self._settings)

    def connected(self, now_s: float) -> float | None:
        """There is a connection.

        Returns:
            When to call `steady`, where that is not sure to last.
        """
        self._connected_s, self._outage = now_s, None
        if self._doubted:
            return now_s + DOUBTED_STEADY_S
        self._log_connected(now_s)
        return None

    def steady(self, now_s: float) -> None:
        """The connection that was doubted is a good one."""
        self._trust()
        self._log_connected(now_s)

    def _trust(self) -> None:
        self._delay_s, self._breaks, self._doubted = FIRST_DELAY_S, 0, False

    def _log_connected(self, now_s: float) -> None:
        where = failures.address(self._settings)
        if self._lost_s is not None:
            logger.info("%s: connected again after %.0f s.", where, now_s - self._lost_s)
        elif not self._was_connected:
            logger.info("%s: connected.", where)
        self._was_connected, self._lost_s, self._logged = True, None, None

    def lost(self, outage: Outage, now_s: float) -> float:
        """There is no connection.

        Returns:
            For how long to wait before the next attempt, in seconds.
        """
        if self._connected_s is not None:
            if now_s - self._connected_s >= (DOUBTED_STEADY_S if self._doubted else STEADY_S):
                self._trust()
            elif outage.fault is not Fault.TOO_LARGE:  # which is not sent again
                self._breaks += 1
            self._connected_s = None
            if not self._doubted and not outage.lasting and self._breaks >= MAX_BREAKS:
                outage = Outage(Fault.KEEPS_BREAKING)
            # What ends a connection that stood and must be set right will end the next one too.
            self._doubted = self._doubted or outage.lasting
        self._outage = outage
        if self._lost_s is None or (outage.lasting and outage != self._logged):
            reason = failures.sentence(outage, self._settings)
            logger.warning("%s. Trying again until it is back.", reason.rstrip("."))
            self._logged = outage
        if self._lost_s is None:
            self._lost_s = now_s
        delay_s = self._delay_s
        most_s = DOUBTED_DELAY_S if self._doubted else REFUSED_DELAY_S if outage.lasting else MAX_DELAY_S
        self._delay_s = min(2 * delay_s, most_s)
        return delay_s
