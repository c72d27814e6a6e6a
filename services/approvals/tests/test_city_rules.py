"""What a city sets for itself: 不同意 that returns the document, 差戻し to an earlier seat, 代決 of an urgent case."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from chassis.settings import SettingsError
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals import settings
from services.approvals.cases.domain import CityRules, DissentPolicy
from services.approvals.tests.conftest import refused, states

CITY_RULES = CityRules(DissentPolicy.ESCALATE, send_back_to_steps=True, substitute_when_urgent=True)
CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
CONTRACT = {"unit_id": "U-040-03", "matter": "契約締結", "amount": 3_000_000}


async def test_a_send_back_goes_to_an_earlier_seat_which_acts_once_more(city):
    """domain.md 0.6 ⚙: the case goes on; what lay between is asked again."""
    chief, deputy, head = [await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)]
    case = await chief.see(await city.circulating())
    for person in (chief, deputy):
        case = await person.act(await person.see(case.case_id), "approve")
    case = await head.see(case.case_id)
    first, second, last = case.steps[:3]
    assert list(last.send_back_targets) == [first.step_id, second.step_id]
    error = await refused(head.act(case, "send_back", "算定の根拠を直してください。", target_step_id=last.step_id))
    assert [(f.field, f.problem) for f in error.fields] == [("target", "UNKNOWN")]
    case = await head.act(case, "send_back", "算定の根拠を直してください。", target_step_id=first.step_id)
    assert (case.state, states(case)[:3]) == ("circulating", ["active", "waiting", "waiting"])
    for person in (chief, deputy):
        case = await person.act(await person.see(case.case_id), "approve", "直しました。")
    case = await head.act(await head.see(case.case_id), "decide")
    assert [d.action for d in case.decisions] == ["approve", "approve", "send_back", "approve", "approve", "decide"]


async def test_a_dissent_brings_the_next_post_above_as_decider(city):
    """AP-20 ⚙ 上位者裁定: still exactly one decider (AP-01), the one of the rules approves, and it is explained."""
    case_id = await city.circulating(**CONTRACT)
    drafter = await city.person("S0072")
    decider = next(s for s in (await drafter.see(case_id)).steps if s.post_id == "P-040-00-01")
    for post, action in ((CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "approve"), ("P-020-04-01", "dissent")):
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), action, "予算がありません。")
    kinds = {step.post_id: step.kind for step in case.steps}
    above = next(step for step in case.steps if step.basis == "合議不調（上位者裁定）")
    assert (kinds["P-040-00-01"], above.kind, decider.kind) == (1, 2, 2)
    found = (await drafter.call("DescribeDecider", case_id=case_id)).explanation
    assert (found.decider_post_id, found.rule_decider_post) == (above.post_id, "市民部長")
    told = [
        "よって、この案件の決裁者は「市民部長」でした。",
        "「財政経営室長」の不同意により合議が調わなかったので、上位者裁定として、上位の「箕面市副市長」が決裁します。",
    ]
    assert list(found.reasons)[-2:] == told
    environment = os.environ | {"KANKETSU_DATABASE_URL": city.where.app_url, "KANKETSU_TENANT": "minoh"}
    command = [sys.executable, "-m", "services.approvals", "why", "--case", case_id]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "\n".join(told) in said
    for post, action in (("P-020-05-01", "concur"), ("P-040-00-02", "approve"), ("P-040-00-01", "approve")):
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), action)
    upper = await city.holder(above.post_id)
    case = await upper.see(case_id)
    case = await upper.act(case, "decide", "合議先の意見を踏まえ、執行する。", acknowledged=case.opinions)
    assert (case.state, case.decisions[-1].staff_id) == ("decided", upper.staff_id)


@pytest.mark.parametrize("away", [False, True])
async def test_a_dissent_right_before_the_decider_brings_the_next_post_above_too(city, away):
    """AP-20 ⚙: the same act turns the decider of the rules into one who approves, and reaches them or passes them over."""
    case_id = await city.circulating("S0081", unit_id="U-050-01", matter="契約締結", amount=3_000_000)
    director = await city.holder("P-050-00-01")
    if away:
        await director.is_away()
    line = [step.post_id for step in (await (await city.person("S0081")).see(case_id)).steps]
    for post in line[: line.index("P-050-00-01") - 1]:
        person = await city.holder(post)
        case = await person.see(case_id)
        case = await person.act(case, "concur" if post.startswith("P-020") else "approve")
    person = await city.holder(line[line.index("P-050-00-01") - 1])
    case = await person.act(await person.see(case_id), "dissent", "入札によるべきです。")
    was, now = (
        case.steps[line.index("P-050-00-01")],
        next(step for step in case.steps if step.basis == "合議不調（上位者裁定）"),
    )
    assert (was.kind, now.kind) == (pb.STEP_KIND_APPROVE, pb.STEP_KIND_DECIDE)
    assert (was.state, now.state) == (
        (pb.STEP_STATE_POSTVIEW_DUE, pb.STEP_STATE_ACTIVE) if away else (pb.STEP_STATE_ACTIVE, pb.STEP_STATE_WAITING)
    )


def test_a_policy_that_does_not_exist_stops_the_service(tmp_path):
    """Bad configuration is told at the start, with the words there are."""
    file = tmp_path / "x"
    file.write_text("x")
    given = {"dissent_policy": "veto"} | dict.fromkeys(
        (
            *("tls_cert_file", "tls_key_file", "tls_ca_file"),
            *("identity_jwks_file", "receipt_jwks_file", "membership_signing_key_file"),
        ),
        file,
    )
    names = ("tenant", "instance", "nats_url", "nats_nkey_seed", "grpc_listen", "database_url")
    chosen = settings.Settings(**given, **dict.fromkeys(names, "x"))
    with pytest.raises(SettingsError, match="advisory, return, escalate"):
        _ = chosen.city_rules
