"""Verifiers of logs that this project did not write, as a program in Go that puts their libraries to work.

`python -m tests.conformance.foreign [SECONDS]` builds it once (about half a minute on one core, 0.2 GB of cache).
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from tests.conformance import golang

SOURCES = Path(__file__).parent
VERIFIERS = ("tessera", "sumdb")
"""transparency-dev/tessera's fsck (Apache-2.0), golang.org/x/mod/sumdb (BSD-3-Clause)."""


def build(seconds: float) -> Path:
    """The program, built now if it is not there as its sources are now. NotAtHand with the reason."""
    version = sha256(b"".join((SOURCES / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))).hexdigest()
    program = golang.cache_folder() / "foreign" / version[:16]
    return golang.build(program, ["build", "-trimpath", "-mod=readonly", "-o", str(program), "."], seconds, SOURCES)
