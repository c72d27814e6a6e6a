# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of reviewing: who asks, one command or one reading, recorded, answered. Identifiers only: names are joined
by the gateway."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from chassis import clock, db, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of, timestamp
from chassis.requests import Call
from kanketsu.audit.v1 import review_service_pb2 as pb
from kanketsu.audit.v1.review_service_pb2_grpc import ReviewServiceServicer
from services.audit.api import shown
from services.audit.commands import LogKeys
from services.audit.completeness.commands import BEGIN_ACTIONS, END_ACTIONS
from services.audit.entry import UUID_PATTERN
from services.audit.review import assurance, assurance_store, commands, domain, policy, store
from services.audit.review.commands import Target, Write
from services.audit.review.domain import StaffFact, Thresholds
from services.audit.review.store import FindingRow, NoteRow, ReviewRow, RulesRow

DEFAULT_LIMIT = 50
# Actions of the log's own leaves about alarms → the kind of alarm, and those that are results.
BEGUN = {action: kind for kind, action in BEGIN_ACTIONS.items()}
ENDED = {action: kind for kind, action in END_ACTIONS.items()}
RESULTS = (assurance.AGREED, assurance.DISAGREED, assurance.CHECKED)
# "" and "report" of GetReview.
PURPOSES = {"": "review.viewed", "report": "review.reported"}

Context = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)


class Api(ReviewServiceServicer):
    """kanketsu.audit.v1.ReviewService."""

    def __init__(self, pool: Pool, keys: LogKeys, records: Recorder, appended: Callable[[], None]) -> None:
        self._pool = pool
        self._keys = keys
        self._records = records
        self._appended = appended

    async def ListReviews(self, request: pb.ListReviewsRequest, context: Context) -> pb.ListReviewsResponse:
        """The latest month first; audit officers only."""
        policy.require_officer(identity())
        limit = _limit(request.limit, 100)
        before = _position(request.cursor, 2)
        async with db.connection(self._pool) as conn:
            rows = await store.reviews(conn, (before[0], int(before[1])) if before else None, limit + 1)
        page = rows[:limit]
        cursor = _cursor(page[-1].month, str(page[-1].number)) if len(rows) > limit else ""
        record = await self._listed("review.listed", request, [row.review_id for row in page])
        return pb.ListReviewsResponse(reviews=map(_review, page), next_cursor=cursor, access_record=record)

    async def GetReview(self, request: pb.GetReviewRequest, context: Context) -> pb.GetReviewResponse:
        """One review with its counts; audit officers only."""
        policy.require_officer(identity())
        if request.purpose not in PURPOSES:
            raise invalid(FieldViolation("purpose", "UNKNOWN"))
        review_id = _known(request.review_id)
        async with db.connection(self._pool) as conn:
            row = await store.review(conn, review_id)
            if row is None:
                raise not_found()
            states = await store.states_by_rule(conn, review_id)
            notes = await store.notes(conn, review_id, 0)
            versions = await store.rules(conn)
            told = await assurance_store.told(conn, [*BEGUN, *ENDED, *RESULTS])
            complete = await _completeness(conn, row.month, told)
            outside = await _outside(conn, row, told)
        record = await self._viewed(PURPOSES[request.purpose], review_id)
        used = next((one for one in versions if one.version == row.rules_version), None)
        return pb.GetReviewResponse(
            review=_review(row),
            rules=_rules(used) if used else _default_rules(),
            coverage=[
                pb.LogCoverage(
                    log_year=one["log_year"],
                    origin=one["origin"],
                    size=one["size"],
                    root=base64.b64decode(one["root"]),
                    checkpoint=one["checkpoint"],
                )
                for one in row.coverage
            ],
            actions=[
                pb.ActionCount(action=action, outcome=outcome, count=count)
                for action, outcome, count in row.counts["actions"]
            ],
            days=[
                pb.DayCount(day=day, accesses=accesses, denied=denied, closed=closed)
                for day, accesses, denied, closed in row.counts["days"]
            ],
            rules_found=[
                pb.RuleCount(rule=rule, found=sum(states.get(rule, {}).values()), **states.get(rule, {}))
                for rule in domain.RULES
            ],
            notes=map(_note, notes),
            access_record=record,
            not_examined=[] if row.staff_compared else domain.STAFF_RULES,
            completeness=complete,
            outside=outside,
        )

    async def ListFindings(self, request: pb.ListFindingsRequest, context: Context) -> pb.ListFindingsResponse:
        """Of one review for officers; without a review those assigned to the reader, of the reader's own units."""
        reader = identity()
        limit = _limit(request.limit, 200)
        after = _position(request.cursor, 3)
        filters: dict[str, Any] = {
            name: value
            for name, value in (("rule", request.rule), ("state", request.state), ("unit_id", request.unit_id))
            if value
        }
        if request.review_id:
            policy.require_officer(reader)
            filters["review_id"] = _known(request.review_id)
        else:
            filters |= {"assignee_id": reader.staff_id, "unit_ids": sorted(reader.units)}
        async with db.connection(self._pool) as conn:
            if request.review_id and await store.review(conn, request.review_id) is None:
                raise not_found()
            rows = await store.findings(
                conn, filters, (after[0], _known(after[1]), int(after[2])) if after else None, limit + 1
            )
        page = rows[:limit]
        cursor = _cursor(page[-1].month, page[-1].review_id, str(page[-1].number)) if len(rows) > limit else ""
        record = await self._listed(
            "finding.listed", request, [f"{row.review_id}/{row.number}" for row in page], request.review_id
        )
        return pb.ListFindingsResponse(findings=map(_finding, page), next_cursor=cursor, access_record=record)

    async def GetFinding(self, request: pb.GetFindingRequest, context: Context) -> pb.GetFindingResponse:
        """A finding with the entries behind it: for officers, and for whom it was assigned to."""
        review_id = _known(request.review_id)
        async with db.connection(self._pool) as conn:
            row = await _visible(conn, review_id, request.number)
            review = await store.review(conn, review_id)
            if review is None:
                raise not_found()
            leaves = await store.leaves_at(conn, row.places)
            notes = await store.notes(conn, review_id, request.number)
        record = await self._viewed("finding.viewed", review_id, finding=str(request.number))
        return pb.GetFindingResponse(
            finding=_finding(row),
            entries=[shown(log_year, index, leaf) for log_year, index, leaf in leaves],
            notes=map(_note, notes),
            review_state=review.state,
            version=review.version,
            access_record=record,
        )

    async def OpenReview(self, request: pb.OpenReviewRequest, context: Context) -> pb.OpenReviewResponse:
        """Examine a month. REVIEW_OPEN, NOT_YET_IN_CHECKPOINT, INVALID_FIELDS."""

        def answer(review_id: str) -> commands.Answer:
            return _answer_review(review_id, lambda review: pb.OpenReviewResponse(review=review))

        return await self._write(
            request, pb.OpenReviewResponse, lambda write: commands.open_review(write, request.month, answer)
        )

    async def CompareStaff(self, request: pb.CompareStaffRequest, context: Context) -> pb.CompareStaffResponse:
        """Add what the staff list tells, once. STALE_VERSION, REVIEW_SIGNED, INVALID_FIELDS."""
        target = _target(request)
        members = [_staff_fact(one) for one in request.members]
        answer = _answer_review(target.review_id, lambda review: pb.CompareStaffResponse(review=review))
        return await self._write(
            request,
            pb.CompareStaffResponse,
            lambda write: commands.compare_staff(write, target, members, answer),
        )

    async def TreatFinding(self, request: pb.TreatFindingRequest, context: Context) -> pb.TreatFindingResponse:
        """Assign, comment, judge. NOT_PERMITTED, STALE_VERSION, REVIEW_SIGNED, INVALID_FIELDS."""
        target = _target(request)

        async def answer(conn: Connection) -> bytes:
            row = await store.finding(conn, target.review_id, request.number)
            review = await store.review(conn, target.review_id)
            if row is None or review is None:
                raise not_found()
            response = pb.TreatFindingResponse(finding=_finding(row), version=review.version)
            return response.SerializeToString()

        def treat(write: Write) -> Awaitable[bytes]:
            treatment = commands.treatment_of(
                write, target, request.number, request.assignee_id, request.state, request.comment
            )
            return commands.treat_finding(write, target, treatment, answer)

        return await self._write(request, pb.TreatFindingResponse, treat)

    async def SignReview(self, request: pb.SignReviewRequest, context: Context) -> pb.SignReviewResponse:
        """点検結果・所見. FINDINGS_OPEN, REVIEW_SIGNED, STALE_VERSION, INVALID_FIELDS."""
        target = _target(request)
        answer = _answer_review(target.review_id, lambda review: pb.SignReviewResponse(review=review))
        return await self._write(
            request, pb.SignReviewResponse, lambda write: commands.sign_review(write, target, request.text, answer)
        )

    async def RemarkReview(self, request: pb.RemarkReviewRequest, context: Context) -> pb.RemarkReviewResponse:
        """An addition after the sign-off. REVIEW_NOT_SIGNED, STALE_VERSION, INVALID_FIELDS."""
        target = _target(request)
        answer = _answer_review(target.review_id, lambda review: pb.RemarkReviewResponse(review=review))
        return await self._write(
            request, pb.RemarkReviewResponse, lambda write: commands.remark_review(write, target, request.text, answer)
        )

    async def GetRules(self, request: pb.GetRulesRequest, context: Context) -> pb.GetRulesResponse:
        """Every version of the thresholds, newest first; the last is the one nobody had to set."""
        policy.require_officer(identity())
        async with db.connection(self._pool) as conn:
            rows = await store.rules(conn)
        record = await self._records.record(
            Access(actor=identity(), action="config.read", object_type="review_rules", object_id="review_rules")
        )
        return pb.GetRulesResponse(versions=[*map(_rules, rows), _default_rules()], access_record=record)

    async def ChangeRules(self, request: pb.ChangeRulesRequest, context: Context) -> pb.ChangeRulesResponse:
        """The next version of the thresholds. STALE_VERSION, INVALID_FIELDS."""

        def answer(row: RulesRow) -> bytes:
            return pb.ChangeRulesResponse(rules=_rules(row)).SerializeToString()

        return await self._write(
            request,
            pb.ChangeRulesResponse,
            lambda write: commands.change_rules(
                write,
                request.expected_version,
                request.effective_from,
                _thresholds_of(request.thresholds),
                request.reason,
                answer,
            ),
        )

    # --- parts of the above

    async def _write(self, request: Any, answer: type[M], command: Callable[[Write], Awaitable[bytes]]) -> M:
        """Run a command once for its request_id; its leaf reaches a checkpoint without waiting for the next look."""

        def run(call: Call) -> Awaitable[bytes]:
            return command(Write(self._pool, self._keys, identity(), call, clock.now()))

        response = await requests.carry_out(self._records, request, answer, run)
        self._appended()
        return response

    async def _viewed(self, action: str, review_id: str, **detail: str) -> str:
        return await self._records.record(
            Access(actor=identity(), action=action, object_type="review", object_id=review_id, detail=detail)
        )

    async def _listed(self, action: str, request: Message, ids: Sequence[str], review_id: str = "") -> str:
        return await self._records.record(
            Access(
                actor=identity(),
                action=action,
                object_type="review",
                object_id=review_id,
                query_digest=digest_of(request.SerializeToString(deterministic=True).hex()),
                result_count=len(ids),
                result_digest=digest_of(*ids),
            )
        )


async def _visible(conn: Connection, review_id: str, number: int) -> FindingRow:
    row = await store.finding(conn, review_id, number)
    if row is None or not policy.may_see(identity(), row.assignee_id, row.unit_id):
        raise not_found()
    return row


async def _completeness(conn: Connection, month: str, told: Sequence[domain.Record]) -> pb.Completeness:
    now = clock.now()
    opened_on = (await assurance_store.opened_at(conn) or now).astimezone(domain.JST).date()
    today = now.astimezone(domain.JST).date()
    found = assurance.completeness(month, told, BEGUN, ENDED, opened_on, today)
    return pb.Completeness(
        agreed=[day.isoformat() for day in found.agreed],
        disagreed=[day.isoformat() for day in found.disagreed],
        not_compared=[day.isoformat() for day in found.not_compared],
        alarms=[
            pb.AlarmSpan(
                kind=one.kind,
                service=one.service,
                numbers=one.numbers,
                since=timestamp(one.since),
                until=timestamp(one.until) if one.until else None,
            )
            for one in found.alarms
        ],
    )


async def _outside(conn: Connection, row: ReviewRow, told: Sequence[domain.Record]) -> pb.OutsideProof:
    span = domain.month_span(row.month)
    kept = await assurance_store.checkpoints(conn, *span)
    stamped = await assurance_store.timestamps(conn, *span)
    # Of the year the month is in; a late record of March stands in the log after it.
    check = assurance.last_check(row.month, row.coverage[0]["origin"], told)
    return pb.OutsideProof(
        checkpoints=kept.count,
        size=kept.size,
        last_at=timestamp(kept.last_at) if kept.last_at else None,
        witnesses=[
            pb.WitnessCount(
                name=name,
                checkpoints=one.count,
                size=one.size,
                last_at=timestamp(one.last_at) if one.last_at else None,
            )
            for name, one in (await assurance_store.witnesses(conn, *span)).items()
        ],
        timestamps=stamped.count,
        stamped_size=stamped.size,
        stamped_at=timestamp(stamped.last_at) if stamped.last_at else None,
        last_check=pb.LogCheck(
            at=timestamp(check.at), origin=check.origin, leaves=check.leaves, findings=check.findings
        )
        if check
        else None,
    )


def _answer_review(review_id: str, wrap: Callable[[pb.Review], Message]) -> commands.Answer:
    """The answer to a write: the review as the transaction leaves it."""

    async def answer(conn: Connection) -> bytes:
        row = await store.review(conn, review_id)
        if row is None:
            raise not_found()
        return wrap(_review(row)).SerializeToString()

    return answer


def _review(row: ReviewRow) -> pb.Review:
    return pb.Review(
        review_id=row.review_id,
        month=row.month,
        number=row.number,
        state=row.state,
        opened_at=timestamp(row.opened_at),
        opened_by=row.opened_by,
        signed_at=timestamp(row.signed_at) if row.signed_at else None,
        signed_by=row.signed_by or "",
        version=row.version,
        open_findings=row.open_findings,
        findings=row.findings,
        staff_compared=row.staff_compared,
    )


def _finding(row: FindingRow) -> pb.Finding:
    return pb.Finding(
        review_id=row.review_id,
        number=row.number,
        rule=row.rule,
        subject_id=row.subject_id,
        unit_id=row.unit_id,
        day=row.day.isoformat() if row.day else "",
        document_id=row.document_id,
        count=row.count,
        explained_by=row.explained_by,
        purposes=row.purposes,
        detail=row.detail,
        state=row.state,
        assignee_id=row.assignee_id,
        month=row.month,
    )


def _note(row: NoteRow) -> pb.Note:
    return pb.Note(
        version=row.version,
        action=row.action,
        at=timestamp(row.noted_at),
        staff_id=row.staff_id,
        number=row.number,
        assignee_id=row.assignee_id,
        state=row.state,
        text=row.text,
    )


def _rules(row: RulesRow) -> pb.RulesVersion:
    return pb.RulesVersion(
        version=row.version,
        effective_from=row.effective_from.isoformat(),
        thresholds=pb.Thresholds(**json.loads(row.thresholds)),
        reason=row.reason,
        changed_by=row.changed_by,
        changed_at=timestamp(row.changed_at),
    )


def _default_rules() -> pb.RulesVersion:
    """Version 0: what holds while nobody has set anything else."""
    return pb.RulesVersion(thresholds=pb.Thresholds(**json.loads(Thresholds().as_json())))


def _thresholds_of(given: pb.Thresholds) -> Thresholds:
    values = {field.name: getattr(given, field.name) for field in given.DESCRIPTOR.fields}
    lists = {name: tuple(values[name]) for name in ("closed_days", "staff_file_classes")}
    return Thresholds(**(values | lists))


def _target(request: Any) -> Target:
    """Which review a write is about. NOT_FOUND for an id that can be none."""
    return Target(_known(request.review_id), request.expected_version)


def _staff_fact(one: pb.StaffFact) -> StaffFact:
    """INVALID_FIELDS for days that are none."""
    try:
        employed = [
            (dt.date.fromisoformat(getattr(days, "from")), dt.date.fromisoformat(days.to)) for days in one.employed
        ]
    except ValueError:
        raise invalid(FieldViolation("members", "MALFORMED")) from None
    absent = [
        (getattr(times, "from").ToDatetime(tzinfo=dt.UTC), times.to.ToDatetime(tzinfo=dt.UTC)) for times in one.absent
    ]
    return StaffFact(one.staff_id, one.unit_id, tuple(employed), tuple(absent))


def _known(review_id: str) -> str:
    """An id that can be one; NOT_FOUND otherwise."""
    if not UUID_PATTERN.fullmatch(review_id):
        raise not_found()
    return review_id


def _limit(asked: int, most: int) -> int:
    if not 0 <= asked <= most:
        raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))
    return asked or DEFAULT_LIMIT


def _cursor(*parts: str) -> str:
    """Opaque; names the last thing shown and grants nothing."""
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode()


def _position(cursor: str, parts: int) -> list[str]:
    """What a cursor names, empty without one. INVALID_CURSOR."""
    if not cursor:
        return []
    try:
        position = base64.urlsafe_b64decode(cursor.encode()).decode().split("|")
    except (binascii.Error, UnicodeError) as error:
        raise DomainError(Kind.INVALID, "INVALID_CURSOR", "not a cursor") from error
    if len(position) != parts or not position[-1].isascii() or not position[-1].isdigit():
        raise DomainError(Kind.INVALID, "INVALID_CURSOR", "not a cursor")
    return position
