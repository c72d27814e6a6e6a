"""Records of the log, their proofs, and where they come from."""

from __future__ import annotations

from services.gateway.api.shapes import Shape


class Actor(Shape):
    staff_id: str
    post_id: str | None
    unit_id: str | None
    terminal: str | None
    session_id: str | None


class Entry(Shape):
    """A record of the log."""

    year: int
    index: int
    event_id: str
    occurred_at: str | None
    source: str
    epoch: str
    seq: int
    actor: Actor
    action: str
    object_type: str
    object_id: str | None
    version_digest: str | None
    outcome: str
    reason: str | None
    trace_id: str | None
    detail: dict[str, str]
    leaf: str


class EntryList(Shape):
    items: list[Entry]
    next_cursor: str | None


class Proof(Shape):
    index: int
    tree_size: int
    hashes: list[str]
    checkpoint: str


class Certificate(Shape):
    year: int
    leaf: str
    proof: Proof
    verifier_key: str


class Log(Shape):
    year: int
    origin: str
    size: int
    closed: bool


class LogList(Shape):
    items: list[Log]


class ProvenEntry(Shape):
    entry: Entry
    proof: Proof


class Source(Shape):
    source: str
    epoch: str
    last_seq: int
    missing: list[int]
    opened_at: str | None
    last_seen_at: str | None
    state: str


class Gap(Shape):
    aggregate: str
    aggregate_id: str
    missing: list[int]


class Alarm(Shape):
    kind: str
    subject: str
    first: int | None
    last: int | None
    since: str | None
    until: str | None


class Reconciliation(Shape):
    done_at: str | None
    agreed: bool


class SourceList(Shape):
    items: list[Source]
    next_cursor: str | None
    gaps: list[Gap]
    alarms: list[Alarm]
    reconciliation: Reconciliation | None
