"""The organisation over gRPC: who logs in, lists as of a day, names, absences."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from chassis import clock
from chassis.errors import DomainError
from chassis.identity import Identity
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.organisation.domain import post_label
from services.approvals.tests.conftest import TENANT, refused

GATEWAY = Identity(staff_id="service:gateway", tenant=TENANT)
OFFICER = Identity(staff_id="S0225", tenant=TENANT, roles=frozenset({"audit_officer"}))


async def resolve(city, login, identity=GATEWAY):
    return await city.call("ResolveActor", pb.ResolveActorRequest(login=login), identity)


# --- who somebody is ----------------------------------------------------------------------------


async def test_a_login_becomes_a_person_with_posts_roles_and_principals(city):
    """AC-05: 兼務 is the union; every staff member is a clerk."""
    answer = await resolve(city, "abe.keisuke")
    assert (answer.staff_id, answer.name) == ("S0005", "安部 圭介")
    assert list(answer.roles) == ["clerk", "records_manager"]
    assert list(answer.principals) == [
        "staff:S0005",
        "post:P-010-01-01",
        "unit:U-010-01",
        "member:S0005@U-010-01",
        "manager:U-010-01",
        *(f"department:{unit}" for unit in ("U-010", "U-010-01", "U-010-02", "U-010-03")),
        "city:all",
    ]
    rows = await city.rows("SELECT login FROM staff WHERE staff_id = 'S0224'")
    both = await resolve(city, rows[0][0])
    assert [(post.post_id, post.kind) for post in both.posts] == [
        ("P-140-03-02", "main"),
        ("P-140-04-02", "concurrent"),
        ("P-140-06-02", "concurrent"),
    ]
    assert {p for p in both.principals if p.startswith("unit:")} == {"unit:U-140-03", "unit:U-140-04", "unit:U-140-06"}
    assert (both.posts[0].title, both.posts[0].unit_name, both.posts[0].rank) == ("事務局長", "監査委員事務局", "head")


async def test_a_director_sees_the_units_below_by_a_route_only(city):
    """AC-07: where the city has not chosen otherwise."""
    [(login,)] = await city.rows(
        "SELECT s.login FROM staff AS s INNER JOIN appointments AS a ON a.staff_id = s.staff_id"
        " WHERE a.post_id = 'P-040-00-01' AND a.valid_to = 'infinity'"
    )
    answer = await resolve(city, login)
    assert [one for one in answer.principals if one.startswith("unit:")] == ["unit:U-040"]


async def test_strangers_and_leavers_are_nobody(city):
    """AC-16: 平尾克己 left on 2026-10-01."""
    for login in ("nobody", "", "hirao.katsumi"):
        error = await refused(resolve(city, login))
        assert (error.kind.value, error.reason) == ("NOT_FOUND", "UNKNOWN_STAFF")


async def test_only_the_gateway_asks_who_somebody_is(city):
    person = await city.person("S0072")
    error = await refused(resolve(city, "abe.keisuke", person.identity))
    assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert (await city.records("actor.resolved"))[-1].actor.staff_id == "S0072"


# --- lists --------------------------------------------------------------------------------------


async def test_units_as_of_a_day(city):
    """観光推進室 was merged on 2026-04-01."""
    person = await city.person("S0072")
    now = {unit.unit_id: unit for unit in (await person.call("ListUnits")).units}
    before = {unit.unit_id for unit in (await person.call("ListUnits", on="2026-03-31")).units}
    assert "U-050-04" in before
    assert "U-050-04" not in now
    unit = now["U-040-03"]
    assert (unit.parent_id, unit.body, unit.name, unit.symbol, unit.valid_to) == (
        "U-040",
        "mayor",
        "環境政策室",
        "箕市",
        "",
    )
    assert not (await person.call("ListUnits", on="2000-01-01")).units
    assert (await refused(person.call("ListUnits", on="令和8年4月1日"))).reason == "INVALID_FIELDS"


async def test_posts_and_their_holders_as_of_a_day(city):
    person = await city.person("S0072")
    posts = {post.post_id: post for post in (await person.call("ListPosts", unit_id="U-040-03")).posts}
    assert list(posts["P-040-03-01"].holder_staff_ids) == ["S0068"]
    assert (posts["P-040-03-01"].title, posts["P-040-03-01"].rank) == ("室長", "head")
    before = await person.call("ListPosts", unit_id="U-040-01", on="2026-03-31")
    holders = {post.post_id: list(post.holder_staff_ids) for post in before.posts}
    assert holders["P-040-01-05"] == ["S0073"], "the day before the reshuffle"
    assert len((await person.call("ListPosts")).posts) > 200


async def test_staff_in_pages_and_by_unit(city):
    person = await city.person("S0072")
    found, cursor = [], ""
    for _ in range(10):
        page = await person.call("ListStaff", limit=60, cursor=cursor)
        found += [member.staff_id for member in page.staff]
        cursor = page.next_cursor
        if not cursor:
            break
    assert found == sorted(set(found))
    assert len(found) == (await city.rows("SELECT count(*) FROM staff WHERE valid_to = 'infinity'"))[0][0]
    unit = await person.call("ListStaff", unit_id="U-040-03")
    assert [member.staff_id for member in unit.staff] == ["S0068", "S0069", "S0070", "S0071", "S0072", "S0073"]
    assert [post.title for post in unit.staff[0].posts] == ["室長"]
    absent = {member.staff_id for member in (await person.call("ListStaff", limit=500)).staff if member.absent}
    assert "S0175" in absent


async def presence(city, identity=OFFICER, **more):
    given = {"from": "2026-03-01", "to": "2026-05-01", "limit": 500} | more
    return await city.call("ListPresence", pb.ListPresenceRequest(**given), identity)


async def test_presence_is_told_by_day_and_by_moment(city, owner):
    """AC-16, SC-07: who left on a day, who was away when; a leaver of an earlier span is not there."""
    await owner.execute(
        "INSERT INTO staff (staff_id, name, kana, login, email, valid_from, valid_to) VALUES"
        " ('S9001', '退職 一', 'たいしょく はじめ', 'taishoku.hajime', '', '2020-04-01', '2026-04-10'),"
        " ('S9001', '退職 一', 'たいしょく はじめ', 'taishoku.hajime', '', '2026-04-20', 'infinity'),"
        " ('S9002', '退職 二', 'たいしょく ふたば', 'taishoku.futaba', '', '2020-04-01', '2026-03-01')"
    )
    await owner.execute(
        "INSERT INTO absences (absence_id, staff_id, from_at, to_at, reason_code, registered_by, registered_at) VALUES"
        " (gen_random_uuid(), 'S9001', '2026-02-01 00:00+09', '2026-04-02 12:00+09', 'sick', 'S0225', now()),"
        " (gen_random_uuid(), 'S9001', '2026-04-05 00:00+09', '2026-04-05 00:00+09', 'leave', 'S0225', now()),"
        " (gen_random_uuid(), 'S9001', '2026-05-01 00:00+09', '2026-05-02 00:00+09', 'leave', 'S0225', now())"
    )
    found = {one.staff_id: one for one in (await presence(city)).people}
    back = found["S9001"]
    assert [(getattr(days, "from"), days.to) for days in back.employed] == [
        ("2026-03-01", "2026-04-10"),
        ("2026-04-20", "2026-05-01"),
    ]
    (away,) = back.absent
    assert away.to.ToDatetime(tzinfo=dt.UTC) == dt.datetime(2026, 4, 2, 3, tzinfo=dt.UTC)
    assert "S9002" not in found
    # In the unit of the last main post: S0073 moved on 1 April.
    assert found["S0073"].unit_id == "U-040-03"
    before = {one.staff_id: one for one in (await presence(city, to="2026-04-01")).people}
    assert before["S0073"].unit_id == "U-040-01"


async def test_presence_in_pages_for_audit_officers_and_recorded(city):
    """SC-06: what everybody's absences are is not for everybody."""
    whole = [one.staff_id for one in (await presence(city)).people]
    first = await presence(city, limit=100)
    second = await presence(city, limit=500, cursor=first.next_cursor)
    assert [one.staff_id for one in [*first.people, *second.people]] == whole == sorted(whole)
    assert (await city.records("presence.listed"))[-1].result_count == len(second.people)
    clerk = Identity(staff_id="S0072", tenant=TENANT, roles=frozenset({"records_manager"}))
    error = await refused(presence(city, clerk))
    assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    for wrong in ({"to": "2026-03-01"}, {"to": "2026-06-01"}, {"from": "三月"}):
        assert (await refused(presence(city, **wrong))).reason == "INVALID_FIELDS"


async def test_ac_02_a_section_has_the_records_manager_of_its_room(city):
    """So 指定者のみ in a 係 is never without anybody; not the 部長 (AC-07), nor who only administers the system (AC-08)."""
    manager = "manager:U-020-09"
    everybody = await city.rows("SELECT staff_id FROM staff WHERE valid_to = 'infinity'")
    found = [who for (who,) in everybody if manager in (await city.person(who)).identity.principals]
    assert found == ["S0039"], "室長 of 情報政策室"
    (told,) = (await (await city.person("S0051")).call("DescribePrincipals", principals=[manager])).principals
    assert (told.label, list(told.staff_ids)) == ("情報システム運用担当の文書管理責任者", found)


async def test_principals_get_names(city):
    person = await city.person("S0072")
    asked = ["post:P-040-03-01", "unit:U-040-03", "staff:S0003", "post:P-040-03-03", "unit:U-999", "staff:S9999"]
    asked += ["member:S0070@U-040-03", "member:S0003@U-040-03", "manager:U-040-03", "manager:U-999"]
    answer = await person.call("DescribePrincipals", principals=asked)
    assert [one.principal for one in answer.principals] == asked
    names = dict(await city.rows("SELECT staff_id, name FROM staff"))
    labels = [one.label for one in answer.principals]
    assert labels[:4] == [
        f"環境政策室長 {names['S0068']}",
        "環境政策室",
        "岩﨑 千尋",
        f"環境政策室担当主査 {names['S0070']}",
    ]
    assert labels[4:6] == ["U-999", "S9999"], "an unknown one stays as it is"
    assert labels[6:] == [names["S0070"], names["S0003"], "環境政策室の文書管理責任者", "U-999"]
    assert [list(one.staff_ids) for one in answer.principals[6:]] == [["S0070"], [], ["S0068"], []], "AC-02: of today"
    assert list(answer.principals[1].staff_ids) == ["S0068", "S0069", "S0070", "S0071", "S0072", "S0073"]
    for bad in (["nothing"], ["role:clerk"], ["post:"], ["member:S0070"], ["staff:S0001"] * 501):
        assert (await refused(person.call("DescribePrincipals", principals=bad))).reason == "INVALID_FIELDS"


@pytest.mark.parametrize(
    ("unit", "title", "label"),
    [
        ("環境政策室", "室長", "環境政策室長"),
        ("市民部", "部長", "市民部長"),
        ("総務課", "課長補佐", "総務課長補佐"),
        ("環境政策室", "担当主査", "環境政策室担当主査"),
        ("箕面市", "市長", "箕面市長"),
        ("箕面市", "副市長", "箕面市副市長"),
        ("", "室長", "室長"),
    ],
)
def test_a_post_is_called_as_people_call_it(unit, title, label):
    assert post_label(unit, title) == label


# --- absences -----------------------------------------------------------------------------------


def span(start_hours, end_hours):
    now = clock.now()
    return {"from": now + dt.timedelta(hours=start_hours), "to": now + dt.timedelta(hours=end_hours)}


async def register(person, request_id="", reason_code="leave", **fields):
    return await person.call(
        "RegisterAbsence", request_id=request_id or clock.new_id(), reason_code=reason_code, **fields
    )


async def test_an_absence_is_registered_ended_and_announced(city):
    """AP-14."""
    person = await city.person("S0099")
    times = span(-1, 30)
    answer = await register(person, "absence-1", **times)
    assert (answer.absence.staff_id, answer.absence.registered_by) == ("S0099", "S0099")
    assert await register(person, "absence-1", **times) == answer
    members = await person.call("ListStaff", unit_id=next(iter(person.identity.units)))
    assert next(member for member in members.staff if member.staff_id == "S0099").absent
    ended = await person.call("EndAbsence", request_id="absence-2", absence_id=answer.absence.absence_id)
    assert ended.absence.to.ToDatetime() < answer.absence.to.ToDatetime()
    assert not (await person.call("ListAbsences")).absences
    again = await refused(person.call("EndAbsence", request_id="x", absence_id=answer.absence.absence_id))
    assert again.reason == "NOT_FOUND"
    envelopes = await city.envelopes("directory")
    assert [e.action for e in envelopes[-2:]] == ["absence.registered", "absence.ended"]
    # SC-07: the log alone tells when somebody was away; never why.
    begun, over = (e.detail for e in envelopes[-2:])
    assert begun["staff_id"] == over["staff_id"] == "S0099"
    assert set(begun) == {"about", "staff_id", "from", "to", "capacity"}
    assert begun["capacity"] == over["capacity"] == "self"
    assert dt.datetime.fromisoformat(over["to"]) < dt.datetime.fromisoformat(begun["to"])
    assert [e.aggregate_version for e in envelopes] == list(range(1, len(envelopes) + 1))
    assert (envelopes[-1].type, envelopes[-1].actor.staff_id) == ("kanketsu.approvals.v1.DirectoryChanged", "S0099")


async def test_an_absence_that_has_not_begun_is_called_off(city):
    person = await city.person("S0099")
    answer = await register(person, **span(48, 72))
    assert len((await person.call("ListAbsences")).absences) == 1
    await person.call("EndAbsence", request_id=clock.new_id(), absence_id=answer.absence.absence_id)
    assert not (await person.call("ListAbsences")).absences
    await register(person, **span(49, 60))
    assert len((await person.call("ListAbsences")).absences) == 1


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        (span(5, 5), "to", "NOT_AFTER_FROM"),
        (span(5, 4), "to", "NOT_AFTER_FROM"),
        (span(-9, -5), "to", "PAST"),
        (span(0, 24 * 800), "to", "TOO_LONG"),
        ({"to": clock.now()}, "from", "REQUIRED"),
        ({"from": clock.now()}, "to", "REQUIRED"),
        (span(0, 9) | {"reason_code": "holiday"}, "reason_code", "UNKNOWN"),
        (span(0, 9) | {"request_id": ""}, "request_id", "REQUIRED"),
    ],
)
async def test_a_wrong_absence_says_what_is_wrong(city, fields, field, problem):
    person = await city.person("S0100")
    request = {"request_id": clock.new_id(), "reason_code": "leave"} | fields
    error = await refused(person.call("RegisterAbsence", **request))
    assert [(violation.field, violation.problem) for violation in error.fields] == [(field, problem)]


async def test_absences_of_one_person_do_not_overlap_even_at_once(city):
    person = await city.person("S0100")
    answers = await asyncio.gather(*(register(person, **span(n, n + 20)) for n in range(4)), return_exceptions=True)
    assert sum(isinstance(answer, DomainError) for answer in answers) == 3
    assert {answer.fields[0].problem for answer in answers if isinstance(answer, DomainError)} == {"OVERLAPS"}


async def test_an_unexpected_absence_is_registered_by_a_superior_or_the_records_office(city):
    """AP-14: 市長, 副市長 and 部長 have no records manager; without a record of the absence nobody could 代決 for them."""
    mayor, vice, director, head = [
        await city.holder(post) for post in ("P-000-00-01", "P-000-00-03", "P-040-00-01", "P-040-03-01")
    ]
    officer = await city.person("S0018")
    assert "records_officer" in officer.identity.roles
    assert not {"records_officer", "records_manager"} & set(mayor.identity.roles | director.identity.roles)

    async def away(by, who):
        answer = await register(by, staff_id=who.staff_id, reason_code="sick", **span(0, 9))
        assert answer.absence.registered_by == by.staff_id
        shown = (await by.call("ListAbsences", staff_id=who.staff_id)).absences
        assert [one.reason_code for one in shown] == ["sick"], "who said so knows"
        await by.call("EndAbsence", request_id=clock.new_id(), absence_id=answer.absence.absence_id)
        return [(e.actor.staff_id, e.detail["capacity"]) for e in (await city.envelopes("directory"))[-2:]]

    assert await away(officer, mayor) == [(officer.staff_id, "records_office")] * 2
    for by, who in ((mayor, vice), (mayor, director), (director, head)):
        assert await away(by, who) == [(by.staff_id, "superior")] * 2, who.staff_id
    other = await city.holder("P-050-00-01")
    for by, who in ((director, mayor), (vice, mayor), (head, director), (other, head)):
        error = await refused(register(by, staff_id=who.staff_id, **span(0, 9)))
        assert error.reason == "NOT_PERMITTED", (by.staff_id, who.staff_id)
    assert (await refused(other.call("ListAbsences", unit_id="U-040-03"))).reason == "NOT_FOUND"


async def test_only_oneself_and_the_units_records_manager_register(city):
    manager, colleague, stranger = [await city.person(s) for s in ("S0068", "S0071", "S0016")]
    for other in (colleague, stranger):
        error = await refused(register(other, staff_id="S0073", **span(0, 9)))
        assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    answer = await register(manager, staff_id="S0073", reason_code="sick", **span(0, 9))
    assert answer.absence.registered_by == "S0068"
    absence_id = answer.absence.absence_id
    error = await refused(colleague.call("EndAbsence", request_id=clock.new_id(), absence_id=absence_id))
    assert error.reason == "NOT_PERMITTED"
    assert (await refused(register(manager, staff_id="S9999", **span(0, 9)))).reason == "NOT_FOUND"
    # Who may know why somebody is away.
    seen = {}
    for person in (manager, colleague, await city.person("S0073")):
        listed = await person.call("ListAbsences", unit_id="U-040-03")
        seen[person.staff_id] = next(a.reason_code for a in listed.absences if a.absence_id == absence_id)
    assert seen == {"S0068": "sick", "S0071": "", "S0073": "sick"}
    one = await colleague.call("ListAbsences", staff_id="S0073")
    assert [a.reason_code for a in one.absences] == [""]
    for fields in ({"unit_id": "U-040-03"}, {"staff_id": "S0073"}, {"unit_id": "U-999"}, {"staff_id": "S9999"}):
        assert (await refused(stranger.call("ListAbsences", **fields))).reason == "NOT_FOUND"
    await manager.call("EndAbsence", request_id=clock.new_id(), absence_id=absence_id)


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("ListPosts", {"unit_id": "U\0"}, "unit_id"),
        ("ListStaff", {"unit_id": "\0"}, "unit_id"),
        ("ListAbsences", {"staff_id": "S\0"}, "staff_id"),
        ("DescribePrincipals", {"principals": ["staff:S0001", "post:\0"]}, "principals"),
        ("ListInbox", {"post_id": "\0"}, "post_id"),
        (
            "PlanRoute",
            {"request_id": "x", "facts": pb.RouteFacts(unit_id="U", document_id=clock.new_id(), matter="補助金\0")},
            "matter",
        ),
        ("RecallCase", {"request_id": "\0"}, "request_id"),
        ("WithdrawCase", {"request_id": "x", "comment": "\0"}, "comment"),
        ("ActOnStep", {"request_id": "x" * 201}, "request_id"),
    ],
)
async def test_texts_that_cannot_be_kept_are_named(city, method, fields, field):
    person = await city.person("S0072")
    if method == "ActOnStep":
        fields = fields | {
            "case_id": clock.new_id(),
            "step_id": clock.new_id(),
            "action": "approve",
            "version_digest": "a",
            "expected_version": 1,
            "read_receipt": city.receipts.sign(
                {"doc": "d", "ver": "a", "sub": "S0072", "rec": "r", "iat": 1_700_000_000, "ten": TENANT}
            ),
        }
    error = await refused(person.call(method, **fields))
    assert (error.reason, error.fields[0].field) == ("INVALID_FIELDS", field)
