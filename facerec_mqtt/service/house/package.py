"""The model as it travels between boxes: one manifest, and the files of a version in pieces. Pure.

Whoever may write on the broker may have made it. So nothing in it names a place on the disk, every size is
known before anything is put together, and what is not as the manifest says is refused. Where the house has a
key, the files are encrypted and nobody else can make them; without one they are as safe as the broker.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.settings import first_problem

CHUNK_BYTES = 32 * 1024
"""Brokers that limit messages at all take more than this."""
MAX_BYTES = 16 * 2**20
"""Of all files together. A family of a hundred has less than a tenth."""
MAX_MANIFEST_BYTES = 64 * 1024
MAX_FORGOTTEN = 50
"""People who were forgotten are remembered, the last of them, until every box has been there once."""
FILES = ("manifest.json", "model.npz", "report.json")
"""Of a version, in the order in which they travel."""
_LENGTH_BYTES = 4
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{4}$")]
Order = Annotated[int, Field(ge=0, lt=2**53)]


class Entry(BaseModel):
    """What boxes say to each other about models."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class Forgotten(Entry):
    """Somebody who was forgotten, without the name: who knew the person can tell who it is."""

    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    digest: Digest

    @classmethod
    def of(cls, slug: str, salt: str) -> Self:
        """Make it.

        Args:
            slug: the person's.
            salt: sixteen random hexadecimal digits.
        """
        return cls(salt=salt, digest=hashlib.sha256(f"{salt}/{slug}".encode()).hexdigest())

    def matches(self, slug: str) -> bool:
        """Whether it is this person."""
        return self == Forgotten.of(slug, self.salt)


class Stamp(Entry):
    """Which model of the house it is: the newer has the higher order or, of one order, the higher node id."""

    order: Order = 0
    """Rises with every rebuild, every rollback and everybody who is forgotten, at whatever box."""
    node: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{0,64}$")] = ""
    """The box where that was."""

    def newer_than(self, other: "Stamp") -> bool:
        """Whether this one takes the place of the other."""
        return (self.order, self.node) > (other.order, other.node)


class HouseManifest(Entry):
    """What is published last, when all pieces are."""

    format: Literal[1] = 1
    stamp: Stamp
    version: Version | None
    """`None` where the last person was forgotten: there is no model any more."""
    made_at: Annotated[str, Field(max_length=40)]
    """When it was published; ISO 8601, UTC."""
    encrypted: bool
    size: Annotated[int, Field(ge=0, le=MAX_BYTES)]
    """Of all pieces together, in bytes."""
    chunks: Annotated[int, Field(ge=0, le=MAX_BYTES // CHUNK_BYTES + 1)]
    digest: Digest
    """SHA-256 of all pieces, one after the other."""
    forgotten: tuple[Forgotten, ...] = Field(default=(), max_length=MAX_FORGOTTEN)

    @model_validator(mode="after")
    def _pieces_are_as_many_as_the_bytes_need(self) -> Self:
        if self.chunks != -(-self.size // CHUNK_BYTES):
            raise ValueError("it has not as many pieces as its size makes")
        if (self.version is None) != (self.size == 0):
            raise ValueError("a version has files, and no version has none")
        return self

    @property
    def key(self) -> str:
        """By which its pieces are told from those of another."""
        return self.digest[:16]

    def bound(self) -> bytes:
        """What is said of the files besides themselves, so that nobody puts them under another manifest."""
        said = self.model_copy(update={"digest": "0" * 64, "size": 0, "chunks": 0})
        return said.model_dump_json().encode()


class Acknowledgement(Entry):
    """What a box has made of the house's model."""

    format: Literal[1] = 1
    stamp: Stamp
    """Of the newest model that it has taken in."""
    version: Version | None
    problem: Annotated[str, Field(max_length=1000)] | None = None
    """Why it has not taken in a newer one."""
    forgotten: tuple[Digest, ...] = Field(default=(), max_length=MAX_FORGOTTEN)
    """Of people of whom it has nothing any more."""
    keeps: tuple[Digest, ...] = Field(default=(), max_length=MAX_FORGOTTEN)
    """Of people who were forgotten and of whom photos lie in its enrollment folder."""


def pack(
    files: Mapping[str, bytes], manifest: HouseManifest, key: bytes | None
) -> tuple[HouseManifest, list[bytes]]:
    """Make the pieces that travel.

    Args:
        files: content of each of `FILES`; none where there is no model.
        manifest: with everything but size and digest.
        key: of the house, 32 bytes; `None` for none.

    Returns:
        The whole manifest, and the pieces.

    Raises:
        ModelError: the files are too large.
    """
    body = b"".join(
        len(files[name]).to_bytes(_LENGTH_BYTES, "big") + files[name] for name in FILES if name in files
    )
    if body and key is not None:
        from nacl.secret import Aead  # XChaCha20-Poly1305; nobody without a key needs it

        body = bytes(Aead(key).encrypt(body, manifest.bound()))
    if len(body) > MAX_BYTES:
        raise ModelError(
            f"The model {manifest.version} has {len(body)} bytes, and at most {MAX_BYTES} are passed on to"
            " the other boxes; enrol fewer photos."
        )
    chunks = [body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES)]
    digest = hashlib.sha256(body).hexdigest()
    return (
        manifest.model_copy(update={"size": len(body), "chunks": len(chunks), "digest": digest}),
        chunks,
    )


def parse_manifest(payload: bytes) -> HouseManifest:
    """Read a manifest.

    Raises:
        ModelError: it is anything else.
    """
    if len(payload) > MAX_MANIFEST_BYTES:
        raise ModelError(f"its manifest has {len(payload)} bytes, and at most {MAX_MANIFEST_BYTES} are read")
    try:
        return HouseManifest.model_validate_json(payload)
    except ValidationError as error:
        raise ModelError(f"its manifest is none ({first_problem(error)})") from None


def unpack(manifest: HouseManifest, chunks: Mapping[int, bytes], key: bytes | None) -> dict[str, bytes]:
    """Put the files together again.

    Args:
        manifest: what they should be.
        chunks: all of them, by number.
        key: of the house, 32 bytes; `None` for none.

    Returns:
        Content of each of `FILES`; nothing where there is no model.

    Raises:
        ModelError: they are anything else.
    """
    body = b"".join(chunks[number] for number in range(manifest.chunks))
    if len(body) != manifest.size or hashlib.sha256(body).hexdigest() != manifest.digest:
        raise ModelError("its pieces are not what its manifest says")
    if manifest.version is None:
        return {}
    if manifest.encrypted != (key is not None):
        raise ModelError(
            "it is encrypted, and this box has no key; set FACEREC_HOUSE__KEY as on the others"
            if manifest.encrypted
            else "it is not encrypted, though this box has FACEREC_HOUSE__KEY; set that on all boxes"
        )
    if key is not None:
        body = _opened(key, body, manifest.bound())
    files: dict[str, bytes] = {}
    for name in FILES:
        length, body = int.from_bytes(body[:_LENGTH_BYTES], "big"), body[_LENGTH_BYTES:]
        if length > len(body):
            raise ModelError("a file in it is shorter than it says")
        files[name], body = body[:length], body[length:]
    if body:
        raise ModelError("there is something after its files")
    return files


def _opened(key: bytes, body: bytes, bound: bytes) -> bytes:
    from nacl.exceptions import CryptoError
    from nacl.secret import Aead

    try:
        return bytes(Aead(key).decrypt(body, bound))
    except (CryptoError, ValueError, TypeError):
        raise ModelError(
            "it was encrypted with another key, or somebody has changed it; FACEREC_HOUSE__KEY must be the"
            " same on all boxes"
        ) from None
