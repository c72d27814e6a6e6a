"""What is sealed opens for its reader and for nobody else."""

from __future__ import annotations

import os

import pytest

from chassis import sealing

SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
TEXT = "当初予算に計上がありません。".encode()


def test_only_the_holder_of_the_secret_opens_it() -> None:
    """Another key, another context, one bit: it does not open. What travels does not contain the text."""
    sealed = sealing.seal(TEXT, sealing.public_key(SECRET), b"case 1")
    assert TEXT not in sealed
    assert sealing.unseal(sealed, SECRET, b"case 1") == TEXT
    assert sealing.seal(TEXT, sealing.public_key(SECRET), b"case 1") != sealed
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for wrong in ((sealed, OTHER, b"case 1"), (sealed, SECRET, b"case 2"), (altered, SECRET, b"case 1")):
        with pytest.raises(ValueError, match="does not open"):
            sealing.unseal(*wrong)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 200])
def test_what_is_no_seal_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="does not open"):
        sealing.unseal(os.urandom(size), SECRET, b"")
