"""What the keys of a house are for besides the model: faces and names on their way, and a rotation. Pure.

From the house's key two others are derived one way. One is the recognisers' private key, whose public half is
the camera key: who has it can ask, and can neither answer nor read what another box asks. By the other, the
recognisers of a house turn each embedding before they give it away: what several say together is computed
from turned ones just the same, since a rotation changes no mean and no cosine, and no box with cameras ever
has an embedding that could be compared with anything else.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.records import Vectors

KEY_BYTES = 32


class SealError(FacerecError):
    """What came was not made with our key, or was made for something else."""


def private_key(house_key: bytes) -> bytes:
    """The key with which recognisers answer.

    Args:
        house_key: 32 bytes, which cannot be found from what is returned.
    """
    return hashlib.blake2b(key=house_key, person=b"facerec camera", digest_size=KEY_BYTES).digest()


def camera_key(house_key: bytes) -> bytes:
    """The key that boxes with cameras have: the public half of that with which recognisers answer."""
    from nacl.public import PrivateKey  # X25519; nobody without a role needs it

    return bytes(PrivateKey(private_key(house_key)).public_key)


def new_private_key() -> bytes:
    """A key of somebody who asks: one for each run, so that nothing that lies on a disk reads the answers."""
    from nacl.public import PrivateKey

    return bytes(PrivateKey.generate())


def public_half(private: bytes) -> bytes:
    """The public half of a private key."""
    from nacl.public import PrivateKey

    return bytes(PrivateKey(private).public_key)


def shared_key(private: bytes, public: bytes) -> bytes:
    """What two have in common of whom each has the other's public key, and nobody else.

    Raises:
        SealError: the public key is none.
    """
    from nacl.exceptions import CryptoError
    from nacl.public import Box, PrivateKey, PublicKey

    try:
        return bytes(Box(PrivateKey(private), PublicKey(public)).shared_key())
    except (CryptoError, ValueError, TypeError, RuntimeError):
        raise SealError("it has no key") from None


def seal(key: bytes, body: bytes, bound: bytes) -> bytes:
    """Encrypt and authenticate.

    Args:
        key: 32 bytes.
        body: what nobody else may read.
        bound: what nobody may put it under but this.
    """
    from nacl.secret import Aead  # XChaCha20-Poly1305

    return bytes(Aead(key).encrypt(body, bound))


def unseal(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    """Decrypt what `seal` has made.

    Raises:
        SealError: it is anything else.
    """
    from nacl.exceptions import CryptoError
    from nacl.secret import Aead

    try:
        return bytes(Aead(key).decrypt(sealed, bound))
    except (CryptoError, ValueError, TypeError):
        raise SealError("it was made with another key, or for something else") from None


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """Turns embeddings, and back; the same at all recognisers of a house, and known to nobody else."""

    matrix: NDArray[np.float64]
    """(D, D), orthogonal."""

    @classmethod
    def of(cls, house_key: bytes, dimensions: int) -> Self:
        """Make it, uniformly from all rotations and reflections, by the house's key alone.

        The same numbers come out on every machine and in every version of numpy, but for their last digits.

        Args:
            house_key: 32 bytes.
            dimensions: of an embedding.
        """
        seed = hashlib.blake2b(key=house_key, person=b"facerec turn", digest_size=KEY_BYTES).digest()
        count = dimensions * dimensions
        stream = np.frombuffer(hashlib.shake_256(seed).digest(16 * count), "<u8")
        uniform = (stream >> 11).astype(np.float64) * 2.0**-53
        # Box and Muller: numpy's own normal numbers may be others in its next version.
        normal = np.sqrt(-2 * np.log1p(-uniform[:count])) * np.cos(2 * math.pi * uniform[count:])
        orthogonal, upper = np.linalg.qr(normal.reshape(dimensions, dimensions))
        return cls(orthogonal * np.sign(np.diag(upper)))

    def turn(self, vectors: Vectors) -> Vectors:
        """Turn (N, D) embeddings."""
        return (vectors.astype(np.float64) @ self.matrix).astype(np.float32)

    def turn_back(self, vectors: Vectors) -> Vectors:
        """Undo `turn`."""
        return (vectors.astype(np.float64) @ self.matrix.T).astype(np.float32)
