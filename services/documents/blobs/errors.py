"""What can go wrong with content, as plain exceptions.

    BlobError (what the store can answer: chassis.s3)
    ├── StoreUnavailable   no usable answer: down, slow, wrong credentials, no such bucket   try again later
    ├── StoreRefused       the store said no: lock, legal hold, policy                       do not try again
    ├── NotFound           that object version is not there
    ├── TooLarge           more plaintext than allowed
    ├── Damaged            the ciphertext is not what was written, or the key is another one
    └── KeyRefused         a wrapped key cannot be opened

No message carries a key, a credential or a name chosen by a person.
"""

from chassis.s3 import NotFound, StoreError, StoreRefused, StoreUnavailable

BlobError = StoreError

__all__ = ["BlobError", "Damaged", "KeyRefused", "NotFound", "StoreRefused", "StoreUnavailable", "TooLarge"]


class TooLarge(BlobError):
    """The plaintext is longer than `limit` bytes; nothing of it is kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes", "too_large")
        self.limit = limit


class Damaged(BlobError):
    """Ciphertext was cut, altered, or belongs to another document, attachment or key."""


class KeyRefused(BlobError):
    """A wrapped document key, or the file with the key-encryption keys, cannot be used."""
