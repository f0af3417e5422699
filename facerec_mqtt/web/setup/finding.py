"""Cameras in the network, asked once at a time; nothing of a login is kept."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from facerec_mqtt.cameras.network import Login
from facerec_mqtt.monitoring.page_messages import PageCamera
from facerec_mqtt.web.household import TryAgainError
from facerec_mqtt.web.schemas import FindCameras, FoundCamera, FoundCameras, FoundStream
from facerec_mqtt.web.setup import words
from facerec_mqtt.web.setup.words import Keeper

if TYPE_CHECKING:
    from facerec_mqtt.cameras import onvif
    from facerec_mqtt.cameras.onvif.discovery import Answer

_NETWORK_S = 4.0
"""For so long answers from the network are waited for."""


class CameraFinder:
    """Finds cameras; may be asked from any thread.

    Args:
        cameras: those that are watched already.
        ask_network: finds devices, given the seconds to wait; by default in the network.
    """

    def __init__(
        self,
        cameras: Sequence[PageCamera],
        ask_network: "Callable[[float], Sequence[Answer]] | None" = None,
    ) -> None:
        self._cameras = cameras
        self._ask_network = ask_network
        self._one = threading.Lock()

    def find(self, asked: FindCameras, keeper: Keeper) -> FoundCameras:
        """Ask the network, or one address.

        Args:
            asked: who, and by which login.
            keeper: of the settings, for the lines that are to be copied there.

        Raises:
            TryAgainError: somebody else is asking.
        """
        if not self._one.acquire(blocking=False):
            raise TryAgainError("Cameras are being looked for already; try again in a few seconds.")
        try:
            return self._find(asked, keeper)
        finally:
            self._one.release()

    def _find(self, asked: FindCameras, keeper: Keeper) -> FoundCameras:
        # Imported when it is first needed: it is memory that a page at rest does without.
        from facerec_mqtt.cameras import onvif
        from facerec_mqtt.cameras.onvif.discovery import discover

        password = "" if asked.password is None else asked.password.get_secret_value()
        login = None if asked.username is None else Login(asked.username, password)
        hosts = [] if asked.address is None else [asked.address]
        try:
            found = onvif.find_cameras(
                login, hosts=hosts, seconds=_NETWORK_S, ask_network=self._ask_network or discover
            )
        except OSError as error:
            return FoundCameras(cameras=[], nothing=words.no_network(error.strerror or type(error).__name__))
        taken = {camera.slug for camera in self._cameras}
        return FoundCameras(
            cameras=[self._found(each, taken, login, keeper, alone=bool(hosts)) for each in found],
            nothing=None if found else words.NOTHING_FOUND,
        )

    def _found(
        self,
        camera: "onvif.FoundCamera",
        taken: set[str],
        login: Login | None,
        keeper: Keeper,
        *,
        alone: bool,
    ) -> FoundCamera:
        from facerec_mqtt.cameras import onvif
        from facerec_mqtt.core.slugs import slug

        known = next((each.slug for each in self._cameras if each.host == camera.host), None)
        name, streams = camera.name, []
        if camera.streams:
            settings = onvif.ready_settings(camera, taken, login, show_password=False)
            name = settings["name"]
            taken.add(slug(name))
            is_first = not self._cameras
            for stream in camera.streams:
                # Some cameras want the password in the address, and say so with it.
                url = _without(stream.url, login)
                streams.append(
                    FoundStream(
                        profile=stream.profile,
                        url=url,
                        encoding=stream.encoding,
                        width=stream.width_px,
                        height=stream.height_px,
                        fps=stream.fps,
                        line=words.camera_line(keeper, settings | {"url": url}, is_first=is_first),
                    )
                )
        failure = camera.failure
        return FoundCamera(
            host=camera.host,
            name=name,
            made=" ".join(part for part in (camera.maker, camera.model) if part),
            known=known,
            streams=streams,
            failure_code=None if failure is None else failure.trouble.value,
            failure=None
            if failure is None
            else words.failure_of(failure.trouble.value, failure.detail, alone=alone),
        )


def _without(url: str, login: Login | None) -> str:
    """An address with the word PASSWORD in place of the password."""
    if login is None or not login.password:
        return url
    for form in (quote(login.password, safe=""), login.password):
        url = url.replace(form, "PASSWORD") if len(form) > 2 else url
    return url
