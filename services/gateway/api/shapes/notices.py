"""What answers and bodies about notices look like, for the OpenAPI document and its tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.api.inputs import Body, Code
from services.gateway.api.shapes import Shape

KindWord = Literal[
    "turn",
    "urgent_turn",
    "substitute",
    "post_view",
    "circulation",
    "sent_back",
    "rejected",
    "withdrawn",
    "decided",
    "reminder",
    "escalation",
    "break_glass",
    "break_glass_ended",
    "change_set_refused",
]
GroupWord = Literal["urgent", "turn", "result", "deadline"]


class Notice(Shape):
    """What somebody is told of a case, of a document, or of a planned change set: a number and a kind, no title (AC-14)."""

    id: str
    notice_id: str
    kind: KindWord
    draft_number: str
    case_id: str = Field(description="empty for what is told of a document (緊急閲覧) or of a change set")
    document_id: str = Field(description="empty for what is told of a change set")
    change_set_id: str | None = Field(description="the planned set that midnight refused")
    urgent: bool
    post_id: str | None = Field(description="the post that was told, null for the person as such")
    created_at: str | None
    read: bool
    overdue_unit_id: str | None = Field(description="of an escalation: the unit under which I find it in /overdue")


class NoticeList(Shape):
    items: list[Notice]
    next_cursor: str | None
    unread: int = Field(description="at most 100, which stands for more")


class Unread(Shape):
    """How many are left."""

    unread: int = Field(description="at most 100, which stands for more")


class NoticesReadIn(Body):
    """Which notices are read."""

    notice_ids: list[Code] = Field(default_factory=list, max_length=200)
    up_to: Code | None = Field(default=None, description="and all that were made until this one")


class NoticeChoicesIn(Body):
    """Groups: urgent (至急, 代決依頼), turn (回議, 合議, 供覧, 後閲), result, deadline (期限, 滞留)."""

    live: Annotated[list[GroupWord], Field(max_length=4)]
    mail: Annotated[list[GroupWord], Field(max_length=4)]


class NoticeChoices(Shape):
    """What goes to open pages and by e-mail."""

    live: list[GroupWord]
    mail: list[GroupWord]
    address: str | None = Field(description="as personnel data has it")
    mail_possible: bool = Field(description="whether this installation has a mail server")


class EscalationListIn(Body):
    """Posts that are told of the unit's cases that wait far beyond their term; none: the list of the unit above."""

    post_ids: Annotated[list[Code], Field(max_length=20)]
    version: Annotated[int, Field(ge=0)] = Field(default=0, description="that was read; 0 before the first")


class EscalationListKept(Shape):
    """A unit's own list."""

    id: str
    unit_id: str
    post_ids: list[str]
    version: int


class EndedPost(Shape):
    """A listed post that has ended since the list was saved (AP-41)."""

    post_id: str
    name: str = Field(description="as it was called last")
    successor_post_id: str | None = Field(description="told in its place; null for none")


class EscalationListShown(EscalationListKept):
    """A unit's own list, and the one that holds for it."""

    holds_unit_id: str | None
    holds_post_ids: list[str] = Field(description="posts that are told: those that somebody holds today")
    ended: list[EndedPost] = Field(description="of the unit's own list")
