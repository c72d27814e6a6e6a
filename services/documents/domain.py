"""The life of a document: states, what may change when, and what has to be there first.

Pure: time, identifiers and random bytes come in as arguments. A function takes a document and
returns the new one with the facts that happened; it raises DomainError when a rule forbids it.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.documents import retention, textrules, view_classes
from services.documents.view_classes import Limits

DECISION_CLASSES = frozenset({"head", "deputy_director", "director", "vice_mayor", "body_head"})
METHODS = frozenset({"post", "counter", "mail", "lgwan", "internal"})
REPLACEMENTS = frozenset({"minor", "substantive"})
# NB-13; the body is a 伺い文, not an attachment.
MAX_TITLE, MAX_BODY, MAX_NAME, MAX_NOTE = 100, 100_000, 200, 4000
MAX_AMOUNT = 10**15
MAX_RECEIPTS = 20
MAX_ATTACHMENTS = 200
# Why somebody may see a document, what is nearest to the reader's work first.
REASONS = (
    "drafter",
    "owner_unit",
    "section",
    "designated",
    "route_step",
    "circulation",
    "acted",
    "records_manager",
    "department",
    "city",
    "grant",
    "break_glass",
)
# 緊急閲覧 (AC-08): to look at it and nothing else, so the last of all, and no setting gives it more.
BREAK_GLASS = "break_glass"
# 要配慮, as in PersonalInformation.
SENSITIVE = 3


class State(enum.IntEnum):
    """As in DocumentState (domain.md section 3)."""

    DRAFTING = 1
    CIRCULATING = 2
    SENT_BACK = 3
    WITHDRAWN = 4
    REJECTED = 5
    DECIDED = 6
    ENFORCED = 7
    COMPLETED = 8


EDITABLE = frozenset({State.DRAFTING, State.SENT_BACK})
# After the decision and before 完結 things may be added, nothing replaced (LC-16, LC-17).
SUPPLEMENTABLE = frozenset({State.DECIDED, State.ENFORCED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a drafter writes. Empty text and None mean "not given"."""

    title: str = ""
    subtitle: str = ""
    body: str = ""
    folder_id: str = ""
    class_code: str = ""
    decision_class: str = ""
    # As in Disclosure and PersonalInformation; 0 is not given.
    disclosure: int = 0
    personal_information: int = 0
    counterparty: str = ""
    # Yen.
    amount: int | None = None
    enforcement_required: bool = False
    enforcement_planned_on: dt.date | None = None
    enforcement_method: str = ""
    enforcement_addressee: str = ""
    receipt_ids: tuple[str, ...] = ()
    urgent: bool = False
    # As in ViewClass, 0 is not given; and the staff it names (AC-02).
    view_class: int = 0
    designated: tuple[str, ...] = ()


FIELD_NAMES = frozenset(f.name for f in fields(Fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """One row of the file plan (FL-01). `unit_id` is "" for all units."""

    class_code: str
    large: str
    middle: str
    small: str
    unit_id: str
    matter: str
    retention: str
    basis: str
    disclosure: int
    personal_information: int
    paper_only: bool
    after_expiry: str = "dispose"
    # The widest that a document of it may have (AC-02).
    view_class: int = view_classes.UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A 簿冊 of one unit and fiscal year (FL-03, FL-04)."""

    folder_id: str
    unit_id: str
    fiscal_year: int
    class_code: str
    name: str
    retention: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number of a register (NB-02)."""

    # "receipt", "draft", "dispatch"
    register: str
    symbol: str
    fiscal_year: int
    number: int

    @property
    def written(self) -> str:
        """As on paper (NB-03)."""
        return f"{self.symbol}第{self.number}号"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as it stands."""

    document_id: str
    version: int
    state: State
    revision: int
    frozen_revision: int
    content: Fields
    unit_id: str
    drafter: str
    drafter_post: str
    created_at: dt.datetime
    updated_at: dt.datetime
    version_digest: str = ""
    draft_number: str = ""
    dispatch_number: str = ""
    case_id: str = ""
    submitted_at: dt.datetime | None = None
    decided_at: dt.datetime | None = None
    decided_by: str = ""
    enforced_on: dt.date | None = None
    enforced_method: str = ""
    enforced_addressee: str = ""
    collated_by: str = ""
    completed_on: dt.date | None = None
    fiscal_year: int | None = None
    retention: str = ""
    retention_from: dt.date | None = None
    retention_until: dt.date | None = None
    manifest_digest: str = ""
    # Who carries on in the drafter's place after 引継ぎ; "" while the drafter does.
    assignee: str = ""

    @property
    def has_circulated(self) -> bool:
        """Whether anybody else has ever been shown it."""
        return self.frozen_revision > 0

    @property
    def in_charge(self) -> str:
        """担当者: whose document it is (AP-42)."""
        return self.assignee or self.drafter


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened: the event message by its name, and its name in the log.

    `values` are the fields of the message, `detail` further identifiers for history and log; never content.
    """

    name: str
    action: str
    values: Mapping[str, object]
    detail: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- refusals


def wrong_state(document: Document, message: str = "") -> DomainError:
    """What a state forbids; for completed documents the reason is that they never change (LC-14)."""
    reason = "IMMUTABLE" if document.state is State.COMPLETED else "WRONG_STATE"
    return DomainError(
        Kind.PRECONDITION, reason, message or document.state.name, metadata={"state": document.state.name}
    )


def paper_only() -> DomainError:
    """Decision 13: such classes take registration data and no electronic content."""
    return DomainError(Kind.PRECONDITION, "PAPER_ONLY", "the class takes no electronic content")


def check_version(current: int, expected: int) -> None:
    """STALE_VERSION when the caller saw another one."""
    if current != expected:
        raise DomainError(Kind.CONFLICT, "STALE_VERSION", f"it is at {current}", metadata={"version": str(current)})


# ---------------------------------------------------------------- fields


def parse_date(name: str, text: str) -> dt.date | None:
    """An ISO date, None when empty."""
    if not text:
        return None
    try:
        if len(text) != 10:
            raise ValueError(text)
        return dt.date.fromisoformat(text)
    except ValueError:
        raise invalid(FieldViolation(name, "INVALID_DATE")) from None


def text_violations(values: Iterable[tuple[str, str, int, bool]]) -> list[FieldViolation]:
    """Violations among (field, text, limit, may have lines)."""
    found = []
    for name, text, limit, lines in values:
        if problem := textrules.problem_of(text, limit=limit, lines=lines):
            found.append(FieldViolation(name, problem))
    return found


def check_fields(content: Fields) -> None:
    """The shape of each field, whether or not the draft is complete; INVALID_FIELDS lists all that is wrong."""
    found = text_violations(
        (
            ("title", content.title, MAX_TITLE, False),
            ("subtitle", content.subtitle, MAX_TITLE, False),
            ("body", content.body, MAX_BODY, True),
            ("counterparty", content.counterparty, MAX_NAME, False),
            ("enforcement_addressee", content.enforcement_addressee, MAX_NAME, False),
            ("folder_id", content.folder_id, MAX_NAME, False),
            ("class_code", content.class_code, MAX_NAME, False),
        )
    )
    if not content.title.strip():
        found.append(FieldViolation("title", "REQUIRED"))
    if content.decision_class and content.decision_class not in DECISION_CLASSES:
        found.append(FieldViolation("decision_class", "UNKNOWN"))
    if content.enforcement_method and content.enforcement_method not in METHODS:
        found.append(FieldViolation("enforcement_method", "UNKNOWN"))
    if not 0 <= content.disclosure <= 3:
        found.append(FieldViolation("disclosure", "UNKNOWN"))
    if not 0 <= content.personal_information <= 3:
        found.append(FieldViolation("personal_information", "UNKNOWN"))
    if content.amount is not None and not 0 <= content.amount <= MAX_AMOUNT:
        found.append(FieldViolation("amount", "OUT_OF_RANGE"))
    if len(content.receipt_ids) > MAX_RECEIPTS:
        found.append(FieldViolation("receipt_ids", "TOO_MANY"))
    found += view_classes.shape_problems(content.view_class, content.designated)
    if found:
        raise invalid(*found)


def check_filing(
    content: Fields,
    unit_id: str,
    class_: Class | None,
    folder: Folder | None,
    *,
    in_section: bool = False,
    at_most: int = view_classes.UNIT,
) -> Fields:
    """Class and folder exist for the unit and agree; what the class gives by default is filled in (FL-01).

    閲覧区分 that is not chosen is `at_most`, or the widest below it that may be (AC-02); `in_section`: the unit is a 係.
    """
    found = []
    if content.class_code and (class_ is None or class_.unit_id not in ("", unit_id)):
        found.append(FieldViolation("class_code", "UNKNOWN"))
    if content.folder_id and (folder is None or folder.unit_id != unit_id):
        found.append(FieldViolation("folder_id", "UNKNOWN"))
    if not found and content.class_code and folder is not None and folder.class_code != content.class_code:
        found.append(FieldViolation("folder_id", "MISMATCH"))
    if found:
        raise invalid(*found)
    if class_ is None:
        return content
    if class_.paper_only and content.body.strip():
        raise paper_only()
    filed = replace(
        content,
        class_code=class_.class_code,
        disclosure=content.disclosure or class_.disclosure,
        personal_information=content.personal_information or class_.personal_information,
        view_class=content.view_class or view_class_for(content, class_, at_most, in_section=in_section),
    )
    check_view_class(filed, class_, in_section=in_section)
    return filed


def view_class_for(content: Fields, class_: Class, at_most: int, *, in_section: bool) -> int:
    """The widest 閲覧区分 up to `at_most` that a text of this class may have (AC-02)."""
    personal = content.personal_information or class_.personal_information
    limits = Limits(class_.view_class, personal, in_section)
    return view_classes.widest_allowed(at_most, limits)


def check_view_class(content: Fields, class_: Class, *, in_section: bool) -> None:
    """閲覧区分 is one that the class, what is said of people and the unit allow (AC-02)."""
    limits = Limits(class_.view_class, content.personal_information, in_section)
    if found := view_classes.problems(content.view_class, content.designated, limits):
        raise invalid(*found)


def owner_rights(document: Document) -> list[tuple[str, str]]:
    """Principal and reason of those who see a document beside its route: a draft is for whose it is alone (AC-01, AC-02, AP-42)."""
    content = document.content
    if not document.has_circulated:
        return [(f"member:{document.in_charge}@{document.unit_id}", "drafter")]
    return view_classes.rights(document.unit_id, document.in_charge, content.view_class, content.designated)


# ---------------------------------------------------------------- draft


def create(
    document_id: str,
    content: Fields,
    *,
    drafter: str,
    post_id: str,
    unit_id: str,
    now: dt.datetime,
    change: str = "created",
) -> tuple[Document, list[Fact]]:
    """起案, or with `change` "redrafted" 引用起案. Only the drafter sees it until it circulates."""
    document = Document(
        document_id=document_id,
        version=1,
        state=State.DRAFTING,
        revision=1,
        frozen_revision=0,
        content=content,
        unit_id=unit_id,
        drafter=drafter,
        drafter_post=post_id,
        created_at=now,
        updated_at=now,
    )
    return document, [changed(document, change)]


def edit(document: Document, content: Fields, now: dt.datetime) -> tuple[Document, list[Fact]]:
    """Another text. After 差戻し it is a new revision: the one that circulated stays as it was (LC-12)."""
    document = begin_edit(document, now)
    return advance(replace(document, content=content), [changed(document, "updated")])


def begin_edit(document: Document, now: dt.datetime) -> Document:
    """The document as one that is being edited; WRONG_STATE when it may not be."""
    if document.state not in EDITABLE:
        raise wrong_state(document)
    revision = max(document.revision, document.frozen_revision + 1)
    return replace(document, revision=revision, version_digest="", updated_at=now)


def delete(document: Document) -> list[Fact]:
    """LC-12: only what never circulated."""
    if document.state is not State.DRAFTING or document.has_circulated:
        raise wrong_state(document)
    return [changed(document, "deleted")]


def changed(document: Document, change: str, attachment_id: str = "", **detail: str) -> Fact:
    """DocumentChanged."""
    if attachment_id:
        detail = {"attachment_id": attachment_id} | detail
    values = {"document_id": document.document_id, "change": change, "attachment_id": attachment_id}
    return Fact("DocumentChanged", f"document.{change}", values, detail)


# ---------------------------------------------------------------- attachments and annotations


def attach(
    document: Document, attachment_id: str, *, paper: bool, count: int, now: dt.datetime
) -> tuple[Document, bool, list[Fact]]:
    """An attachment more, and whether it counts as 決裁後追加 (LC-17)."""
    late = check_attachable(document, paper=paper, count=count)
    if not late:
        document = begin_edit(document, now)
    document, facts = advance(document, [changed(document, "attachment_added", attachment_id)])
    return replace(document, updated_at=now), late, facts


def check_attachable(document: Document, *, paper: bool, count: int) -> bool:
    """Whether an attachment may come now; True when it would be 決裁後追加. Asked before and after the upload."""
    if document.state not in EDITABLE | SUPPLEMENTABLE:
        raise wrong_state(document)
    if paper:
        raise paper_only()
    if count >= MAX_ATTACHMENTS:
        raise invalid(FieldViolation("attachments", "TOO_MANY"))
    return document.state in SUPPLEMENTABLE


def detach(document: Document, attachment_id: str, now: dt.datetime) -> tuple[Document, list[Fact]]:
    """An attachment less; not after the decision (LC-17)."""
    document = begin_edit(document, now)
    return advance(document, [changed(document, "attachment_removed", attachment_id)])


def annotate(document: Document, annotation_id: str, text: str, now: dt.datetime) -> tuple[Document, list[Fact]]:
    """追記 (LC-16): after the decision, before 完結."""
    if document.state not in SUPPLEMENTABLE:
        raise wrong_state(document)
    found = text_violations([("text", text, MAX_NOTE, True)])
    if not text.strip():
        found.append(FieldViolation("text", "REQUIRED"))
    if found:
        raise invalid(*found)
    fact = changed(document, "annotated", annotation_id=annotation_id)
    return advance(replace(document, updated_at=now), [fact])


# ---------------------------------------------------------------- circulation


def check_complete_for_circulation(
    document: Document, class_: Class | None, folder: Folder | None, route_plan_id: str
) -> Class:
    """LC-04: INCOMPLETE lists everything that is missing. Returns the class."""
    if document.state not in EDITABLE:
        raise wrong_state(document)
    if class_ is not None and class_.paper_only:
        raise paper_only()
    if found := text_violations([("route_plan_id", route_plan_id, MAX_NAME, False)]):
        raise invalid(*found)
    content = document.content
    missing = [
        name
        for name, given in (
            ("title", content.title.strip()),
            ("body", content.body.strip()),
            ("class_code", class_),
            ("folder_id", folder),
            ("decision_class", content.decision_class),
            ("disclosure", content.disclosure),
            ("personal_information", content.personal_information),
            ("view_class", content.view_class),
            ("enforcement_planned_on", content.enforcement_planned_on or not content.enforcement_required),
            ("route_plan_id", route_plan_id),
        )
        if not given
    ]
    if missing or class_ is None:
        violations = [FieldViolation(name, "REQUIRED") for name in missing]
        raise DomainError(Kind.PRECONDITION, "INCOMPLETE", ", ".join(missing), violations)
    return class_


def check_confirmed(wider_than_receipts: bool, confirmed: bool) -> None:
    """WIDER_THAN_RECEIPTS: what is for people whom one of its receipts is not for circulates only if that is meant (AC-02)."""
    if wider_than_receipts and not confirmed:
        raise DomainError(Kind.PRECONDITION, "WIDER_THAN_RECEIPTS", "wider than one of its receipts, and not confirmed")


def submit(
    document: Document,
    *,
    case_id: str,
    route_plan_id: str,
    replacement: str,
    version_digest: str,
    number: Number | None,
    matter: str,
    wider_than_receipts: bool,
    opinions_key: bytes,
    now: dt.datetime,
) -> tuple[Document, list[Fact]]:
    """回議開始: the text is frozen under its digest; the first time it gets its draft number (NB-04).

    A resubmission after 差戻し keeps the number and opens a case of its own. `wider_than_receipts`: the drafter has
    confirmed that; it stands in history and log (AC-02).
    """
    if replacement and (replacement not in REPLACEMENTS or not document.has_circulated):
        raise invalid(FieldViolation("replacement", "UNKNOWN"))
    content = document.content
    facts = []
    if number is not None:
        facts.append(number_issued(number, document.document_id))
    draft_number = document.draft_number or (number.written if number else "")
    detail = {"case_id": case_id, "draft_number": draft_number, "revision": str(document.revision)}
    if document.has_circulated:
        detail["replacement"] = replacement or "substantive"
    if wider_than_receipts:
        detail["wider_than_receipts"] = "confirmed"
    facts.append(
        Fact(
            "DocumentSubmitted",
            "document.submitted",
            {
                "document_id": document.document_id,
                "case_id": case_id,
                "route_plan_id": route_plan_id,
                "version_digest": version_digest,
                "draft_number": draft_number,
                "unit_id": document.unit_id,
                "drafter": document.drafter,
                "drafter_post": document.drafter_post,
                "matter": matter,
                "amount": content.amount or 0,
                "has_amount": content.amount is not None,
                "decision_class": content.decision_class,
                "urgent": content.urgent,
                "personal_information": content.personal_information > 1,
                "replacement": detail.get("replacement", ""),
                "designated": content.view_class == view_classes.DESIGNATED,
                "assignee": document.assignee,
                "opinions_key": opinions_key,
            },
            detail,
        )
    )
    submitted = replace(
        document,
        state=State.CIRCULATING,
        frozen_revision=document.revision,
        version_digest=version_digest,
        draft_number=draft_number,
        case_id=case_id,
        submitted_at=now,
        updated_at=now,
    )
    return advance(submitted, facts)


def number_issued(number: Number, issued_to: str) -> Fact:
    """NumberIssued."""
    values = {
        "register": number.register,
        "symbol": number.symbol,
        "fiscal_year": number.fiscal_year,
        "number": number.number,
        "issued_to": issued_to,
    }
    return Fact("NumberIssued", "number.issued", values, {"register": number.register, "number": number.written})


# ---------------------------------------------------------------- after the decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """How it was sent."""

    enforced_on: dt.date | None
    method: str
    addressee: str
    collated_by: str


def day_of(moment: dt.datetime) -> dt.date:
    """The day in Japan (AP-51)."""
    return moment.astimezone(retention.JST).date()


def check_enforceable(document: Document, sent: Enforcement, today: dt.date) -> dt.date:
    """LC-06, LC-07: decided, to be sent, not before the decision, compared by somebody. Returns the day."""
    if document.state is not State.DECIDED or document.decided_at is None:
        raise wrong_state(document)
    if not document.content.enforcement_required:
        raise wrong_state(document, "this document is not to be sent (LC-08)")
    found = text_violations(
        [("addressee", sent.addressee, MAX_NAME, False), ("collated_by", sent.collated_by, MAX_NAME, False)]
    )
    if not sent.addressee.strip():
        found.append(FieldViolation("addressee", "REQUIRED"))
    if not sent.collated_by.strip():
        found.append(FieldViolation("collated_by", "REQUIRED"))
    if sent.method not in METHODS:
        found.append(FieldViolation("method", "UNKNOWN" if sent.method else "REQUIRED"))
    if sent.enforced_on is None:
        found.append(FieldViolation("enforced_on", "REQUIRED"))
    elif sent.enforced_on < day_of(document.decided_at):
        found.append(FieldViolation("enforced_on", "TOO_EARLY"))
    elif sent.enforced_on > today:
        found.append(FieldViolation("enforced_on", "IN_FUTURE"))
    if found or sent.enforced_on is None:
        raise invalid(*found)
    return sent.enforced_on


def enforce(
    document: Document, sent: Enforcement, number: Number, today: dt.date, now: dt.datetime
) -> tuple[Document, list[Fact]]:
    """施行, with its dispatch number: the year is that of numbering (NB-09)."""
    enforced_on = check_enforceable(document, sent, today)
    enforced = replace(
        document,
        state=State.ENFORCED,
        dispatch_number=number.written,
        enforced_on=enforced_on,
        enforced_method=sent.method,
        enforced_addressee=sent.addressee,
        collated_by=sent.collated_by,
        updated_at=now,
    )
    values = {
        "document_id": document.document_id,
        "dispatch_number": number.written,
        "enforced_on": enforced_on.isoformat(),
    }
    detail = {"dispatch_number": number.written, "collated_by": sent.collated_by}
    return advance(
        enforced,
        [number_issued(number, document.document_id), Fact("DocumentEnforced", "document.enforced", values, detail)],
    )


def completion_day(document: Document, given: dt.date | None, today: dt.date) -> dt.date:
    """完結日 (LC-09): the day it was sent, or decided when it is not sent; a later one may be given."""
    if document.state is State.ENFORCED and document.enforced_on is not None:
        earliest = document.enforced_on
    elif document.state is State.DECIDED and document.decided_at is not None:
        if document.content.enforcement_required:
            raise wrong_state(document, "it has to be sent first")
        earliest = day_of(document.decided_at)
    else:
        raise wrong_state(document)
    if given is not None and given < earliest:
        raise invalid(FieldViolation("completed_on", "TOO_EARLY"))
    if given is not None and given > today:
        raise invalid(FieldViolation("completed_on", "IN_FUTURE"))
    return given or earliest


def complete(
    document: Document, completed_on: dt.date, folder: Folder | None, class_: Class | None, now: dt.datetime
) -> tuple[Document, Folder]:
    """完結 without its manifest yet: filed, with the retention of its folder (RT-02, FL-03, FL-04).

    `class_` is the folder's: VIEW_CLASS_NOT_ADMITTED when it admits only a narrower 閲覧区分 (AC-02), PAPER_ONLY when it
    takes no electronic content.
    """
    if folder is None or class_ is None or folder.unit_id != document.unit_id:
        raise invalid(FieldViolation("folder_id", "UNKNOWN" if document.content.folder_id else "REQUIRED"))
    if folder.fiscal_year != retention.fiscal_year(completed_on):
        raise invalid(FieldViolation("folder_id", "WRONG_YEAR"))
    # One that was decided before there were classes is for its unit.
    if view_classes.wider(document.content.view_class or view_classes.UNIT, class_.view_class):
        raise DomainError(Kind.PRECONDITION, "VIEW_CLASS_NOT_ADMITTED", "the class of the folder admits a narrower one")
    # What circulated is electronic.
    if class_.paper_only:
        raise paper_only()
    kept = retention.period(folder.retention, completed_on)
    filed = replace(
        document,
        state=State.COMPLETED,
        content=replace(document.content, folder_id=folder.folder_id, class_code=folder.class_code),
        completed_on=completed_on,
        fiscal_year=retention.fiscal_year(completed_on),
        retention=folder.retention,
        retention_from=kept.starts,
        retention_until=kept.until,
        updated_at=now,
    )
    return filed, folder


def completed(document: Document, manifest_digest: str) -> tuple[Document, list[Fact]]:
    """The completed document with its manifest, and the fact of it."""
    values = {
        "document_id": document.document_id,
        "completed_on": document.completed_on.isoformat() if document.completed_on else "",
        "folder_id": document.content.folder_id,
        "retention_until": document.retention_until.isoformat() if document.retention_until else "",
        "manifest_digest": manifest_digest,
    }
    detail = {key: str(values[key]) for key in ("completed_on", "folder_id", "retention_until", "manifest_digest")}
    document = replace(document, manifest_digest=manifest_digest)
    return advance(document, [Fact("DocumentCompleted", "document.completed", values, detail)])


def content_locked(document_id: str, until: dt.datetime, objects: int) -> Fact:
    """ContentLocked: the store holds the date on every object."""
    values = {"document_id": document_id, "retain_until": until.isoformat(), "objects": objects}
    detail = {"document_id": document_id, "retain_until": until.isoformat(), "objects": str(objects)}
    return Fact("ContentLocked", "content.locked", values, detail)


def advance(document: Document, facts: Sequence[Fact]) -> tuple[Document, list[Fact]]:
    """One version per fact."""
    return replace(document, version=document.version + len(facts)), list(facts)


# ---------------------------------------------------------------- file plan


def check_new_folder(name: str, year: int, class_: Class | None, unit_id: str, today: dt.date) -> Class:
    """A folder is of one unit and one fiscal year: this one, the next, or the last (FL-02, FL-04)."""
    found = text_violations([("name", name, MAX_TITLE, False)])
    if not name.strip():
        found.append(FieldViolation("name", "REQUIRED"))
    if abs(year - retention.fiscal_year(today)) > 1:
        found.append(FieldViolation("fiscal_year", "OUT_OF_RANGE"))
    if class_ is None or class_.unit_id not in ("", unit_id):
        found.append(FieldViolation("class_code", "UNKNOWN"))
    if found or class_ is None:
        raise invalid(*found)
    return class_


def folder_created(folder: Folder) -> Fact:
    """FolderCreated; its name stays here."""
    values = {
        "folder_id": folder.folder_id,
        "unit_id": folder.unit_id,
        "fiscal_year": folder.fiscal_year,
        "class_code": folder.class_code,
    }
    return Fact("FolderCreated", "folder.created", values, {key: str(value) for key, value in values.items()})


def file_plan_loaded(units: int, classes: int, folders: int, digest: str) -> Fact:
    """FilePlanLoaded."""
    values = {"units": units, "classes": classes, "folders": folders, "digest": digest}
    return Fact("FilePlanLoaded", "file_plan.loaded", values, {key: str(value) for key, value in values.items()})


def check_one_of(name: str, given: str, allowed: Collection[str]) -> None:
    """INVALID_FIELDS when `given` is none of the words."""
    if given not in allowed:
        raise invalid(FieldViolation(name, "UNKNOWN"))
