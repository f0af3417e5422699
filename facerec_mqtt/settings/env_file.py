"""The names and values in a settings file, as they stand there."""

from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream

from facerec_mqtt.core.errors import SettingsError


def read_settings_file(path: Path) -> dict[str, str]:
    """Names and values of a settings file, as they stand there; none where there is no file.

    Raises:
        SettingsError: it cannot be read, or a line of it is not understood.
    """
    try:
        text = path.read_text("utf-8-sig") if path.is_file() else ""
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read ({error.strerror}); check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"The settings file {path} is not UTF-8 text (byte {error.start}); save it as UTF-8."
        ) from None
    lines = list(parse_stream(StringIO(text)))
    for line in lines:
        if line.error:
            text = line.original.string
            number = line.original.line + text[: -len(text.lstrip())].count("\n")
            raise SettingsError(
                f"Line {number} of {path} is not understood; write NAME=value, and a value"
                " with one kind of quotes in it between quotes of the other kind."
            )
    return {line.key: line.value or "" for line in lines if line.key is not None}
