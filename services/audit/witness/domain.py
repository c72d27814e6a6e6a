"""The rules of a witness: which logs it knows, and what it says to a submission (c2sp.org/tlog-witness)."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from services.audit import note, tlog
from services.audit.domain import fiscal_year, origin, year_of
from services.audit.note import Checkpoint, ForgedNote, NoteError, UntrustedNote, VerifierKey
from services.audit.witness.protocol import Submission, signature_line

# A log's clock may be this much ahead of ours when its year turns.
YEAR_LEEWAY = dt.timedelta(hours=12)


class Verdict(enum.Enum):
    """What a witness answers; the numbers are HTTP's."""

    COSIGNED = 200
    MALFORMED = 400
    UNTRUSTED = 403
    UNKNOWN_LOG = 404
    STALE = 409
    INCONSISTENT = 422


class Rejected(Exception):
    """The submission is not cosigned. `size`: of the latest checkpoint that was, with STALE."""

    def __init__(self, verdict: Verdict, problem: str, size: int = 0) -> None:
        super().__init__(problem)
        self.verdict = verdict
        self.size = size


class LogsError(ValueError):
    """The list of known logs cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log that we witness. `yearly`: and the logs of the fiscal years after it, under the same public key."""

    key: VerifierKey
    yearly: bool

    def key_for(self, name: str, today: dt.date) -> VerifierKey | None:
        """Its key under the name of this origin; None if that origin is not its own.

        A yearly log's key is the same each year under another name, and so has another key id. Years that have not
        begun are not known: whoever has the key could fill our records with them.
        """
        if name == self.key.name:
            return self.key
        if not self.yearly:
            return None
        prefix, _, year = name.rpartition("/")
        first = year_of(self.key.name)
        if not (year.isascii() and year.isdecimal() and origin(prefix, int(year)) == name):
            return None
        if origin(prefix, first) != self.key.name or not first < int(year) <= fiscal_year(today):
            return None
        return VerifierKey(name, self.key.algorithm, self.key.public_key)


@dataclass(frozen=True, slots=True)
class KnownLogs:
    """All logs that we witness."""

    logs: tuple[KnownLog, ...] = ()

    @classmethod
    def parse(cls, text: str) -> KnownLogs:
        """From lines `log <vkey>` and `yearly <vkey>`; empty lines and lines that begin with # say nothing. LogsError."""
        logs = []
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) != 2 or words[0] not in ("log", "yearly"):
                raise LogsError(f"line {number}: expected `log <vkey>` or `yearly <vkey>`")
            try:
                log = KnownLog(VerifierKey.parse(words[1]), words[0] == "yearly")
                if log.yearly:
                    year_of(log.key.name)
            except ValueError as error:
                raise LogsError(f"line {number}: {error}") from error
            if log.key.algorithm != note.ED25519:
                raise LogsError(f"line {number}: the key of a log is wanted, this is a witness's")
            logs.append(log)
        return cls(tuple(logs))

    def keys_of(self, name: str, now: dt.datetime) -> list[VerifierKey]:
        """The keys that may sign for this origin; none if we do not witness it."""
        today = (now + YEAR_LEEWAY).date()
        return [key for log in self.logs if (key := log.key_for(name, today)) is not None]


@dataclass(frozen=True, slots=True)
class Seen:
    """The latest checkpoint of a log that we cosigned, with both signatures; before the first, size 0 and no note."""

    size: int
    root: bytes
    note: bytes


NOTHING_SEEN = Seen(0, tlog.EMPTY_ROOT, b"")


def origin_of(submitted: bytes) -> str:
    """The origin that a note claims. Rejected if it is no note."""
    try:
        return note.parse_note(submitted).text.decode().partition("\n")[0]
    except NoteError as error:
        raise Rejected(Verdict.MALFORMED, str(error)) from error


def open_signed(submitted: bytes, keys: Sequence[VerifierKey]) -> tuple[Checkpoint, bytes]:
    """The checkpoint and its log's signature lines; those of strangers are left out, so that we never pass them on.

    Rejected: UNTRUSTED without a good signature of the log, MALFORMED if what is signed is no checkpoint.
    """
    try:
        text, signatures = note.open_note(submitted, keys)
    except (UntrustedNote, ForgedNote) as error:
        raise Rejected(Verdict.UNTRUSTED, str(error)) from error
    try:
        checkpoint = note.parse_checkpoint(text)
    except NoteError as error:
        verdict = Verdict.INCONSISTENT if _empty_with_wrong_root(text) else Verdict.MALFORMED
        raise Rejected(verdict, str(error)) from error
    return checkpoint, b"".join(signature_line(one) for one in signatures)


def _empty_with_wrong_root(text: bytes) -> bool:
    lines = text.split(b"\n")
    return len(lines) == 4 and lines[1] == b"0"


def judge(seen: Seen, submission: Submission, checkpoint: Checkpoint) -> None:
    """Returns if the signed checkpoint continues what we saw of its log; Rejected otherwise, in the protocol's order."""
    if submission.old_size > checkpoint.size:
        raise Rejected(Verdict.MALFORMED, f"old size {submission.old_size} is over the checkpoint's {checkpoint.size}")
    if submission.old_size != seen.size:
        raise Rejected(Verdict.STALE, f"the latest cosigned size is {seen.size}", seen.size)
    if seen.note and checkpoint.size == seen.size and checkpoint.root != seen.root:
        raise Rejected(Verdict.INCONSISTENT, f"another root was cosigned at size {seen.size}")
    if not tlog.verify_consistency(seen.size, checkpoint.size, submission.proof, seen.root, checkpoint.root):
        raise Rejected(Verdict.INCONSISTENT, f"the proof does not lead from size {seen.size} to {checkpoint.size}")


def newest(first: Seen, second: Seen) -> Seen | None:
    """The newer of two memories of the same log; None if they contradict each other."""
    if first.note and second.note and first.size == second.size and first.root != second.root:
        return None
    return max(first, second, key=lambda seen: (bool(seen.note), seen.size))
