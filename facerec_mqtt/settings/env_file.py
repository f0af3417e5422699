"""A settings file: its names and values as they stand there, and changing one of them without the rest."""

import os
import re
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.core.files import UNFINISHED_PREFIX, UnfitFileError, read_plain, sync_folder

_MAX_BYTES = 2**20
_BEFORE_VALUE = re.compile(
    r"\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=\#\s]+)[^\S\r\n]*=[^\S\r\n]*", flags=re.MULTILINE
)
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", flags=re.DOTALL)


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
    return {line.key: line.value or "" for line in _lines(text, path) if line.key is not None}


def settings_bytes(path: Path) -> bytes:
    """A settings file as it is.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return read_plain(path, _MAX_BYTES)
    except (OSError, UnfitFileError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"The settings file {path} cannot be read ({why}); check its permissions."
        ) from error


def setting_in(content: bytes, name: str) -> str:
    """The value of a setting in a settings file; empty where it has none.

    Raises:
        SettingsError: the content is no settings file.
    """
    lines = _lines(_text(content))
    place = _place(lines, name)
    return "" if place is None else lines[place].value or ""


def with_setting(content: bytes, name: str, value: str) -> bytes:
    """A settings file with another value for one setting; every other line stays as it is.

    Args:
        content: of the file.
        name: of the setting, in capitals.
        value: not empty.

    Raises:
        SettingsError: the content is no settings file, or the value cannot stand in one.
    """
    text = _text(content)
    lines = _lines(text)
    place = _place(lines, name)
    # Between single quotes a value is taken as it stands, but for these two.
    quoted = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    parts = [line.original.string for line in lines]
    if place is not None:
        parts[place] = _with_value(parts[place], quoted)
    else:
        newline = "\r\n" if "\r\n" in text else "\n"
        if text and not text.endswith(("\n", "\r")):
            parts.append(newline)
        parts.append(f"{name}={quoted}{newline}")
    changed = "".join(parts)
    before = {line.key: line.value for line in lines if (line.key or "").upper() != name}
    after = {line.key: line.value for line in _lines(changed) if (line.key or "").upper() != name}
    if before != after or setting_in(changed.encode(), name) != value:
        raise SettingsError(f"{name} cannot be changed in this file without other lines; change it by hand.")
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    return mark + changed.encode()


def can_be_replaced(path: Path) -> bool:
    """Whether this process may write a settings file, with its owner as it is."""
    path = path.resolve()
    try:
        is_ours = os.geteuid() in (0, path.stat().st_uid)
    except OSError:
        return False
    return is_ours and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def replace_settings_file(
    path: Path, before: bytes, after: bytes, check: Callable[[Path], None], *, is_secret: bool = False
) -> None:
    """Replace a settings file atomically; mode and owner stay.

    Args:
        path: the file, or a link to it.
        before: what it is to have been until now.
        after: what it is to be.
        check: is given the new file before it takes its place; raises `SettingsError` where it is not good.
        is_secret: whether it is to be readable by its owner alone from now on.

    Raises:
        SettingsError: it has been changed meanwhile, cannot be written, or is not good; nothing has changed.
    """
    path = path.resolve()
    unfinished: Path | None = None
    try:
        was = path.stat()
        descriptor, name = tempfile.mkstemp(prefix=UNFINISHED_PREFIX, dir=path.parent)
        unfinished = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            if (was.st_uid, was.st_gid) != (os.geteuid(), os.fstat(descriptor).st_gid):
                os.fchown(descriptor, was.st_uid, was.st_gid)
            os.fchmod(descriptor, was.st_mode & (0o700 if is_secret else 0o7777))
            file.write(after)
            file.flush()
            os.fsync(descriptor)
        check(unfinished)
        if settings_bytes(path) != before:
            raise SettingsError(f"{path} has been changed meanwhile; load this page again.")
        unfinished.replace(path)
        unfinished = None
        sync_folder(path.parent)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written ({error.strerror}); put the line there by hand."
        ) from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"The settings file is not UTF-8 text (byte {error.start}); save it as UTF-8."
        ) from None


def _lines(text: str, path: Path | None = None) -> list[Binding]:
    lines = list(parse_stream(StringIO(text, newline="")))
    for line in lines:
        if line.error:
            text = line.original.string
            number = line.original.line + text[: -len(text.lstrip())].count("\n")
            raise SettingsError(
                f"Line {number} of {path or 'the settings file'} is not understood; write NAME=value, and a"
                " value with one kind of quotes in it between quotes of the other kind."
            )
    return lines


def _place(lines: list[Binding], name: str) -> int | None:
    """The line that sets a name: of several the last; `None` where it is not set."""
    last = {line.key: at for at, line in enumerate(lines) if line.key is not None}
    places = [at for key, at in last.items() if key.upper() == name and lines[at].value]
    return places[-1] if places else None


def _with_value(line: str, quoted: str) -> str:
    """A line with another value; what stands before it and a comment behind it stay."""
    found = _BEFORE_VALUE.match(line)
    if found is None:
        raise SettingsError("A line of the settings file cannot be changed; change it by hand.")
    before, rest = line[: found.end()], line[found.end() :]
    value = _QUOTED.match(rest)
    if value is not None:
        return before + quoted + rest[value.end() :]
    first = re.split(r"[\r\n]", rest, maxsplit=1)[0]
    plain = re.sub(r"\s+#.*", "", first).rstrip()
    return before + quoted + rest[len(plain) :]
