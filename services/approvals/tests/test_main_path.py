"""The main job's approval, from plan to 後閲, over gRPC."""

from __future__ import annotations

from kanketsu.approvals.v1 import approvals_service_pb2 as pb


async def test_plan_circulate_approve_skip_decide_post_view(city):
    deputy = await city.holder("P-040-03-02")
    absence_id = await deputy.is_away()
    case_id = await city.circulating()
    chief = await city.holder("P-040-03-03")
    head = await city.holder("P-040-03-01")
    case = await chief.see(case_id)
    assert [step.state for step in case.steps[:3]] == [
        pb.STEP_STATE_ACTIVE,
        pb.STEP_STATE_WAITING,
        pb.STEP_STATE_WAITING,
    ]
    case = await chief.act(case, "approve", "申請書類を確認しました。")
    assert case.steps[1].state == pb.STEP_STATE_POSTVIEW_DUE
    assert case.steps[2].state == pb.STEP_STATE_ACTIVE
    case = await head.act(await head.see(case_id), "decide")
    assert case.state == "decided"
    waiting = await deputy.inbox(kinds=["post_view"])
    assert [item.case_id for item in waiting.items] == [case_id]
    case = await deputy.act(await deputy.see(case_id), "post_view")
    assert case.steps[1].state == pb.STEP_STATE_POSTVIEWED
    envelopes = await city.envelopes(case_id)
    assert [envelope.aggregate_version for envelope in envelopes] == list(range(1, len(envelopes) + 1))
    await deputy.call("EndAbsence", request_id="end", absence_id=absence_id)
