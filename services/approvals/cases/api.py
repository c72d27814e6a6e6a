# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of cases: one shown with what the reader may do, acts on its steps and on the case itself."""

from __future__ import annotations

import uuid
from typing import Any

from chassis import clock, db
from chassis.errors import FieldViolation, invalid, not_found
from chassis.interceptors import identity
from chassis.recorder import Access, actor_of
from chassis.requests import Call
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals import policy
from services.approvals.cases import answers, commands, store
from services.approvals.cases.commands import CaseWish, Wish
from services.approvals.cases.domain import MAX_COMMENT, STEP_ACTIONS, Action, Case, Hall
from services.approvals.cases.envelopes import cause_of
from services.approvals.handlers import A, Context, Handlers, reader_of
from services.approvals.inputs import known_id
from services.approvals.routes import questions
from services.approvals.routes.answers import KIND_OF, explanation
from services.approvals.routes.domain import MAX_STEPS, StepKind


class CasesApi(Handlers):
    """Of kanketsu.approvals.v1.ApprovalsService: cases."""

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.GetCaseResponse:
        """A case by its id, or a document's latest. NOT_FOUND when absent or hidden (AC-03)."""
        caller = identity()
        case, hall = await self._visible(request)
        record = await self._case_seen("case.viewed", case)
        shown = answers.case_for(case, hall, caller.staff_id, self._parts.city)
        return pb.GetCaseResponse(case=shown, access_record=record)

    async def DescribeDecider(self, request: pb.DescribeDeciderRequest, context: Context) -> pb.DescribeDeciderResponse:
        """Why the case has its decider (AP-02, AP-03, AP-05, AP-20). NOT_FOUND as GetCase, and for a case without a plan."""
        case, hall = await self._visible(request)
        async with db.connection(self._parts.pool) as conn:
            explained = await questions.of_case(conn, case, hall)
        if explained is None:
            raise not_found()
        found, units = explained
        record = await self._case_seen("case.explained", case)
        return pb.DescribeDeciderResponse(explanation=explanation(found, units), access_record=record)

    async def ActOnStep(self, request: pb.ActOnStepRequest, context: Context) -> pb.ActOnStepResponse:
        """One act of one person on one step; answers the new case (AP-31, AP-32)."""
        caller = identity()
        wish = _wish(request)

        async def act(call: Call) -> bytes:
            return await commands.act_on_step(
                self._parts.pool,
                call,
                wish,
                reader_of(caller),
                await self._parts.receipts.open(request.read_receipt, wish.case_id),
                self._parts.tenant,
                self._parts.city,
                cause_of(actor_of(caller)),
                lambda case, hall: pb.ActOnStepResponse(
                    case=answers.case_for(case, hall, caller.staff_id, self._parts.city)
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
        """供覧 to more posts, by the drafter or whom the case waits for, after the decision by the decider (AP-10, AC-12)."""
        post_ids = tuple(request.post_ids)
        return await self._write_case(request, pb.CirculateCaseResponse, Action.CIRCULATE, post_ids)

    async def AskSubstitute(self, request: pb.AskSubstituteRequest, context: Context) -> pb.AskSubstituteResponse:
        """代決依頼 by the drafter while the decider is away (AP-17). NOT_ABSENT, DECIDER_VACANT, NO_SUBSTITUTE."""
        return await self._write_case(request, pb.AskSubstituteResponse, Action.ASK_SUBSTITUTE)

    async def AskPullUp(self, request: pb.AskPullUpRequest, context: Context) -> pb.AskPullUpResponse:
        """引上げ依頼 to a later seat, by the drafter or the seat it waits for (AP-17). COMMENT_REQUIRED, INVALID_FIELDS."""
        return await self._write_case(request, pb.AskPullUpResponse, Action.ASK_PULL_UP, (request.post_id,))

    async def AddSeat(self, request: pb.AddSeatRequest, context: Context) -> pb.AddSeatResponse:
        """回議先の追加 by whose turn it is on the own line (AP-54). POST_VACANT, INVALID_FIELDS."""
        kind = KIND_OF.get(request.kind)
        if kind is None:
            raise invalid(FieldViolation("kind", "KIND_NOT_ALLOWED"))
        return await self._write_case(request, pb.AddSeatResponse, Action.ADD_SEAT, (request.post_id,), kind)

    # --- shared by the methods ------------------------------------------------------------------

    async def _write_case(
        self,
        request: Any,
        answer: type[A],
        action: Action,
        post_ids: tuple[str, ...] = (),
        kind: StepKind = StepKind.CONCUR,
    ) -> A:
        """An act on the case itself."""
        caller = identity()

        def wish() -> CaseWish:
            comment = _comment(request.comment)
            return CaseWish(known_id(request.case_id), action, comment, request.expected_version, post_ids, kind)

        return await self._write(
            request,
            answer,
            lambda call: commands.act_on_case(
                self._parts.pool,
                call,
                wish(),
                reader_of(caller),
                self._parts.city,
                cause_of(actor_of(caller)),
                lambda case, hall: answer(
                    case=answers.case_for(case, hall, caller.staff_id, self._parts.city)
                ).SerializeToString(),
                clock.now(),
            ),
        )

    async def _visible(self, request: pb.GetCaseRequest | pb.DescribeDeciderRequest) -> tuple[Case, Hall]:
        """The case that is asked for, if the caller may see it. NOT_FOUND when absent or hidden (AC-03)."""
        caller, now = identity(), clock.now()
        async with db.connection(self._parts.pool) as conn:
            if request.case_id:
                found = await store.load(conn, known_id(request.case_id), now.date(), now)
            else:
                found = await store.load_latest(conn, known_id(request.document_id), now.date(), now)
        if found is None:
            raise not_found()
        case, hall = found
        shown = bool(request.read_receipt) and policy.opens(
            await self._parts.receipts.open(request.read_receipt, case.case_id),
            case.document_id,
            caller.staff_id,
            self._parts.tenant,
            now,
        )
        policy.require_visible(case, reader_of(caller), shown)
        return case, hall

    async def _case_seen(self, action: str, case: Case) -> str:
        """Record that a case is about to be shown; returns the record's reference."""
        return await self._parts.recorder.record(
            Access(
                actor=identity(),
                action=action,
                object_type="case",
                object_id=case.case_id,
                version_digest=case.version_digest,
                detail={"document_id": case.document_id},
            )
        )


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
        also=tuple(request.also_step_ids),
    )


def _comment(text: str) -> str:
    if len(text) > MAX_COMMENT:
        raise invalid(FieldViolation("comment", "TOO_LONG"))
    return text


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
