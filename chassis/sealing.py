"""Sealed for one reader: what a message carries that nobody on its way may read (HPKE, RFC 9180).

The broker keeps messages for days, and other services read them too. A seal is bound to a context; a key is 32 bytes, X25519.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def public_key(secret: bytes) -> bytes:
    """The public key of a secret of 32 bytes, for whoever is to seal."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def seal(content: bytes, key: bytes, context: bytes) -> bytes:
    """The content for the holder of the secret alone. Never the same bytes twice."""
    return _SUITE.encrypt(content, X25519PublicKey.from_public_bytes(key), context)


def unseal(sealed: bytes, secret: bytes, context: bytes) -> bytes:
    """The content again. ValueError: altered, for another key, or of another context."""
    try:
        return _SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(secret), context)
    except InvalidTag:
        raise ValueError("the seal does not open") from None
