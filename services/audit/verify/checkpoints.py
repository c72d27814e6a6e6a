"""The signed tree heads of a log: the present one, archived ones, an older one that somebody kept; and who cosigned.

Where a head fits the tree is told by the tree, see `verification`; here is what can be told from its bytes.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from services.audit import note
from services.audit.export import CHECKPOINT_FILE, checkpoint_path
from services.audit.note import Checkpoint, ForgedNote, NoteError, SignedNote, VerifierKey
from services.audit.quorum import Policy
from services.audit.verify.files import LogFiles
from services.audit.verify.finding import Finding

CLOCK_SLACK = dt.timedelta(minutes=5)
"""How far the clocks of source, witness and time-stamp authority may be apart."""

OLDER = "older checkpoint"


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head that has to fit the log. `place` is its file, or OLDER for one that somebody kept."""

    place: str
    checkpoint: Checkpoint
    # Who says when it existed, and when: "the cosignature of witness.example/w1".
    witnessed: list[tuple[str, dt.datetime]] = field(default_factory=list)


class Checkpoints:
    """Opens a log's heads and reports what is wrong with them."""

    def __init__(self, files: LogFiles, key: VerifierKey, policy: Policy, report: Callable[[Finding], None]) -> None:
        self._files = files
        self._key = key
        self._policy = policy
        self._report = report

    def present(self) -> Head | None:
        """The log's checkpoint, also an unsigned one: nobody vouches for it, yet it says where to look for more.

        None if there is none that can be read.
        """
        signed = self._files.read(CHECKPOINT_FILE, note.MAX_NOTE_BYTES)
        if signed is None:
            self._find(CHECKPOINT_FILE, "missing")
            return None
        head = self._open(CHECKPOINT_FILE, signed)
        if head is not None:
            self._require_quorum(signed)
            return head
        try:
            return Head(CHECKPOINT_FILE, note.parse_checkpoint(note.parse_note(signed).text))
        except NoteError:
            return None

    def older(self, signed: bytes, size: int) -> Head | None:
        """One that somebody kept, if it is of the log's first leaves."""
        head = self._open(OLDER, signed)
        if head is not None and head.checkpoint.size > size:
            self._find(
                CHECKPOINT_FILE,
                f"rolled back: it has {size} leaves, the older checkpoint had {head.checkpoint.size}",
            )
            return None
        return head

    def archived(self, path: str, size: int) -> Head | None:
        """One of the archive, if it is of the log's first leaves."""
        signed = self._files.read(path, note.MAX_NOTE_BYTES)
        if signed is None:
            self._find(path, "missing")
            return None
        head = self._open(path, signed)
        if head is None:
            return None
        if path != checkpoint_path(head.checkpoint.size):
            self._find(path, f"is the checkpoint of {head.checkpoint.size} leaves")
        if head.checkpoint.size > size:
            self._find(path, f"rolled back: the log has {size} leaves, {head.checkpoint.size} were signed")
            return None
        return head

    def verify_times(self, head: Head, last_leaf: dt.datetime | None) -> None:
        """Nobody can have seen a head before its last leaf was recorded."""
        for who, time in head.witnessed:
            if last_leaf is not None and time < last_leaf - CLOCK_SLACK:
                self._find(
                    head.place,
                    f"{who} says {time:%Y-%m-%d %H:%M:%S} UTC,"
                    f" leaf {head.checkpoint.size - 1} is of {last_leaf:%Y-%m-%d %H:%M:%S}",
                )

    def _open(self, place: str, signed: bytes) -> Head | None:
        try:
            checkpoint = note.open_checkpoint(signed, self._key)
        except NoteError as error:
            self._find(place, str(error))
            return None
        if checkpoint.extensions:
            # They are signed, yet nothing in the tree holds the log to them.
            self._find(place, f"has lines that this log does not write: {checkpoint.extensions[0][:60]!r}")
        witnessed = []
        for witness in self._policy.witnesses.values():
            try:
                _, lines = note.open_note(signed, [witness.key])
            except ForgedNote as error:
                self._find(place, str(error))
                continue
            except NoteError:
                continue
            for line in lines:
                if line.timestamp >= 1 << 40:
                    self._find(place, f"the cosignature of {line.name} is of no time")
                    continue
                time = dt.datetime.fromtimestamp(line.timestamp, dt.UTC)
                witnessed.append((f"the cosignature of {line.name}", time))
        return Head(place, checkpoint, witnessed)

    def _require_quorum(self, signed: bytes) -> None:
        parsed = note.parse_note(signed)
        valid = [witness for witness in self._policy.witnesses.values() if _cosigned(parsed, witness.key)]
        if not self._policy.is_met([witness.name for witness in valid]):
            lacking = ", ".join(witness.key.name for witness in self._policy.witnesses.values() if witness not in valid)
            self._find(CHECKPOINT_FILE, f"too few witnesses cosigned it ({len(valid)}); missing: {lacking}")

    def _find(self, place: str, problem: str) -> None:
        self._report(Finding(place, problem))


def _cosigned(parsed: SignedNote, key: VerifierKey) -> bool:
    lines = [line for line in parsed.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    return bool(lines) and all(key.check(parsed.text, line.signature) for line in lines)
