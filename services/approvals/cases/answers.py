"""What the RPCs about cases answer: the case as its reader sees it, with what they may do."""

from __future__ import annotations

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.recorder import timestamp
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals import policy
from services.approvals.cases import acts, bulk
from services.approvals.cases.domain import Action, Case, CityRules, Hall, Step, StepState, WalkAround
from services.approvals.organisation.domain import post_label
from services.approvals.routes.answers import STEP_KINDS

STEP_STATES: dict[StepState, pb.StepState] = {state: getattr(pb, f"STEP_STATE_{state.upper()}") for state in StepState}


def case_for(case: Case, hall: Hall, staff_id: str, city: CityRules) -> pb.Case:
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
                appointment=decision.by.appointment,
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
        kind=STEP_KINDS[step.kind],
        state=STEP_STATES[step.state],
        group=step.group,
        post_id=step.post_id,
        post_title=seat.shown_title if seat else step.post_id,
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
        consecutive_step_ids=[seat.step_id for seat, _ in policy.consecutive_seats(case, step, hall, staff_id, city)]
        if Action.APPROVE in allowed
        else (),
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
