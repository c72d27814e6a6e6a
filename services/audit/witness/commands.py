"""Cosigning another log's checkpoint: one transaction, and a memory outside the database.

A witness that forgets would cosign a fork. A database that was restored from a backup has forgotten, so what we saw
last also lies in the object store, under `witness/<SHA-256 of the origin>`, which moves by compare and swap. The newer
of the two memories counts; both are written before anybody gets the cosignature.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from chassis import telemetry
from chassis.db import Pool, transaction
from chassis.errors import DomainError, Kind
from chassis.s3 import StoreError
from services.audit import note
from services.audit.note import NoteError, SigningKey, VerifierKey
from services.audit.vault import Head, Vault
from services.audit.witness import store
from services.audit.witness.domain import (
    NOTHING_SEEN,
    KnownLogs,
    Rejected,
    Seen,
    Verdict,
    judge,
    newest,
    open_signed,
    origin_of,
)
from services.audit.witness.protocol import ProtocolError, parse_submission

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Witness:
    """We as a witness: our key for it, which signs nothing else, and the logs that we witness."""

    key: SigningKey
    logs: KnownLogs


async def add_checkpoint(pool: Pool, vault: Vault, witness: Witness, body: bytes, now: dt.datetime) -> bytes:
    """Cosign what was submitted; returns our signature line. Rejected with the protocol's verdict.

    WITNESS_UNAVAILABLE if one of the two memories cannot be read or written: then nothing is cosigned. Crash before the
    commit: nobody has the cosignature, at most the outer memory is ahead, and the log hears so (STALE). Crash after
    it, before the answer: the log submits again and hears STALE; whatever it does then must continue this checkpoint.
    """
    try:
        line = await _cosign(pool, vault, witness, body, now)
    except Rejected as rejected:
        telemetry.count("witness.submissions", verdict=rejected.verdict.name)
        raise
    except (StoreError, NoteError) as error:
        telemetry.count("witness.submissions", verdict="UNAVAILABLE")
        raise unavailable(str(error)) from error
    telemetry.count("witness.submissions", verdict=Verdict.COSIGNED.name)
    return line


async def _cosign(pool: Pool, vault: Vault, witness: Witness, body: bytes, now: dt.datetime) -> bytes:
    try:
        submission = parse_submission(body)
    except ProtocolError as error:
        raise Rejected(Verdict.MALFORMED, str(error)) from error
    origin = origin_of(submission.note)
    keys = witness.logs.keys_of(origin, now)
    if not keys:
        raise Rejected(Verdict.UNKNOWN_LOG, "this witness does not know the log")
    checkpoint, log_lines = open_signed(submission.note, keys)
    origin_hash = sha256(origin.encode()).hexdigest()
    async with transaction(pool) as conn:
        # Of two submissions at once the second waits here and then meets what the first one left.
        seen = await store.lock_seen(conn, origin, origin_hash)
        memory = await vault.remembered(_path(origin_hash))
        latest = newest(seen, _recall(memory, [*keys, witness.key.verifier]))
        if latest is None:
            raise unavailable(f"database and object store remember different trees of {origin}; ask the log's operator")
        judge(latest, submission, checkpoint)
        line = witness.key.sign(checkpoint.text, int(now.timestamp()))
        cosigned = Seen(checkpoint.size, checkpoint.root, note.sign_note(checkpoint.text, log_lines, line))
        await vault.remember(_path(origin_hash), memory, cosigned.note)
        await store.save_seen(conn, origin, cosigned, now)
    return line


def _path(origin_hash: str) -> str:
    return f"witness/{origin_hash}"


def _recall(memory: Head | None, keys: Sequence[VerifierKey]) -> Seen:
    """What the object store remembers. NoteError if it is not what the log or we signed: somebody else wrote there."""
    if memory is None:
        return NOTHING_SEEN
    text, _ = note.open_note(memory.note, keys)
    checkpoint = note.parse_checkpoint(text)
    return Seen(checkpoint.size, checkpoint.root, memory.note)


def unavailable(problem: str) -> DomainError:
    """Nothing is cosigned while it is not certain what was cosigned before."""
    log.error("nothing is cosigned for others", extra={"error": problem})
    return DomainError(Kind.UNAVAILABLE, "WITNESS_UNAVAILABLE", problem)
