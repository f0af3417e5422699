"""The settings of the cameras that the page can change: as they are, and saved where that is ours to do."""

import secrets
import threading
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.monitoring.page_messages import PageCamera, PageRequest
from facerec_mqtt.settings import (
    CAMERAS,
    CameraSettings,
    can_be_replaced,
    reason,
    save_cameras,
    setting_in,
    settings_bytes,
    settings_digest,
)
from facerec_mqtt.web.household import ConflictError, InvalidError
from facerec_mqtt.web.live import Frames
from facerec_mqtt.web.live.frames import UnknownCameraError
from facerec_mqtt.web.schemas import CameraSetup, CameraSetups, NewCamera, NewCameraSetup, Saving
from facerec_mqtt.web.setup import camera_list, words
from facerec_mqtt.web.setup.words import Keeper

_CREDENTIALS = Path("/run/credentials")
_DEFAULT_PX = CameraSettings.model_fields["min_face_px"].default


class CameraSetupStore:
    """Reads and saves the settings of cameras; every method may be called from any thread.

    The settings file holds passwords: nothing of it is kept here, and only what is named in `CameraSetup` is
    given to anybody.

    Args:
        request: the cameras, and where their settings have come from.
        frames: their pictures.
    """

    def __init__(self, request: PageRequest, frames: Frames) -> None:
        self._cameras = request.cameras
        self._settings = request.settings
        self._is_app = request.supervisor is not None
        self._frames = frames
        self._key = secrets.token_bytes(16)
        self._saving = threading.Lock()

    @property
    def keeper(self) -> Keeper:
        """Who keeps the settings of the cameras."""
        file = self._settings.file
        if self._is_app:
            return Keeper.APP
        if self._settings.cameras_in_environment:
            return Keeper.ENVIRONMENT
        if file is None:
            return Keeper.NOWHERE
        if can_be_replaced(file):
            return Keeper.FILE
        return Keeper.CREDENTIAL if _CREDENTIALS in file.parents else Keeper.READ_ONLY

    def all(self) -> CameraSetups:
        """All cameras; where their settings can be saved, as they are saved."""
        keeper = self.keeper
        saving = Saving(possible=False, where=words.where(keeper, self._settings.file), restart=False)
        saved: dict[str, CameraSettings] = {}
        if keeper is Keeper.FILE:
            try:
                content = self._content()
                saved = _saved(content)
                restart = settings_digest(content) != self._settings.digest
                saving = saving.model_copy(
                    update={"possible": True, "restart": restart, "revision": self._revision(content)}
                )
            except SettingsError as error:
                saving = saving.model_copy(update={"where": str(error)})
        return CameraSetups(
            saving=saving,
            cameras=[self._setup(camera, saved.get(camera.slug), keeper) for camera in self._cameras],
        )

    def require(self, camera: str) -> None:
        """See that there is a camera.

        Raises:
            UnknownCameraError: there is no such camera.
        """
        slugs = [each.slug for each in self._cameras]
        if camera not in slugs:
            raise UnknownCameraError(
                f'There is no camera "{camera}"; there are: {", ".join(slugs) or "none"}.'
            )

    def change(self, camera: str, wanted: NewCameraSetup) -> CameraSetups:
        """Save a camera's region and smallest face.

        Raises:
            HouseholdError: they are not ours to save, not valid, or the file has been changed meanwhile.
            UnknownCameraError: there is no such camera.
        """
        self.require(camera)
        region = None if wanted.region is None else [words.number(side) for side in wanted.region]
        if region == list(words.WHOLE):
            region = None
        with self._saving:
            content = self._seen(wanted.revision)
            try:
                text = setting_in(content, CAMERAS)
                place = camera_list.place_of(text, camera)
                before = camera_list.cameras_in(text)[place]
                keeps_px = "min_face_px" in before or wanted.min_face_px != _DEFAULT_PX
                changes: camera_list.Camera = {
                    "region": None if region is None else [*region],
                    "min_face_px": words.number(wanted.min_face_px) if keeps_px else None,
                }
                self._save(content, camera_list.with_changes(text, place, changes))
            except SettingsError as error:
                raise ConflictError(str(error)) from error
        return self.all()

    def add(self, new: NewCamera) -> CameraSetups:
        """Save a new camera; the service watches it when it has started again.

        Raises:
            HouseholdError: it is not ours to save, not valid, or the file has been changed meanwhile.
        """
        camera: dict[str, str] = {"name": new.name, "url": new.url}
        if new.username is not None:
            camera["username"] = new.username
        if new.password is not None:
            camera["password"] = new.password.get_secret_value()
            # An address that the finder has shown without it.
            camera["url"] = new.url.replace("PASSWORD", quote(camera["password"], safe=""))
        try:
            CameraSettings.model_validate(camera)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"])) or "The camera"
            raise InvalidError(f"{name}: {reason(first)}.") from None
        with self._saving:
            content = self._seen(new.revision)
            try:
                cameras = camera_list.with_camera(setting_in(content, CAMERAS), {**camera})
                self._save(content, cameras, is_secret=new.password is not None)
            except SettingsError as error:
                raise ConflictError(str(error)) from error
        return self.all()

    # --- The settings file

    def _content(self) -> bytes:
        assert self._settings.file is not None
        return settings_bytes(self._settings.file)

    def _revision(self, content: bytes) -> str:
        # Not what anybody could try passwords against.
        return blake2b(content, digest_size=16, key=self._key).hexdigest()

    def _seen(self, revision: str) -> bytes:
        """The settings file, if it is as somebody has seen it."""
        if self.keeper is not Keeper.FILE:
            raise ConflictError(words.where(self.keeper, self._settings.file))
        try:
            content = self._content()
        except SettingsError as error:
            raise ConflictError(str(error)) from error
        if not secrets.compare_digest(self._revision(content).encode(), revision.encode()):
            raise ConflictError(f"{self._settings.file} has been changed meanwhile; load this page again.")
        return content

    def _save(self, before: bytes, cameras: str, *, is_secret: bool = False) -> None:
        assert self._settings.file is not None
        save_cameras(self._settings.file, before, cameras, is_secret=is_secret)

    def _setup(self, camera: PageCamera, saved: CameraSettings | None, keeper: Keeper) -> CameraSetup:
        region = camera.region if saved is None else saved.region
        min_face_px = camera.min_face_px if saved is None else saved.min_face_px
        size_px = self._frames.size_px(camera.slug)
        width_px, height_px = size_px or (None, None)
        return CameraSetup(
            camera=camera.slug,
            name=camera.name,
            host=camera.host,
            region=region,
            min_face_px=min_face_px,
            found_from_px=None
            if size_px is None
            else round(words.found_from_px(region, size_px, self._settings.max_side_px), 1),
            width=width_px,
            height=height_px,
            has_main_stream=camera.has_main_stream,
            line=words.setup_line(keeper, region, min_face_px),
        )


def _saved(content: bytes) -> dict[str, CameraSettings]:
    """The cameras of a settings file, by slug; those that are not valid are left out."""
    saved = {}
    for each in camera_list.cameras_in(setting_in(content, CAMERAS)):
        try:
            camera = CameraSettings.model_validate(each)
        except ValidationError:
            continue
        saved[camera.slug] = camera
    return saved
