"""AC-16 by a city's directory: accounts and plain memberships, at once, never a deciding post, and never twice."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace

import pytest

from chassis import clock, db
from chassis.errors import DomainError
from chassis.identity import Identity
from kanketsu.approvals.v1 import provisioning_service_pb2 as pb
from services.approvals.changes import commands as change_commands
from services.approvals.changes.domain import AppointmentRow, ChangeKind
from services.approvals.organisation import store as organisation_store
from services.approvals.provisioning import domain
from services.approvals.provisioning.domain import Account, Fields, MembershipWish
from services.approvals.tests.conftest import TENANT, City, refused
from services.approvals.tests.test_change_sets import TOWN, drafted, review

# 環境政策室: S0068 室長, S0071 主任, S0072 and S0073 係員.
OFFICE, OTHER = "U-040-03", "U-050-02"
PROGRAM = Identity("service:directory", TENANT, roles=frozenset({"directory_writer"}), session_id="program-1")


async def call(city: City, method: str, **fields):
    request = getattr(pb, f"{method}Request")(**fields)
    if not method.startswith(("List", "Get")) and not request.request_id:
        request.request_id = clock.new_id()
    return await city.call(method, request, PROGRAM)


async def create(city: City, staff_id: str, **fields):
    given = {"login": f"{staff_id.lower()}@city.minoh.example", "name": "新井 葵", "kana": "アライ アオイ"} | fields
    return (await call(city, "CreateAccount", staff_id=staff_id, fields=pb.AccountFields(**given))).account


async def change(city: City, staff_id: str, version: str = "", **fields):
    answer = await call(
        city, "ChangeAccount", staff_id=staff_id, fields=pb.AccountFields(**fields), expected_version=version
    )
    return answer.account


async def regroup(city: City, unit_id: str, **fields):
    return (await call(city, "ChangeMembership", unit_id=unit_id, **fields)).membership


async def events(city: City, staff_id: str):
    found = await city.envelopes("directory")
    return [one.action for one in found if one.detail.get("about") == staff_id]


async def held(city: City, staff_id: str):
    """(post, kind) held today."""
    rows = await city.rows(
        "SELECT post_id, kind FROM appointments WHERE staff_id = %s AND valid_from <= %s AND %s < valid_to ORDER BY 1",
        staff_id,
        clock.today(),
        clock.today(),
    )
    return [tuple(row) for row in rows]


# --- the life of an account ------------------------------------------------------------------------


async def test_a_person_comes_moves_leaves_and_comes_back_on_one_day(city):
    """AC-16: everything at once, nothing before today; back is the account alone."""
    made = await create(city, "N0001")
    assert (made.staff_id, made.active, list(made.units)) == ("N0001", True, [])
    assert made.email == made.login
    joined = await regroup(city, OFFICE, join_ids=["N0001"])
    assert "N0001" in [one.staff_id for one in joined.members]
    assert await held(city, "N0001") == [("P-040-03-05", "main")], "the first 係員 post, not the 主任 before it"
    # Joins the next unit before leaving the first, as directories do.
    await regroup(city, OTHER, join_ids=["N0001"])
    assert {kind for _, kind in await held(city, "N0001")} == {"main", "concurrent"}
    await regroup(city, OFFICE, leave_ids=["N0001"])
    assert [kind for _, kind in await held(city, "N0001")] == ["main"]
    person = await city.person("N0001")
    assert person.identity.units == frozenset({OTHER})

    over = await change(city, "N0001", active=False)
    assert (over.active, list(over.units)) == (False, [])
    assert await held(city, "N0001") == []
    error = await refused(regroup(city, OFFICE, join_ids=["N0001"]))
    assert [(one.field, one.problem) for one in error.fields] == [("members", "UNKNOWN")]
    back = await change(city, "N0001", active=True)
    assert (back.active, list(back.units)) == (True, [])
    assert await held(city, "N0001") == [], "coming back starts nothing but the account"
    assert await events(city, "N0001") == [
        *("account.begun", "membership.begun", "membership.begun", "membership.ended"),
        *("account.ended", "account.begun"),
    ]
    rows = await city.rows("SELECT valid_from FROM staff WHERE staff_id = 'N0001'")
    assert rows == [(clock.today(),)], "nothing is retroactive"


async def test_leaving_ends_roles_and_the_posts_that_personnel_gave(city):
    """AC-16: S0005 is a records manager and holds a post above member; what ends is kept for ever."""
    await change(city, "S0005", active=False)
    rows = await city.rows(
        "SELECT valid_to FROM appointments WHERE staff_id = 'S0005' UNION ALL"
        " SELECT valid_to FROM roles WHERE staff_id = 'S0005' UNION ALL"
        " SELECT valid_to FROM staff WHERE staff_id = 'S0005'"
    )
    assert len(rows) >= 3
    assert {row[0] for row in rows} == {clock.today()}
    back = await change(city, "S0005", active=True)
    assert back.active
    assert (await city.person("S0005")).identity.roles == frozenset({"clerk"}), "the role does not come back"


async def test_the_same_wish_again_changes_nothing_and_announces_nothing(city):
    await create(city, "N0002")
    wishes = (
        lambda: change(city, "N0002", name="新井 葵（旧姓 森）", login="arai.aoi"),
        lambda: regroup(city, OFFICE, join_ids=["N0002"]),
        lambda: regroup(city, OFFICE, leave_ids=["N0002"]),
        lambda: change(city, "N0002", active=False),
    )
    for wish in wishes:
        first = await wish()
        count, viewed = len(await city.envelopes("directory")), await city.records("account.viewed")
        again = await wish()
        assert again == first
        assert len(await city.envelopes("directory")) == count
        seen = len(await city.records("account.viewed")) + len(await city.records("membership.viewed"))
        assert seen > len(viewed), "what was shown is recorded"


async def test_a_retried_request_is_answered_from_its_first_answer(city):
    fields = pb.AccountFields(login="n0003", name="森 葵", email="n0003@city.minoh.example")
    request = pb.CreateAccountRequest(request_id=clock.new_id(), staff_id="N0003", fields=fields)
    first = await city.call("CreateAccount", request, PROGRAM)
    assert await city.call("CreateAccount", request, PROGRAM) == first
    assert await events(city, "N0003") == ["account.begun"]


async def test_of_two_at_the_same_time_one_wins(city):
    """A directory that runs twice: one account, one membership, no error but the one that says so."""
    results = await asyncio.gather(*(create(city, "N0010") for _ in range(5)), return_exceptions=True)
    refusals = [one.reason for one in results if isinstance(one, DomainError)]
    assert refusals == ["ACCOUNT_EXISTS"] * 4
    await asyncio.gather(*(regroup(city, OFFICE, join_ids=["N0010"]) for _ in range(5)))
    await asyncio.gather(*(change(city, "N0010", active=False) for _ in range(5)))
    assert await events(city, "N0010") == ["account.begun", "membership.begun", "account.ended"]
    async with db.connection(city.pool) as conn:
        day = clock.today()
        begins, ends = day - dt.timedelta(days=30), day + dt.timedelta(days=1)
        there = await organisation_store.presence(conn, begins, ends, "N0009", 1)
    assert "N0010" not in [one.staff_id for one in there], "a day that ended before it was over is no day on the staff"


async def test_a_number_and_a_login_are_one_persons(city):
    await create(city, "N0004", login="unique.login@city.minoh.example")
    error = await refused(create(city, "N0005", login="unique.login@city.minoh.example"))
    assert (error.kind.value, error.reason, error.fields[0].field) == ("ALREADY_EXISTS", "ACCOUNT_EXISTS", "login")
    error = await refused(create(city, "N0004", login="another", email="another@city.minoh.example"))
    assert error.fields[0].field == "staff_id"
    await change(city, "N0004", active=False)
    error = await refused(create(city, "N0004"))
    assert (error.reason, error.fields[0].field) == ("ACCOUNT_EXISTS", "staff_id"), "a leaver's number stays theirs"
    await create(city, "N0005", login="unique.login@city.minoh.example")
    error = await refused(change(city, "N0004", active=True))
    assert error.reason == "ACCOUNT_EXISTS"
    found = await call(city, "ListAccounts", login="unique.login@city.minoh.example", limit=10)
    assert ([one.staff_id for one in found.accounts], found.total) == (["N0005"], 1)


@pytest.mark.parametrize("staff_id", ["service:gateway", "", "a b", "x" * 65, "職員1", "../S0001"])
async def test_nobody_is_named_like_a_service(city, staff_id):
    """Who had such an id would pass for a service."""
    error = await refused(create(city, staff_id, login="somebody", email="a@b.example"))
    assert [one.field for one in error.fields] == ["staff_id"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"login": ""}, "login"),
        ({"name": "　"}, "name"),
        ({"login": "no.address", "email": ""}, "email"),
        ({"name": "長" * 201}, "name"),
        ({"name": "改\n行"}, "name"),
        ({"name": "外字\ue000"}, "name"),
        ({"login": "katsuragi\u200b.takuya"}, "login"),
        ({"active": False}, "active"),
    ],
)
async def test_wrong_fields_are_named(city, fields, wrong):
    error = await refused(create(city, "N0099", **fields))
    assert wrong in [one.field for one in error.fields]
    assert await city.rows("SELECT 1 FROM staff WHERE staff_id = 'N0099'") == []


async def test_a_stale_version_is_refused(city):
    first = await create(city, "N0006")
    renamed = await change(city, "N0006", first.version, family_name="荒井")
    assert (renamed.name, renamed.version != first.version) == ("荒井 葵", True)
    error = await refused(change(city, "N0006", first.version, given_name="蒼"))
    assert (error.kind.value, error.reason) == ("ABORTED", "STALE_VERSION")
    unit = (await call(city, "GetMembership", unit_id=OFFICE)).membership
    await regroup(city, OFFICE, join_ids=["N0006"], expected_version=unit.version)
    error = await refused(regroup(city, OFFICE, leave_ids=["N0006"], expected_version=unit.version))
    assert error.reason == "STALE_VERSION"


# --- memberships -----------------------------------------------------------------------------------


async def test_a_deciding_post_is_neither_given_nor_taken(city):
    """The head of 環境政策室 stays the head, whatever the group says."""
    before = await held(city, "S0068")
    error = await refused(regroup(city, OFFICE, leave_ids=["S0068"]))
    assert (error.kind.value, error.reason) == ("FAILED_PRECONDITION", "POST_OF_PERSONNEL")
    shown = await regroup(city, OFFICE, join_ids=["S0068"])
    assert "S0068" in [one.staff_id for one in shown.members]
    kept = [one.staff_id for one in shown.members if one.staff_id != "S0073"]
    left = await regroup(city, OFFICE, join_ids=[one for one in kept if one != "S0068"], replace=True)
    assert "S0073" not in [one.staff_id for one in left.members]
    assert await held(city, "S0068") == before, "a list is of plain memberships"
    await regroup(city, OFFICE, join_ids=["S0073"])


async def test_a_unit_without_a_plain_post_and_too_many_at_once(city):
    error = await refused(regroup(city, "U-000", join_ids=["S0072"]))
    assert error.reason == "NO_PLAIN_POST"
    error = await refused(regroup(city, OFFICE, join_ids=[f"X{number}" for number in range(10_000)]))
    assert [(one.field, one.problem) for one in error.fields] == [("members", "TOO_MANY")]
    assert (await refused(regroup(city, "U-999", join_ids=["S0072"]))).kind.value == "NOT_FOUND"
    assert (await refused(call(city, "GetMembership", unit_id="U-999"))).kind.value == "NOT_FOUND"


async def test_reading_is_recorded_and_pages(city):
    first = await call(city, "ListAccounts", limit=5)
    second = await call(city, "ListAccounts", limit=5, offset=5)
    beyond = await call(city, "ListAccounts", limit=5, offset=10_000)
    assert [len(first.accounts), len(second.accounts), len(beyond.accounts)] == [5, 5, 0]
    assert first.total == second.total == beyond.total > 200
    assert first.accounts[-1].staff_id < second.accounts[0].staff_id
    units = await call(city, "ListMemberships", staff_id="S0072", limit=10)
    assert [(one.unit_id, one.name) for one in units.memberships] == [(OFFICE, "環境政策室")]
    records = [record for action in ("account.listed", "membership.listed") for record in await city.records(action)]
    assert len(records) >= 4
    assert {record.actor.staff_id for record in records} == {"service:directory"}


@pytest.mark.parametrize(
    "method",
    [
        *("ListAccounts", "GetAccount", "CreateAccount", "ChangeAccount"),
        *("ListMemberships", "GetMembership", "ChangeMembership"),
    ],
)
async def test_only_the_directorys_program_may(city, method):
    """Not even an administrator, by their own login."""
    request = getattr(pb, f"{method}Request")()
    if hasattr(request, "request_id"):
        request.request_id = clock.new_id()
    person = await city.person("S0018")
    error = await refused(city.call(method, request, person.identity))
    assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


@pytest.mark.parametrize(
    ("method", "fields", "wrong"),
    [
        ("ListAccounts", {"login": "a\0"}, "login"),
        ("ListAccounts", {"limit": 201}, "limit"),
        ("ListAccounts", {"offset": -1}, "offset"),
        ("ListMemberships", {"limit": 201}, "limit"),
        ("GetMembership", {"unit_id": "a\0"}, "unit_id"),
        ("ChangeAccount", {"staff_id": "a\0"}, "staff_id"),
        ("ChangeMembership", {"unit_id": "a\0"}, "unit_id"),
    ],
)
async def test_what_cannot_be_asked_is_named(city, method, fields, wrong):
    error = await refused(call(city, method, **fields))
    assert (error.reason, [one.field for one in error.fields]) == ("INVALID_FIELDS", [wrong])


async def test_nobody_is_shown_who_never_was_on_the_staff(city):
    assert (await refused(call(city, "GetAccount", staff_id="N9999"))).reason == "NOT_FOUND"
    assert (await refused(change(city, "N9999", name="新井 葵"))).reason == "NOT_FOUND"


async def test_what_does_not_fit_the_organisation_is_refused(city, owner):
    """Past all rules: a post for nobody, of which a unit shows no member. What begins on a later day begins earlier."""
    await create(city, "N0011")
    row = "INSERT INTO appointments (staff_id, post_id, kind, valid_from) VALUES (%s, 'P-040-03-05', 'main', %s)"
    await owner.execute(row, ("N9999", clock.today()))
    shown = (await call(city, "GetMembership", unit_id=OFFICE)).membership
    assert "N9999" not in [one.staff_id for one in shown.members]
    assert (await refused(regroup(city, OFFICE, join_ids=["N0011"]))).reason == "CHANGES_REFUSED"
    await owner.execute("DELETE FROM appointments WHERE staff_id = 'N9999'")
    later = clock.today() + dt.timedelta(days=30)
    await owner.execute(row, ("N0011", later))
    await regroup(city, OFFICE, join_ids=["N0011"])
    spans = await city.rows(
        "SELECT valid_from, valid_to = 'infinity' FROM appointments WHERE staff_id = 'N0011' ORDER BY 1"
    )
    assert spans == [(clock.today(), False), (later, True)]
    await owner.execute("DELETE FROM appointments WHERE staff_id = 'N0011'")


# --- planned changes win ---------------------------------------------------------------------------


async def test_a_reviewed_set_wins_over_a_membership_and_tolerates_a_leaver(city):
    """Until its day a change that would break it is refused; who left before cannot leave again, and that is no reason."""
    day = clock.today() + dt.timedelta(days=200)
    await create(city, "N0007")
    await regroup(city, OFFICE, join_ids=["N0007"])
    post_id = (await held(city, "N0007"))[0][0]
    planned = await review(
        city,
        await drafted(
            city,
            day,
            {"kind": "appointment_ends", "staff_id": "N0007", "post_id": post_id},
            {"kind": "staff_ends", "staff_id": "N0006"},
            {
                "kind": "staff_begins",
                "staff_id": "N0008",
                "name": "新人 一",
                "kana": "シンジン ハジメ",
                "login": "n8",
                "email": "n8@city.minoh.example",
            },
        ),
    )
    error = await refused(regroup(city, OFFICE, leave_ids=["N0007"]))
    assert error.reason == "PLANNED_OTHERWISE"
    assert error.metadata["change_set_id"] == planned.change_set_id
    assert (await refused(create(city, "N0008"))).reason == "PLANNED_OTHERWISE"
    await change(city, "N0006", active=False)
    await change(city, "N0007", active=False)
    closed = await change_commands.apply_due(city.pool, dt.datetime.combine(day, dt.time(), clock.now().tzinfo))
    assert [(one.change_set_id, one.state) for one in closed] == [(planned.change_set_id, "applied")]


async def test_while_a_set_of_today_waits_nothing_is_written(city, owner):
    planned = await review(
        city,
        await drafted(
            city,
            clock.today() + dt.timedelta(days=300),
            {"kind": "role_begins", "staff_id": "S0010", "role": "records_officer"},
        ),
    )
    await owner.execute(
        "UPDATE change_sets SET effective_on = %s WHERE change_set_id = %s", (clock.today(), planned.change_set_id)
    )
    error = await refused(change(city, "S0072", active=False))
    assert (error.kind.value, error.reason) == ("UNAVAILABLE", "REORGANISING")
    await change_commands.apply_due(city.pool, clock.now())
    assert (await call(city, "GetAccount", staff_id="S0072")).account.active


# --- pure ------------------------------------------------------------------------------------------

S1 = Account("S1", "葛城 拓也", "カツラギ タクヤ", "katsuragi", "k@minoh.example", active=True)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"given_name": "琢也"}, "葛城 琢也"),
        ({"family_name": "森"}, "森 拓也"),
        ({"family_name": "森", "name": "森　拓也"}, "森　拓也"),
        ({"family_name": "ジョン", "given_name": ""}, "ジョン"),
    ],
)
def test_a_name_is_whole_or_its_halves(fields, name):
    (made,) = domain.changing(S1, Fields(**fields))
    assert (made.kind, made.name) == (ChangeKind.STAFF_CHANGES, name)


def test_who_has_left_changes_only_by_coming_back():
    left = Account("S1", "葛城 拓也", "カツラギ", "katsuragi", "k@minoh.example", active=False)
    assert domain.changing(left, Fields(name="森 拓也", active=False)) == []
    assert domain.changing(left, Fields(name="森 拓也")) == []
    (made,) = domain.changing(left, Fields(name="森 拓也", active=True))
    assert (made.kind, made.name) == (ChangeKind.STAFF_BEGINS, "森 拓也")


def test_an_arrangement_of_personnel_for_a_plain_post_is_not_taken():
    """事務取扱 of a member's post is not a plain membership."""
    before = replace(TOWN, appointments={("S1", "P-員"): AppointmentRow("S1", "P-員", "acting")})
    assert domain.regrouped(before, "U-商", MembershipWish(replace=True)) == []
