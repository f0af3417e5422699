"""What all groups of settings have in common: empty values, and secrets in files of their own."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

from facerec_mqtt.core.files import UnfitFileError, read_plain


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_empty_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
_MAX_SECRET_BYTES = 4096


class Group(BaseModel):
    """Settings that belong together; a secret `x` may be in a file of its own, which `x_file` names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _secrets_are_read_from_their_files(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        for name in cls.model_fields:
            secret = name.removesuffix("_file")
            if secret != name and secret in cls.model_fields and data.get(name):
                if data.get(secret):
                    raise ValueError(f"{secret} and {name} are both given; leave one of them out")
                data = data | {secret: _secret_in(Path(str(data[name])), name)}
        return data


def _secret_in(path: Path, setting: str) -> SecretStr:
    """The one line of a file, as Docker, Kubernetes and systemd hand over secrets.

    Raises:
        ValueError: it cannot be read or holds something else; no content is shown.
    """
    try:
        text = read_plain(path, _MAX_SECRET_BYTES).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{setting} {path} is not UTF-8 text; write the secret alone into it") from None
    except (OSError, UnfitFileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{setting} {path} cannot be read ({reason}); check its path and permissions"
        ) from None
    if len(text.splitlines()) != 1:
        found = "several lines" if text else "nothing"
        raise ValueError(f"{setting} {path} holds {found}; write the secret alone into it")
    return SecretStr(text)
