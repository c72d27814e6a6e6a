"""Reviews of the log 点検: findings, thresholds, notes."""

from __future__ import annotations

from services.gateway.api.shapes import Shape
from services.gateway.api.shapes.audit import Entry


class Review(Shape):
    """点検 of a month."""

    id: str
    review_id: str
    month: str
    number: int
    state: str
    opened_at: str | None
    opened_by: str
    signed_at: str | None
    signed_by: str | None
    findings: int
    open_findings: int
    staff_compared: bool
    version: int


class ReviewList(Shape):
    items: list[Review]
    next_cursor: str | None


class Thresholds(Shape):
    documents_per_day: int
    downloads_per_day: int
    outputs_per_day: int
    outputs_times_mean: int
    opens_at: str
    closes_at: str
    overtime_minutes: int
    closed_days: list[str]
    granted_within_minutes: int
    denials_per_day: int
    staff_file_classes: list[str]
    unused_days: int


class RulesVersion(Shape):
    rules_version: int
    effective_from: str | None
    thresholds: Thresholds
    reason: str
    changed_by: str | None
    changed_at: str | None


class RulesVersionList(Shape):
    items: list[RulesVersion]
    next_cursor: str | None
    version: int


class LogCoverage(Shape):
    log_year: int
    origin: str
    size: int
    root: str
    checkpoint: str


class ActionCount(Shape):
    action: str
    outcome: str
    count: int


class DayCount(Shape):
    day: str
    accesses: int
    denied: int
    closed: bool


class RuleCount(Shape):
    rule: str
    found: int
    recorded: int
    open: int
    explained: int
    incident: int


class AlarmSpan(Shape):
    """An alarm about completeness; `until` is null while it stands."""

    kind: str
    service: str | None
    numbers: int
    since: str | None
    until: str | None


class Completeness(Shape):
    """Days of the daily comparison, and the alarms of the month."""

    agreed: list[str]
    disagreed: list[str]
    not_compared: list[str]
    alarms: list[AlarmSpan]


class WitnessCount(Shape):
    name: str
    checkpoints: int
    size: int
    last_at: str | None


class LogCheck(Shape):
    at: str | None
    origin: str
    leaves: int
    findings: int


class OutsideProof(Shape):
    """Checkpoints, cosignatures and time-stamps of the month, and the last check of the log."""

    checkpoints: int
    size: int
    last_at: str | None
    witnesses: list[WitnessCount]
    timestamps: int
    stamped_size: int
    stamped_at: str | None
    last_check: LogCheck | None


class ReviewNote(Shape):
    number: int | None
    action: str
    at: str | None
    staff_id: str
    assignee_id: str | None
    state: str | None
    text: str


class WholeReview(Review):
    """With its counts, the checkpoints it rests on, and what was written about it."""

    rules: RulesVersion
    coverage: list[LogCoverage]
    actions: list[ActionCount]
    days: list[DayCount]
    rule_counts: list[RuleCount]
    not_examined: list[str]
    completeness: Completeness
    outside: OutsideProof
    notes: list[ReviewNote]


class Finding(Shape):
    """指摘."""

    review_id: str
    number: int
    month: str
    rule: str
    subject_id: str | None
    unit_id: str | None
    day: str | None
    document_id: str | None
    count: int
    explained_by: str | None
    purposes: dict[str, int]
    detail: dict[str, str]
    state: str
    assignee_id: str | None


class FindingList(Shape):
    items: list[Finding]
    next_cursor: str | None


class WholeFinding(Finding):
    """With the records behind it; `version` is the review's."""

    entries: list[Entry]
    notes: list[ReviewNote]
    review_state: str
    version: int


class TreatedFinding(Finding):
    """`version` is the review's."""

    version: int
