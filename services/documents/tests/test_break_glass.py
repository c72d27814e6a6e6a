"""緊急閲覧 (AC-08): two persons and a reason show one document to one person for some hours; tried to be got round."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

import psycopg
import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.documents.v1 import break_glass_service_pb2 as glass_pb
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.documents.v1 import events_pb2
from services.documents.breakglass import commands
from services.documents.rights import Rights, unknown_reasons
from services.documents.tests.conftest import BODY, TITLE, House, Person

ADMIN, OFFICER, AUDITOR, HEAD, UNIT = "S0005", "S0031", "S0150", "S0068", "U-040-03"
ABSENT, ABSENT_NUMBER = "0190d5a0-0000-7000-8000-000000000000", "8環政第99999号"
REASON = "担当者の急病により、髙﨑氏への交付期限を確かめるため"
PDF = b"%PDF-1.7 secret"


@pytest.fixture
def admin(house: House) -> Person:
    return house.person(ADMIN, "P-020-05-04", roles=frozenset({"clerk", "system_admin"}))


@pytest.fixture
def officer(house: House) -> Person:
    return house.person(OFFICER, "P-020-03-03", roles=frozenset({"records_officer"}))


@pytest.fixture
def auditor(house: House) -> Person:
    return house.person(AUDITOR, "P-110-01-03", roles=frozenset({"audit_officer"}))


@pytest.fixture
def head(house: House) -> Person:
    return house.person(HEAD, "P-040-03-01")


def attest(house: House, **claims: object) -> str:
    """Approvals' word about 環境政策室."""
    good = {"ten": "minoh", "unit": UNIT, "heads": [HEAD], "members": [HEAD], "iat": int(clock.now().timestamp())}
    return house.attesting.sign(good | claims)


async def ask(by: Person, named: str, **given: Any) -> glass_pb.BreakGlass:
    return (await by.call("RequestBreakGlass", **({"named": named, "reason": REASON, "hours": 2} | given))).break_glass


async def consent(by: Person, one: glass_pb.BreakGlass) -> glass_pb.BreakGlass:
    answer = await by.call("ConsentBreakGlass", break_glass_id=one.break_glass_id, expected_version=one.version)
    return answer.break_glass


async def end(by: Person, one: glass_pb.BreakGlass, **given: Any) -> glass_pb.BreakGlass:
    answer = await by.call(
        "EndBreakGlass", **({"break_glass_id": one.break_glass_id, "expected_version": one.version} | given)
    )
    return answer.break_glass


async def listed(by: Person, break_glass_id: str, **given: Any) -> glass_pb.BreakGlass:
    (one,) = [x for x in (await by.call("ListBreakGlass", **given)).items if x.break_glass_id == break_glass_id]
    return one


async def refused(awaitable: Any) -> str:
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value.reason


async def sees(person: Person, document_id: str) -> bool:
    """Whether the document is shown; each way to it, and what only lists it, must agree."""
    found = [
        document_id in await person.search(document_ids=[document_id]),
        document_id in await person.search(),
        document_id in await person.search(TITLE[:12]),
    ]
    for method in ("GetDocument", "ListViewers", "ListHistory", "ListVersions", "ListRelated", "GetMemo"):
        answer = await asyncio.gather(person.call(method, document_id=document_id), return_exceptions=True)
        found.append(not isinstance(answer[0], DomainError) or answer[0].reason)
    assert set(found) in ({True}, {False, "NOT_FOUND"}), found
    return found[0]


async def aged(house: House, document_id: str, *, asked: dt.timedelta, agreed: dt.timedelta | None = None) -> str:
    """A request from before, as the application role may write it: two hours by the administrator for a document."""
    one, at = clock.new_id(), clock.now() - asked
    await house.rows(
        "INSERT INTO break_glass (break_glass_id, named, reason, hours, requested_by, requested_as, requested_at, ends_at,"
        " version) VALUES (%s, %s, 'x', 2, %s, 'system_admin', %s, %s, 1) RETURNING 1",
        one,
        document_id,
        ADMIN,
        at,
        at + dt.timedelta(hours=24),
    )
    if agreed is not None:
        since = clock.now() - agreed
        until = since + dt.timedelta(hours=2)
        await house.rows(
            "UPDATE break_glass SET consented_by = %s, consented_as = 'records_officer', consented_at = %s, ends_at = %s,"
            " document_id = %s, version = 2 WHERE break_glass_id = %s RETURNING 1",
            OFFICER,
            since,
            until,
            document_id,
            one,
        )
        await house.rows(
            "INSERT INTO viewers (document_id, principal, reason, valid_from, valid_to)"
            " VALUES (%s, %s, 'break_glass', %s, %s) RETURNING 1",
            document_id,
            f"staff:{ADMIN}",
            since,
            until,
        )
    return one


async def test_ac_08_two_persons_show_it_to_the_one_and_to_nobody_else(
    house: House, admin: Person, officer: Person, auditor: Person
) -> None:
    """AC-10: the only addition to the viewers is the one who asked, for the span."""
    document = await house.circulating()
    asked = await ask(admin, document.draft_number)
    assert (asked.state, list(asked.allowed_actions)) == ("requested", ["end"])
    assert list((await listed(officer, asked.break_glass_id)).allowed_actions) == ["consent"]
    assert not await sees(admin, document.document_id), "asking shows nothing"
    before = clock.now()
    opened = await consent(officer, asked)
    assert (opened.state, opened.consented_by, opened.version) == ("open", OFFICER, 2)
    until = opened.ends_at.ToDatetime(dt.UTC)
    assert before + dt.timedelta(hours=2) <= until <= clock.now() + dt.timedelta(hours=2)
    assert await sees(admin, document.document_id)
    for other in (officer, auditor, house.stranger, house.person(ADMIN + "0"), house.person("S0006", "P-020-05-04")):
        assert not await sees(other, document.document_id)
    shown = await admin.call("GetDocument", document_id=document.document_id)
    assert shown.break_glass_until == opened.ends_at
    assert not shown.read_receipt, "it would show the case for hours after the end"
    own = await house.drafter.call("GetDocument", document_id=document.document_id)
    assert not own.HasField("break_glass_until")
    viewers = (await house.drafter.call("ListViewers", document_id=document.document_id)).viewers
    assert {(one.principal, one.reason) for one in viewers} == {
        (f"unit:{UNIT}", "owner_unit"),
        (f"staff:{ADMIN}", "break_glass"),
    }


async def test_ac_08_it_is_for_looking_and_nothing_else(house: House, admin: Person, officer: Person) -> None:
    """No download, no print, no copy, no write, also for a member of the unit whom the 閲覧区分 leaves out."""
    draft = await house.drafter.draft(
        view_class=pb.VIEW_CLASS_DESIGNATED, designated=["S0072"], enforcement_required=False
    )
    uploaded = (await house.drafter.upload(draft.document_id, PDF)).attachment
    document = await house.drafter.submit(draft)
    await house.decide(document)
    await house.drawn()
    member = house.person(ADMIN, "P-040-03-06", roles=frozenset({"system_admin"}))
    assert not await sees(member, document.document_id)
    await consent(officer, await ask(member, document.document_id))
    shown = await member.call("GetDocument", document_id=document.document_id)
    assert (shown.may_download, shown.may_print) == (False, False)
    header, content = await member.read(document.document_id, uploaded.attachment_id)
    assert content == PDF
    known = {"document_id": document.document_id, "expected_version": shown.document.version}
    answers = {
        "print": await refused(member.call("GetDocument", document_id=document.document_id, purpose="print")),
        "export": await refused(member.call("GetDocument", document_id=document.document_id, purpose="export")),
        "download": await refused(member.read(document.document_id, uploaded.attachment_id, purpose="download")),
        "repeat": await refused(member.call("RepeatDocument", document_id=document.document_id)),
        "annotate": await refused(member.call("AnnotateDocument", **known, text="追記")),
        "complete": await refused(member.call("CompleteDocument", **known)),
        "memo": await refused(member.call("SaveMemo", document_id=document.document_id, text="付箋")),
        "upload": await refused(member.upload(document.document_id, PDF)),
    }
    assert answers == {
        "print": "PRINT_NOT_PERMITTED",
        "export": "DOWNLOAD_NOT_PERMITTED",
        "download": "DOWNLOAD_NOT_PERMITTED",
        "repeat": "NOT_PERMITTED",
        "annotate": "NOT_FOUND",
        "complete": "NOT_FOUND",
        "memo": "NOT_FOUND",
        "upload": "NOT_FOUND",
    }
    current = await house.drafter.see(document.document_id)
    await house.drafter.call("CompleteDocument", document_id=document.document_id, expected_version=current.version)
    assert await refused(member.call("GetManifest", document_id=document.document_id)) == "DOWNLOAD_NOT_PERMITTED"
    # AC-15: no setting of the city gives it more.
    assert unknown_reasons(["drafter", "break_glass"]) == ["break_glass"]
    assert "break_glass" not in {one for name in Rights.__dataclass_fields__ for one in getattr(Rights(), name)}
    assert (await house.record(header.access_record)).detail["purpose"] == "break_glass"


async def test_ac_08_every_access_says_that_it_was_under_it(house: House, admin: Person, officer: Person) -> None:
    document = await house.circulating()
    await consent(officer, await ask(admin, document.document_id))
    for method in ("GetDocument", "ListVersions", "ListViewers", "ListHistory"):
        answer = await admin.call(method, document_id=document.document_id)
        record = await house.record(answer.access_record)
        assert (record.actor.staff_id, record.detail["purpose"]) == (ADMIN, "break_glass"), method


async def test_ac_08_nobody_consents_to_what_they_asked_for(
    house: House, admin: Person, officer: Person, auditor: Person
) -> None:
    """Not under another role either; nor does one office both ask and consent."""
    document = await house.circulating()
    both = house.person("S0140", "P-110-01-04", roles=frozenset({"records_officer", "audit_officer", "system_admin"}))
    asked = await ask(both, document.document_id)
    assert asked.requested_as == "system_admin"
    assert await refused(consent(both, asked)) == "OWN_BREAK_GLASS"
    two = house.person("S0141", "P-110-01-04", roles=frozenset({"records_officer", "audit_officer"}))
    from_office = await ask(two, document.document_id)
    assert from_office.requested_as == "records_officer"
    assert await refused(consent(two, from_office)) == "OWN_BREAK_GLASS"
    assert await refused(consent(officer, from_office)) == "SAME_ROLE"
    for other in (admin, house.person("S0006", roles=frozenset({"system_admin"})), house.drafter):
        assert await refused(consent(other, from_office)) == "NOT_PERMITTED"
    for person in (both, two, admin, officer):
        assert not await sees(person, document.document_id)
    assert (await consent(auditor, from_office)).state == "open"
    assert await sees(two, document.document_id)


async def test_ac_09_a_vendor_never_asks_nor_hears_of_it(house: House, admin: Person) -> None:
    """Nor does anybody else; the database takes no vendor whatever the code does."""
    one = await ask(admin, ABSENT)
    vendor = house.person("vendor:fuji-01", roles=frozenset({"maintainer"}))
    known = {"break_glass_id": one.break_glass_id, "expected_version": 1}
    for person in (vendor, house.drafter, house.person(HEAD, roles=frozenset({"records_manager"}))):
        assert await refused(ask(person, ABSENT)) == "NOT_PERMITTED"
        assert await refused(person.call("ListBreakGlass")) == "NOT_PERMITTED"
        assert await refused(person.call("ConsentBreakGlass", **known)) == "NOT_PERMITTED"
        assert await refused(person.call("EndBreakGlass", **known)) == "NOT_FOUND"
    with pytest.raises(psycopg.errors.CheckViolation):
        await house.rows(
            "INSERT INTO break_glass (break_glass_id, named, reason, hours, requested_by, requested_as, requested_at,"
            " ends_at, version) VALUES (uuidv7(), 'x', 'x', 1, 'vendor:fuji-01', 'system_admin', now(),"
            " now() + interval '24 hours', 1) RETURNING 1"
        )


async def test_ac_03_whether_there_is_such_a_document_is_told_by_nothing_but_reading_it(
    house: House, admin: Person, officer: Person
) -> None:
    """Requests, consents and lists are the same for what exists, what does not, and a colleague's draft."""
    document, draft = await house.circulating(), await house.drafter.draft()
    shapes = []
    for named in (document.document_id, document.draft_number, draft.document_id, ABSENT, ABSENT_NUMBER):
        asked = await ask(admin, named)
        opened = await consent(officer, asked)
        seen = [asked, opened, await listed(admin, asked.break_glass_id), await listed(officer, asked.break_glass_id)]
        shape = []
        for one in seen:
            assert one.named == named
            for field in ("break_glass_id", "named", "requested_at", "consented_at", "ends_at"):
                one.ClearField(field)
            shape.append(one.SerializeToString(deterministic=True))
        shapes.append(shape)
    assert all(one == shapes[0] for one in shapes)
    assert await sees(admin, draft.document_id)
    assert await refused(admin.see(ABSENT)) == "NOT_FOUND"
    texts = json.dumps([str(one) for one in (await admin.call("ListBreakGlass")).items], ensure_ascii=False)
    assert TITLE not in texts
    assert UNIT not in texts


async def test_ac_08_unanswered_it_lapses_and_its_end_comes_by_the_clock(
    house: House, admin: Person, officer: Person
) -> None:
    document = await house.circulating()
    lapsed = await aged(house, document.document_id, asked=dt.timedelta(hours=24, seconds=1))
    one = await listed(officer, lapsed)
    assert (one.state, list(one.allowed_actions)) == ("lapsed", [])
    assert await refused(consent(officer, one)) == "BREAK_GLASS_STATE"
    over = await aged(house, document.document_id, asked=dt.timedelta(hours=6), agreed=dt.timedelta(hours=2, seconds=1))
    assert (await listed(admin, over)).state == "over"
    assert not await sees(admin, document.document_id)
    assert await refused(end(admin, await listed(admin, over))) == "BREAK_GLASS_STATE"
    assert await commands.note_ends(house.service, clock.now()) >= 2
    assert await commands.note_ends(house.service, clock.now()) == 0
    assert (await listed(admin, over)).ended_by == "service:documents"
    told = (await house.envelopes(over))[-1]
    assert (told.action, told.actor.staff_id, told.detail["document_id"]) == (
        "break_glass.ended",
        "service:documents",
        document.document_id,
    )
    live = await aged(house, document.document_id, asked=dt.timedelta(hours=6), agreed=dt.timedelta(hours=1))
    assert (await listed(admin, live)).state == "open"
    assert await sees(admin, document.document_id)


async def test_ac_08_of_two_consents_at_once_one_counts(
    house: House, admin: Person, officer: Person, auditor: Person
) -> None:
    document = await house.circulating()
    asked = await ask(admin, document.document_id)
    consents = [consent(officer, asked), consent(auditor, asked), consent(officer, asked)]
    answers = await asyncio.gather(*consents, return_exceptions=True)
    reasons = [one.reason for one in answers if isinstance(one, DomainError)]
    assert reasons == ["STALE_VERSION"] * 2
    rows = await house.rows(
        "SELECT count(*) FROM viewers WHERE reason = 'break_glass' AND document_id = %s", document.document_id
    )
    assert rows == [(1,)]
    assert await refused(consent(auditor, await listed(auditor, asked.break_glass_id))) == "BREAK_GLASS_STATE"


@pytest.mark.parametrize("who", ["admin", "officer", "head"])
async def test_ac_08_each_of_the_two_and_the_head_end_it_and_then_nothing_is_shown(
    house: House, admin: Person, officer: Person, auditor: Person, head: Person, who: str
) -> None:
    """Also of what was open already: page, file, list and search are asked again."""
    draft = await house.drafter.draft()
    uploaded = (await house.drafter.upload(draft.document_id, PDF)).attachment
    document = await house.drafter.submit(draft)
    opened = await consent(officer, await ask(admin, document.document_id))
    assert await sees(admin, document.document_id)
    assert await refused(end(auditor, opened)) == "NOT_PERMITTED"
    assert await refused(end(head, opened)) == "NOT_FOUND", "who is not proved to be the head"
    other = attest(house, unit="U-050-04")
    assert await refused(end(head, opened, attestation=other)) == "NOT_FOUND"
    not_head = attest(house, heads=["S0070"])
    assert await refused(end(head, opened, attestation=not_head)) == "NOT_FOUND"
    person = {"admin": admin, "officer": officer, "head": head}[who]
    given = {"attestation": attest(house)} if who == "head" else {}
    over = await end(person, opened, **given)
    assert (over.state, over.ended_by) == ("over", person.identity.staff_id)
    assert not await sees(admin, document.document_id)
    for purpose in ("inline", "download"):
        assert await refused(admin.read(document.document_id, uploaded.attachment_id, purpose=purpose)) == "NOT_FOUND"
    assert await refused(end(person, over, **given)) == "BREAK_GLASS_STATE"


async def test_who_asked_takes_it_back_and_nobody_else_does(house: House, admin: Person, officer: Person) -> None:
    asked = await ask(admin, ABSENT)
    assert await refused(end(officer, asked)) == "NOT_PERMITTED"
    assert (await end(admin, asked)).state == "lapsed"
    assert await refused(consent(officer, await listed(officer, asked.break_glass_id))) == "BREAK_GLASS_STATE"


async def test_the_head_hears_of_their_units_documents_alone(
    house: House, admin: Person, officer: Person, head: Person
) -> None:
    document = await house.circulating()
    opened = await consent(officer, await ask(admin, document.draft_number))
    elsewhere = await consent(officer, await ask(admin, ABSENT_NUMBER))
    items = (await head.call("ListBreakGlass", attestation=attest(house))).items
    assert opened.break_glass_id in {one.break_glass_id for one in items}
    assert elsewhere.break_glass_id not in {one.break_glass_id for one in items}
    shown = await listed(head, opened.break_glass_id, attestation=attest(house))
    assert (shown.reason, list(shown.allowed_actions)) == (REASON, ["end"])
    forged = [attest(house, ten="osaka"), attest(house, iat=int(clock.now().timestamp()) - 600), "x.y.z"]
    assert {await refused(head.call("ListBreakGlass", attestation=one)) for one in forged} == {"MEMBERSHIP_UNPROVEN"}
    assert await refused(house.drafter.call("ListBreakGlass", attestation=attest(house))) == "NOT_PERMITTED"


async def test_ac_14_log_and_messages_say_who_and_when_and_nothing_of_the_content(
    house: House, admin: Person, officer: Person
) -> None:
    """Each step is a leaf; from the consent on it stands in the history of the document, too."""
    document = await house.circulating()
    asked = await ask(admin, document.draft_number)
    opened = await consent(officer, asked)
    await end(officer, opened)
    requested, consented, ended = await house.envelopes(asked.break_glass_id)
    assert [one.action for one in (requested, consented, ended)] == [
        "break_glass.requested",
        "break_glass.consented",
        "break_glass.ended",
    ]
    assert dict(requested.detail) == {"about": asked.break_glass_id, "staff_id": ADMIN}
    assert dict(consented.detail) == {
        "about": asked.break_glass_id,
        "staff_id": ADMIN,
        "consented_by": OFFICER,
        "to": opened.ends_at.ToDatetime(clock.JST).isoformat(),
        "document_id": document.document_id,
    }
    told = events_pb2.BreakGlassConsented.FromString(consented.payload)
    assert (told.document_id, told.draft_number, told.unit_id) == (
        document.document_id,
        document.draft_number,
        UNIT,
    )
    for envelope in (requested, consented, ended):
        said = envelope.SerializeToString().decode("utf-8", "replace")
        assert not [word for word in (TITLE[:8], BODY[:8], REASON[:4], "髙﨑") if word in said]
    events = (await house.drafter.call("ListHistory", document_id=document.document_id)).events
    assert [one.action for one in events][-2:] == ["break_glass.consented", "break_glass.ended"]
    assert (await house.drafter.see(document.document_id)).version == document.version


async def test_what_was_asked_wrongly_is_named(house: House, admin: Person) -> None:
    with pytest.raises(DomainError) as caught:
        await ask(admin, " ", reason="", hours=5)
    assert {(one.field, one.problem) for one in caught.value.fields} == {
        ("named", "REQUIRED"),
        ("reason", "REQUIRED"),
        ("hours", "OUT_OF_RANGE"),
    }
    assert await refused(ask(admin, "x" * 101)) == "INVALID_FIELDS"
    assert (await ask(admin, "８環政第 １２ 号")).named == "8環政第12号"


FORGERIES = {
    "without a request": ("", "now() + interval '1 hour'"),
    "before the consent": ("requested", "now() + interval '1 hour'"),
    "for ever": ("open", "NULL"),
    "for longer": ("open", "now() + interval '10 hours'"),
    "for somebody else": ("other", "b.ends_at"),
    "after its end": ("ended", "b.ends_at"),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_ac_08_no_statement_of_the_application_makes_a_view_that_two_did_not_agree_on(
    house: House, admin: Person, officer: Person, name: str
) -> None:
    state, until = FORGERIES[name]
    document = await house.circulating()
    asked = await ask(admin, document.document_id if state else ABSENT)
    if state in ("open", "other", "ended"):
        asked = await consent(officer, asked)
    if state == "ended":
        await end(admin, asked)
    whose = OFFICER if state == "other" else ADMIN
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        await house.rows(
            "INSERT INTO viewers (document_id, principal, reason, valid_from, valid_to)"
            f" SELECT %s, %s, 'break_glass', now(), {until} FROM break_glass AS b WHERE b.break_glass_id = %s RETURNING 1",
            document.document_id,
            f"staff:{whose}",
            asked.break_glass_id,
        )


@pytest.mark.parametrize(
    "change",
    [
        "consented_by = 'S9', consented_as = 'audit_officer', consented_at = now(), ends_at = now() + interval '3 hours'",
        "consented_by = 'S9', consented_as = 'audit_officer', consented_at = now() + interval '3 hours',"
        " ends_at = now() + interval '5 hours'",
        f"consented_by = '{ADMIN}', consented_as = 'audit_officer', consented_at = now(),"
        " ends_at = now() + interval '2 hours'",
        "consented_by = 'S9', consented_as = 'system_admin', consented_at = now(), ends_at = now() + interval '2 hours'",
        "ends_at = now() + interval '48 hours'",
        "document_id = uuidv7()",
    ],
)
async def test_ac_08_no_statement_of_the_application_bends_a_consent(house: House, admin: Person, change: str) -> None:
    """Longer, later, by who asked, from the wrong role; and it waits no longer than a day."""
    asked = await ask(admin, ABSENT)
    with pytest.raises(psycopg.errors.IntegrityError):
        await house.rows(
            f"UPDATE break_glass SET version = 2, {change} WHERE break_glass_id = %s RETURNING 1", asked.break_glass_id
        )


async def test_ac_08_what_ended_stays_as_it_is(house: House, admin: Person, officer: Person) -> None:
    """Neither consented to again, nor open longer; the view ends earlier, never later."""
    document = await house.circulating()
    opened = await consent(officer, await ask(admin, document.document_id))
    viewer = "document_id = %s AND reason = 'break_glass'"
    for until in ("NULL", "valid_to + interval '1 minute'", "valid_to"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            await house.rows(f"UPDATE viewers SET valid_to = {until} WHERE {viewer} RETURNING 1", document.document_id)
    await end(admin, opened)
    for change in ("ended_by = '', ended_at = NULL", "ends_at = now() + interval '2 hours'", "consented_at = now()"):
        with pytest.raises(psycopg.errors.IntegrityError):
            await house.rows(
                f"UPDATE break_glass SET version = 9, {change} WHERE break_glass_id = %s RETURNING 1",
                opened.break_glass_id,
            )
    late = await aged(house, document.document_id, asked=dt.timedelta(hours=25))
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        await house.rows(
            "UPDATE break_glass SET version = 2, consented_by = 'S9', consented_as = 'audit_officer', consented_at = now(),"
            " ends_at = now() + interval '2 hours' WHERE break_glass_id = %s RETURNING 1",
            late,
        )
