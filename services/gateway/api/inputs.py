"""What requests may contain: strict models of JSON bodies, and the kinds of parameters.

Meaning is checked by the services, and so is what must be given: they name everything that is missing or wrong at
once. Here only shape is, so that nothing malformed travels further.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _wrong(problem: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "refused", {"problem": problem})


def _no_controls(text: str) -> str:
    """Line breaks and tabs only; others have no place in a text, and NUL not even in the database."""
    if any((ord(c) < 32 and c not in "\n\r\t") or ord(c) == 127 for c in text):
        raise _wrong("CONTROL_CHARACTER")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise _wrong("MALFORMED")
    return text


def _iso_date(text: str) -> str:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        raise _wrong("MALFORMED") from None
    return text


def _moment(text: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise _wrong("MALFORMED") from None
    return text


Text = Annotated[str, AfterValidator(_no_controls)]
# Room for the longest body; the services know the limit of each field.
LongText = Annotated[Text, Field(max_length=100_000)]
ShortText = Annotated[Text, Field(max_length=2_000)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
IsoDate = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", json_schema_extra={"format": "date"}),
    AfterValidator(_iso_date),
]
Moment = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})$",
        json_schema_extra={"format": "date-time"},
    ),
    AfterValidator(_moment),
]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
QueryText = Annotated[Text, Query(max_length=500)]
QueryCode = Annotated[str, Query(pattern=r"^[A-Za-z0-9._:-]{0,64}$")]
Cursor = Annotated[Text, Query(max_length=1_000)]
MaybeDate = Annotated[IsoDate | None, Query()]
Limit = Annotated[int, Query(ge=1, le=200)]

Disclosure = Literal["open", "partial", "closed"]
Personal = Literal["none", "personal", "sensitive"]
Method = Literal["post", "counter", "mail", "lgwan", "internal"]


class Body(BaseModel):
    """A request body: nothing converted, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid")

    def given(self) -> dict[str, Any]:
        """The members that were sent."""
        return self.model_dump(exclude_unset=True, by_alias=False)


def _required(*names: str) -> ConfigDict:
    """Documents what the service requires."""
    return ConfigDict(json_schema_extra={"required": list(names)})


class ReceiptIn(Body):
    """収受, of the acting unit unless another is named."""

    model_config = _required("title", "sender_kind", "received_on", "arrived_on", "medium")

    title: LongText | None = None
    sender_kind: Literal["citizen", "company", "government", "internal", "other"] | None = None
    sender_name: ShortText | None = None
    sender_reference: ShortText | None = None
    received_on: IsoDate | None = None
    arrived_on: IsoDate | None = None
    medium: Literal["post", "counter", "lgwan", "mail", "e_application"] | None = None
    unit_id: Code | None = None
    due_on: IsoDate | None = None
    class_code: Code | None = None
    backdated_reason: ShortText | None = None
    view_class: Literal["unit", "section", "designated"] | None = None
    designated: Annotated[list[Code], Field(max_length=50)] | None = None


class EnforcementIn(Body):
    """Whether and how the decision is sent out."""

    required: bool = False
    planned_on: IsoDate | None = None
    method: Method | None = None
    addressee: ShortText | None = None


class DraftChange(Body):
    """The members to change; null clears one."""

    title: LongText | None = None
    subtitle: ShortText | None = None
    body: LongText | None = None
    folder_id: Code | None = None
    class_code: Code | None = None
    decision_class: Literal["head", "deputy_director", "director", "vice_mayor", "body_head"] | None = None
    disclosure: Disclosure | None = None
    personal_information: Personal | None = None
    view_class: Literal["unit", "section", "designated", "department", "city"] | None = None
    designated: Annotated[list[Code], Field(max_length=50)] | None = None
    counterparty: ShortText | None = None
    amount: Annotated[int, Field(ge=0, le=9_999_999_999_999)] | None = None
    enforcement: EnforcementIn | None = None
    receipt_ids: Annotated[list[Code], Field(max_length=50)] | None = None
    urgent: bool | None = None


class DraftIn(DraftChange):
    """起案. What is not known yet may be left out until circulation."""

    model_config = _required("title")


class RouteStepIn(Body):
    """A step of the drafter's own."""

    kind: Literal["approve", "decide", "concur", "review", "inform", "provisional"]
    post_id: Code
    group: Annotated[int, Field(ge=1, le=100)]
    mandatory: bool = False


class RouteIn(Body):
    """Adjustments to the proposal; an empty object asks for it as it is."""

    steps: Annotated[list[RouteStepIn], Field(max_length=50)] = []
    # Not without `exception` and its reason.
    exceptional: bool = False
    # 議会関係・重要・異例・先例・紛議 (AP-03): what makes it exceptional; with the reason.
    exception: Literal["council", "important", "unusual", "precedent", "dispute"] | None = None
    exception_reason: ShortText = ""
    # A template whose seats are added; not together with `steps`.
    route_template_id: Code | None = None


class SubmitIn(Body):
    """回議開始; `replacement` after 差戻し (AP-30); the confirmation where the document is wider than a receipt (AC-02)."""

    model_config = _required("route_plan_id")

    route_plan_id: Code | None = None
    replacement: Literal["minor", "substantive"] | None = None
    wider_than_receipts_confirmed: bool = False


class EnforceIn(Body):
    """施行."""

    model_config = _required("enforced_on", "method", "collated_by")

    enforced_on: IsoDate | None = None
    method: Method | None = None
    addressee: ShortText | None = None
    collated_by: Code | None = None


class CompleteIn(Body):
    """完結."""

    completed_on: IsoDate | None = None
    folder_id: Code | None = None


class AnnotationIn(Body):
    """追記."""

    model_config = _required("text")

    text: LongText | None = None


class ActIn(Body):
    """One act on a step."""

    action: Literal[
        "approve",
        "decide",
        "decide_conditionally",
        "concur",
        "dissent",
        "hold",
        "send_back",
        "reject",
        "pull_up",
        "substitute",
        "post_view",
        "restart",
        "confirm",
    ]
    comment: LongText = ""
    # Of the version that was read; the service says what is wrong with them.
    version_digest: Annotated[Text, Field(max_length=128)] = ""
    read_receipt: Annotated[Text, Field(max_length=8_192)] = ""
    acknowledged_opinions: Annotated[list[Code], Field(max_length=40)] = Field(
        default=[], description="decision_id of each 不同意 in `opinions` of the case that the decider has weighed."
    )
    target_step_id: Code | None = Field(default=None, description="Of send_back: an earlier step; null is the drafter.")
    also_step_ids: Annotated[list[Code], Field(max_length=40)] = Field(
        default=[], description="Of approve: the first, or all, of consecutive_step_ids, closed by the same act."
    )


class BulkActIn(Body):
    """One act of 一括承認: as on the step itself, with the ETag of the case as `version`."""

    case_id: Code
    step_id: Code
    action: Literal["approve", "concur"]
    version: Annotated[int, Field(ge=1, le=10**17)]
    version_digest: Annotated[Text, Field(max_length=128)]
    read_receipt: Annotated[Text, Field(max_length=8_192)]


class BulkApprovalIn(Body):
    """一括承認: each act by itself, each with the receipt of its own reading."""

    acts: Annotated[list[BulkActIn], Field(min_length=1, max_length=100)]


class CirculateIn(Body):
    """供覧先."""

    post_ids: Annotated[list[Code], Field(min_length=1, max_length=40)]
    comment: LongText = ""


class SeatIn(Body):
    """回議先の追加, with the reason."""

    post_id: Code
    kind: Literal["approve", "concur"]
    comment: LongText


class PullUpIn(Body):
    """引上げ依頼 to the post of a later seat, with the reason."""

    post_id: Code
    comment: LongText


class CommentIn(Body):
    """引戻し, 取下げ, 差替え, 代決依頼."""

    comment: LongText = ""


class AbsenceIn(Body):
    """不在登録; `staff_id` only for somebody else."""

    staff_id: Code | None = None
    since: Annotated[Moment, Field(alias="from")]
    until: Annotated[Moment, Field(alias="to")]
    reason_code: Literal["business_trip", "leave", "sick", "training", "other"]


class FolderIn(Body):
    """簿冊."""

    unit_id: Code
    fiscal_year: Annotated[int, Field(ge=1989, le=2200)]
    class_code: Code
    name: ShortText


Month = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}$")]


class ReviewIn(Body):
    """点検 of a month that has begun."""

    month: Month


class FindingIn(Body):
    """What is done about one finding: it is assigned, commented on, or judged with a reason."""

    number: Annotated[int, Field(ge=1, le=1_000_000)]
    assignee_id: Code | None = None
    state: Literal["open", "explained", "incident"] | None = None
    comment: LongText = ""


class ReviewTextIn(Body):
    """点検結果・所見, or a remark after it."""

    model_config = _required("text")

    text: LongText = ""


Threshold = Annotated[int, Field(ge=0, le=1_000_000)]


class ThresholdsIn(Body):
    """Where each rule begins to speak; the service knows the limits."""

    documents_per_day: Threshold
    downloads_per_day: Threshold
    outputs_per_day: Threshold
    outputs_times_mean: Threshold
    opens_at: Annotated[str, Field(max_length=5)]
    closes_at: Annotated[str, Field(max_length=5)]
    overtime_minutes: Threshold
    closed_days: Annotated[list[Annotated[Text, Field(max_length=10)]], Field(max_length=200)]
    granted_within_minutes: Threshold
    denials_per_day: Threshold
    staff_file_classes: Annotated[list[Code], Field(max_length=50)]
    unused_days: Threshold


class ReviewRulesIn(Body):
    """点検の基準 from a month on, and why."""

    effective_from: IsoDate
    thresholds: ThresholdsIn
    reason: LongText = ""


class RulesImportIn(Body):
    """A 専決規程 as CSV: the whole of one body, from a day on."""

    model_config = _required("body", "title", "valid_from", "rules_csv")

    body: Code | None = None
    title: ShortText = ""
    valid_from: IsoDate | None = None
    # The service says what is wrong with its cells.
    rules_csv: Annotated[str, Field(max_length=900_000)] = ""


class TemplateStepIn(Body):
    """A seat to add, after the own line's seat of a rank or before all of it."""

    kind: Literal["approve", "concur", "review"]
    post_id: Code
    after: Literal["drafter", "chief", "deputy_head", "head", "deputy_director", "director", "vice_mayor", "body_head"]


class TemplateChange(Body):
    """The next version of a template."""

    model_config = _required("name", "steps")

    name: ShortText = ""
    steps: Annotated[list[TemplateStepIn], Field(max_length=50)] = []


class TemplateIn(TemplateChange):
    """A template of one's own, of a unit or of the city."""

    scope: Literal["personal", "unit", "city"]
    unit_id: Code | None = None


class RepeatIn(Body):
    """引用起案; an empty object asks for the same once more."""

    # Names are protected: counterparty and addressee come over only when asked for.
    with_counterparty: bool = False
    # One of the `follow_ups` of the document.
    follow_up_id: Code | None = None


class BodyTemplateChange(Body):
    """The next version of a template of bodies."""

    model_config = _required("name", "body")

    name: ShortText = ""
    body: LongText = ""


class BodyTemplateIn(BodyTemplateChange):
    """A template of one's own, of a unit or of the city."""

    scope: Literal["personal", "unit", "city"]
    unit_id: Code | None = None


class FillIn(Body):
    """What is known of the draft."""

    title: ShortText = ""
    counterparty: ShortText = ""


class FollowUpIn(Body):
    """A line of 次にすること; without `follow_up_id` a new one. {年度} in its title is filled in."""

    follow_up_id: Code | None = None
    after_kind: Literal["receipt", "draft"]
    after_words: ShortText = ""
    kind: Literal["receipt", "draft"]
    title: ShortText = ""
    next_class_code: Code
    body_template_id: Code | None = None


class FollowUpsIn(Body):
    """The list of a class from now on, in its order."""

    follow_ups: Annotated[list[FollowUpIn], Field(max_length=100)]
