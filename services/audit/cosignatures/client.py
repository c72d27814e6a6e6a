"""Asks one witness for a cosignature (c2sp.org/tlog-witness), believing nothing it says before it is checked."""

from __future__ import annotations

from dataclasses import dataclass

from services.audit.cosignatures.domain import believable_line
from services.audit.note import NoteError
from services.audit.outgoing import NoAnswer, Outgoing
from services.audit.quorum import Witness
from services.audit.witness.protocol import SIZE_TYPE, ProtocolError, Submission, encode_submission, parse_size

# Seconds for one request in all, however slowly the answer drips.
REQUEST_SECONDS = 10.0
# A few signature lines; an ML-DSA one, which we ignore, has 3.3 kB.
MAX_ANSWER_BYTES = 32 * 1024


class Unanswered(Exception):
    """No cosignature. The message is for people: what the witness did."""


class Stale(Unanswered):
    """The witness has a checkpoint of another size than we thought."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness has a checkpoint of {size} leaves")
        self.size = size


class Disputed(Unanswered):
    """The witness says that our checkpoint does not continue what it saw: one of us is wrong about the log."""


@dataclass(frozen=True, slots=True)
class Line:
    """A verified cosignature line and its time, Unix seconds."""

    line: bytes
    timestamp: int


async def ask(http: Outgoing, witness: Witness, submission: Submission, now: int) -> Line:
    """One request. Unanswered, Stale or Disputed; whatever the witness does, this ends in REQUEST_SECONDS."""
    url = witness.url.rstrip("/") + "/add-checkpoint"
    try:
        answer = await http.post(url, encode_submission(submission), "text/plain; charset=utf-8", MAX_ANSWER_BYTES)
    except NoAnswer as error:
        raise Unanswered(str(error)) from error
    status, body = answer.status, answer.body
    if status == 200:
        try:
            return Line(*believable_line(body, submission.note, witness.key, now))
        except NoteError as error:
            raise Unanswered(f"its cosignature is not good: {error}") from error
    if status == 409 and answer.kind == SIZE_TYPE:
        try:
            raise Stale(parse_size(body))
        except ProtocolError as error:
            raise Unanswered(str(error)) from error
    if status in (403, 404):
        raise Unanswered(f"does not know our log or its key ({status}); its operator must add our verifier key")
    if status in (409, 422):
        raise Disputed(f"says that our checkpoint does not continue what it saw ({status})")
    raise Unanswered(f"answered {status}")
