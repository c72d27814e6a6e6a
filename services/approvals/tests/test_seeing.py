"""Who sees a case, what the inbox shows, and that nothing is shown without its record."""

from __future__ import annotations

import dataclasses

import psycopg
import pytest

from chassis import client, clock, sealing
from chassis.identity import Identity
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from kanketsu.approvals.v1 import events_pb2
from services.approvals.cases import domain, envelopes
from services.approvals.cases.domain import Action, Case, CaseState, Decision, Hall, Signature
from services.approvals.organisation.domain import AppointmentKind
from services.approvals.tests.conftest import DIGEST, OPINIONS_SECRET, Person, refused, snapshot_of

CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
DRAFTER = "S0072"


async def contract(city):
    return await city.circulating(unit_id="U-040-03", matter="契約締結", amount=3_000_000)


async def act(city, case_id, post, action="approve", comment=""):
    person = await city.holder(post)
    return await person.act(await person.see(case_id), action, comment)


# --- seeing -------------------------------------------------------------------------------------


async def test_the_owner_unit_sees_its_case_from_the_start(city):
    case_id = await city.circulating()
    for staff_id in ("S0071", DRAFTER, "S0068"):
        assert (await (await city.person(staff_id)).see(case_id)).case_id == case_id


async def test_the_unit_does_not_see_the_case_of_a_document_for_designated_people(city):
    """AC-02: its opinions are as much of the matter as the text. Whom documents shows it, brings the read receipt."""
    case_id = await city.circulating(designated=True)
    drafter, colleague, head = [await city.person(one) for one in (DRAFTER, "S0073", "S0068")]
    case = await drafter.see(case_id)
    for person in (colleague, head):
        assert (await refused(person.see(case_id))).reason == "NOT_FOUND"
    shown = await head.call("GetCase", case_id=case_id, read_receipt=city.receipt(case, head.staff_id))
    assert shown.case.case_id == case_id
    chief = await city.holder(CHIEF)
    assert (await chief.see(case_id)).case_id == case_id


async def test_a_drafter_who_was_transferred_sees_the_case_no_longer(city):
    """AP-42, AC-05: it stays with the unit; the drafter was one of it."""
    case_id = await city.circulating(DRAFTER)
    stranger = await city.holder("P-120-02-05")
    transferred = Person(city, dataclasses.replace(stranger.identity, staff_id=DRAFTER))
    assert (await refused(transferred.see(case_id))).reason == "NOT_FOUND"


async def test_others_get_what_absence_gets(city):
    """AC-03: hidden and absent are one answer; the refusal is on record."""
    case_id = await city.circulating()
    stranger = await city.holder("P-120-02-05")
    hidden = await refused(stranger.see(case_id))
    absent = await refused(stranger.see(clock.new_id()))
    no_id = await refused(stranger.see("x"))
    by_document = await refused(stranger.call("GetCase", document_id=clock.new_id()))
    answers = {
        (e.kind, e.reason, e.message, tuple(sorted(e.metadata.items()))) for e in (hidden, absent, no_id, by_document)
    }
    assert len(answers) == 1
    record = next(r for r in await city.records("case.viewed") if r.object_id == case_id)
    assert (record.actor.staff_id, record.reason) == (stranger.staff_id, "NOT_FOUND")


async def test_a_waiting_seat_sees_nothing_until_its_turn_and_keeps_what_it_acted_on(city):
    """domain.md 0.3, AC-11: 財政経営室長 is on the route all the time."""
    finance = await city.holder("P-020-04-01")
    case_id = await contract(city)
    for post in (CHIEF, DEPUTY):
        assert (await refused(finance.see(case_id))).reason == "NOT_FOUND"
        await act(city, case_id, post)
    await act(city, case_id, HEAD)
    case = await finance.act(await finance.see(case_id), "concur")
    await act(city, case_id, "P-020-05-01", "send_back", "入札方法の検討が必要です。")
    case = await finance.see(case_id)
    assert (case.state, list(case.steps[5].allowed_actions)) == ("sent_back", [])


async def test_who_acted_sees_the_case_until_its_document_is_completed(city):
    """domain.md 0.2, 0.3: from then on the owner unit, and whose 後閲 is still open."""
    finance, contracts = await city.holder("P-020-04-01"), await city.holder("P-020-05-01")
    case_id = await contract(city)
    for post in (CHIEF, DEPUTY, HEAD):
        await act(city, case_id, post)
    case = await finance.act(await finance.see(case_id), "concur")
    assert (await finance.see(case_id)).case_id == case_id
    await city.complete(case.document_id)
    assert (await refused(finance.see(case_id))).reason == "NOT_FOUND"
    # An open seat, as a 後閲 is one, and the unit.
    for person in (contracts, await city.person(DRAFTER)):
        assert (await person.see(case_id)).case_id == case_id


async def test_a_read_receipt_of_the_document_opens_the_case(city):
    """Who may see the document is decided in one place: documents."""
    case_id = await city.circulating()
    case = await (await city.person(DRAFTER)).see(case_id)
    auditor = await city.person("S0225")
    assert (await refused(auditor.see(case_id))).reason == "NOT_FOUND"
    assert (await auditor.see(case_id, city.receipt(case, "S0225"))).case_id == case_id
    for claims in ({"sub": "S0001"}, {"doc": clock.new_id()}, {"ten": "x"}, {"iat": 1_700_000_000}):
        assert (await refused(auditor.see(case_id, city.receipt(case, "S0225", **claims)))).reason == "NOT_FOUND"
    forged = city.receipt(case, "S0225", signer=city.strangers)
    assert (await refused(auditor.see(case_id, forged))).reason == "READ_RECEIPT_INVALID"


async def test_comments_are_shown_to_whoever_sees_the_case(city):
    case_id = await city.circulating()
    await act(city, case_id, CHIEF, "approve", "算定額を確認しました。")
    case = await (await city.person(DRAFTER)).see(case_id)
    assert [d.comment for d in case.decisions] == ["算定額を確認しました。"]
    assert (case.decisions[0].post_title, case.decisions[0].unit_name) == ("担当主査", "環境政策室")


# --- the inbox ----------------------------------------------------------------------------------


async def test_the_inbox_counts_by_kind_and_puts_urgent_ones_first(city):
    """AP-44, AP-50: per post, urgent first, then oldest; counts are of everything that waits for the reader."""
    reader = await city.holder("P-040-02-03")
    facts = {"unit_id": "U-040-02", "matter": "照会回答"}
    drafter = await city.holder("P-040-02-05")
    made = []
    for urgent in (False, False, True, False, True):
        document_id = clock.new_id()
        plan = await city.plan(drafter, document_id, **facts)
        made.append((urgent, await city.submit(drafter, plan, document_id, urgent=urgent, **facts)))
    answer = await reader.inbox()
    order = [case_id for urgent, case_id in made if urgent] + [case_id for urgent, case_id in made if not urgent]
    assert [item.case_id for item in answer.items] == order
    assert dict(answer.counts) == {"decision": 5, "concurrence": 0, "post_view": 0, "circulation": 0}
    assert [item.urgent for item in answer.items] == [True, True, False, False, False]
    item = answer.items[0]
    assert (item.kind, item.post_id, item.post_title, item.unit_id) == (
        "decision",
        "P-040-02-03",
        "担当主査",
        "U-040-02",
    )
    assert (item.step_kind, item.step_state) == (pb.STEP_KIND_APPROVE, pb.STEP_STATE_ACTIVE)
    assert (item.drafter, item.draft_number) == (drafter.staff_id, "箕市第1号")
    pages, cursor = [], ""
    for _ in range(5):
        page = await reader.inbox(limit=2, cursor=cursor)
        pages += [item.case_id for item in page.items]
        assert page.counts["decision"] == 5
        cursor = page.next_cursor
        if not cursor:
            break
    assert pages == order
    assert not (await reader.inbox(kinds=["post_view", "concurrence"])).items
    assert not (await reader.inbox(post_id="P-040-02-01")).items
    assert len((await reader.inbox(post_id="P-040-02-03")).items) == 5


async def test_a_concurrence_waits_under_its_own_heading(city):
    case_id = await contract(city)
    for post in (CHIEF, DEPUTY, HEAD):
        await act(city, case_id, post)
    finance = await city.holder("P-020-04-01")
    answer = await finance.inbox(kinds=["concurrence"])
    assert case_id in [item.case_id for item in answer.items]
    assert answer.counts["concurrence"] == len(answer.items)


@pytest.mark.parametrize("cursor", ["x", "e30", "W10", "WzAsIngiLCJ5Il0", "////", "WzEsICIyMDI2LTAxLTAxIiwgMV0"])
async def test_a_foreign_cursor_is_refused(city, cursor):
    reader = await city.person(DRAFTER)
    assert (await refused(reader.inbox(cursor=cursor))).reason == "INVALID_CURSOR"
    assert (await refused(reader.call("ListStaff", cursor=cursor))).reason == "INVALID_CURSOR"


async def test_limits_and_kinds_are_checked(city):
    reader = await city.person(DRAFTER)
    for fields in ({"limit": 201}, {"limit": -1}, {"kinds": ["all"]}):
        assert (await refused(reader.inbox(**fields))).reason == "INVALID_FIELDS"


async def test_the_inbox_reads_its_index(city, owner):
    """5,000 lines of others do not matter: the plan goes through steps_inbox."""
    async with city.pool.connection() as conn:
        await conn.execute("SET enable_seqscan = off")
        cursor = await conn.execute(
            "EXPLAIN SELECT s.step_id FROM steps AS s WHERE s.post_id = 'P-040-03-03' AND s.inbox_kind IS NOT NULL"
            " AND (s.priority, s.waiting_since, s.step_id)"
            " > (0::smallint, now(), '00000000-0000-0000-0000-000000000000'::uuid)"
            " ORDER BY s.priority, s.waiting_since, s.step_id LIMIT 50"
        )
        plan = "\n".join(row[0] for row in await cursor.fetchall())
        await conn.execute("RESET enable_seqscan")
    assert "steps_inbox" in plan
    assert "Sort" not in plan


# --- nothing without a record -------------------------------------------------------------------


async def test_every_read_is_recorded_before_it_is_answered(city):
    """I1, SC-01: who, what, how many, a digest of what was shown."""
    chief = await city.holder(CHIEF)
    case_id = await city.circulating()
    seen = await chief.call("GetCase", case_id=case_id)
    inbox = await chief.inbox()
    units = await chief.call("ListUnits")
    posts = await chief.call("ListPosts", unit_id="U-040-03")
    staff = await chief.call("ListStaff", unit_id="U-040-03")
    absences = await chief.call("ListAbsences")
    for answer, action in (
        (seen, "case.viewed"),
        (inbox, "inbox.listed"),
        (units, "directory.listed"),
        (posts, "directory.listed"),
        (staff, "directory.listed"),
        (absences, "absence.listed"),
    ):
        seq = int(answer.access_record.rsplit("/", 1)[1])
        record = next(r for r in await city.records(action) if r.seq == seq)
        assert record.actor.staff_id == chief.staff_id
        assert record.actor.terminal == "10.20.0.7"
    record = next(r for r in await city.records("inbox.listed") if r.actor.staff_id == chief.staff_id)
    assert (record.result_count > 0, len(record.query_digest), len(record.result_digest)) == (True, 64, 64)
    record = next(r for r in await city.records("case.viewed") if r.object_id == case_id)
    assert (record.version_digest, "document_id" in record.detail) == (DIGEST, True)
    await city.plan(await city.person(DRAFTER), clock.new_id(), unit_id="U-040-03", matter="照会回答")
    assert await city.records("route.planned")


async def test_what_cannot_be_recorded_is_not_shown(city, owner):
    """SC-05: with the outbox unwritable every read is refused, and acts too."""
    chief = await city.holder(CHIEF)
    case_id = await city.circulating()
    case = await chief.see(case_id)
    officer = Identity(staff_id="S0225", tenant=chief.identity.tenant, roles=frozenset({"audit_officer"}))
    month = pb.ListPresenceRequest(to="2026-05-01", **{"from": "2026-04-01"})
    await owner.execute("REVOKE INSERT ON outbox FROM approvals_app")
    try:
        for call in (
            chief.see(case_id),
            chief.inbox(),
            chief.call("ListUnits"),
            chief.call("ListPosts"),
            chief.call("ListStaff"),
            city.call("ListPresence", month, officer),
            chief.call("ListAbsences"),
            chief.act(case, "approve"),
        ):
            error = await refused(call)
            assert error.kind.value == "UNAVAILABLE"
    finally:
        await owner.execute("GRANT INSERT ON outbox TO approvals_app")
    case = await chief.see(case_id)
    assert case.steps[0].state == pb.STEP_STATE_ACTIVE, "nothing half done"


# --- what others hear ---------------------------------------------------------------------------


async def test_events_carry_the_whole_case_and_no_words(city):
    """Architecture I5: every event has the case; versions are contiguous; comments are digests, and sealed once decided."""
    case_id = await city.circulating()
    await act(city, case_id, CHIEF, "approve", "秘密の意見")
    await act(city, case_id, DEPUTY, "hold", "確認中です")
    await act(city, case_id, DEPUTY)
    case = await act(city, case_id, HEAD, "decide")
    told = await city.envelopes(case_id)
    assert [e.aggregate_version for e in told] == list(range(1, case.version + 1))
    assert [e.action for e in told] == [
        "case.opened",
        "step.activated",
        "step.closed",
        "step.activated",
        "step.held",
        "step.closed",
        "step.activated",
        "step.closed",
        "case.decided",
    ]
    for envelope in told:
        shown = snapshot_of(envelope)
        assert (shown.case_id, shown.case_version) == (case_id, envelope.aggregate_version)
        assert (envelope.version_digest, envelope.detail["document_id"]) == (DIGEST, shown.document_id)
        assert "秘密".encode() not in envelope.SerializeToString()
        assert bool(shown.sealed_opinions) is (shown.state == "decided")
    opened, decided = snapshot_of(told[1]), snapshot_of(told[-1])
    assert [(lease.principal, lease.acted) for lease in opened.leases] == [(f"post:{CHIEF}", False)]
    assert decided.state == "decided"
    assert decided.decided_by == (await city.holder(HEAD)).staff_id
    assert all(lease.acted and lease.principal.startswith("staff:") for lease in decided.leases)
    assert [d.action for d in decided.decisions] == ["approve", "hold", "approve", "decide"]
    assert [len(d.comment_digest) for d in decided.decisions] == [64, 64, 0, 0]
    rows = await city.rows("SELECT DISTINCT awaits FROM outbox WHERE subject LIKE 'kanketsu.approvals.case.%%'")
    assert rows == [(["audit", "documents"],)]


async def test_what_people_wrote_is_for_the_document_alone(city):
    """AP-53: every comment of the case for its approval sheet, and after the decision those of 後閲 too."""
    deputy = await city.holder(DEPUTY)
    away = await deputy.is_away()
    case_id = await city.circulating()
    await act(city, case_id, CHIEF, "hold", "算定額の確認中です。")
    await act(city, case_id, CHIEF, "approve", "算定額を確認しました。")
    case = await act(city, case_id, HEAD, "decide_conditionally", "交付は議決後とすること。")
    await deputy.call("EndAbsence", request_id=clock.new_id(), absence_id=away)
    await deputy.act(case, "post_view", "確認しました。")
    decided, viewed = [snapshot_of(one) for one in (await city.envelopes(case_id))[-2:]]
    told = [opinions_in(one) for one in (decided, viewed)]
    assert told[0] == ["算定額の確認中です。", "算定額を確認しました。", "交付は議決後とすること。"]
    assert told[1] == [*told[0], "確認しました。"]
    with pytest.raises(ValueError, match="does not open"):
        sealing.unseal(decided.sealed_opinions, bytes(32), case_id.encode())


async def test_what_people_wrote_reaches_the_document_however_the_case_ends(city):
    """AP-53: 差戻し and 不同意 belong to the record as much as what was written before a decision."""
    case_id = await city.circulating()
    await act(city, case_id, CHIEF, "hold", "算定額の確認中です。")
    await act(city, case_id, CHIEF, "send_back", "同意書の写しがありません。")
    *running, ended = [snapshot_of(one) for one in await city.envelopes(case_id)]
    assert (ended.state, opinions_in(ended)) == ("sent_back", ["算定額の確認中です。", "同意書の写しがありません。"])
    assert not any(one.sealed_opinions for one in running if one.state == "circulating")


def test_words_never_make_an_event_too_large_to_travel():
    """Promise I8: the broker takes a message of 1 MiB; beyond half of that they stay here, and the sheet says so."""
    by = Signature("S0070", "髙橋 一郎", CHIEF, "担当主査", "U-040-03", "環境政策室", AppointmentKind.MAIN)
    acts = tuple(
        Decision(clock.new_id(), "", Action.HOLD, 1, by, "長" * domain.MAX_COMMENT, clock.now(), DIGEST, "")
        for _ in range(60)
    )
    case = Case(
        *(clock.new_id(), clock.new_id(), CaseState.DECIDED, DIGEST, DRAFTER, "P-040-03-05", "U-040-03", "head"),
        *("箕市第1号", False, False, clock.new_id(), "", "", clock.now()),
        decisions=acts,
        opinions_key=sealing.public_key(OPINIONS_SECRET),
    )
    told = envelopes.snapshot(case, 1, Hall({}))
    assert told.ByteSize() < 1024 * 1024
    assert len(told.decisions) == 60
    assert opinions_in(told) == ["長" * domain.MAX_COMMENT] * 43


def opinions_in(case):
    """What people wrote, in the order of the acts."""
    sealed = sealing.unseal(case.sealed_opinions, OPINIONS_SECRET, case.case_id.encode())
    texts = events_pb2.Opinions.FromString(sealed).texts
    return [texts[one.decision_id] for one in case.decisions if one.decision_id in texts]


async def test_a_post_view_lease_begins_with_the_decision(city):
    deputy = await city.holder(DEPUTY)
    away = await deputy.is_away()
    case_id = await city.circulating()
    case = await act(city, case_id, CHIEF)
    assert f"post:{DEPUTY}" not in [
        lease.principal for lease in snapshot_of((await city.envelopes(case_id))[-1]).leases
    ]
    case = await act(city, case_id, HEAD, "decide")
    last = snapshot_of((await city.envelopes(case_id))[-1])
    assert (f"post:{DEPUTY}", False) in [(lease.principal, lease.acted) for lease in last.leases]
    await deputy.call("EndAbsence", request_id=clock.new_id(), absence_id=away)
    await deputy.act(case, "post_view")
    envelope = (await city.envelopes(case_id))[-1]
    assert (envelope.action, envelope.type) == ("step.post_viewed", "kanketsu.approvals.v1.PostViewed")
    last = snapshot_of(envelope)
    assert (f"staff:{deputy.staff_id}", True) in [(lease.principal, lease.acted) for lease in last.leases]
    assert f"post:{DEPUTY}" not in [lease.principal for lease in last.leases]


# --- what nobody can do -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM decisions",
        "UPDATE decisions SET comment = ''",
        "DELETE FROM steps",
        "UPDATE steps SET post_id = 'P-000-00-01' WHERE state = 'active'",
        "UPDATE steps SET mandatory = false",
        "DELETE FROM cases",
        "UPDATE cases SET version_digest = 'x'",
        "UPDATE cases SET drafter = 'S0001'",
        "UPDATE route_plans SET steps = '[]'",
        "DELETE FROM route_plans",
        "DELETE FROM appointments",
        "UPDATE appointments SET staff_id = 'S0001'",
        "DELETE FROM absences",
        "DELETE FROM staff",
        "TRUNCATE decisions",
        "DROP TABLE decisions",
        "ALTER TABLE steps DISABLE TRIGGER ALL",
    ],
)
async def test_the_application_role_cannot_rewrite_history(city, statement):
    await city.circulating()
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.RaiseException)
    with pytest.raises(refusals):
        async with city.pool.connection() as conn:
            await conn.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE steps SET state = 'active' WHERE step_id = %s",
        "UPDATE steps SET holder = NULL WHERE step_id = %s",
        "UPDATE steps SET acted_at = now() WHERE step_id = %s",
        "UPDATE cases SET state = 'circulating', decided_at = NULL, version = version + 1 WHERE case_id = %s",
        "UPDATE cases SET decided_by = 'S0001', version = version + 1 WHERE case_id = %s",
        "UPDATE cases SET version = version - 1 WHERE case_id = %s",
    ],
)
async def test_acted_steps_and_closed_cases_stay(city, statement):
    """AP-40: triggers hold even what the columns' grants would let through."""
    case_id = await city.circulating()
    for post, action in ((CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "decide")):
        case = await act(city, case_id, post, action)
    key = case.steps[0].step_id if "steps" in statement else case_id
    with pytest.raises(psycopg.errors.RaiseException):
        async with city.pool.connection() as conn:
            await conn.execute(statement.encode(), (key,))


async def test_the_guard_refuses_strangers_tenants_and_stale_identities(city):
    drafter = await city.person(DRAFTER)
    request = pb.ListUnitsRequest()
    for token in (
        "",
        city.strangers.identity(drafter.identity, "approvals"),
        city.identities.identity(drafter.identity, "documents"),
        city.identities.identity(Identity(staff_id=DRAFTER, tenant="toyonaka"), "approvals"),
        city.identities.identity(drafter.identity, "approvals", now=1_700_000_000),
    ):
        error = await refused(client.call("ListUnits", city.stub.ListUnits, request, token, 5.0))
        assert error.kind.value == "UNAUTHENTICATED"
