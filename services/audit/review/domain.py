"""What a month of the log gives cause to ask about (SC-07), as pure rules over its leaves.

`Examination` reads the leaves once, in the order of their time, and keeps no more than the day it is in. A rule says
what is to be looked at, never that somebody did wrong. The same leaves and thresholds give the same findings in the
same order, so that anybody can compute them again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import jpholiday

from chassis.errors import DomainError, FieldViolation, Kind, invalid

JST = dt.timezone(dt.timedelta(hours=9), "JST")
"""Japan has no summer time; days and hours of the rules are Japanese (AP-51)."""

# What leaves the screen: by file, by paper.
OUTPUTS = frozenset({"attachment.downloaded", "document.printed", "document.exported", "manifest.read"})
# Granted reading of a document's content.
READS = frozenset({"document.viewed", "document.versions_viewed", "attachment.read"}) | OUTPUTS
DOWNLOADS = frozenset({"attachment.downloaded"})
LISTS = frozenset({"document.listed", "document.searched", "receipt.listed", "receipt.searched", "receipt.viewed"})
# Acts upon the organisation, the rights, the rules and the log itself.
PRIVILEGED = frozenset(
    {
        "directory.loaded",
        "file_plan.loaded",
        "rules.activated",
        "rules.discarded",
        "config.changed",
        "permission.granted",
        "permission.revoked",
        "maintenance.confirmed",
        "break_glass.consented",
        "audit.exported",
        "backup.restored",
        "log.dropped",
    }
)
# Reasons of a reading that explain it by themselves: the person's own unit, or a task in a case.
TASKS = frozenset(
    {"drafter", "owner_unit", "section", "designated", "records_manager", "department", "city"}
    | {"route_step", "acted", "circulation"}
)
# 緊急閲覧 (AC-08): two persons' word lets look, and explains nothing by itself.
BREAK_GLASS = "break_glass"

# Refusals of access. Any other (a receipt, a state, whose turn it is) says nothing about who may see the document.
HIDDEN = "NOT_FOUND"
NOT_FOR_THIS = frozenset({"NOT_PERMITTED", "DOWNLOAD_NOT_PERMITTED", "PRINT_NOT_PERMITTED"})

# In the order in which they are shown. Words for people are the gateway's.
RULES = (
    "gap",
    "bulk_viewing",
    "bulk_download",
    "output_spike",
    "after_hours",
    "denied_then_granted",
    "denials",
    "absent",
    "break_glass",
    "foreign_document",
    "staff_file",
    "unexplained",
    "privileged",
    "left",
    "unused",
)
# These need the staff list, which another service owns.
STAFF_RULES = ("left", "unused")
STATES = ("recorded", "open", "explained", "incident")
JUDGEMENTS = ("open", "explained", "incident")

# Entries kept with a finding; its count is exact.
MAX_ENTRIES = 500
MAX_TEXT = 4000
MAX_MEMBERS = 20_000
_MONTH = re.compile(r"(?P<year>[2-9][0-9]{3})-(?P<month>0[1-9]|1[0-2])", re.ASCII)
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_CLOSED = re.compile(r"(?:[2-9][0-9]{3}-)?(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", re.ASCII)
_CLASS = re.compile(r"[0-9A-Za-z-]{1,30}", re.ASCII)


# --- thresholds -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a rule begins to speak. Set by the audit officer; these are the values until one sets others."""

    documents_per_day: int = 60
    downloads_per_day: int = 30
    outputs_per_day: int = 20
    outputs_times_mean: int = 5
    # Hours of the offices, "HH:MM"; ordinary overtime before and after them does not count.
    opens_at: str = "08:45"
    closes_at: str = "17:15"
    overtime_minutes: int = 105
    # "MM-DD" of every year or "YYYY-MM-DD", beside Saturdays, Sundays and national holidays.
    closed_days: tuple[str, ...] = ("12-29", "12-30", "12-31", "01-02", "01-03")
    granted_within_minutes: int = 60
    denials_per_day: int = 10
    # Beginnings of class codes of documents about staff.
    staff_file_classes: tuple[str, ...] = ("0203",)
    unused_days: int = 90

    def as_json(self) -> str:
        """Text that `thresholds_of` reads."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, sort_keys=True)


_LIMITS = {
    "documents_per_day": (1, 100_000),
    "downloads_per_day": (1, 100_000),
    "outputs_per_day": (1, 100_000),
    "outputs_times_mean": (1, 1_000),
    "overtime_minutes": (0, 720),
    "granted_within_minutes": (1, 1_440),
    "denials_per_day": (1, 100_000),
    "unused_days": (1, 3_650),
}


def thresholds_of(text: str) -> Thresholds:
    """The inverse of `as_json`."""
    value: dict[str, Any] = json.loads(text)
    lists: dict[str, Any] = {name: tuple(one) for name, one in value.items() if isinstance(one, list)}
    return Thresholds(**(value | lists))


def require_thresholds(given: Thresholds) -> None:
    """INVALID_FIELDS names every threshold that a rule could not work with."""
    wrong = [
        FieldViolation(f"thresholds.{name}", "OUT_OF_RANGE")
        for name, (least, most) in _LIMITS.items()
        if not least <= getattr(given, name) <= most
    ]
    for name in ("opens_at", "closes_at"):
        if not _CLOCK.fullmatch(getattr(given, name)):
            wrong.append(FieldViolation(f"thresholds.{name}", "MALFORMED"))
    if not wrong and given.opens_at >= given.closes_at:
        wrong.append(FieldViolation("thresholds.closes_at", "OUT_OF_RANGE"))
    if len(given.closed_days) > 200 or not all(_CLOSED.fullmatch(day) for day in given.closed_days):
        wrong.append(FieldViolation("thresholds.closed_days", "MALFORMED"))
    if len(given.staff_file_classes) > 50 or not all(_CLASS.fullmatch(code) for code in given.staff_file_classes):
        wrong.append(FieldViolation("thresholds.staff_file_classes", "MALFORMED"))
    if wrong:
        raise invalid(*wrong)


@lru_cache(maxsize=1024)
def is_closed(day: dt.date, thresholds: Thresholds) -> bool:
    """Saturday, Sunday, a national holiday, or a day on which the city itself is closed."""
    closed = thresholds.closed_days
    return (
        day.weekday() >= 5
        or day.strftime("%m-%d") in closed
        or day.isoformat() in closed
        or bool(jpholiday.is_holiday(day))
    )


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


# --- months -----------------------------------------------------------------------------------------------------


def month_span(month: str) -> tuple[dt.datetime, dt.datetime]:
    """First moment of a month "YYYY-MM" in Japan and of the next. INVALID_FIELDS for another text."""
    match = _MONTH.fullmatch(month)
    if match is None:
        raise invalid(FieldViolation("month", "MALFORMED"))
    year, number = int(match["year"]), int(match["month"])
    begins = dt.datetime(year, number, 1, tzinfo=JST)
    ends = dt.datetime(year + number // 12, number % 12 + 1, 1, tzinfo=JST)
    return begins, ends


def month_before(day: dt.date) -> str:
    """The month that was over when this day began."""
    return (day.replace(day=1) - dt.timedelta(days=1)).strftime("%Y-%m")


def days_of(month: str) -> Iterator[dt.date]:
    """Every day of a month."""
    begins, ends = month_span(month)
    day = begins.date()
    while day < ends.date():
        yield day
        day += dt.timedelta(days=1)


# --- what the rules read ----------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a leaf is."""

    log_year: int
    leaf_index: int


class Record(NamedTuple):
    """A leaf as the rules read it."""

    place: Place
    at: dt.datetime
    staff_id: str
    unit_id: str
    action: str
    outcome: str
    reason: str
    object_id: str
    document_id: str
    # Why the source let the person read: "owner_unit", "route_step", …; "" when it did not say.
    purpose: str
    # Unit and class of the document that was read.
    owner_unit: str
    class_code: str
    detail: Mapping[str, str]

    @property
    def is_person(self) -> bool:
        """Whether somebody did it, and not a service by itself."""
        return bool(self.staff_id) and not self.staff_id.startswith("service:")


def record_of(place: Place, leaf: bytes) -> Record:
    """A leaf of the log. The signed bytes count, not the columns that repeat them."""
    value = json.loads(leaf)
    actor, what, detail = value.get("actor", {}), value.get("object", {}), value.get("detail", {})
    document_id = what.get("id", "") if what.get("type") == "document" else detail.get("document_id", "")
    return Record(
        place=place,
        at=dt.datetime.fromisoformat(value["time"]).astimezone(JST),
        staff_id=actor.get("staff", ""),
        unit_id=actor.get("unit", ""),
        action=value["action"],
        outcome=value["outcome"],
        reason=value.get("reason", ""),
        object_id=what.get("id", ""),
        document_id=document_id,
        purpose=value.get("purpose", ""),
        owner_unit=detail.get("unit", ""),
        class_code=detail.get("class", ""),
        detail=detail,
    )


@dataclass(slots=True)
class Behind:
    """The entries behind a finding: all are counted, the first are kept."""

    count: int = 0
    places: list[Place] = field(default_factory=list)
    purposes: Counter[str] = field(default_factory=Counter)
    unit_id: str = ""

    def add(self, record: Record) -> None:
        """One more."""
        self.count += 1
        if len(self.places) < MAX_ENTRIES:
            self.places.append(record.place)
        if record.action in READS and record.outcome == "granted":
            self.purposes[record.purpose] += 1
        self.unit_id = record.unit_id or self.unit_id


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to ask about: which rule, whose, when, and the entries behind it."""

    rule: str
    subject_id: str = ""
    unit_id: str = ""
    day: dt.date | None = None
    document_id: str = ""
    count: int = 0
    explained_by: str = ""
    purposes: Mapping[str, int] = field(default_factory=dict)
    # Numbers and identifiers for the sentence that people read.
    detail: Mapping[str, str] = field(default_factory=dict)
    places: Sequence[Place] = ()


def _found(rule: str, subject_id: str, behind: Behind, **more: Any) -> Finding:
    return Finding(
        rule,
        subject_id,
        **({"unit_id": behind.unit_id} | more),
        count=behind.count,
        purposes=dict(sorted(behind.purposes.items())),
        places=tuple(behind.places),
    )


@dataclass(frozen=True, slots=True)
class DayCount:
    """One day of the month in numbers."""

    day: dt.date
    accesses: int
    denied: int
    closed: bool


@dataclass(slots=True)
class _PersonDay:
    """What one person did on the day that is being read."""

    documents: set[str] = field(default_factory=set)
    viewing: Behind = field(default_factory=Behind)
    downloads: Behind = field(default_factory=Behind)
    outputs: Behind = field(default_factory=Behind)
    after_hours: Behind = field(default_factory=Behind)
    denials: Behind = field(default_factory=Behind)
    absent: Behind = field(default_factory=Behind)
    unexplained: Behind = field(default_factory=Behind)
    privileged: dict[str, Behind] = field(default_factory=dict)


# --- the examination --------------------------------------------------------------------------------------------


class Examination:
    """One reading of a month. `learn` what came before it, `take` each leaf in the order of time, then `findings`."""

    def __init__(self, month: str, thresholds: Thresholds) -> None:
        self._begins, self._ends = month_span(month)
        self._month = month
        self._thresholds = thresholds
        self._window = dt.timedelta(minutes=thresholds.granted_within_minutes)
        # Minutes of the day between which documents are ordinarily used.
        self._opens = _minutes(thresholds.opens_at) - thresholds.overtime_minutes
        self._closes = _minutes(thresholds.closes_at) + thresholds.overtime_minutes
        self._closed = False
        # Person → absence id → span.
        self._absences: dict[str, dict[str, tuple[dt.datetime, dt.datetime]]] = {}
        self._day: dt.date | None = None
        self._people: dict[str, _PersonDay] = {}
        self._outputs: dict[str, dict[dt.date, Behind]] = {}
        # Person, document and what was refused, "" for the document itself → when last; cleared as the window closes.
        self._refused: dict[tuple[str, str, str], Record] = {}
        # Person and document of another unit → the first reading in the month.
        self._foreign: dict[tuple[str, str], Record] = {}
        # Person and document seen by 緊急閲覧 → all of it, and when it began.
        self._break_glass: dict[tuple[str, str], tuple[Behind, Record]] = {}
        # Documents about staff: person and document of another unit; person and "" for all those of the own unit.
        self._staff_files: dict[tuple[str, str], tuple[Behind, Record]] = {}
        self._own_staff_files: dict[str, set[str]] = {}
        self._ended: dict[str, Behind] = {}
        self._found: list[Finding] = []
        self.actions: Counter[tuple[str, str]] = Counter()
        self._accesses: Counter[dt.date] = Counter()
        self._denied: Counter[dt.date] = Counter()

    def learn(self, record: Record) -> None:
        """An absence, whenever it was registered or called off."""
        if record.action not in ("absence.registered", "absence.ended"):
            return
        detail = record.detail
        try:
            begins, ends = (dt.datetime.fromisoformat(detail[name]) for name in ("from", "to"))
        except (KeyError, ValueError):
            # Registered before its span was recorded: nothing to compare with.
            return
        self._absences.setdefault(detail.get("staff_id", ""), {})[detail.get("about", "")] = (begins, ends)

    def take(self, record: Record) -> None:
        """The next leaf of the month."""
        day = record.at.date()
        if day != self._day:
            self._close_day()
            self._day = day
            self._closed = is_closed(day, self._thresholds)
        self.actions[record.action, record.outcome] += 1
        if record.action == "epoch.recovered":
            self._ended.setdefault(record.object_id, Behind()).add(record)
        if record.action in PRIVILEGED and record.outcome == "granted":
            # Services do these too, at the hand of an operator.
            acts = self._person(record.staff_id).privileged
            acts.setdefault(record.action, Behind()).add(record)
        if not record.is_person:
            return
        self._accesses[day] += 1
        person = self._person(record.staff_id)
        if record.outcome == "denied":
            self._denied[day] += 1
            person.denials.add(record)
            if record.document_id and record.reason == HIDDEN:
                self._refused[record.staff_id, record.document_id, ""] = record
            elif record.document_id and record.reason in NOT_FOR_THIS:
                self._refused[record.staff_id, record.document_id, record.action] = record
            return
        if record.outcome != "granted" or not (record.document_id or record.action in LISTS):
            return
        if self._closed or not self._opens <= record.at.hour * 60 + record.at.minute < self._closes:
            person.after_hours.add(record)
        away = self._absences.get(record.staff_id)
        if away and any(begins <= record.at < ends for begins, ends in away.values()):
            person.absent.add(record)
        if record.purpose == BREAK_GLASS:
            behind, _ = self._break_glass.setdefault((record.staff_id, record.document_id), (Behind(), record))
            behind.add(record)
        if record.document_id:
            for refused in ("", record.action):
                self._follow_refusal(record, refused)
        if record.action in READS:
            self._read(person, record)

    def _read(self, person: _PersonDay, record: Record) -> None:
        person.documents.add(record.document_id)
        person.viewing.add(record)
        if record.action in DOWNLOADS:
            person.downloads.add(record)
        if record.action in OUTPUTS:
            person.outputs.add(record)
        own = bool(record.owner_unit) and record.owner_unit == record.unit_id
        if not record.purpose and not own:
            person.unexplained.add(record)
        if record.owner_unit and not own:
            self._foreign.setdefault((record.staff_id, record.document_id), record)
        if record.class_code.startswith(self._thresholds.staff_file_classes):
            # Those of the own unit, of which whoever works with them reads many, are one finding of the person.
            document_id = "" if own else record.document_id
            behind, _ = self._staff_files.setdefault((record.staff_id, document_id), (Behind(), record))
            behind.add(record)
            if own:
                self._own_staff_files.setdefault(record.staff_id, set()).add(record.document_id)

    def _follow_refusal(self, record: Record, action: str) -> None:
        refused = self._refused.pop((record.staff_id, record.document_id, action), None)
        if refused is None or record.at - refused.at > self._window:
            return
        behind = Behind()
        behind.add(refused)
        behind.add(record)
        minutes = int((record.at - refused.at).total_seconds()) // 60
        self._found.append(
            _found(
                "denied_then_granted",
                record.staff_id,
                behind,
                day=record.at.date(),
                document_id=record.document_id,
                # A grant right after a refusal is what the rule is about: it explains nothing.
                explained_by=record.purpose if record.purpose in TASKS else "",
                detail={"minutes": str(minutes)},
            )
        )

    def _person(self, staff_id: str) -> _PersonDay:
        return self._people.setdefault(staff_id, _PersonDay())

    def _close_day(self) -> None:
        """Everything that is said of one person and one day."""
        day, limits = self._day, self._thresholds
        if day is None:
            return
        for staff_id, person in self._people.items():
            about: dict[str, Any] = {"subject_id": staff_id, "day": day}
            if len(person.documents) > limits.documents_per_day:
                detail = {"documents": str(len(person.documents)), "limit": str(limits.documents_per_day)}
                self._found.append(_found("bulk_viewing", behind=person.viewing, detail=detail, **about))
            if person.downloads.count > limits.downloads_per_day:
                detail = {"limit": str(limits.downloads_per_day)}
                self._found.append(_found("bulk_download", behind=person.downloads, detail=detail, **about))
            if person.denials.count > limits.denials_per_day:
                detail = {"limit": str(limits.denials_per_day)}
                self._found.append(_found("denials", behind=person.denials, detail=detail, **about))
            for rule, behind in (
                ("after_hours", person.after_hours),
                ("absent", person.absent),
                ("unexplained", person.unexplained),
            ):
                if behind.count:
                    self._found.append(_found(rule, behind=behind, **about))
            for action, behind in person.privileged.items():
                self._found.append(_found("privileged", behind=behind, detail={"action": action}, **about))
            if person.outputs.count:
                self._outputs.setdefault(staff_id, {})[day] = person.outputs
        self._people.clear()
        midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), JST)
        self._refused = {
            key: refused for key, refused in self._refused.items() if midnight - refused.at <= self._window
        }

    def foreign(self) -> list[tuple[str, str]]:
        """(person, document) whose reading may be a first one: ask the log which had been read before the month."""
        return sorted(self._foreign)

    def findings(self, read_before: Collection[tuple[str, str]], gaps: Iterable[Finding] = ()) -> list[Finding]:
        """All findings in the order in which they are numbered. `read_before`: those of `foreign` that are no first."""
        self._close_day()
        self._day = None
        found = [*gaps, *self._found, *self._spikes()]
        found += [
            _found("gap", "", behind, day=self._begins.date(), detail={"kind": "recovered", "epoch": epoch})
            for epoch, behind in self._ended.items()
        ]
        found += [
            self._of_document("break_glass", staff_id, document_id, behind, record)
            for (staff_id, document_id), (behind, record) in self._break_glass.items()
        ]
        for (staff_id, document_id), record in self._foreign.items():
            if (staff_id, document_id) not in read_before:
                behind = Behind()
                behind.add(record)
                found.append(self._of_document("foreign_document", staff_id, document_id, behind, record))
        for (staff_id, document_id), (behind, record) in self._staff_files.items():
            if document_id:
                found.append(self._of_document("staff_file", staff_id, document_id, behind, record))
            else:
                found.append(self._of_own_staff_files(staff_id, behind))
        return sorted(found, key=_order)

    def _of_document(self, rule: str, staff_id: str, document_id: str, behind: Behind, record: Record) -> Finding:
        return _found(
            rule,
            staff_id,
            behind,
            day=record.at.date(),
            document_id=document_id,
            explained_by=record.purpose if record.purpose in TASKS else "",
            detail={"owner_unit": record.owner_unit},
        )

    def _of_own_staff_files(self, staff_id: str, behind: Behind) -> Finding:
        """A colleague's file or one's own is in the own unit, too; explained if every reading has a reason."""
        explained = all(purpose in TASKS for purpose in behind.purposes)
        (reason, _), *_ = behind.purposes.most_common(1)
        return _found(
            "staff_file",
            staff_id,
            behind,
            explained_by=reason if explained else "",
            detail={"own_files": str(len(self._own_staff_files[staff_id]))},
        )

    def _spikes(self) -> Iterator[Finding]:
        """A day's output against the person's own mean of the month's other open days."""
        limits = self._thresholds
        working = [day for day in days_of(self._month) if not is_closed(day, limits)]
        for staff_id, days in self._outputs.items():
            total = sum(behind.count for behind in days.values())
            for day, behind in days.items():
                others = len(working) - (day in working)
                # Written without division, so that no rounding decides.
                expected = limits.outputs_times_mean * (total - behind.count)
                if behind.count >= limits.outputs_per_day and behind.count * others >= expected:
                    detail = {"limit": str(limits.outputs_per_day), "others": str(total - behind.count)}
                    yield _found("output_spike", staff_id, behind, day=day, detail=detail)

    def days(self) -> list[DayCount]:
        """The month day by day."""
        return [
            DayCount(day, self._accesses[day], self._denied[day], is_closed(day, self._thresholds))
            for day in days_of(self._month)
        ]


def gap_of_source(source: str, epoch: str, missing: Sequence[int]) -> Finding:
    """Numbers of a source that are not in the log."""
    detail = {"kind": "source", "source": source, "epoch": epoch, "missing": " ".join(map(str, missing))}
    return Finding("gap", count=len(missing), detail=detail)


def gap_of_object(object_type: str, object_id: str, missing: Sequence[int]) -> Finding:
    """Events of an object that are not in the log."""
    detail = {"kind": "object", "object_type": object_type, "object_id": object_id}
    return Finding("gap", count=len(missing), detail=detail | {"missing": " ".join(map(str, missing))})


@dataclass(frozen=True, slots=True)
class StaffFact:
    """What the organisation knows of a person in a month; spans are [from, to)."""

    staff_id: str
    unit_id: str
    # Japanese days on the staff.
    employed: tuple[tuple[dt.date, dt.date], ...]
    # Registered absences.
    absent: tuple[tuple[dt.datetime, dt.datetime], ...] = ()


# Uses by person and Japanese day.
Uses = Mapping[tuple[str, dt.date], Behind]


def require_members(members: Sequence[StaffFact]) -> None:
    """INVALID_FIELDS for a staff list that is none: without days on the staff everybody would have left."""
    if not members:
        raise invalid(FieldViolation("members", "REQUIRED"))
    if len(members) > MAX_MEMBERS:
        raise invalid(FieldViolation("members", "TOO_MANY"))
    if not any(one.employed for one in members):
        raise invalid(FieldViolation("members", "MALFORMED"))


def compare_staff(
    month: str,
    thresholds: Thresholds,
    members: Sequence[StaffFact],
    outside: Uses,
    away: Uses,
    last_login: Mapping[str, dt.datetime],
) -> list[Finding]:
    """What only the staff list tells, as of the day of each use (AC-16).

    `outside`: uses on days on which the person was not on the staff; `away`: uses within an absence of the list that
    no record of the log had told of; `last_login`: by person, before the month's end. An account of somebody on the
    staff on the month's last day without a login for `unused_days` is unused.
    """
    _, ends = month_span(month)
    last_day = ends.date() - dt.timedelta(days=1)
    unit_of = {one.staff_id: one.unit_id for one in members}
    found = [
        _found(rule, staff_id, behind, unit_id=unit_of.get(staff_id, "") or behind.unit_id, day=day)
        for rule, uses in (("left", outside), ("absent", away))
        for (staff_id, day), behind in uses.items()
    ]
    since = ends - dt.timedelta(days=thresholds.unused_days)
    idle: dict[str, list[str]] = {}
    for one in members:
        last = last_login.get(one.staff_id)
        on_staff = any(first <= last_day < end for first, end in one.employed)
        if on_staff and (last is None or last < since):
            idle.setdefault(one.unit_id, []).append(one.staff_id)
    found += [
        Finding(
            "unused",
            unit_id=unit_id,
            count=len(staff_ids),
            detail={"staff_ids": " ".join(sorted(staff_ids)), "limit": str(thresholds.unused_days)},
        )
        for unit_id, staff_ids in idle.items()
    ]
    return sorted(found, key=_order)


def _order(finding: Finding) -> tuple[Any, ...]:
    return (
        RULES.index(finding.rule),
        finding.day or dt.date.min,
        finding.subject_id,
        finding.unit_id,
        finding.document_id,
        sorted(finding.detail.items()),
        finding.places[:1],
    )


# --- what becomes of a review -----------------------------------------------------------------------------------


def first_state(explained_by: str) -> str:
    """The state a finding begins in: explained by the record itself, or open."""
    return "recorded" if explained_by else "open"


def require_text(name: str, text: str, *, required: bool = True) -> str:
    """A remark without surrounding space. INVALID_FIELDS if it is empty though required, or too long."""
    clean = text.strip()
    if required and not clean:
        raise invalid(FieldViolation(name, "REQUIRED"))
    if len(clean) > MAX_TEXT:
        raise invalid(FieldViolation(name, "TOO_LONG"))
    return clean


def require_unsigned(state: str) -> None:
    """After the sign-off nothing is added to findings: REVIEW_SIGNED."""
    if state == "signed":
        raise DomainError(Kind.PRECONDITION, "REVIEW_SIGNED", "the review is signed")


def require_answered(open_findings: int) -> None:
    """A review is signed when every finding has an answer: FINDINGS_OPEN."""
    if open_findings:
        raise DomainError(Kind.PRECONDITION, "FINDINGS_OPEN", f"{open_findings} findings have no answer")
