"""Cases, their steps and decisions, and what waits."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


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
    asked_post_id: str | None = Field(
        description="Who was asked for 代決, or for 引上げ where it is not the deciding seat."
    )
    asked_post_title: str | None
    added_by: str | None = Field(description="decision_id of the act that added it on the way; null as planned.")
    bulk_action: str | None = Field(description="The one of allowed_actions that POST /bulk-approvals takes.")
    send_back_targets: list[str] = Field(description="step_ids that a 差戻し may go to besides the drafter.")
    consecutive_step_ids: list[str] = Field(description="Seats right after it that an approve may close too.")
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
    appointment: str = Field(description="兼務の別, as kind of HeldPost; empty of acts before it was told.")
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
    unit_ids: list[str] = Field(description="The units I answer for.")


class CaseList(Shape):
    items: list[Case]
    next_cursor: str | None
