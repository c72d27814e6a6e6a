# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPC of routes: the facts of a draft in, a stored plan out."""

from __future__ import annotations

import uuid

from chassis import clock
from chassis.errors import FieldViolation, invalid
from chassis.identity import Identity
from chassis.interceptors import identity
from chassis.recorder import Access
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.handlers import Context, Handlers, reader_of
from services.approvals.inputs import known_id
from services.approvals.organisation.domain import DECISION_CLASSES
from services.approvals.routes import answers, commands
from services.approvals.routes.domain import MAX_REASON, MAX_STEPS, ExceptionKind, Facts, PlannedStep


class RoutesApi(Handlers):
    """Of kanketsu.approvals.v1.ApprovalsService: routes."""

    async def PlanRoute(self, request: pb.PlanRouteRequest, context: Context) -> pb.PlanRouteResponse:
        """A route for these facts as of today, stored and shown (AP-02, AP-03, AP-06, AP-15, AP-54)."""
        caller = identity()
        facts = _facts(request.facts, caller)
        if len(request.adjusted) > MAX_STEPS:
            raise invalid(FieldViolation("adjusted", "TOO_MANY"))
        if request.adjusted and request.route_template_id:
            raise invalid(FieldViolation("route_template_id", "NOT_ALLOWED"))
        answer = await self._write(
            request,
            pb.PlanRouteResponse,
            lambda call: commands.plan_route(
                self._parts.pool,
                call,
                facts,
                [_planned(step) for step in request.adjusted],
                known_id(request.route_template_id) if request.route_template_id else "",
                reader_of(caller),
                lambda *made: answers.planned_route(*made).SerializeToString(),
                clock.now(),
                head_decides_own_draft=self._parts.city.head_decides_own_draft,
            ),
        )
        await self._parts.recorder.record(
            Access(actor=caller, action="route.planned", object_type="document", object_id=facts.document_id)
        )
        return answer


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
    # AP-03: nobody seeks a higher decider without saying why.
    if facts.exceptional and not facts.exception:
        problems.append(FieldViolation("facts.exception", "EXCEPTION_WITHOUT_KIND"))
    if (facts.exceptional or facts.exception) and not facts.exception_reason.strip():
        problems.append(FieldViolation("facts.exception_reason", "EXCEPTION_WITHOUT_REASON"))
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
    kind = answers.KIND_OF.get(step.kind)
    if kind is None:
        raise invalid(FieldViolation("adjusted", "KIND_NOT_ALLOWED"))
    if not 1 <= step.group <= 10_000:
        raise invalid(FieldViolation("adjusted", "GROUP_OUT_OF_RANGE"))
    return PlannedStep(kind, step.post_id, step.group, step.mandatory, "")
