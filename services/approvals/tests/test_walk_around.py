"""AP-50 持回りの事後登録: who may register what, when, and what everybody sees of it."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from chassis import clock, db
from chassis.errors import DomainError
from chassis.recorder import timestamp
from chassis.wareki import JST
from services.approvals import policy
from services.approvals.cases import store, walk_around
from services.approvals.cases.domain import Act, Action, CityRules, Decision
from services.approvals.deadlines.domain import Deadlines
from services.approvals.tests.conftest import refused, snapshot_of, states

CITY_RULES = CityRules(walk_around_days=3)
DRAFTER = "S0072"
CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
CONTRACT = {"unit_id": "U-040-03", "matter": "契約締結", "amount": 3_000_000}
SCAN = "5" * 64


async def register(city, person, case, decider, **fields):
    """事後登録 with a fresh receipt, of a decision that was made just now."""
    request = {
        "request_id": clock.new_id(),
        "case_id": case.case_id,
        "expected_version": case.version,
        "version_digest": case.version_digest,
        "read_receipt": city.receipt(case, person.staff_id),
        "staff_id": decider.staff_id,
        "decided_at": timestamp(clock.now()),
        "evidence_sha256": SCAN,
        "comment": "停電のため、紙で決裁を受けた。",
    }
    return await person.call("RegisterWalkAround", **(request | fields))


async def urgent(city, **facts):
    """An urgent case as its drafter sees it, the drafter and the head."""
    drafter, head = await city.person(DRAFTER), await city.holder(HEAD)
    return await drafter.see(await city.circulating(urgent=True, **facts)), drafter, head


async def test_the_case_is_decided_and_everybody_passed_over_sees_it(city):
    """AP-50: decided by the decider at the named moment; they and the seats before them get a 後閲, on record."""
    case, drafter, head = await urgent(city)
    chief, deputy = await city.holder(CHIEF), await city.holder(DEPUTY)
    await chief.act(await chief.see(case.case_id), "approve")
    case = await drafter.see(case.case_id)
    assert "register_walk_around" in case.allowed_actions
    assert [one.staff_id for one in case.walk_around_deciders][:1] == [head.staff_id]
    moment = timestamp(clock.now())
    answer = await register(city, drafter, case, head, decided_at=moment)
    assert (answer.state, answer.decided_at) == ("decided", moment)
    assert answer.registered_at.ToNanoseconds() >= moment.ToNanoseconds()

    case = await drafter.see(case.case_id)
    assert states(case)[:3] == ["approved", "postview_due", "registered"]
    seat = case.steps[2]
    assert (seat.acted_for_staff_id, seat.acted_at, seat.post_view) == (head.staff_id, moment, True)
    assert (case.decided_at, case.registered_at) == (moment, answer.registered_at)
    assert not case.walk_around_deciders
    act = case.decisions[-1]
    assert (act.action, act.staff_id, act.version_digest) == ("register_walk_around", DRAFTER, case.version_digest)
    assert act.access_record.startswith("documents.1/")
    assert (act.walk_around.staff_id, act.walk_around.evidence_sha256) == (head.staff_id, SCAN)

    for person in (deputy, head):
        waiting = [one for one in (await person.inbox()).items if one.case_id == case.case_id]
        assert [(one.kind, one.waiting_since) for one in waiting] == [("post_view", answer.registered_at)]
        case = await person.act(await person.see(case.case_id), "post_view")
    assert states(case)[:3] == ["approved", "postviewed", "postviewed"]
    seat = case.steps[2]
    assert (seat.staff_id, seat.acted_for_staff_id, seat.acted_at) == (head.staff_id, head.staff_id, moment)


async def test_what_others_hear_of_it(city):
    """I4, AP-50: the event and its entry in the log name the digest, the decider, the moment and the evidence."""
    case, drafter, head = await urgent(city)
    answer = await register(city, drafter, case, head)
    event = (await city.envelopes(case.case_id))[-1]
    assert (event.action, event.version_digest, event.actor.staff_id) == (
        "case.decision_registered",
        case.version_digest,
        DRAFTER,
    )
    assert (event.detail["decided_by"], event.detail["evidence_sha256"]) == (head.staff_id, SCAN)
    told = snapshot_of(event)
    assert (told.state, told.decided_by, told.decided_at) == ("decided", head.staff_id, answer.decided_at)
    record = told.decisions[-1]
    assert (record.staff_id, record.walk_around.staff_id, record.walk_around.evidence_sha256) == (
        DRAFTER,
        head.staff_id,
        SCAN,
    )
    seat = next(one for one in told.seats if one.kind == "decide")
    assert (seat.state, seat.registered_as, seat.registered_at) == ("registered", "decided", answer.registered_at)
    assert seat.registered_by_name == drafter_name(told)
    # 後閲 for the post, and the view of who decided; both from the registration on, not from the decision.
    leases = {(one.principal, one.acted): getattr(one, "from") for one in told.leases}
    assert leases[f"post:{HEAD}", False] == leases[f"staff:{head.staff_id}", True] == answer.registered_at


def drafter_name(told):
    return next(one.staff_name for one in told.seats if one.kind == "draft")


async def test_only_the_drafter_of_an_urgent_case_registers(city):
    """AP-50 ⚙: 至急 only, by the drafter only, never themselves as decider (AP-43)."""
    case, drafter, head = await urgent(city)
    chief, stranger = await city.holder(CHIEF), await city.holder("P-020-04-01")
    assert (await refused(register(city, stranger, case, head))).reason == "NOT_FOUND"
    assert (await refused(register(city, chief, case, head))).reason == "NOT_PERMITTED"
    assert (await refused(register(city, drafter, case, drafter))).reason == "OWN_DRAFT"
    assert (await refused(register(city, drafter, case, head, comment=" "))).reason == "COMMENT_REQUIRED"
    assert (await refused(register(city, drafter, case, head, version_digest="b" * 64))).reason == "VERSION_MOVED"
    assert (await refused(register(city, drafter, case, head, expected_version=1))).reason == "STALE_VERSION"
    error = await refused(register(city, drafter, case, head, evidence_sha256="画像"))
    assert [(one.field, one.problem) for one in error.fields] == [("evidence_sha256", "MALFORMED")]
    forged = city.receipt(case, drafter.staff_id, signer=city.strangers)
    assert (await refused(register(city, drafter, case, head, read_receipt=forged))).reason == "READ_RECEIPT_INVALID"
    other = city.receipt(case, drafter.staff_id, ver="b" * 64)
    assert (await refused(register(city, drafter, case, head, read_receipt=other))).reason == "READ_RECEIPT_MISMATCH"

    calm = await drafter.see(await city.circulating())
    error = await refused(register(city, drafter, calm, head))
    assert (error.reason, error.metadata["why"]) == ("WALK_AROUND_NOT_ALLOWED", "not_urgent")
    assert "register_walk_around" not in calm.allowed_actions
    await register(city, drafter, case, head)
    done = await drafter.see(case.case_id)
    assert (await refused(register(city, drafter, done, head))).reason == "CASE_CLOSED"


async def test_who_wrote_submitted_or_registers_it_is_not_named_as_the_decider(city):
    """AP-43, AP-50: one person alone neither decides what they wrote nor says of themselves that they decided."""
    case, _, head = await urgent(city)
    async with db.connection(city.pool) as conn:
        found, hall = await store.load(conn, case.case_id, clock.today(), clock.now())
    assert head.staff_id in {one.staff_id for one in policy.walk_around_deciders(found, hall)}
    for theirs in ({"drafter": head.staff_id}, {"submitter": head.staff_id}, {"assignee": head.staff_id}):
        own = dataclasses.replace(found, **theirs)
        with pytest.raises(DomainError) as caught:
            policy.walk_around_decider(own, hall, head.staff_id)
        assert caught.value.reason == "OWN_DRAFT"
        assert head.staff_id not in {one.staff_id for one in policy.walk_around_deciders(own, hall)}


async def test_the_moment_lies_between_the_circulation_and_now(city):
    """AP-50: not before a version circulated, not ahead."""
    case, drafter, head = await urgent(city)
    hour = dt.timedelta(hours=1)
    for moment, problem in ((clock.now() + hour, "IN_FUTURE"), (clock.now() - hour, "TOO_EARLY")):
        error = await refused(register(city, drafter, case, head, decided_at=timestamp(moment)))
        assert [(one.field, one.problem) for one in error.fields] == [("decided_at", problem)]


async def test_who_could_have_decided_then(city):
    """AP-13, AP-14: the decider of that moment, or the first substitute who was there while they were away."""
    case, drafter, head = await urgent(city)
    deputy, stranger = await city.holder(DEPUTY), await city.holder("P-020-04-01")
    assert (await refused(register(city, drafter, case, stranger))).reason == "NOT_DECIDER"
    assert (await refused(register(city, drafter, case, deputy))).reason == "NOT_ABSENT"
    before = timestamp(clock.now())
    absence_id = await head.is_away()
    assert (await refused(register(city, drafter, case, deputy, decided_at=before))).reason == "NOT_ABSENT"
    await register(city, drafter, case, deputy)
    seat = next(one for one in snapshot_of((await city.envelopes(case.case_id))[-1]).seats if one.kind == "decide")
    assert (seat.registered_as, seat.acted_for_post_title) == ("substituted", "室長補佐")
    await head.call("EndAbsence", request_id=clock.new_id(), absence_id=absence_id)


async def test_a_standing_dissent_bars_it(city):
    """AP-20: the decider weighs an opinion themselves, nobody says so for them."""
    case, drafter, _ = await urgent(city, **CONTRACT)
    for post, action in ((CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "approve"), ("P-020-04-01", "dissent")):
        person = await city.holder(post)
        case = await person.act(await person.see(case.case_id), action, "予算がありません。")
    director = await city.holder("P-040-00-01")
    error = await refused(register(city, drafter, case, director))
    assert (error.reason, error.metadata["why"]) == ("WALK_AROUND_NOT_ALLOWED", "dissent")


async def test_the_opening_days_run_from_the_day_of_the_decision(city):
    """AP-50 ⚙: weekends and closed days do not count; on the day after the last one it is too late."""
    case, drafter, head = await urgent(city)
    async with db.connection(city.pool) as conn:
        found, hall = await store.load(conn, case.case_id, clock.today(), clock.now())
    by = policy.signature_of(found, hall, drafter.staff_id)
    friday = dt.datetime(2026, 11, 20, 17, 0, tzinfo=JST)
    found = dataclasses.replace(found, opened_at=friday)

    def who_decided():
        return policy.walk_around_decider(found, hall, head.staff_id)

    def at(now):
        act = Act("d", Action.REGISTER_WALK_AROUND, by, "紙で決裁", now, found.version_digest)
        return walk_around.register(found, act, friday, SCAN, who_decided, CITY_RULES, Deadlines())

    # 21, 22 weekend, 23 holiday; 24, 25, 26 count.
    last = dt.datetime(2026, 11, 26, 23, 59, tzinfo=JST)
    assert at(last)[0].decided_at == friday
    with pytest.raises(DomainError) as caught:
        at(last + dt.timedelta(minutes=1))
    assert (caught.value.reason, caught.value.metadata["last_day"]) == ("REGISTRATION_OVERDUE", "2026-11-26")

    # 保留 of the decider at six: what they decided before was not their last word; to the minute.
    held = Decision("h", found.decider.step_id, Action.HOLD, 1, by, "確認", friday.replace(hour=18, second=9), "v", "")
    found = dataclasses.replace(found, decisions=(held,))
    with pytest.raises(DomainError) as caught:
        at(last)
    assert [one.problem for one in caught.value.fields] == ["TOO_EARLY"]
    friday = friday.replace(hour=18)
    assert at(last)[0].decided_at == friday
