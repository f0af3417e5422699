"""Names as they may stand in topics and identifiers: `José Núñez` becomes `jose_nunez`."""

import re
import unicodedata

from facerec_mqtt.core.errors import FacerecError

MAX_LENGTH = 64
MAX_NAME_CHARACTERS = 64
RESERVED_SIGNS = ("_", "@", "#", "$", "~")
"""No person's name begins with these: ours, and those with which storage boxes and Windows name theirs."""
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
"""What no folder's name may have on some system."""
# Latin letters that Unicode does not take apart into a plain letter and a mark.
PLAIN_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "n"}
)


class SlugError(FacerecError, ValueError):
    """A name holds no letter and no digit that an identifier could be made of."""


def slug(name: str) -> str:
    """Make an identifier of a name.

    Latin letters lose their accents. A letter or digit of another script becomes `u` and its code
    point, so that Анна and 安娜 have identifiers of their own; everything else becomes an underscore.

    Args:
        name: as people write it.

    Returns:
        `[a-z0-9_]+`, at most 64 characters, the same for the same name on every machine.

    Raises:
        SlugError: nothing is left, as of an empty name or one of emoji only.
    """
    # Taken apart, signs such as ™ and № give capitals, and so do the letters of mathematics.
    plain = unicodedata.normalize("NFKD", name.casefold()).casefold().translate(PLAIN_LETTERS)
    identifier = re.sub(r"_+", "_", "".join(_spell(character) for character in plain)).strip("_")
    if not identifier:
        raise SlugError(f"The name {name!r} has no letter or digit in it; choose a name that has one.")
    return identifier[:MAX_LENGTH].rstrip("_")


def clean_name(name: str) -> str:
    """Make names that look the same be the same: "Tom " and "Tom", and accents in one piece or in two.

    Returns:
        The name, composed, with single blanks in it and nothing invisible around it.
    """
    text = unicodedata.normalize("NFC", name)
    shown = [at for at, letter in enumerate(text) if letter.isprintable() and not letter.isspace()]
    return " ".join(text[shown[0] : shown[-1] + 1].split()) if shown else ""


def person_name(name: str) -> str:
    """Check a name that will become a folder's.

    Returns:
        The name, as `clean_name` makes it.

    Raises:
        SlugError: it cannot be a folder's name on every system, would leave the enrollment folder, is not
            one of a person there, or no identifier can be made of it.
    """
    clean = clean_name(name)
    wrong = _what_is_wrong(name, clean)
    if wrong is not None:
        shown = "".join(letter if letter.isprintable() else "?" for letter in name[:40])
        raise SlugError(
            f'"{shown}" cannot be the name of a person: {wrong}. Choose another name, of letters, digits and'
            " spaces."
        )
    return clean


def _what_is_wrong(name: str, clean: str) -> str | None:
    """Why a name cannot be a person's; `None` where it can."""
    if not clean:
        return "it is empty"
    if len(clean) > MAX_NAME_CHARACTERS:
        return f"it has {len(clean)} characters, and {MAX_NAME_CHARACTERS} are the most"
    if clean.startswith((".", *RESERVED_SIGNS)):
        return f'it begins with "{clean[0]}"'
    odd = next(
        (letter for letter in name.strip() if letter in _NOT_IN_NAMES or not letter.isprintable()), None
    )
    if odd is not None:
        return f'it has "{odd}" in it' if odd.isprintable() else "it has a sign in it that cannot be seen"
    try:
        slug(clean)
    except SlugError:
        return "it has no letter and no digit"
    return None


def _spell(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() else "_"
    if unicodedata.category(character) == "Mn":
        return ""
    return f"u{ord(character):x}" if character.isalnum() else "_"
