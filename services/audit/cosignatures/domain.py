"""What makes a witness's answer to us believable."""

from __future__ import annotations

from services.audit import note
from services.audit.note import NoteError, VerifierKey
from services.audit.witness.protocol import signature_line

# A witness's clock and ours may differ by this much, in seconds; an older cosignature is of another submission.
CLOCK_SECONDS = 300


def believable_line(answer: bytes, signed: bytes, key: VerifierKey, now: int) -> tuple[bytes, int]:
    """The witness's cosignature in its answer to a submission of `signed`, and its time in Unix seconds.

    NoteError if there is no line under this witness's key, if it is over other bytes, or if its time is not about now
    (c2sp.org/tlog-cosignature: never 0). Lines under other keys are left out.
    """
    if not answer.endswith(b"\n") or b"\n\n" in answer:
        raise NoteError("the answer is not signature lines")
    _, (signature, *_) = note.open_note(signed + answer, [key])
    if abs(signature.timestamp - now) > CLOCK_SECONDS:
        raise NoteError(f"its time {signature.timestamp} is not now ({now})")
    return signature_line(signature), signature.timestamp
