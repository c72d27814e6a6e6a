# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The servicer: proto in, command or read, proto out. No rules, no SQL.

Every read is recorded before it is answered, except who somebody is (ResolveActor,
DescribePrincipals): those serve the gateway for every page, and show no more than the names of
colleagues that each page shows anyway; the login itself is recorded by the gateway.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock, db, interceptors, requests
from chassis.db import Pool
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.identity import Identity
from chassis.interceptors import Policy, Refusal
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, actor_of, digest_of, timestamp
from chassis.requests import Call
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from kanketsu.approvals.v1 import approvals_service_pb2_grpc as service_grpc
from services.approvals import policy
from services.approvals.cases import acts, bulk
from services.approvals.cases import commands as case_commands
from services.approvals.cases import store as case_store
from services.approvals.cases.commands import CaseWish, Wish
from services.approvals.cases.domain import (
    MAX_COMMENT,
    STEP_ACTIONS,
    Action,
    Case,
    CityRules,
    Hall,
    Step,
    StepState,
    WalkAround,
)
from services.approvals.cases.envelopes import Cause, cause_of
from services.approvals.cases.store import Position, Waiting
from services.approvals.deadlines import store as deadline_store
from services.approvals.deadlines.domain import Deadlines
from services.approvals.deadlines.store import Overdue
from services.approvals.inputs import known_id, require_readable
from services.approvals.notices import store as notice_store
from services.approvals.organisation import commands as organisation_commands
from services.approvals.organisation import principals
from services.approvals.organisation import store as organisation_store
from services.approvals.organisation.domain import DECISION_CLASSES, Absence, HeldPost, Presence, Seat, Unit, post_label
from services.approvals.policy import Reader
from services.approvals.receipts import Receipts
from services.approvals.routes import commands as route_commands
from services.approvals.routes import questions, why
from services.approvals.routes.domain import (
    MAX_REASON,
    MAX_STEPS,
    ExceptionKind,
    Facts,
    Plan,
    PlannedStep,
    StepKind,
)
from services.approvals.routes.why import Explanation

A = TypeVar("A", bound=Message)
Context: TypeAlias = grpc.aio.ServicerContext[Message, Message]

POLICY = Policy(
    service="approvals",
    callers={
        "kanketsu.approvals.v1.ApprovalsService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.DecisionRulesService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.RouteTemplatesService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.ReorganisationService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.ProvisioningService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.NoticesService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.MembershipService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.WalkAroundService": frozenset({"gateway"}),
    },
    refusals={
        "ResolveActor": Refusal("actor.resolved", "staff"),
        "DescribePrincipals": Refusal("directory.described", "directory"),
        "ListUnits": Refusal("directory.listed", "unit"),
        "ListPosts": Refusal("directory.listed", "post", "unit_id"),
        "ListStaff": Refusal("directory.listed", "staff", "unit_id"),
        "ListPresence": Refusal("presence.listed", "staff"),
        "RegisterAbsence": Refusal("absence.registered", "staff", "staff_id"),
        "EndAbsence": Refusal("absence.ended", "absence", "absence_id"),
        "ListAbsences": Refusal("absence.listed", "absence", "staff_id"),
        "PlanRoute": Refusal("route.planned", "document"),
        "DescribeDecider": Refusal("case.explained", "case", "case_id"),
        "ListInbox": Refusal("inbox.listed", "step"),
        "ListOverdue": Refusal("step.listed", "step"),
        "GetCase": Refusal("case.viewed", "case", "case_id"),
        "ActOnStep": Refusal("step.acted", "case", "case_id"),
        "RecallCase": Refusal("case.recalled", "case", "case_id"),
        "WithdrawCase": Refusal("case.withdrawn", "case", "case_id"),
        "ReplaceVersion": Refusal("case.taken_back", "case", "case_id"),
        "CirculateCase": Refusal("case.circulated", "case", "case_id"),
        "AskSubstitute": Refusal("case.substitute_asked", "case", "case_id"),
        "AddSeat": Refusal("case.seat_added", "case", "case_id"),
        "RegisterWalkAround": Refusal("case.decision_registered", "case", "case_id"),
        "ListRuleVersions": Refusal("rules.listed", "rule_version"),
        "GetRuleVersion": Refusal("rules.viewed", "rule_version", "rule_version_id"),
        "ListRuleFindings": Refusal("rules.checked", "rule_finding"),
        "ImportRuleVersion": Refusal("rules.imported", "rule_version"),
        "ActivateRuleVersion": Refusal("rules.activated", "rule_version", "rule_version_id"),
        "DiscardRuleVersion": Refusal("rules.discarded", "rule_version", "rule_version_id"),
        "ListRouteTemplates": Refusal("template.listed", "route_template"),
        "SaveRouteTemplate": Refusal("template.saved", "route_template", "route_template_id"),
        "RetireRouteTemplate": Refusal("template.retired", "route_template", "route_template_id"),
        "ListAccounts": Refusal("account.listed", "staff", "staff_id"),
        "GetAccount": Refusal("account.viewed", "staff", "staff_id"),
        "CreateAccount": Refusal("account.begun", "staff", "staff_id"),
        "ChangeAccount": Refusal("account.changed", "staff", "staff_id"),
        "ListMemberships": Refusal("membership.listed", "unit", "unit_id"),
        "GetMembership": Refusal("membership.viewed", "unit", "unit_id"),
        "ChangeMembership": Refusal("membership.changed", "unit", "unit_id"),
        "DraftChangeSet": Refusal("change_set.drafted", "change_set"),
        "ReviewChangeSet": Refusal("change_set.reviewed", "change_set", "change_set_id"),
        "UndoChangeSet": Refusal("change_set.undone", "change_set", "change_set_id"),
        "GetChangeSet": Refusal("change_set.viewed", "change_set", "change_set_id"),
        "ListChangeSets": Refusal("change_set.listed", "change_set"),
        "ReadPersonnelFile": Refusal("directory.compared", "staff"),
        "ImportPersonnelFile": Refusal("change_set.drafted", "change_set"),
        "ListStrandedSteps": Refusal("case.listed", "step"),
        "ReassignStep": Refusal("step.moved", "step", "step_id"),
        "ListTenures": Refusal("directory.listed", "staff", "staff_id"),
        "ListNotices": Refusal("notice.listed", "notice"),
        "MarkNoticesRead": Refusal("notice.read", "notice"),
        "GetNoticeChoices": Refusal("notice_choices.viewed", "notice_choices"),
        "ChooseNotices": Refusal("notice_choices.changed", "notice_choices"),
        "ListNewNotices": Refusal("notice.presented", "notice"),
        "GetEscalationList": Refusal("escalation.viewed", "unit", "unit_id"),
        "SaveEscalationList": Refusal("escalation.saved", "unit", "unit_id"),
        "DescribeMembers": Refusal("directory.listed", "unit", "unit_id"),
    },
)

INBOX_KINDS = ("decision", "concurrence", "post_view", "circulation")
MAX_PRINCIPALS = 500
MAX_PRESENCE = dt.timedelta(days=62)


class Api(service_grpc.ApprovalsServiceServicer):
    """kanketsu.approvals.v1.ApprovalsService."""

    def __init__(
        self,
        pool: Pool,
        relay: Relay,
        recorder: Recorder,
        receipts: Receipts,
        tenant: str,
        city: CityRules,
        deadlines: Deadlines,
        *,
        managers_see_below: bool = False,
    ) -> None:
        self._pool = pool
        self._relay = relay
        self._recorder = recorder
        self._receipts = receipts
        self._tenant = tenant
        self._city = city
        self._deadlines = deadlines
        self._managers_see_below = managers_see_below

    # --- organisation ---------------------------------------------------------------------------

    async def ResolveActor(self, request: pb.ResolveActorRequest, context: Context) -> pb.ResolveActorResponse:
        """Who logs in, as of today. NOT_FOUND UNKNOWN_STAFF for strangers and leavers (AC-16)."""
        require_readable(request)
        policy.require_gateway(interceptors.identity().staff_id)
        async with db.connection(self._pool) as conn:
            actor = await organisation_store.find_actor(conn, request.login, clock.today())
            if actor is None:
                raise DomainError(Kind.NOT_FOUND, "UNKNOWN_STAFF", "no staff member has this login today")
            below = await principals.subordinate_units(conn, actor, clock.today()) if self._managers_see_below else []
            unread = await notice_store.unread(conn, actor.staff_id)
        return pb.ResolveActorResponse(
            staff_id=actor.staff_id,
            name=actor.name,
            kana=actor.kana,
            posts=_held_posts(actor.posts),
            roles=actor.roles,
            principals=[*actor.principals, *below],
            unread_notices=unread,
        )

    async def ListUnits(self, request: pb.ListUnitsRequest, context: Context) -> pb.ListUnitsResponse:
        """Units as of a date (AC-05)."""
        day = _day(request.on)
        async with db.connection(self._pool) as conn:
            units = await organisation_store.list_units(conn, day)
        record = await self._listed("directory.listed", "unit", request, [unit.unit_id for unit in units])
        return pb.ListUnitsResponse(
            units=[
                pb.Unit(
                    unit_id=unit.unit_id,
                    parent_id=unit.parent_id,
                    body=unit.body,
                    name=unit.name,
                    kana=unit.kana,
                    symbol=unit.symbol,
                    valid_from=unit.valid_from.isoformat(),
                    valid_to=unit.valid_to.isoformat() if unit.valid_to else "",
                )
                for unit in units
            ],
            access_record=record,
        )

    async def ListPosts(self, request: pb.ListPostsRequest, context: Context) -> pb.ListPostsResponse:
        """Posts of a unit, or all, with their holders as of a date."""
        require_readable(request)
        day = _day(request.on)
        async with db.connection(self._pool) as conn:
            seats = await organisation_store.list_seats(conn, request.unit_id, day, clock.now())
        record = await self._listed("directory.listed", "post", request, [seat.post_id for seat in seats])
        return pb.ListPostsResponse(
            posts=[
                pb.Post(
                    post_id=seat.post_id,
                    unit_id=seat.unit_id,
                    title=seat.title,
                    rank=seat.rank,
                    holder_staff_ids=[holder.staff_id for holder in seat.holders],
                )
                for seat in seats
            ],
            access_record=record,
        )

    async def ListStaff(self, request: pb.ListStaffRequest, context: Context) -> pb.ListStaffResponse:
        """Staff of a unit, or all, by id, as of a date. INVALID_CURSOR."""
        require_readable(request)
        day, limit = _day(request.on), _limit(request.limit, 200, 500)
        after = _text_of(_uncursor(request.cursor, 1)[0]) if request.cursor else ""
        async with db.connection(self._pool) as conn:
            found = await organisation_store.list_staff(conn, request.unit_id, day, clock.now(), after, limit + 1)
        page = found[:limit]
        record = await self._listed("directory.listed", "staff", request, [member.staff_id for member in page])
        return pb.ListStaffResponse(
            staff=[
                pb.StaffMember(
                    staff_id=member.staff_id,
                    name=member.name,
                    kana=member.kana,
                    posts=_held_posts(member.posts),
                    absent=member.absent,
                )
                for member in page
            ],
            next_cursor=_cursor(page[-1].staff_id) if len(found) > limit else "",
            access_record=record,
        )

    async def ListPresence(self, request: pb.ListPresenceRequest, context: Context) -> pb.ListPresenceResponse:
        """When everybody was on the staff and when absent, for the review of the log (AC-16, SC-07). INVALID_CURSOR."""
        require_readable(request)
        policy.require_audit_officer(interceptors.identity().roles)
        begins, ends = _day(getattr(request, "from"), "from"), _day(request.to, "to")
        if not dt.timedelta(0) < ends - begins <= MAX_PRESENCE:
            raise invalid(FieldViolation("to", "OUT_OF_RANGE"))
        limit = _limit(request.limit, 200, 500)
        after = _text_of(_uncursor(request.cursor, 1)[0]) if request.cursor else ""
        async with db.connection(self._pool) as conn:
            found = await organisation_store.presence(conn, begins, ends, after, limit + 1)
        page = found[:limit]
        record = await self._listed("presence.listed", "staff", request, [one.staff_id for one in page])
        return pb.ListPresenceResponse(
            people=map(_presence, page),
            next_cursor=_cursor(page[-1].staff_id) if len(found) > limit else "",
            access_record=record,
        )

    async def DescribePrincipals(
        self, request: pb.DescribePrincipalsRequest, context: Context
    ) -> pb.DescribePrincipalsResponse:
        """Names of principals of all kinds, and who they are today; an unknown one is described by itself."""
        require_readable(request)
        if len(request.principals) > MAX_PRINCIPALS:
            raise invalid(FieldViolation("principals", "TOO_MANY"))
        async with db.connection(self._pool) as conn:
            described = await principals.describe(conn, request.principals, clock.now())
        return pb.DescribePrincipalsResponse(
            principals=[
                pb.PrincipalDescription(principal=one.principal, label=one.label, staff_ids=one.staff_ids)
                for one in described
            ]
        )

    async def RegisterAbsence(self, request: pb.RegisterAbsenceRequest, context: Context) -> pb.RegisterAbsenceResponse:
        """不在登録 for oneself, or by a records manager of the unit (AP-14, AP-15)."""
        caller = interceptors.identity()
        absence = organisation_commands.new_absence(
            request.staff_id or caller.staff_id,
            _moment(request, "from"),
            _moment(request, "to"),
            request.reason_code,
            caller.staff_id,
        )
        return await self._write(
            request,
            pb.RegisterAbsenceResponse,
            lambda call: organisation_commands.register_absence(
                self._pool,
                call,
                absence,
                _reader(caller),
                caller.roles,
                _cause(caller),
                lambda made: pb.RegisterAbsenceResponse(absence=_absence(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def EndAbsence(self, request: pb.EndAbsenceRequest, context: Context) -> pb.EndAbsenceResponse:
        """The absence ends now, or is called off."""
        caller = interceptors.identity()
        return await self._write(
            request,
            pb.EndAbsenceResponse,
            lambda call: organisation_commands.end_absence(
                self._pool,
                call,
                known_id(request.absence_id),
                _reader(caller),
                caller.roles,
                _cause(caller),
                lambda over: pb.EndAbsenceResponse(absence=_absence(over)).SerializeToString(),
                clock.now(),
            ),
        )

    async def ListAbsences(self, request: pb.ListAbsencesRequest, context: Context) -> pb.ListAbsencesResponse:
        """Of oneself (default), of one colleague, or of one's own unit; the reason only where it may be known."""
        require_readable(request)
        caller = interceptors.identity()
        reader, now = _reader(caller), clock.now()
        async with db.connection(self._pool) as conn:
            if request.unit_id:
                units = [request.unit_id]
                members = await organisation_store.unit_names(conn, units, now.date())
                staff_ids = members[request.unit_id][1] if request.unit_id in members else []
            else:
                staff_ids = [request.staff_id or caller.staff_id]
                held = await organisation_store.held_posts(conn, staff_ids[0], now.date())
                units = [post.unit_id for post in held]
            if staff_ids != [caller.staff_id] and not policy.may_list_absences(reader, units):
                raise not_found()
            absences = await organisation_store.list_absences(conn, staff_ids, now)
        record = await self._listed("absence.listed", "absence", request, [a.absence_id for a in absences])
        shown = [_absence(a, known=policy.seen_reason(a, reader, caller.roles) is not None) for a in absences]
        return pb.ListAbsencesResponse(absences=shown, access_record=record)

    # --- routes ---------------------------------------------------------------------------------

    async def PlanRoute(self, request: pb.PlanRouteRequest, context: Context) -> pb.PlanRouteResponse:
        """A route for these facts as of today, stored and shown (AP-02, AP-03, AP-06, AP-15, AP-54)."""
        caller = interceptors.identity()
        facts = _facts(request.facts, caller)
        if len(request.adjusted) > MAX_STEPS:
            raise invalid(FieldViolation("adjusted", "TOO_MANY"))
        if request.adjusted and request.route_template_id:
            raise invalid(FieldViolation("route_template_id", "NOT_ALLOWED"))
        answer = await self._write(
            request,
            pb.PlanRouteResponse,
            lambda call: route_commands.plan_route(
                self._pool,
                call,
                facts,
                [_planned(step) for step in request.adjusted],
                known_id(request.route_template_id) if request.route_template_id else "",
                _reader(caller),
                lambda *made: _plan(*made).SerializeToString(),
                clock.now(),
            ),
        )
        await self._recorder.record(
            Access(actor=caller, action="route.planned", object_type="document", object_id=facts.document_id)
        )
        return answer

    # --- cases ----------------------------------------------------------------------------------

    async def ListInbox(self, request: pb.ListInboxRequest, context: Context) -> pb.ListInboxResponse:
        """What waits on the caller's posts, urgent first, then oldest, each with its last day (AP-09, AP-18, AP-44).

        INVALID_CURSOR.
        """
        require_readable(request)
        caller = interceptors.identity()
        if any(kind not in INBOX_KINDS for kind in request.kinds):
            raise invalid(FieldViolation("kinds", "UNKNOWN"))
        limit = _limit(request.limit, 50, 200)
        async with db.connection(self._pool) as conn:
            found, counts = await case_store.inbox(
                conn,
                caller.staff_id,
                clock.today(),
                kinds=sorted(set(request.kinds)),
                post_id=request.post_id,
                after=_position(request.cursor),
                limit=limit + 1,
            )
        page = found[:limit]
        record = await self._listed("inbox.listed", "step", request, [item.step_id for item in page])
        return pb.ListInboxResponse(
            items=[_inbox_item(item, self._deadlines, clock.today(), self._city) for item in page],
            next_cursor=_after(page[-1]) if len(found) > limit else "",
            counts={kind: counts.get(kind, 0) for kind in INBOX_KINDS},
            access_record=record,
        )

    async def ListOverdue(self, request: pb.ListOverdueRequest, context: Context) -> pb.ListOverdueResponse:
        """滞留 of the caller's units, the longest first (LC-13). NOT_PERMITTED, INVALID_CURSOR."""
        require_readable(request)
        caller = interceptors.identity()
        units = policy.require_records_manager(_reader(caller), caller.roles)
        now = clock.now()
        before = {kind: self._deadlines.overdue_before(kind, now.date()) for kind in ("decision", "concurrence")}
        limit = _limit(request.limit, 50, 200)
        async with db.connection(self._pool) as conn:
            found = await deadline_store.overdue(
                conn, sorted(units), before, now.date(), after=_position(request.cursor), limit=limit + 1
            )
            page = found[:limit]
            seats = await organisation_store.find_seats(conn, sorted({one.post_id for one in page}), now.date(), now)
        record = await self._listed("step.listed", "step", request, [one.step_id for one in page])
        return pb.ListOverdueResponse(
            items=[_overdue(one, seats.get(one.post_id), self._deadlines, now.date()) for one in page],
            next_cursor=_after(page[-1]) if len(found) > limit else "",
            access_record=record,
        )

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.GetCaseResponse:
        """A case by its id, or a document's latest. NOT_FOUND when absent or hidden (AC-03)."""
        caller = interceptors.identity()
        case, hall = await self._visible(request)
        record = await self._case_seen("case.viewed", case)
        return pb.GetCaseResponse(case=_case(case, hall, caller.staff_id, self._city), access_record=record)

    async def DescribeDecider(self, request: pb.DescribeDeciderRequest, context: Context) -> pb.DescribeDeciderResponse:
        """Why the case has its decider (AP-02, AP-03, AP-05, AP-20). NOT_FOUND as GetCase, and for a case without a plan."""
        case, hall = await self._visible(request)
        async with db.connection(self._pool) as conn:
            explained = await questions.of_case(conn, case, hall)
        if explained is None:
            raise not_found()
        found, units = explained
        record = await self._case_seen("case.explained", case)
        return pb.DescribeDeciderResponse(explanation=_explanation(found, units), access_record=record)

    async def ActOnStep(self, request: pb.ActOnStepRequest, context: Context) -> pb.ActOnStepResponse:
        """One act of one person on one step; answers the new case (AP-31, AP-32)."""
        caller = interceptors.identity()
        wish = _wish(request)

        async def act(call: Call) -> bytes:
            return await case_commands.act_on_step(
                self._pool,
                call,
                wish,
                _reader(caller),
                await self._receipts.open(request.read_receipt, wish.case_id),
                self._tenant,
                self._city,
                _cause(caller),
                lambda case, hall: pb.ActOnStepResponse(
                    case=_case(case, hall, caller.staff_id, self._city)
                ).SerializeToString(),
                clock.now(),
            )

        return await self._write(request, pb.ActOnStepResponse, act)

    async def RecallCase(self, request: pb.RecallCaseRequest, context: Context) -> pb.RecallCaseResponse:
        """引戻し. TOO_LATE once somebody after it has acted."""
        return await self._write_case(request, pb.RecallCaseResponse, Action.RECALL)

    async def WithdrawCase(self, request: pb.WithdrawCaseRequest, context: Context) -> pb.WithdrawCaseResponse:
        """取下げ by the drafter, not after the decision."""
        return await self._write_case(request, pb.WithdrawCaseResponse, Action.WITHDRAW)

    async def ReplaceVersion(self, request: pb.ReplaceVersionRequest, context: Context) -> pb.ReplaceVersionResponse:
        """差替え: the document comes back to its drafter, who submits another version (AP-30). COMMENT_REQUIRED."""
        return await self._write_case(request, pb.ReplaceVersionResponse, Action.REPLACE)

    async def CirculateCase(self, request: pb.CirculateCaseRequest, context: Context) -> pb.CirculateCaseResponse:
        """供覧 to more posts, by the drafter or whom the case waits for (AP-10, AC-12)."""
        post_ids = tuple(request.post_ids)
        return await self._write_case(request, pb.CirculateCaseResponse, Action.CIRCULATE, post_ids)

    async def AskSubstitute(self, request: pb.AskSubstituteRequest, context: Context) -> pb.AskSubstituteResponse:
        """代決依頼 by the drafter while the decider is away (AP-17). NOT_ABSENT, NO_SUBSTITUTE."""
        return await self._write_case(request, pb.AskSubstituteResponse, Action.ASK_SUBSTITUTE)

    async def AddSeat(self, request: pb.AddSeatRequest, context: Context) -> pb.AddSeatResponse:
        """回議先の追加 by whose turn it is on the own line (AP-54). POST_VACANT, INVALID_FIELDS."""
        kind = _KIND_OF.get(request.kind)
        if kind is None:
            raise invalid(FieldViolation("kind", "KIND_NOT_ALLOWED"))
        return await self._write_case(request, pb.AddSeatResponse, Action.ADD_SEAT, (request.post_id,), kind)

    # --- shared by the methods ------------------------------------------------------------------

    async def _write(self, request: Message, answer: type[A], command: Callable[[Call], Awaitable[bytes]]) -> A:
        """Run a command once for its request_id, and send on what it announces."""
        require_readable(request)
        response = await requests.carry_out(self._recorder, request, answer, command)
        self._relay.wake()
        return response

    async def _write_case(
        self,
        request: Any,
        answer: type[A],
        action: Action,
        post_ids: tuple[str, ...] = (),
        kind: StepKind = StepKind.CONCUR,
    ) -> A:
        """An act on the case itself."""
        caller = interceptors.identity()

        def wish() -> CaseWish:
            comment = _comment(request.comment)
            return CaseWish(known_id(request.case_id), action, comment, request.expected_version, post_ids, kind)

        return await self._write(
            request,
            answer,
            lambda call: case_commands.act_on_case(
                self._pool,
                call,
                wish(),
                _reader(caller),
                self._city,
                _cause(caller),
                lambda case, hall: answer(case=_case(case, hall, caller.staff_id, self._city)).SerializeToString(),
                clock.now(),
            ),
        )

    async def _visible(self, request: pb.GetCaseRequest | pb.DescribeDeciderRequest) -> tuple[Case, Hall]:
        """The case that is asked for, if the caller may see it. NOT_FOUND when absent or hidden (AC-03)."""
        caller, now = interceptors.identity(), clock.now()
        async with db.connection(self._pool) as conn:
            if request.case_id:
                found = await case_store.load(conn, known_id(request.case_id), now.date(), now)
            else:
                found = await case_store.load_latest(conn, known_id(request.document_id), now.date(), now)
        if found is None:
            raise not_found()
        case, hall = found
        shown = bool(request.read_receipt) and policy.opens(
            await self._receipts.open(request.read_receipt, case.case_id),
            case.document_id,
            caller.staff_id,
            self._tenant,
            now,
        )
        policy.require_visible(case, _reader(caller), shown)
        return case, hall

    async def _case_seen(self, action: str, case: Case) -> str:
        """Record that a case is about to be shown; returns the record's reference."""
        return await self._recorder.record(
            Access(
                actor=interceptors.identity(),
                action=action,
                object_type="case",
                object_id=case.case_id,
                version_digest=case.version_digest,
                detail={"document_id": case.document_id},
            )
        )

    async def _listed(self, action: str, object_type: str, request: Message, ids: Sequence[str]) -> str:
        """Record a list that is about to be shown; returns the record's reference."""
        return await self._recorder.record(
            Access(
                actor=interceptors.identity(),
                action=action,
                object_type=object_type,
                query_digest=_digest(request),
                result_count=len(ids),
                result_digest=digest_of(*ids),
            )
        )


# --- proto → plain ------------------------------------------------------------------------------


def _digest(request: Message) -> str:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def _reader(caller: Identity) -> Reader:
    return Reader(caller.staff_id, caller.posts)


def _cause(caller: Identity) -> Cause:
    return cause_of(actor_of(caller))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _day(text: str, field: str = "on") -> dt.date:
    if not text:
        return clock.today()
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise invalid(FieldViolation(field, "NOT_A_DATE")) from None


def _presence(one: Presence) -> pb.Presence:
    message = pb.Presence(staff_id=one.staff_id, unit_id=one.unit_id)
    for first, last in one.employed:
        message.employed.add(to=last.isoformat(), **{"from": first.isoformat()})
    for begins, ends in one.absent:
        message.absent.add(to=timestamp(ends), **{"from": timestamp(begins)})
    return message


def _limit(wished: int, default: int, most: int) -> int:
    if not 0 <= wished <= most:
        raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))
    return wished or default


def _moment(request: Message, name: str) -> dt.datetime:
    """A required Timestamp field, as an aware Japanese time."""
    if not request.HasField(name):
        raise invalid(FieldViolation(name, "REQUIRED"))
    stamp: Timestamp = getattr(request, name)
    try:
        return stamp.ToDatetime(tzinfo=dt.UTC).astimezone(clock.JST)
    except (ValueError, OverflowError):
        raise invalid(FieldViolation(name, "OUT_OF_RANGE")) from None


def _facts(facts: pb.RouteFacts, caller: Identity) -> Facts:
    problems: list[FieldViolation] = []
    if not facts.unit_id:
        problems.append(FieldViolation("facts.unit_id", "REQUIRED"))
    if not facts.matter:
        problems.append(FieldViolation("facts.matter", "REQUIRED"))
    if facts.decision_class and facts.decision_class not in DECISION_CLASSES:
        problems.append(FieldViolation("facts.decision_class", "UNKNOWN"))
    if facts.HasField("amount") and facts.amount < 0:
        problems.append(FieldViolation("facts.amount", "OUT_OF_RANGE"))
    if facts.exception and facts.exception not in set(ExceptionKind):
        problems.append(FieldViolation("facts.exception", "UNKNOWN"))
    if facts.exception and not facts.exception_reason.strip():
        problems.append(FieldViolation("facts.exception_reason", "REQUIRED"))
    if len(facts.exception_reason) > MAX_REASON:
        problems.append(FieldViolation("facts.exception_reason", "TOO_LONG"))
    try:
        document_id = str(uuid.UUID(facts.document_id))
    except ValueError:
        document_id = ""
        problems.append(FieldViolation("facts.document_id", "MALFORMED"))
    if problems:
        raise invalid(*problems)
    return Facts(
        document_id=document_id,
        unit_id=facts.unit_id,
        drafter=caller.staff_id,
        drafter_post=facts.drafter_post,
        matter=facts.matter,
        amount=facts.amount if facts.HasField("amount") else None,
        wished_class=facts.decision_class,
        exceptional=facts.exceptional or bool(facts.exception),
        exception=ExceptionKind(facts.exception) if facts.exception else None,
        exception_reason=facts.exception_reason,
    )


def _planned(step: pb.PlannedStep) -> PlannedStep:
    kind = _KIND_OF.get(step.kind)
    if kind is None:
        raise invalid(FieldViolation("adjusted", "KIND_NOT_ALLOWED"))
    if not 1 <= step.group <= 10_000:
        raise invalid(FieldViolation("adjusted", "GROUP_OUT_OF_RANGE"))
    return PlannedStep(kind, step.post_id, step.group, step.mandatory, "")


def _wish(request: pb.ActOnStepRequest) -> Wish:
    problems = [
        FieldViolation(name, "REQUIRED")
        for name in ("action", "version_digest", "expected_version")
        if not getattr(request, name)
    ]
    if request.action and request.action not in STEP_ACTIONS:
        problems.append(FieldViolation("action", "UNKNOWN"))
    if len(request.acknowledged) > MAX_STEPS or any(not _is_uuid(one) for one in request.acknowledged):
        problems.append(FieldViolation("acknowledged", "MALFORMED"))
    if problems:
        raise invalid(*problems)
    return Wish(
        case_id=known_id(request.case_id),
        step_id=known_id(request.step_id),
        action=Action(request.action),
        comment=_comment(request.comment),
        version_digest=request.version_digest,
        expected_version=request.expected_version,
        post_id=request.post_id,
        acknowledged=tuple(request.acknowledged),
        target=known_id(request.target_step_id) if request.target_step_id else "",
        bulk=request.bulk,
    )


def _comment(text: str) -> str:
    if len(text) > MAX_COMMENT:
        raise invalid(FieldViolation("comment", "TOO_LONG"))
    return text


# --- cursors ------------------------------------------------------------------------------------


def _cursor(*parts: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _uncursor(cursor: str, length: int) -> list[object]:
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise _bad_cursor() from None
    if not isinstance(parts, list) or len(parts) != length:
        raise _bad_cursor()
    return parts


def _text_of(part: object) -> str:
    if not isinstance(part, str) or "\0" in part:
        raise _bad_cursor()
    return part


def _position(cursor: str) -> Position | None:
    if not cursor:
        return None
    priority, since, step_id = _uncursor(cursor, 3)
    if not isinstance(priority, int) or priority not in (0, 1):
        raise _bad_cursor()
    try:
        moment = dt.datetime.fromisoformat(_text_of(since))
        position = Position(priority, moment, str(uuid.UUID(_text_of(step_id))))
    except ValueError:
        raise _bad_cursor() from None
    if moment.tzinfo is None:
        raise _bad_cursor()
    return position


def _after(item: Waiting | Overdue) -> str:
    return _cursor(0 if item.urgent else 1, item.waiting_since.isoformat(), item.step_id)


def _bad_cursor() -> DomainError:
    return DomainError(Kind.INVALID, "INVALID_CURSOR", "the cursor is not one of ours")


# --- plain → proto ------------------------------------------------------------------------------

_KINDS = {
    StepKind.APPROVE: pb.STEP_KIND_APPROVE,
    StepKind.DECIDE: pb.STEP_KIND_DECIDE,
    StepKind.CONCUR: pb.STEP_KIND_CONCUR,
    StepKind.REVIEW: pb.STEP_KIND_REVIEW,
    StepKind.INFORM: pb.STEP_KIND_INFORM,
    StepKind.PROVISIONAL: pb.STEP_KIND_PROVISIONAL,
}
_STATES: dict[StepState, pb.StepState] = {state: getattr(pb, f"STEP_STATE_{state.upper()}") for state in StepState}
_KIND_OF = {number: kind for kind, number in _KINDS.items()}


def _held_posts(posts: Sequence[HeldPost]) -> list[pb.HeldPost]:
    return [
        pb.HeldPost(
            post_id=post.post_id,
            unit_id=post.unit_id,
            title=post.title,
            unit_name=post.unit_name,
            kind=post.kind,
            rank=post.rank,
        )
        for post in posts
    ]


def _absence(absence: Absence, *, known: bool = True) -> pb.Absence:
    made = pb.Absence(
        absence_id=absence.absence_id,
        staff_id=absence.staff_id,
        to=timestamp(absence.to_at),
        reason_code=absence.reason_code if known else "",
        registered_by=absence.registered_by,
    )
    # The field is called "from", which is a keyword of Python.
    getattr(made, "from").CopyFrom(timestamp(absence.from_at))
    return made


def _plan(plan: Plan, seats: Mapping[str, Seat], found: Explanation, units: Mapping[str, Unit]) -> pb.PlanRouteResponse:
    return pb.PlanRouteResponse(
        route_plan_id=plan.route_plan_id,
        steps=[_planned_step(step, seats[step.post_id]) for step in plan.route.steps],
        decision_class=plan.route.decision_class,
        rule_id=plan.route.rule_id,
        basis=plan.route.basis,
        explanation=_explanation(found, units),
    )


def _explanation(found: Explanation, units: Mapping[str, Unit]) -> pb.Explanation:
    rule, decider, ruling = found.rule, found.decider, found.ruling
    planned = post_label(decider.unit_name, decider.title) if decider else ""
    return pb.Explanation(
        rule_id=rule.rule_id,
        basis=rule.basis,
        amount_min=rule.amount_min,
        amount_max=rule.amount_max,
        rule_unit_id=rule.unit_id,
        beaten_rule_ids=[one.rule_id for one in found.beaten],
        rule_class=rule.decision_class,
        wished_class=found.wished_class,
        decision_class=found.decision_class,
        body=rule.body,
        decider_post_id=ruling.post_id if ruling else decider.post_id if decider else "",
        decider_post=ruling.post if ruling else planned,
        rule_decider_post=planned,
        exception=found.facts.exception or "",
        exception_reason=found.facts.exception_reason,
        changes=[
            pb.ExplanationChange(
                cause=one.cause,
                amount=one.amount,
                decision_class=one.decision_class,
                rule_id=one.rule.rule_id if one.rule else "",
                text=text,
            )
            for one, text in zip(found.changes, why.changes(found), strict=True)
        ],
        reasons=why.reasons(found, units),
    )


def _planned_step(step: PlannedStep, seat: Seat) -> pb.PlannedStep:
    holder = seat.holder
    return pb.PlannedStep(
        kind=_KINDS[step.kind],
        post_id=step.post_id,
        group=step.group,
        mandatory=step.mandatory,
        staff_id=holder.staff_id if holder else "",
        staff_name=holder.name if holder else "",
        post_title=seat.title,
        unit_name=seat.unit_name,
        absent=seat.absent,
        basis=step.basis,
        need=step.need,
    )


def _overdue(item: Overdue, seat: Seat | None, deadlines: Deadlines, today: dt.date) -> pb.OverdueStep:
    holder = seat.holder if seat else None
    due_on = deadlines.due_on(item.kind, item.waiting_since)
    return pb.OverdueStep(
        case_id=item.case_id,
        step_id=item.step_id,
        document_id=item.document_id,
        unit_id=item.unit_id,
        drafter=item.drafter,
        draft_number=item.draft_number,
        urgent=item.urgent,
        step_kind=_KINDS[item.step_kind],
        step_state=_STATES[item.step_state],
        post_id=item.post_id,
        post_title=seat.title if seat else item.post_id,
        post_unit_name=seat.unit_name if seat else "",
        staff_name=holder.name if holder else "",
        waiting_since=timestamp(item.waiting_since),
        due_on=due_on.isoformat() if due_on else "",
        opening_days=deadlines.waited(item.waiting_since, today),
    )


def _inbox_item(item: Waiting, deadlines: Deadlines, today: dt.date, city: CityRules) -> pb.InboxItem:
    due_on = deadlines.due_on(item.kind, item.waiting_since)
    return pb.InboxItem(
        case_id=item.case_id,
        step_id=item.step_id,
        document_id=item.document_id,
        kind=item.kind,
        post_id=item.post_id,
        post_title=item.post_title,
        step_kind=_KINDS[item.step_kind],
        step_state=_STATES[item.step_state],
        waiting_since=timestamp(item.waiting_since),
        urgent=item.urgent,
        draft_number=item.draft_number,
        unit_id=item.unit_id,
        drafter=item.drafter,
        due_on=due_on.isoformat() if due_on else "",
        overdue=due_on is not None and due_on < today,
        bulk_action=(bulk.bulk_action(item.decision_class, item.step_kind, city) or "")
        if item.kind in ("decision", "concurrence")
        else "",
    )


def _case(case: Case, hall: Hall, staff_id: str, city: CityRules) -> pb.Case:
    """The case as this reader sees it: with what they may do."""
    return pb.Case(
        case_id=case.case_id,
        document_id=case.document_id,
        state=case.state,
        version_digest=case.version_digest,
        drafter=case.drafter,
        drafter_post=case.drafter_post,
        unit_id=case.unit_id,
        decision_class=case.decision_class,
        draft_number=case.draft_number,
        urgent=case.urgent,
        steps=[_step(case, step, hall, staff_id, city) for step in case.steps],
        decisions=[
            pb.Decision(
                decision_id=decision.decision_id,
                step_id=decision.step_id,
                action=decision.action,
                staff_id=decision.by.staff_id,
                staff_name=decision.by.staff_name,
                post_id=decision.by.post_id,
                post_title=decision.by.post_title,
                unit_name=decision.by.unit_name,
                comment=decision.comment,
                acted_at=timestamp(decision.acted_at),
                version_digest=decision.version_digest,
                access_record=decision.access_record,
                acknowledged=decision.acknowledged,
                carried_from=decision.carried_from,
                bulk=decision.bulk,
                walk_around=_walk_around(decision.walk_around),
            )
            for decision in case.decisions
        ],
        opened_at=timestamp(case.opened_at),
        decided_at=_maybe(case.decided_at),
        version=case.version,
        rule_id=case.rule_id,
        basis=case.basis,
        reason=case.reason,
        allowed_actions=(allowed := policy.allowed_on_case(case, hall, staff_id, city)),
        opinions=case.opinions,
        moves=[
            pb.StepMove(
                step_id=move.step_id,
                from_post=move.from_post,
                to_post=move.to_post,
                reason=move.reason,
                moved_by=move.moved_by,
                moved_by_name=move.moved_by_name,
                moved_at=timestamp(move.moved_at),
            )
            for move in case.moves
        ],
        registered_at=_maybe(case.registration.acted_at if case.registration else None),
        walk_around_deciders=[
            pb.WalkAroundDecider(
                staff_id=one.staff_id,
                staff_name=one.staff_name,
                post_title=one.post_title,
                unit_name=one.unit_name,
                substitute=one.post_id != case.decider.post_id,
            )
            for one in (policy.walk_around_deciders(case, hall) if Action.REGISTER_WALK_AROUND in allowed else ())
        ],
    )


def _walk_around(walk: WalkAround | None) -> pb.WalkAround | None:
    if walk is None:
        return None
    return pb.WalkAround(
        staff_id=walk.decider.staff_id,
        staff_name=walk.decider.staff_name,
        post_id=walk.decider.post_id,
        post_title=walk.decider.post_title,
        unit_name=walk.decider.unit_name,
        decided_at=timestamp(walk.decided_at),
        evidence_sha256=walk.evidence_sha256,
    )


def _step(case: Case, step: Step, hall: Hall, staff_id: str, city: CityRules) -> pb.Step:
    asked = hall.seats.get(step.asked_post_id)
    seat = hall.seats.get(step.post_id)
    holder = seat.holder if seat else None
    allowed = policy.allowed_actions(case, step, hall, staff_id, city)
    in_bulk = bulk.bulk_action(case.decision_class, step.kind, city)
    made = pb.Step(
        step_id=step.step_id,
        kind=_KINDS[step.kind],
        state=_STATES[step.state],
        group=step.group,
        post_id=step.post_id,
        post_title=seat.title if seat else step.post_id,
        unit_name=seat.unit_name if seat else "",
        staff_id=holder.staff_id if holder else "",
        staff_name=holder.name if holder else "",
        activated_at=_maybe(step.activated_at),
        acted_at=_maybe(step.acted_at),
        mandatory=step.mandatory,
        basis=step.basis,
        need=step.need,
        post_view=step.post_view,
        allowed_actions=allowed,
        bulk_action=in_bulk if in_bulk in allowed else "",
        asked_post_id=step.asked_post_id,
        added_by=step.added_by,
        asked_post_title=post_label(asked.unit_name, asked.title) if asked else "",
        send_back_targets=[target.step_id for target in acts.send_back_targets(case, step, city)],
    )
    if step.holder is not None:
        # AP-40: once acted on, as they were then.
        made.post_title, made.unit_name = step.holder.post_title, step.holder.unit_name
        made.staff_id, made.staff_name = step.holder.staff_id, step.holder.staff_name
    if step.acted_for is not None:
        made.acted_for_staff_id, made.acted_for_name = step.acted_for.staff_id, step.acted_for.staff_name
        made.acted_for_post_title = step.acted_for.post_title
    return made


def _maybe(moment: dt.datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)
