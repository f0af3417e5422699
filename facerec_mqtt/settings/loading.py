"""Reads the settings; the only reader of the environment.

Every setting is an environment variable `FACEREC_<NAME>`, or a line of a `.env` file; the environment
wins. A group's settings are joined by two underscores: `FACEREC_MQTT__HOST`. Cameras are a JSON list.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict
from pydantic_settings import PydanticBaseSettingsSource as Source
from pydantic_settings import SettingsError as SourceError

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.settings.env_file import (
    read_settings_file,
    replace_settings_file,
    settings_bytes,
    with_setting,
)
from facerec_mqtt.settings.messages import describe_error, nearest
from facerec_mqtt.settings.schema import PREFIX, CameraSettings, Settings

CAMERAS = f"{PREFIX}CAMERAS"
"""The setting that holds the cameras."""


@dataclass(frozen=True, slots=True)
class SettingsOrigin:
    """Where the settings of this process have come from."""

    given: Path | None
    """The file that was named on the command line."""
    file: Path | None
    """The settings file; `None` where there is none."""
    digest: str = ""
    """Of the file as it was when it was read."""
    cameras_in_environment: bool = False
    """Whether the environment sets the cameras, so that what the file says of them is not used."""


class _Sources(Settings, BaseSettings):
    """The settings, filled from the environment and a file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="ignore",  # other programs' lines in the file; unknown names of ours: `_unknown_names`
        nested_model_default_partial_update=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: Source,
        env_settings: Source,
        dotenv_settings: Source,
        file_secret_settings: Source,  # noqa: ARG003
    ) -> tuple[Source, ...]:
        """Take the file's values as they stand: pydantic would replace `${NAME}` in a password."""
        if isinstance(dotenv_settings, DotEnvSettingsSource) and isinstance(dotenv_settings.env_file, Path):
            lines = read_settings_file(dotenv_settings.env_file)
            dotenv_settings.env_vars = {name.lower(): value for name, value in lines.items() if value}
        return init_settings, env_settings, dotenv_settings


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the settings from the environment and a `.env` file.

    Args:
        env_file: the file; by default `.env` in the current folder, where there is one.

    Raises:
        SettingsError: a name is unknown or a value is wrong; the message names all of them, one a line,
            and holds no secret.
    """
    if env_file is not None and not env_file.is_file():
        raise SettingsError(f"The settings file {env_file} does not exist; give the path of an existing one.")
    path = env_file or Path(".env")
    problems = [*_unknown_names(path)]
    if not problems:
        try:
            return Settings.model_validate(dict(_Sources(_env_file=path)))  # type: ignore[call-arg]
        except ValidationError as error:
            problems = [
                describe_error(item, PREFIX, setting_names(), CameraSettings.model_fields)
                for item in error.errors(include_url=False)
            ]
        except SourceError as error:
            cause = error.__cause__
            where = f" at character {cause.pos + 1}" if isinstance(cause, json.JSONDecodeError) else ""
            name = next((part for part in str(error).split('"') if part in Settings.model_fields), "?")
            problems = [f"{PREFIX}{name.upper()} is not valid JSON{where}; see config.example.env."]
            if isinstance(cause, json.JSONDecodeError) and _is_quoted(cause.doc):
                problems = [
                    f"{PREFIX}{name.upper()} stands between quotation marks, which Docker's --env-file hands"
                    " on as they are; write the list without them, beginning with [."
                ]
    raise SettingsError("\n".join(problems)) from None


def settings_origin(env_file: Path | None = None) -> SettingsOrigin:
    """Where `load_settings` takes the settings from.

    Args:
        env_file: as there.
    """
    file = (env_file or Path(".env")).absolute()
    in_environment = any(name.upper() == CAMERAS and value for name, value in os.environ.items())
    if not file.is_file():
        return SettingsOrigin(env_file, None, cameras_in_environment=in_environment)
    return SettingsOrigin(env_file, file, settings_digest(settings_bytes(file)), in_environment)


def settings_digest(content: bytes) -> str:
    """Tells one content of a settings file from another."""
    return sha256(content).hexdigest()


def save_cameras(file: Path, before: bytes, cameras: str, *, is_secret: bool = False) -> None:
    """Write the cameras into a settings file; all other lines stay, and so do mode and owner.

    Args:
        file: the settings file.
        before: its content, as it was read.
        cameras: a JSON list, as `FACEREC_CAMERAS` has it.
        is_secret: whether a password is new in it: then the file becomes readable by its owner alone.

    Raises:
        SettingsError: the settings would not be valid, the file is another one by now, or it cannot be
            written; it is as it was, and the message holds no secret.
    """
    known = _problems(file)

    def check(new: Path) -> None:
        # What the environment makes good, it makes good in both.
        problems = [each for each in _problems(new) if each not in known]
        if problems:
            raise SettingsError("\n".join(problems))

    after = with_setting(before, CAMERAS, cameras)
    replace_settings_file(file, before, after, check, is_secret=is_secret)


def _problems(file: Path) -> list[str]:
    try:
        load_settings(file)
    except SettingsError as error:
        return str(error).replace(str(file), "the settings file").splitlines()
    return []


def setting_names() -> dict[str, object]:
    """Every environment variable that sets something, in the order of the documentation, with its default."""
    return dict(_names(Settings, PREFIX))


def given_names(env_file: Path | None = None) -> frozenset[str]:
    """Which environment variables of `setting_names` are set, there or in the settings file, and not empty.

    Args:
        env_file: as in `load_settings`.
    """
    given = {**read_settings_file(env_file or Path(".env")), **os.environ}
    return frozenset(name.upper() for name, value in given.items() if value) & setting_names().keys()


def _names(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield prefix + name.upper(), field.default


def _unknown_names(env_file: Path) -> Iterator[str]:
    known = setting_names()
    groups = {name.split("__")[0] for name in known if "__" in name}
    given = dict.fromkeys(os.environ, "the environment")
    given |= dict.fromkeys(read_settings_file(env_file), str(env_file))
    for name, source in given.items():
        if name.upper().startswith(PREFIX) and name.upper() not in known and name.upper() not in groups:
            yield f"Unknown setting {name} in {source}; did you mean {nearest(name.upper(), known)}?"


def _is_quoted(text: str) -> bool:
    """Whether a whole value stands between quotation marks that nobody has taken away."""
    plain = text.strip()
    return len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "'\""
