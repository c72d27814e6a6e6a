"""AC-09: accounts of vendors are shut by default, open for a confirmed span of time, and never are anybody of the staff."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace

import psycopg
import pytest

from chassis import clock, db
from chassis.errors import DomainError
from chassis.identity import Identity
from kanketsu.approvals.v1 import approvals_service_pb2 as approvals_pb
from kanketsu.approvals.v1 import provisioning_service_pb2 as provisioning_pb
from kanketsu.approvals.v1 import reorganisation_service_pb2 as reorganisation_pb
from kanketsu.approvals.v1 import vendors_service_pb2 as pb
from services.approvals.changes.domain import Change, ChangeKind, after
from services.approvals.changes.store import organisation_on
from services.approvals.tests.conftest import TENANT, City, Person, refused
from services.approvals.tests.test_provisioning import PROGRAM
from services.approvals.vendors import commands, domain, store
from services.approvals.vendors.domain import State, Window

GATEWAY = Identity("service:gateway", TENANT)
HOUR = dt.timedelta(hours=1)
LONGEST = 8 * HOUR
NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=clock.JST)


# --- the pure rules --------------------------------------------------------------------------------


def window(begins: float, ends: float, **fields: object) -> Window:
    """Hours from NOW."""
    made = Window("w", "vendor:V1", NOW + begins * HOUR, NOW + ends * HOUR, "障害対応", "INC-0042", "S0051", NOW)
    return replace(made, **fields)


def problem_of(one: Window, *others: Window) -> list[tuple[str, str]]:
    with pytest.raises(DomainError) as caught:
        domain.requested(one, others, LONGEST, NOW)
    return [(violation.field, violation.problem) for violation in caught.value.fields]


def test_it_is_open_to_the_second_and_only_when_confirmed():
    asked = window(0, 8)
    confirmed = domain.confirmed(asked, "S0020", NOW)
    second = dt.timedelta(seconds=1)
    assert [asked.state(NOW), asked.state(asked.closes_at)] == [State.REQUESTED, State.OVER]
    assert confirmed.state(confirmed.opens_at - second) is State.CONFIRMED
    assert confirmed.state(confirmed.opens_at) is State.OPEN
    assert confirmed.state(confirmed.closes_at - second) is State.OPEN
    assert confirmed.state(confirmed.closes_at) is State.OVER
    early = domain.ended(confirmed, "S0020", NOW + HOUR)
    assert (early.closes_at, early.state(NOW + HOUR)) == (NOW + HOUR, State.OVER)


def test_who_asked_does_not_confirm_and_nothing_is_confirmed_twice_or_late():
    confirmed = domain.confirmed(window(0, 8), "S0020", NOW)
    for one, by, now, reason in (
        (window(0, 8), "S0051", NOW, "OWN_WINDOW"),
        (confirmed, "S0021", NOW, "WINDOW_STATE"),
        (window(0, 8), "S0020", NOW + 8 * HOUR, "WINDOW_STATE"),
    ):
        with pytest.raises(DomainError) as caught:
            domain.confirmed(one, by, now)
        assert caught.value.reason == reason


def test_no_window_is_longer_than_the_city_allows_nor_made_so_by_another_one():
    """The maximum is not to be had by windows that overlap, that touch, or that leave no time to look between them."""
    assert domain.requested(window(0, 8), (), LONGEST, NOW) == window(0, 8)
    assert problem_of(window(0, 8.01)) == [("closes_at", "WINDOW_TOO_LONG")]
    first = window(8, 16)
    for begins in (0.5, 4, 12, 16, 16.5):
        assert problem_of(window(begins, begins + 7.99), first) == [("opens_at", "WINDOW_TOO_NEAR")], begins
    for begins in (-1, 17):
        assert domain.requested(window(begins, begins + 8), (first,), LONGEST, NOW) == window(begins, begins + 8)
    called_off = domain.ended(window(4, 8), "S0020", NOW)
    assert domain.requested(window(4, 8), (called_off,), LONGEST, NOW) == window(4, 8)


def test_what_is_missing_or_makes_no_sense_is_named():
    assert problem_of(window(0, 1, reason=" ", ticket="")) == [("reason", "REQUIRED"), ("ticket", "REQUIRED")]
    assert problem_of(window(0, 1, ticket="田中さんの依頼")) == [("ticket", "MALFORMED")], "the log holds no words"
    assert problem_of(window(-2, -1)) == [("closes_at", "PAST")]
    assert problem_of(window(2, 2)) == [("closes_at", "NOT_AFTER_FROM")]
    assert problem_of(window(24 * 32, 24 * 32 + 1)) == [("opens_at", "OUT_OF_RANGE")]


# --- the service -----------------------------------------------------------------------------------


async def call(city: City, identity: Identity, method: str, **fields):
    return await city.call(method, getattr(pb, f"{method}Request")(**fields), identity)


async def admin(city: City) -> Person:
    return await city.person("S0051")


async def officer(city: City) -> Person:
    ((staff_id,),) = await city.rows("SELECT min(staff_id) FROM roles WHERE role = 'records_officer'")
    return await city.person(staff_id)


async def vendor(city: City, number: str) -> pb.Vendor:
    answer = await call(
        city,
        (await admin(city)).identity,
        "RegisterVendor",
        request_id=clock.new_id(),
        number=number,
        login=f"{number.lower()}@vendor.example",
        full_name="東 一郎",
        company="北摂システム保守",
    )
    return answer.vendor


async def asked(city: City, vendor_id: str, begins: dt.timedelta = -HOUR, ends: dt.timedelta = HOUR):
    now = clock.now()
    answer = await call(
        city,
        (await admin(city)).identity,
        "RequestWindow",
        request_id=clock.new_id(),
        vendor_id=vendor_id,
        opens_at=now + begins,
        closes_at=now + ends,
        reason="夜間バッチの障害対応",
        ticket="INC-0042",
    )
    return answer.window


async def confirm(city: City, identity: Identity, one: pb.MaintenanceWindow):
    answer = await call(
        city,
        identity,
        "ConfirmWindow",
        request_id=clock.new_id(),
        window_id=one.window_id,
        expected_version=one.version,
    )
    return answer.window


async def end(city: City, identity: Identity, one: pb.MaintenanceWindow):
    answer = await call(
        city, identity, "EndWindow", request_id=clock.new_id(), window_id=one.window_id, expected_version=one.version
    )
    return answer.window


async def resolve(city: City, login: str) -> approvals_pb.ResolveActorResponse:
    return await city.call("ResolveActor", approvals_pb.ResolveActorRequest(login=login), GATEWAY)


async def told(city: City, vendor_id: str) -> list[str]:
    found = await city.envelopes("directory")
    return [one.action for one in found if vendor_id in (one.detail.get("about"), one.detail.get("staff_id"))]


async def test_the_life_of_a_window(city):
    """Shut, asked for, confirmed, open until its end and no longer, ended at once; all of it in the log, by identifiers."""
    one = await vendor(city, "V1")
    assert (await refused(resolve(city, one.login))).reason == "UNKNOWN_STAFF", "shut by default"
    asking = await asked(city, one.vendor_id)
    assert (asking.state, list(asking.allowed_actions)) == ("requested", ["end"])
    assert (await refused(resolve(city, one.login))).reason == "UNKNOWN_STAFF", "nobody has confirmed it"
    granter, second = (await admin(city)).identity, (await officer(city)).identity
    assert (await refused(confirm(city, granter, asking))).reason == "OWN_WINDOW"
    assert (await refused(resolve(city, one.login))).reason == "UNKNOWN_STAFF"
    opened = await confirm(city, second, asking)
    assert opened.state == "open"
    actor = await resolve(city, one.login)
    assert (actor.staff_id, list(actor.posts), list(actor.principals)) == ("vendor:V1", [], [])
    assert list(actor.roles) == ["maintainer"]
    assert actor.until == asking.closes_at, "nobody may remember it beyond its end"
    async with db.connection(city.pool) as conn:
        closes = asking.closes_at.ToDatetime(tzinfo=dt.UTC)
        assert await store.find_open(conn, one.login, closes - dt.timedelta(seconds=1))
        assert await store.find_open(conn, one.login, closes) is None
    over = await end(city, second, opened)
    assert (over.state, over.ended_by, list(over.allowed_actions)) == ("over", second.staff_id, [])
    assert (await refused(resolve(city, one.login))).reason == "UNKNOWN_STAFF", "at once"
    assert (await refused(end(city, second, over))).reason == "WINDOW_STATE"
    assert await told(city, "vendor:V1") == [
        *("vendor.registered", "maintenance.requested", "maintenance.confirmed", "maintenance.ended"),
    ]
    log = [e for e in await city.envelopes("directory") if "vendor:V1" in e.detail.values()]
    assert log[-1].detail["ticket"] == "INC-0042"
    assert not [e for e in log if any(word in str(dict(e.detail)) for word in ("障害", "一郎", "北摂"))]


async def test_a_window_that_runs_out_stands_in_the_log_once(city):
    one = await vendor(city, "V2")
    opened = await confirm(city, (await officer(city)).identity, await asked(city, one.vendor_id))
    closes = opened.closes_at.ToDatetime(tzinfo=dt.UTC)
    assert await commands.note_ends(city.pool, closes - dt.timedelta(seconds=1)) == 0
    assert await commands.note_ends(city.pool, closes) == 1
    assert await commands.note_ends(city.pool, closes) == 0
    assert (await told(city, "vendor:V2"))[-1] == "maintenance.ended"
    last = (await city.envelopes("directory"))[-1]
    assert last.actor.staff_id == "service:approvals"


async def test_windows_of_one_account_do_not_meet_also_not_at_the_same_moment(city, owner):
    """The rule refuses it; past the rule the database does."""
    one = await vendor(city, "V3")
    await asked(city, one.vendor_id)
    error = await refused(asked(city, one.vendor_id, HOUR / 2, 3 * HOUR))
    assert [(v.field, v.problem) for v in error.fields] == [("opens_at", "WINDOW_TOO_NEAR")]
    error = await refused(asked(city, one.vendor_id, 3 * HOUR, 12 * HOUR))
    assert [(v.field, v.problem) for v in error.fields] == [("closes_at", "WINDOW_TOO_LONG")]
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await owner.execute(
            "INSERT INTO maintenance_windows (window_id, vendor_id, opens_at, closes_at, reason, ticket, requested_by,"
            " requested_at, version) SELECT gen_random_uuid(), vendor_id, opens_at, closes_at, reason, ticket,"
            " requested_by, requested_at, 1 FROM maintenance_windows WHERE vendor_id = 'vendor:V3'"
        )
    with pytest.raises(psycopg.errors.CheckViolation):
        await owner.execute(
            "UPDATE maintenance_windows SET confirmed_by = requested_by, confirmed_at = now()"
            " WHERE vendor_id = 'vendor:V3'"
        )


async def test_only_administrators_ask_and_only_they_and_the_records_office_confirm(city):
    """Not clerks, not the audit officer, and never a vendor, who in an open window may draft plans and review none."""
    one = await vendor(city, "V4")
    asking = await asked(city, one.vendor_id, HOUR, 2 * HOUR)
    maintainer = Identity("vendor:V4", TENANT, roles=frozenset({"maintainer"}), session_id="s")
    clerk = (await city.person("S0072")).identity
    ((auditor,),) = await city.rows("SELECT min(staff_id) FROM roles WHERE role = 'audit_officer'")
    for identity in (maintainer, clerk, (await city.person(auditor)).identity):
        for method in (confirm, end):
            assert (await refused(method(city, identity, asking))).reason == "NOT_PERMITTED", identity.staff_id
        assert (await refused(call(city, identity, "ListVendors"))).reason == "NOT_PERMITTED"
    new = {"request_id": clock.new_id(), "number": "V5", "login": "v5", "full_name": "西", "company": "西"}
    for identity in (maintainer, (await officer(city)).identity):
        assert (await refused(call(city, identity, "RegisterVendor", **new))).reason == "NOT_PERMITTED"
    day = (clock.today() + dt.timedelta(days=30)).isoformat()
    change = reorganisation_pb.Change(kind="role_begins", staff_id="S0072", role="system_admin")
    draft = reorganisation_pb.DraftChangeSetRequest(
        request_id=clock.new_id(), title="権限の追加", effective_on=day, changes=[change]
    )
    made = (await city.call("DraftChangeSet", draft, maintainer)).change_set
    assert list(made.allowed_actions) == []
    review = reorganisation_pb.ReviewChangeSetRequest(
        request_id=clock.new_id(), change_set_id=made.change_set_id, expected_version=made.version
    )
    assert (await refused(city.call("ReviewChangeSet", review, maintainer))).reason == "NOT_PERMITTED"


async def test_a_vendor_never_becomes_staff(city, owner):
    """Not by SCIM, not by the personnel file or a change set, not by a load, and not past all of these."""
    one = await vendor(city, "V6")
    fields = provisioning_pb.AccountFields(login=one.login, name="東 一郎")
    create = provisioning_pb.CreateAccountRequest(request_id=clock.new_id(), staff_id="N6", fields=fields)
    assert (await refused(city.call("CreateAccount", create, PROGRAM))).reason == "ACCOUNT_EXISTS"
    create = provisioning_pb.CreateAccountRequest(
        request_id=clock.new_id(), staff_id="vendor:V6", fields=provisioning_pb.AccountFields(login="x", name="東 一郎")
    )
    assert (await refused(city.call("CreateAccount", create, PROGRAM))).reason == "INVALID_FIELDS"
    rename = provisioning_pb.ChangeAccountRequest(
        request_id=clock.new_id(), staff_id="S0072", fields=provisioning_pb.AccountFields(login=one.login)
    )
    assert (await refused(city.call("ChangeAccount", rename, PROGRAM))).reason == "ACCOUNT_EXISTS"

    day = clock.today() + dt.timedelta(days=30)
    planner, second = (await admin(city)).identity, (await officer(city)).identity
    change = reorganisation_pb.Change(
        kind="staff_begins", staff_id="N6", name="東 一郎", kana="ヒガシ", login=one.login, email="x@example"
    )
    draft = reorganisation_pb.DraftChangeSetRequest(
        request_id=clock.new_id(), title="採用", effective_on=day.isoformat(), changes=[change]
    )
    made = (await city.call("DraftChangeSet", draft, planner)).change_set
    review = reorganisation_pb.ReviewChangeSetRequest(
        request_id=clock.new_id(), change_set_id=made.change_set_id, expected_version=made.version
    )
    error = await refused(city.call("ReviewChangeSet", review, second))
    assert (error.reason, [v.problem for v in error.fields]) == ("CHANGES_REFUSED", ["CONTRADICTS"])
    async with db.connection(city.pool) as conn:
        before = await organisation_on(conn, day)
    seat = Change(ChangeKind.APPOINTMENT_BEGINS, staff_id="vendor:V6", post_id="P-040-03-05", appointment="main")
    assert [one.problem for one in after(before, [seat])[1]][:1] == ["MALFORMED"]

    await city.person("S0072")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await owner.execute("UPDATE staff SET login = %s WHERE staff_id = 'S0072'", (one.login,))
    with pytest.raises(psycopg.errors.CheckViolation):
        await owner.execute(
            "INSERT INTO appointments (staff_id, post_id, kind, valid_from)"
            " VALUES ('vendor:V6', 'P-040-03-05', 'main', '2026-11-01')"
        )
    with pytest.raises(psycopg.errors.CheckViolation):
        await owner.execute(
            "INSERT INTO roles (staff_id, role, valid_from) VALUES ('vendor:V6', 'audit_officer', '2026-11-01')"
        )


async def test_an_account_has_its_own_id_and_login(city, owner):
    one = await vendor(city, "V7")
    ((login,),) = await city.rows("SELECT login FROM staff WHERE staff_id = 'S0072' AND valid_to = 'infinity'")
    new = {"number": "V8", "login": "v8@vendor.example", "full_name": "西 二郎", "company": "西"}
    for taken in ({"number": "V7"}, {"login": one.login}, {"login": login}):
        request = call(city, (await admin(city)).identity, "RegisterVendor", request_id=clock.new_id(), **(new | taken))
        assert (await refused(request)).reason == "ACCOUNT_EXISTS", taken
    with pytest.raises(psycopg.errors.UniqueViolation):
        await owner.execute(
            "INSERT INTO vendors SELECT 'vendor:V8', login, full_name, company, registered_by, registered_at"
            " FROM vendors WHERE vendor_id = 'vendor:V7'"
        )
    error = await refused(
        call(city, (await admin(city)).identity, "RegisterVendor", request_id=clock.new_id(), number="vendor:V9")
    )
    assert [(v.field, v.problem) for v in error.fields] == [
        *(("number", "MALFORMED"), ("login", "REQUIRED"), ("full_name", "REQUIRED"), ("company", "REQUIRED")),
    ]


async def waits_for_the_login(city: City) -> bool:
    return bool(await city.rows("SELECT 1 FROM pg_locks WHERE objid = %s AND NOT granted", store.LOGINS))


async def test_a_login_is_given_once_also_at_the_same_moment(city, owner):
    """AC-09: whoever writes it second waits for the first, and is refused by what that one wrote."""
    one = domain.Vendor("vendor:VB", "vb@vendor.example", "東 一郎", "北摂システム保守", "S0051", clock.now())
    await city.person("S0072")
    async with db.transaction(city.pool) as conn:
        assert not await store.login_is_taken(conn, one.login, clock.today())
        assert await store.insert_vendor(conn, one)
        hired = asyncio.create_task(owner.execute("UPDATE staff SET login = %s WHERE staff_id = 'S0072'", (one.login,)))
        for _ in range(500):
            if hired.done() or await waits_for_the_login(city):
                break
            await asyncio.sleep(0.01)
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await hired


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("vendors", "vendor_id = 'S0051'"),
        ("vendors", "registered_by = 'vendor:VC'"),
        ("maintenance_windows", "requested_by = 'vendor:VC'"),
        ("maintenance_windows", "confirmed_by = 'vendor:VC', confirmed_at = now()"),
        ("maintenance_windows", "confirmed_by = requested_by, confirmed_at = now()"),
        ("maintenance_windows", "confirmed_by = 'S0052'"),
        ("maintenance_windows", "confirmed_at = now()"),
        ("maintenance_windows", "ended_by = 'S0052'"),
        ("maintenance_windows", "ended_at = now()"),
        ("maintenance_windows", "reason = ''"),
        ("maintenance_windows", "ticket = ''"),
        ("maintenance_windows", "closes_at = opens_at - interval '1 second'"),
        ("staff", "staff_id = 'vendor:VC'"),
    ],
)
async def test_the_database_holds_no_account_or_window_that_the_rules_know_not(city, owner, table, change):
    """AC-09: past all rules; no vendor opens for itself, nobody alone, nothing without a reason."""
    async with owner.transaction(force_rollback=True):
        await owner.execute(
            "INSERT INTO vendors VALUES ('vendor:VC', 'vc@vendor.example', '東 一郎', '北摂システム保守', 'S0051', now())"
        )
        if table == "maintenance_windows":
            await owner.execute(
                "INSERT INTO maintenance_windows (window_id, vendor_id, opens_at, closes_at, reason, ticket,"
                " requested_by, requested_at, version) VALUES (gen_random_uuid(), 'vendor:VC', now(),"
                " now() + interval '1 hour', '障害対応', 'INC-0042', 'S0051', now(), 1)"
            )
        if table == "staff":
            await owner.execute(
                "INSERT INTO staff (staff_id, name, kana, login, email, valid_from)"
                " VALUES ('S9100', '東 一郎', 'ヒガシ イチロウ', 's9100', 's9100@city.minoh.example', '2026-11-01')"
            )
        which = "staff_id = 'S9100'" if table == "staff" else "vendor_id = 'vendor:VC'"
        with pytest.raises(psycopg.errors.CheckViolation):
            await owner.execute(f"UPDATE {table} SET {change} WHERE {which}".encode())


async def test_the_service_itself_changes_no_account_and_only_the_life_of_a_window(city):
    """AC-09: who asked, for what and when is written once; nothing is deleted."""
    for statement in (
        b"UPDATE vendors SET login = 'x'",
        b"DELETE FROM vendors",
        b"UPDATE maintenance_windows SET requested_by = 'S0052'",
        b"UPDATE maintenance_windows SET reason = 'x', ticket = 'x'",
        b"UPDATE maintenance_windows SET opens_at = now()",
        b"DELETE FROM maintenance_windows",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with city.pool.connection() as conn:
                await conn.execute(statement)


async def test_the_list_shows_windows_and_the_log_its_reading(city):
    one = await vendor(city, "VA")
    await asked(city, one.vendor_id)
    answer = await call(city, (await officer(city)).identity, "ListVendors")
    (found,) = [found for found in answer.vendors if found.vendor_id == "vendor:VA"]
    assert [list(window.allowed_actions) for window in found.windows] == [["confirm", "end"]]
    assert (answer.max_hours, bool(answer.access_record)) == (8, True)
    described = await city.call(
        "DescribePrincipals",
        approvals_pb.DescribePrincipalsRequest(principals=["staff:vendor:VA"]),
        (await officer(city)).identity,
    )
    assert [one.label for one in described.principals] == ["東 一郎（北摂システム保守）"]
