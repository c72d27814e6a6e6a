"""What answers look like, for the OpenAPI document and its tests. Nothing is built from these: `views` makes the dicts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """Members may be added; these stay."""

    model_config = ConfigDict(title=None)


class FieldError(Shape):
    """One wrong field."""

    field: str
    problem: str = Field(description="Upper-case word for programs, e.g. REQUIRED.")
    detail: str = Field(description="Sentence for people.")


class Problem(Shape):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What to do next.")
    reason: str = Field(description="The service's ErrorReason, or the gateway's own.")
    errors: list[FieldError]
    trace_id: str = Field(description="32 hex digits; quote it when asking for help.")


class HeldPost(Shape):
    id: str
    post_id: str
    unit_id: str
    title: str
    unit_name: str
    kind: str = Field(description="main, concurrent (兼務) or acting (事務取扱)")
    rank: str


class OwnUnit(Shape):
    id: str
    unit_id: str
    name: str


class Me(Shape):
    id: str
    staff_id: str
    name: str
    kana: str
    posts: list[HeldPost]
    units: list[OwnUnit]
    roles: list[str]
    acting_post: HeldPost | None


class Unit(Shape):
    id: str
    unit_id: str
    parent_id: str | None
    body: str
    name: str
    kana: str
    symbol: str
    valid_from: str | None
    valid_to: str | None


class UnitList(Shape):
    items: list[Unit]
    next_cursor: str | None


class Post(Shape):
    id: str
    post_id: str
    unit_id: str
    title: str
    rank: str
    holder_staff_ids: list[str]


class PostList(Shape):
    items: list[Post]
    next_cursor: str | None


class StaffMember(Shape):
    id: str
    staff_id: str
    name: str
    kana: str
    posts: list[HeldPost]
    absent: bool


class StaffList(Shape):
    items: list[StaffMember]
    next_cursor: str | None


class Absence(Shape):
    id: str
    absence_id: str
    staff_id: str
    since: str | None = Field(alias="from")
    until: str | None = Field(alias="to")
    reason_code: str
    registered_by: str


class AbsenceList(Shape):
    items: list[Absence]
    next_cursor: str | None


class Receipt(Shape):
    """収受. In lists `sender_name` is empty."""

    id: str
    receipt_id: str
    receipt_number: str
    title: str
    sender_kind: str
    sender_name: str
    sender_reference: str
    received_on: str | None
    arrived_on: str | None
    medium: str
    unit_id: str
    due_on: str | None
    class_code: str | None
    registered_at: str | None
    registered_by: str
    document_ids: list[str]
    backdated_reason: str
    version: int


class ReceiptList(Shape):
    items: list[Receipt]
    next_cursor: str | None


class Attachment(Shape):
    id: str
    attachment_id: str
    file_name: str
    content_type: str
    size: int
    sha256: str
    added_after_decision: bool
    added_at: str | None
    added_by: str
    locked_until: str | None
    sheet: str | None = Field(
        description="`decided` or `completed`: the approval sheet (鑑) as it was then, drawn by the system."
    )


class UploadedAttachment(Attachment):
    version: int = Field(description="New version of the document.")


class Annotation(Shape):
    id: str
    annotation_id: str
    text: str
    staff_id: str
    added_at: str | None


class Enforcement(Shape):
    required: bool
    planned_on: str | None
    method: str | None
    addressee: str
    enforced_on: str | None
    collated_by: str | None


class FormerOwner(Shape):
    """旧所管: [from, to)."""

    unit_id: str
    since: str | None = Field(alias="from")
    until: str | None = Field(alias="to")


class Document(Shape):
    """文書."""

    id: str
    document_id: str
    state: str = Field(
        description="drafting, circulating, sent_back, withdrawn, rejected, decided, enforced or completed"
    )
    title: str
    subtitle: str
    body: str
    unit_id: str
    drafter: str
    drafter_post: str
    assignee: str = Field(description="担当者: the drafter until 引継ぎ (AP-42).")
    former_owners: list[FormerOwner] = Field(description="Whose it was before, the first one first (RT-10).")
    draft_number: str | None
    dispatch_number: str | None
    case_id: str | None
    revision: int
    version_digest: str | None
    folder_id: str | None
    folder_name: str | None
    class_code: str | None
    class_name: str | None
    matter: str | None
    decision_class: str | None
    disclosure: str
    personal_information: str
    view_class: str
    designated: list[str]
    counterparty: str
    amount: int | None
    enforcement: Enforcement
    receipt_ids: list[str]
    urgent: bool
    created_at: str | None
    submitted_at: str | None
    decided_at: str | None
    decided_by: str | None
    enforced_on: str | None
    completed_on: str | None
    fiscal_year: int | None
    retention: str | None
    retention_from: str | None
    retention_until: str | None
    manifest_digest: str | None
    content_locked: bool
    attachments: list[Attachment]
    annotations: list[Annotation]
    version: int


class DocumentRead(Document):
    read_receipt: str | None = Field(
        description="Proof that this version was served to the reader; null before circulation."
    )
    may_download: bool = Field(description="May the reader take files and the evidence out of it (AC-15)?")
    may_print: bool = Field(description="May the reader open the page for printing (AC-15)?")


class DocumentSummary(Shape):
    id: str
    document_id: str
    title: str
    state: str
    unit_id: str
    drafter: str
    draft_number: str | None
    dispatch_number: str | None
    case_id: str | None
    class_code: str | None
    folder_id: str | None
    personal_information: str
    urgent: bool
    created_at: str | None
    updated_at: str | None
    completed_on: str | None


class DocumentList(Shape):
    items: list[DocumentSummary]
    next_cursor: str | None


class NewVersion(Shape):
    version: int


class PlannedStep(Shape):
    kind: str
    post_id: str
    group: int
    mandatory: bool
    staff_id: str | None
    staff_name: str | None
    post_title: str
    unit_name: str
    absent: bool
    basis: str
    need: int = Field(description="How many of the group's steps that share it have to act; 0: this one (AP-08).")


class ExplanationChange(Shape):
    cause: str = Field(description="amount_above, amount_below, exception, no_exception or no_wish")
    amount: int | None
    decision_class: str | None
    rule_id: str | None
    text: str


class Explanation(Shape):
    """Why the decider is who it is (AP-02, AP-03, AP-05); sentences in Japanese."""

    rule_id: str
    basis: str
    amount_min: int | None
    amount_max: int | None
    rule_unit_id: str | None
    beaten_rule_ids: list[str]
    rule_class: str
    wished_class: str
    decision_class: str
    body: str
    decider_post_id: str | None
    decider_post: str | None
    rule_decider_post: str | None = Field(
        description="Who decides by the rules alone; another decides after a 上位者裁定."
    )
    exception: str | None
    exception_reason: str | None
    changes: list[ExplanationChange]
    reasons: list[str]


class RoutePlan(Shape):
    route_plan_id: str
    steps: list[PlannedStep]
    decision_class: str
    rule_id: str
    basis: str
    explanation: Explanation
    version: int = Field(description="Version of the document the plan was made for.")


class Submitted(Shape):
    case_id: str
    draft_number: str | None
    version_digest: str | None
    version: int
    document: Document


class VersionFile(Shape):
    attachment_id: str
    file_name: str
    content_type: str
    size: int
    sha256: str


class Version(Shape):
    """A version that circulated."""

    revision: int
    version_digest: str
    submitted_at: str | None
    fields: dict[str, Any] = Field(description="As in a document; empty text for what was not given.")
    attachments: list[VersionFile]


class VersionList(Shape):
    items: list[Version]
    next_cursor: str | None


class Viewer(Shape):
    principal: str
    reason: str = Field(
        description="owner_unit, designated, drafter, records_manager, route_step, acted, circulation or grant"
    )
    since: str | None = Field(alias="from")
    until: str | None = Field(alias="to")
    step_id: str | None
    label: str
    staff_ids: list[str]


class ViewerList(Shape):
    items: list[Viewer]
    next_cursor: str | None


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


class HistoryEvent(Shape):
    version: int
    action: str
    occurred_at: str | None
    staff_id: str
    post_id: str | None
    unit_id: str | None
    detail: dict[str, str]


class History(Shape):
    items: list[HistoryEvent]
    next_cursor: str | None = Field(description="Of `accesses`.")
    accesses: list[Entry] | None = Field(description="null for those not entitled to it.")


class ActedFor(Shape):
    """Who acted in the place of the holder (代決, 引上げ)."""

    staff_id: str
    name: str
    post_title: str


class Step(Shape):
    id: str
    step_id: str
    kind: str
    state: str
    group: int
    post_id: str
    post_title: str
    unit_name: str
    staff_id: str | None
    staff_name: str | None
    activated_at: str | None
    acted_at: str | None
    mandatory: bool
    basis: str
    need: int
    post_view: bool
    acted_for: ActedFor | None
    asked_post_id: str | None = Field(description="The substitute that was asked for 代決.")
    asked_post_title: str | None
    added_by: str | None = Field(description="decision_id of the act that added it on the way; null as planned.")
    bulk_action: str | None = Field(description="The one of allowed_actions that POST /bulk-approvals takes.")
    send_back_targets: list[str] = Field(description="step_ids that a 差戻し may go to besides the drafter.")
    allowed_actions: list[str]


class WalkAround(Shape):
    """Who decided outside the system, as they were then, when, and the digest of what proves it (AP-50)."""

    staff_id: str
    staff_name: str
    post_id: str
    post_title: str
    unit_name: str
    decided_at: str | None
    evidence_sha256: str


class WalkAroundDecider(Shape):
    staff_id: str
    staff_name: str
    post_title: str
    unit_name: str
    substitute: bool = Field(description="By 代決.")


class StepMove(Shape):
    """A seat that went to another post because its own had ended (AP-41)."""

    step_id: str
    from_post: str = Field(description="As it was called then.")
    to_post: str
    reason: str | None = Field(description="Of the records office; null when it followed the successor.")
    moved_by: str
    moved_by_name: str | None
    moved_at: str | None


class Decision(Shape):
    id: str
    decision_id: str
    step_id: str
    action: str
    staff_id: str
    staff_name: str
    post_id: str
    post_title: str
    unit_name: str
    comment: str
    acted_at: str | None
    version_digest: str
    access_record: str | None
    acknowledged_opinions: list[str]
    carried_from: str | None = Field(description="The act on the version before a minor 差替え that still counts.")
    bulk: bool = Field(description="一括承認: done together with acts on other cases.")
    walk_around: WalkAround | None = Field(description="Of register_walk_around: what was registered.")


class Case(Shape):
    """案件."""

    id: str
    case_id: str
    document_id: str
    state: str
    version_digest: str
    drafter: str
    drafter_post: str
    unit_id: str
    decision_class: str
    draft_number: str | None
    urgent: bool
    steps: list[Step]
    decisions: list[Decision]
    opened_at: str | None
    decided_at: str | None
    rule_id: str
    basis: str
    reason: str | None
    opinions: list[str] = Field(description="decision_id of each 不同意 that stands: a decision acknowledges them all.")
    moves: list[StepMove]
    registered_at: str | None = Field(description="事後登録; decided_at is when it was decided.")
    walk_around_deciders: list[WalkAroundDecider] = Field(description="Whom the reader may name in a 事後登録.")
    allowed_actions: list[str]
    version: int


class BulkApproval(Shape):
    """What became of one act of 一括承認: the case as it is now, or the refusal."""

    case_id: str
    step_id: str
    action: str
    case: Case | None
    problem: Problem | None


class BulkApprovals(Shape):
    items: list[BulkApproval]


class InboxItem(Shape):
    case_id: str
    step_id: str
    document_id: str
    kind: str
    post_id: str
    post_title: str
    step_kind: str
    step_state: str
    waiting_since: str | None
    urgent: bool
    draft_number: str | None
    unit_id: str
    drafter: str
    due_on: str | None = Field(description="The last opening day of its term; null where nothing is urged.")
    overdue: bool
    bulk_action: str | None = Field(description="What POST /bulk-approvals takes for it; null for nothing.")
    title: str | None
    document_state: str | None
    personal_information: str | None


class InboxCounts(Shape):
    decision: int
    concurrence: int
    post_view: int
    circulation: int


class Inbox(Shape):
    items: list[InboxItem]
    next_cursor: str | None
    counts: InboxCounts


class OverdueStep(Shape):
    case_id: str
    step_id: str
    document_id: str
    unit_id: str = Field(description="The drafting unit.")
    drafter: str
    draft_number: str | None
    urgent: bool
    step_kind: str
    step_state: str
    post_id: str
    post_title: str
    post_unit_name: str
    staff_name: str | None = Field(description="Null while the post is vacant.")
    waiting_since: str | None
    due_on: str
    opening_days: int = Field(description="Opening days it has waited.")
    title: str | None


class OverdueList(Shape):
    items: list[OverdueStep]
    next_cursor: str | None


class DocumentClass(Shape):
    id: str
    class_code: str
    large: str
    middle: str
    small: str
    unit_id: str | None
    matter: str | None
    retention: str
    basis: str
    disclosure: str
    personal_information: str
    paper_only: bool
    view_class: str


class ClassList(Shape):
    items: list[DocumentClass]
    next_cursor: str | None


class Folder(Shape):
    id: str
    folder_id: str
    unit_id: str
    fiscal_year: int
    class_code: str
    name: str
    retention: str


class FolderList(Shape):
    items: list[Folder]
    next_cursor: str | None


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


class Witness(Shape):
    name: str = Field(description="As the policy file calls it.")
    verifier_key: str
    log_year: int | None
    size: int = Field(description="Leaves of our log that it is known to have seen.")
    answered_at: str | None
    problem: str = Field(description="Why its last answer was not good; empty if it was.")


class WitnessList(Shape):
    items: list[Witness]
    next_cursor: str | None
    signed_size: int
    published_size: int = Field(description="Of the largest checkpoint with the cosignatures it needs.")
    lagging: bool = Field(description="Whether a record has waited too long for cosignatures.")


class Health(Shape):
    status: str
    dependencies: dict[str, bool] | None = None


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


class RuleVersion(Shape):
    """A version of the 専決規程 of one body."""

    id: str
    rule_version_id: str
    body: str
    title: str
    valid_from: str
    valid_to: str | None
    state: str = Field(description="draft, activated or discarded")
    imported_by: str
    imported_at: str | None
    settled_by: str | None
    settled_at: str | None
    version: int


class RuleVersionList(Shape):
    items: list[RuleVersion]
    next_cursor: str | None


class DecisionRule(Shape):
    """One line; bounds are yen, inclusive."""

    rule_id: str
    unit_id: str | None
    matter: str
    amount_min: int | None
    amount_max: int | None
    decision_class: str
    concurrence_posts: list[str]
    concurrence_after: str | None
    review_posts: list[str]
    basis: str
    concurrence_need: int = Field(description="How many of the 合議 have to answer; 0 for all (AP-08).")
    concurrence_order: str | None
    provisional: bool = Field(description="仮決裁 before the 合議")


class RuleChange(Shape):
    before: DecisionRule
    after: DecisionRule


class RuleDifference(Shape):
    added: list[DecisionRule]
    removed: list[DecisionRule]
    changed: list[RuleChange]


class RuleFinding(Shape):
    """What the check found; `blocking` forbids activation."""

    problem: str = Field(description="gap, overlap, no_decider, unknown_unit, unknown_post, vacant or unreachable")
    blocking: bool
    matter: str
    rule_ids: list[str]
    unit_ids: list[str]
    text: str


class RuleFindingList(Shape):
    items: list[RuleFinding]
    next_cursor: str | None


class RuleFlaw(Shape):
    """A cell of the CSV that cannot be read."""

    line: int
    column: str | None
    problem: str


class RuleDryRun(Shape):
    """What an import would be. With flaws nothing else is known."""

    flaws: list[RuleFlaw]
    compared_with: str | None
    difference: RuleDifference
    findings: list[RuleFinding]


class ImportedRules(RuleVersion):
    """The draft, compared and checked."""

    compared_with: str | None
    difference: RuleDifference
    findings: list[RuleFinding]


class WholeRuleVersion(ImportedRules):
    """With its rules, also as the CSV that gives them back."""

    rules: list[DecisionRule]
    rules_csv: str


class TemplateStep(Shape):
    kind: str = Field(description="approve, concur or review")
    post_id: str
    after: str = Field(description="rank of the own line, or drafter: before all of it")


class RouteTemplate(Shape):
    """Seats that are added to a proposal (AP-54)."""

    id: str
    route_template_id: str
    scope: str = Field(description="personal, unit or city")
    unit_id: str | None
    name: str
    steps: list[TemplateStep]
    saved_by: str
    saved_at: str | None
    version: int


class RouteTemplateList(Shape):
    items: list[RouteTemplate]
    next_cursor: str | None


class BodyTemplate(Shape):
    """例文; the words {件名} {相手方} {年度} {日付} are filled in at use."""

    id: str
    body_template_id: str
    scope: str = Field(description="personal, unit or city")
    unit_id: str | None
    name: str
    body: str
    saved_by: str
    saved_at: str | None
    version: int


class BodyTemplateList(Shape):
    items: list[BodyTemplate]
    next_cursor: str | None


class FilledBody(Shape):
    body: str


class FollowUp(Shape):
    """次にすること: what the file plan says usually comes next."""

    follow_up_id: str
    kind: str = Field(description="receipt or draft")
    title: str
    class_code: str
    folder_id: str | None = Field(description="of this fiscal year; null for none")
    body_template_id: str | None


class Related(Shape):
    source_ids: list[str] = Field(description="引用元")
    repeated_ids: list[str] = Field(description="drafted from it, newest first")
    follow_ups: list[FollowUp]
