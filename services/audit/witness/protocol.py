"""What travels between a log and a witness: the body of add-checkpoint, and its answer (c2sp.org/tlog-witness)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from services.audit.note import Signature
from services.audit.tlog import HASH_SIZE

MAX_PROOF = 63
# A note with a dozen signatures has 2 KiB, the longest proof 3 KiB.
MAX_SUBMISSION_BYTES = 64 * 1024
SIZE_TYPE = "text/x.tlog.size"
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})", re.ASCII)
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n", re.ASCII)


class ProtocolError(ValueError):
    """Not what the protocol says; the message names the place."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint (signed note) and the proof that it continues the one of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes


def encode_submission(submission: Submission) -> bytes:
    """The body of add-checkpoint."""
    lines = [b"old %d" % submission.old_size, *(base64.b64encode(step) for step in submission.proof)]
    return b"\n".join(lines) + b"\n\n" + submission.note


def parse_submission(body: bytes) -> Submission:
    """From the body of add-checkpoint; ProtocolError if it is none. The note is not looked into."""
    if len(body) > MAX_SUBMISSION_BYTES:
        raise ProtocolError(f"a submission has at most {MAX_SUBMISSION_BYTES} bytes")
    head, separator, note = body.partition(b"\n\n")
    if not separator or not note:
        raise ProtocolError("there is no empty line before the checkpoint")
    first, *steps = head.split(b"\n")
    old = _OLD.fullmatch(first)
    if old is None:
        raise ProtocolError("the first line is not `old <size>`")
    if len(steps) > MAX_PROOF:
        raise ProtocolError(f"a proof has at most {MAX_PROOF} hashes")
    return Submission(int(old[1]), tuple(_hash(step, number) for number, step in enumerate(steps, start=1)), note)


def _hash(line: bytes, number: int) -> bytes:
    try:
        value = base64.b64decode(line, validate=True)
    except binascii.Error as error:
        raise ProtocolError(f"proof line {number} is not base64") from error
    if len(value) != HASH_SIZE or base64.b64encode(value) != line:
        raise ProtocolError(f"proof line {number} is not the base64 of a hash")
    return value


def parse_size(body: bytes) -> int:
    """The size in the body of a 409."""
    found = _SIZE.fullmatch(body)
    if found is None:
        raise ProtocolError("the witness did not answer with a size")
    return int(found[1])


def signature_line(signature: Signature) -> bytes:
    """The line of a parsed signature, newline included."""
    content = base64.b64encode(signature.key_id + signature.signature).decode("ascii")
    return f"\u2014 {signature.name} {content}\n".encode()
