"""What can go wrong with content, as plain exceptions.

    BlobError
    ├── StoreUnavailable   no usable answer: down, slow, wrong credentials, no such bucket   try again later
    ├── StoreRefused       the store said no: lock, legal hold, policy                       do not try again
    ├── NotFound           that object version is not there
    ├── TooLarge           more plaintext than allowed
    ├── Damaged            the ciphertext is not what was written, or the key is another one
    └── KeyRefused         a wrapped key cannot be opened

No message carries a key, a credential or a name chosen by a person.
"""


class BlobError(Exception):
    """Base of all errors of this package. `code` is the store's own word or ours: for logs, not for decisions."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class StoreUnavailable(BlobError):
    """The object store gave no usable answer. What was asked may or may not have happened."""


class StoreRefused(BlobError):
    """The object store understood and refused. Nothing has changed."""


class NotFound(BlobError):
    """There is no such object version."""


class TooLarge(BlobError):
    """The plaintext is longer than `limit` bytes; nothing of it is kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes", "too_large")
        self.limit = limit


class Damaged(BlobError):
    """Ciphertext was cut, altered, or belongs to another document, attachment or key."""


class KeyRefused(BlobError):
    """A wrapped document key, or the file with the key-encryption keys, cannot be used."""
