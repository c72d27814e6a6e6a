"""What answers and bodies about the organisation over time look like, for the OpenAPI document and its tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.api.inputs import Body, Code, IsoDate, LongText, ShortText, Text
from services.gateway.api.shapes import Shape

ChangeWord = Literal[
    "unit_begins",
    "unit_changes",
    "unit_ends",
    "unit_shares",
    "post_begins",
    "post_changes",
    "post_ends",
    "staff_begins",
    "staff_changes",
    "staff_ends",
    "appointment_begins",
    "appointment_ends",
    "role_begins",
    "role_ends",
    "substitute_begins",
    "substitute_ends",
]


class ChangeIn(Body):
    """One change; only the members of its kind. Merge, split and abolition are combinations."""

    kind: ChangeWord
    unit_id: Code | None = None
    parent_id: Code | None = None
    body: Code | None = None
    name: ShortText | None = None
    kana: ShortText | None = None
    symbol: ShortText | None = None
    sort_order: Annotated[int, Field(ge=0, le=999_999)] | None = None
    post_id: Code | None = None
    title: ShortText | None = None
    rank: Code | None = None
    covers: Annotated[list[Code], Field(max_length=100)] | None = None
    staff_id: Code | None = None
    login: ShortText | None = None
    email: ShortText | None = None
    appointment: Literal["main", "concurrent", "joint", "deputizing", "acting"] | None = None
    role: Code | None = None
    matter: ShortText | None = Field(
        default=None,
        description="Of a 代決順位 (AP-13): the matter it is for; none for all without a list of their own.",
    )
    place: Annotated[int, Field(ge=1, le=99)] | None = Field(default=None, description="Rank in it, from 1.")
    substitute_post_id: Code | None = None
    class_code: Code | None = Field(
        default=None, description="Of unit_shares (RT-10): what of this class the unit owned goes to `successor`."
    )
    folder_id: Code | None = Field(default=None, description="Or this one folder with what is filed in it.")
    successor: Code | None = Field(default=None, description="What takes over from a unit or post that ends (AP-41).")


class ChangesIn(Body):
    """Changes of one day."""

    effective_on: IsoDate
    changes: Annotated[list[ChangeIn], Field(max_length=5000)]


class ChangeSetIn(ChangesIn):
    """The same, to be kept as a draft."""

    title: ShortText
    late_reason: ShortText = Field(default="", description="Required for an earlier day than today (AC-06).")


class UndoIn(Body):
    """Why it is called off."""

    reason: ShortText = ""


class PersonnelIn(Body):
    """The staff of the whole city on a day, as CSV: staff_id,name,kana,login,email,post_id,kind.

    The last two are empty for somebody without a post.
    """

    effective_on: IsoDate
    content: Annotated[Text, Field(max_length=1_000_000)]


class PersonnelImportIn(PersonnelIn):
    """The same, to be kept as a draft."""

    title: ShortText
    late_reason: ShortText = Field(default="", description="Required for an earlier day than today (AC-06).")


class ReassignIn(Body):
    """The post that acts, and why."""

    post_id: Code
    reason: LongText = ""


class Change(Shape):
    """Members that are not of its kind are missing."""

    kind: str


class ChangeFinding(Shape):
    place: int = Field(description="Number of the change, from 1; 0 is the whole set.")
    problem: str
    about: str


class Placement(Shape):
    post_id: str
    title: str
    unit_name: str
    kind: str | None


class Move(Shape):
    staff_id: str
    name: str
    kind: str = Field(description="joins, leaves, moves or renamed")
    before: list[Placement]
    after: list[Placement]


class Prospect(Shape):
    """What becomes of the open steps of one post."""

    post: Placement
    open_steps: int
    outcome: str = Field(description="new_holder, successor, lower_successor, vacant or unresolved")
    acts: Placement | None
    holder_names: list[str]


class Substitute(Shape):
    place: int
    post: Placement
    holder_names: list[str]


class SubstituteList(Shape):
    """The 代決順位 of one post for one matter, before the day and from it on (AP-13)."""

    post: Placement
    matter: str | None = Field(description="null for all matters that have no list of their own")
    before: list[Substitute]
    after: list[Substitute]


class SubstituteWarning(Shape):
    """For who reviews the set; it refuses nothing."""

    problem: str = Field(description="NO_SUBSTITUTE, RANK_MISSING, SUBSTITUTE_ENDED or SUBSTITUTE_VACANT")
    post: Placement
    matter: str | None
    place: int | None = Field(description="null for the whole list")
    substitute: Placement | None


class ReferenceWarning(Shape):
    """Something beside the organisation that the set leaves wrong; it refuses nothing."""

    kind: str = Field(description="rule, template or escalation")
    about: str = Field(description="The matter of a rule, the id of a template, the unit of a 滞留の連絡先")
    text: str


class Owned(Shape):
    """What one rule of a split moves as of now; without a class and a folder it is all the rest (RT-10)."""

    unit_id: str
    class_code: str | None
    folder_id: str | None
    successor: str | None = Field(
        description="null when nobody would own it: no successor is named, and no records office"
    )
    folders: int
    documents: int
    receipts: int


class Preview(Shape):
    moves: list[Move]
    vacant: list[Placement]
    prospects: list[Prospect]
    substitutes: list[SubstituteList]
    warnings: list[SubstituteWarning]
    references: list[ReferenceWarning]
    owned: list[Owned]


class ChangeSet(Shape):
    id: str
    change_set_id: str
    title: str
    effective_on: str
    state: str = Field(description="draft, reviewed, applied, undone or refused")
    change_count: int
    author: str
    drafted_at: str | None
    reviewed_by: str | None
    reviewed_at: str | None
    closed_by: str | None
    closed_at: str | None
    reason: str
    late_reason: str = Field(description="Why it was entered after its day; empty otherwise.")
    allowed_actions: list[str]
    version: int


class ChangeSetList(Shape):
    items: list[ChangeSet]
    next_cursor: str | None


class WholeChangeSet(ChangeSet):
    changes: list[Change]
    findings: list[ChangeFinding]
    preview: Preview | None


class PreviewedChanges(Shape):
    findings: list[ChangeFinding]
    preview: Preview


class BadLine(Shape):
    line: int = Field(description="0 is the whole file.")
    problem: str
    about: str


class Personnel(Shape):
    """Either bad lines, or what the file would change."""

    bad_lines: list[BadLine]
    moves: list[Move]
    vacant: list[Placement]


class StrandedStep(Shape):
    case_id: str
    step_id: str
    document_id: str
    draft_number: str
    unit_id: str
    step_kind: str
    step_state: str
    cause: str = Field(description="post_ended, vacant or own_draft")
    post_id: str
    post_title: str
    unit_name: str
    ended_on: str | None
    decision_class: str
    version: int = Field(description="Of the case, for If-Match.")


class StrandedStepList(Shape):
    items: list[StrandedStep]
    next_cursor: str | None


class ReassignedStep(Shape):
    case_id: str
    step_id: str
    post_id: str
    version: int


class Tenure(Shape):
    staff_id: str
    name: str
    post_id: str
    title: str
    unit_id: str
    unit_name: str
    kind: str
    since: str = Field(alias="from")
    until: str | None = Field(alias="to")


class TenureList(Shape):
    items: list[Tenure]
    next_cursor: str | None


class Substitution(Shape):
    """One rank of a 代決順位, as its post was called then."""

    matter: str | None = Field(description="null for all matters that have no list of their own")
    place: int
    post: Placement
    holder_names: list[str] = Field(description="Who held the post on the day asked for; empty without a day.")
    since: str = Field(alias="from")
    until: str | None = Field(alias="to")


class SubstitutionList(Shape):
    items: list[Substitution]
    next_cursor: str | None
