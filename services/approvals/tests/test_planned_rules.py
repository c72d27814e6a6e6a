"""専決規程 and 組織改編 of the same day: each is checked against the other before it holds (AP-02)."""

from __future__ import annotations

import datetime as dt

import pytest

from chassis import clock
from chassis.errors import DomainError
from services.approvals.tests.test_change_sets import drafted, review, undo, view
from services.approvals.tests.test_rule_versions import COLLEAGUE, OFFICER, imported, in_force, settle

_days = (clock.today() + dt.timedelta(days=300 + number) for number in range(100))

# 消防本部 gets a new 室 with a 室長 and a 係員.
NEW_ROOM = (
    {"kind": "unit_begins", "unit_id": "U-090-09", "parent_id": "U-090", "body": "fire", "name": "救急企画室",
     "kana": "キュウキュウキカクシツ", "symbol": "箕消", "sort_order": 990},
    {"kind": "post_begins", "post_id": "P-090-09-01", "unit_id": "U-090-09", "title": "室長", "rank": "head"},
    {"kind": "post_begins", "post_id": "P-090-09-02", "unit_id": "U-090-09", "title": "係員", "rank": "member"},
    {"kind": "appointment_begins", "staff_id": "S0083", "post_id": "P-090-09-01", "appointment": "concurrent"},
)  # fmt: skip
ITS_RULE = "R-SB-901,U-090-09,救急講習,,,head,P-090-09-01,head,,消防本部事務決裁規程,,,\n"


async def problems(city, version):
    seen = await (await city.person(COLLEAGUE)).call("GetRuleVersion", rule_version_id=version.rule_version_id)
    return {one.problem for one in seen.findings if one.blocking}


async def test_rules_of_a_reorganised_city_are_activated_ahead_of_its_day(city):
    """AP-02: they name a unit and a post that only a reviewed change set knows; when it is undone the check says so."""
    day = next(_days)
    planned = await drafted(city, day, *NEW_ROOM)
    draft = (await imported(city, await in_force(city) + ITS_RULE, valid_from=day.isoformat())).version
    assert await problems(city, draft) == {"unknown_unit", "unknown_post"}, "nobody has reviewed the set"
    with pytest.raises(DomainError) as caught:
        await settle(city, "ActivateRuleVersion", draft)
    assert caught.value.reason == "RULES_BLOCKED"
    planned = await review(city, planned)
    assert await problems(city, draft) == set()
    active = await settle(city, "ActivateRuleVersion", draft)
    assert active.state == "activated"
    await undo(city, planned)
    found = (await (await city.person(OFFICER)).call("ListRuleFindings", body="fire", on=day.isoformat())).findings
    assert {one.problem for one in found if one.blocking} == {"unknown_unit", "unknown_post"}
    await settle(city, "DiscardRuleVersion", active)


async def test_a_set_that_ends_what_rules_templates_and_lists_name_warns_of_it(city):
    """AP-02, AP-54, LC-13: each by its name, and only what the set itself breaks; the review goes through all the same."""
    officer = await city.person(OFFICER)
    head = "P-020-04-01"
    seat = {"kind": "concur", "post_id": head, "after": "head"}
    made = await officer.call(
        "SaveRouteTemplate", request_id=clock.new_id(), scope="city", name="契約の相談", steps=[seat]
    )
    await officer.call("SaveEscalationList", request_id=clock.new_id(), unit_id="U-040-03", post_ids=[head])
    planned = await drafted(city, next(_days), {"kind": "post_ends", "post_id": head})
    found = (await view(city, planned)).preview.references
    assert {one.kind for one in found} == {"rule", "template", "escalation"}
    rules = [one.text for one in found if one.kind == "rule"]
    assert any("「契約締結」：合議先の職P-020-04-01は、この日に存在しません。" in text for text in rules)
    assert [one.text for one in found if one.kind == "template"] == [
        "ひな形「契約の相談」：「財政経営室長」の職がなくなります。"
    ]
    assert [(one.about, one.text) for one in found if one.kind == "escalation"] == [
        ("U-040-03", "滞留の連絡先（環境政策室）：「財政経営室長」の職がなくなります。")
    ]
    other = await drafted(city, next(_days), {"kind": "role_begins", "staff_id": "S0070", "role": "records_officer"})
    assert list((await view(city, other)).preview.references) == []
    planned = await review(city, planned)
    assert planned.state == "reviewed"
    await undo(city, planned)
    await undo(city, other)
    assert made.template.name == "契約の相談"
