"""通知 over gRPC on the sample city: written with the act, to whom it concerns, and never doing anything by itself."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from chassis import clock, db
from chassis.errors import DomainError
from chassis.identity import Identity
from kanketsu.approvals.v1 import events_pb2
from kanketsu.approvals.v1 import notices_service_pb2 as pb
from services.approvals.deadlines.domain import Deadlines
from services.approvals.notices import commands, store
from services.approvals.notices.commands import Reminding
from services.approvals.tests.conftest import TENANT, City, Person, refused
from services.approvals.tests.test_acts import CHIEF, CONTRACT, DEPUTY, DRAFTER, HEAD, appointed
from services.approvals.tests.test_deadlines import waits_since

FINANCE = "P-020-04-01"
DIRECTOR = "P-040-01-01"
UNIT, DEPARTMENT = "U-040-03", "U-040"
GATEWAY = Identity(staff_id="service:gateway", tenant=TENANT)
# Days far ahead are opening days of their own for each test that makes reminders.
YEAR = clock.today().year


async def told(city: City, case_id: str) -> list[tuple[str, str, str]]:
    """(kind, staff id, post) of the notices of a case, as they were made."""
    rows = await city.rows(
        "SELECT kind, staff_id, post_id FROM notices WHERE case_id = %s ORDER BY created_at, kind, staff_id", case_id
    )
    return [(str(kind), str(staff_id), str(post_id)) for kind, staff_id, post_id in rows]


async def notices(person: Person, case_id: str, **fields: object) -> list[pb.Notice]:
    """What the person is told of a case."""
    return [one for one in (await person.call("ListNotices", **fields)).notices if one.case_id == case_id]


def opening_days(first: dt.date, count: int) -> list[dt.datetime]:
    """So many opening days of the city, at nine."""
    days: list[dt.datetime] = []
    day = first
    while len(days) < count:
        if Deadlines().is_open(day):
            days.append(dt.datetime.combine(day, dt.time(9), clock.JST))
        day += dt.timedelta(days=1)
    return days


async def test_each_act_tells_who_is_next_and_the_end_tells_the_drafter(city: City) -> None:
    """未処理 to who holds the post that day, 決裁済み to the drafter; with the number and without a title (AC-14)."""
    case_id = await city.circulating()
    chief, deputy, head = [await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)]
    assert await told(city, case_id) == [("turn", chief.staff_id, CHIEF)]
    (first,) = await notices(chief, case_id)
    case = await chief.see(case_id)
    assert (first.draft_number, first.document_id, first.read) == ("箕市第1号", case.document_id, False)
    for person, action in ((chief, "approve"), (deputy, "approve"), (head, "decide")):
        await person.act(await person.see(case_id), action)
    assert await told(city, case_id) == [
        ("turn", chief.staff_id, CHIEF),
        ("turn", deputy.staff_id, DEPUTY),
        ("turn", head.staff_id, HEAD),
        ("decided", DRAFTER, ""),
    ]
    (*_, record) = await city.records("notice.listed")
    assert (record.actor.staff_id, record.object_type) == (chief.staff_id, "notice")


async def test_the_table_has_no_place_for_a_title(city: City) -> None:
    """AC-14: identifiers, words of the code, times; the number stands in the case, or is that of the document."""
    rows = await city.rows(
        "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'notices'"
        " AND data_type = 'text' ORDER BY 1"
    )
    assert [name for (name,) in rows] == ["draft_number", "kind", "post_id", "staff_id"]


async def test_who_acts_has_read_what_they_were_told(city: City) -> None:
    case_id = await city.circulating()
    chief = await city.holder(CHIEF)
    assert [one.read for one in await notices(chief, case_id)] == [False]
    await chief.act(await chief.see(case_id), "approve")
    assert [one.read for one in await notices(chief, case_id)] == [True]
    assert await notices(chief, case_id, unread_only=True) == []


async def test_every_holder_of_the_day_is_told_once(city: City) -> None:
    """AP-40: a second holder too; who holds two posts that both come up hears it once; a refused act tells nobody."""
    async with appointed(city, "S0071", CHIEF) as other:
        case_id = await city.circulating()
        chief = await city.holder(CHIEF)
        both = sorted([chief.staff_id, other.staff_id])
        assert [who for _, who, _ in await told(city, case_id)] == both
        case = await chief.see(case_id)
        assert (await refused(chief.act(case, "approve", expected_version=case.version + 1))).reason == "STALE_VERSION"
        assert len(await told(city, case_id)) == 2
    head, deputy = await city.holder(HEAD), await city.holder(DEPUTY)
    case_id = await city.circulating()
    rooms = ["P-040-02-01", "P-040-04-01"]
    async with appointed(city, deputy.staff_id, rooms[0]), appointed(city, deputy.staff_id, rooms[1]):
        for person in (chief, deputy):
            await person.act(await person.see(case_id), "approve")
        await head.on_case("CirculateCase", await head.see(case_id), post_ids=rooms)
    again = [one for one in await told(city, case_id) if one[0] == "circulation" and one[1] == deputy.staff_id]
    assert len(again) == 1


async def test_urgent_sent_back_and_taken_back(city: City) -> None:
    """AP-50: 至急 by its own kind. 差戻し is told to the drafter; their own 引戻し is not."""
    case_id = await city.circulating(urgent=True)
    chief = await city.holder(CHIEF)
    assert await told(city, case_id) == [("urgent_turn", chief.staff_id, CHIEF)]
    await chief.act(await chief.see(case_id), "send_back", "添付の見積書が古い")
    assert (await told(city, case_id))[-1] == ("sent_back", DRAFTER, "")
    case_id = await city.circulating()
    drafter = await city.person(DRAFTER)
    await drafter.on_case("RecallCase", await drafter.see(case_id))
    assert [kind for kind, _, _ in await told(city, case_id)] == ["turn"]


@contextlib.contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the service asks its database meanwhile, counted at the connection."""
    plain = psycopg.AsyncConnection.execute
    asked: list[str] = []

    async def noted(self: psycopg.AsyncConnection, query: Any, *args: Any, **more: Any) -> Any:
        # Records of access are committed by the recorder, many readers' at once.
        if "record_" not in str(query):
            asked.append(str(query))
        return await plain(self, query, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncConnection, "execute", noted)
        yield asked


async def with_thirty_acts(city: City, case_id: str) -> str:
    """The case, held, approved and taken back by its first seat ten times."""
    chief = await city.holder(CHIEF)
    for _ in range(10):
        case = await chief.act(await chief.see(case_id), "hold", "見積書を確かめる")
        case = await chief.act(case, "approve")
        case = await chief.on_case("RecallCase", case)
    assert len(case.decisions) == 30
    return case_id


SHORT_LINE = ((CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "decide"))
CONTRACT_LINE = ((CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "approve"), (FINANCE, "dissent"))


@pytest.mark.parametrize(
    ("facts", "line"),
    [({}, SHORT_LINE[:1]), ({}, SHORT_LINE), (CONTRACT, CONTRACT_LINE)],
    ids=["approve", "decide", "dissent"],
)
async def test_an_act_takes_as_many_statements_however_long_the_case_is(
    city: City, monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], line: tuple[tuple[str, str], ...]
) -> None:
    """The last act of the line: on a case with nothing but that, and on one with thirty acts before."""
    counts: list[int] = []
    for case_id in (await city.circulating(**facts), await with_thirty_acts(city, await city.circulating(**facts))):
        for post, action in line:
            person = await city.holder(post)
            case = await person.see(case_id)
            with statements(monkeypatch) as asked:
                case = await person.act(case, action, "意見です。")
        assert case.decisions[-1].action == line[-1][1]
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 10


async def test_an_act_takes_as_many_statements_however_many_are_told(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One seat after the act, and a whole group of them with their holders."""
    short, long = await city.circulating(), await city.circulating(**CONTRACT)
    chief = await city.holder(CHIEF)
    cases = [await chief.see(case_id) for case_id in (short, long)]
    counts: list[int] = []
    async with appointed(city, "S0071", DEPUTY), appointed(city, "S0073", DEPUTY):
        for case in cases:
            with statements(monkeypatch) as asked:
                await chief.act(case, "approve")
            counts.append(len(asked))
    assert len([one for one in await told(city, long) if one[2] == DEPUTY]) == 3
    assert counts[0] == counts[1] <= 10


async def test_only_ones_own_notices_are_read_and_marked(city: City) -> None:
    """AC-03: another's id changes nothing and is not told apart from none."""
    chief, head = await city.holder(CHIEF), await city.holder(HEAD)
    first, second = await city.circulating(), await city.circulating()
    (one,), (other,) = await notices(chief, first), await notices(chief, second)
    assert await notices(head, first) == []
    await head.call("MarkNoticesRead", request_id=clock.new_id(), notice_ids=[one.notice_id], up_to=other.notice_id)
    assert not (await notices(chief, first))[0].read
    before = (await chief.call("ListNotices", limit=1)).unread
    answer = await chief.call("MarkNoticesRead", request_id=clock.new_id(), notice_ids=[other.notice_id])
    assert answer.unread == before - 1
    assert [(await notices(chief, case))[0].read for case in (first, second)] == [False, True]
    (*_, record) = await city.records("notice.read")
    assert (record.actor.staff_id, record.result_count) == (chief.staff_id, 1)
    third = await city.circulating()
    await chief.call("MarkNoticesRead", request_id=clock.new_id(), up_to=one.notice_id)
    assert [(await notices(chief, case))[0].read for case in (first, third)] == [True, False], "not what came later"
    assert (await refused(chief.call("MarkNoticesRead", request_id=clock.new_id(), up_to="x"))).reason == "NOT_FOUND"


async def test_pages_of_the_list_follow_each_other(city: City) -> None:
    chief = await city.holder(CHIEF)
    made = [await city.circulating() for _ in range(3)]
    first = await chief.call("ListNotices", limit=2)
    rest = await chief.call("ListNotices", limit=2, cursor=first.next_cursor)
    assert [one.case_id for one in (*first.notices, *rest.notices)][:3] == made[::-1]
    for wrong in ("x", "eA==", first.next_cursor[:-8]):
        assert (await refused(chief.call("ListNotices", cursor=wrong))).reason == "INVALID_CURSOR"
    assert (await refused(chief.call("ListNotices", after="x"))).reason == "INVALID_CURSOR"


# --- reminders ----------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="session")
async def ahead(city: City, owner: psycopg.AsyncConnection) -> AsyncIterator[None]:
    """Reminders of days to come do not stand in the way of other tests."""
    yield
    await owner.execute("DELETE FROM notices WHERE created_at > %s", (clock.now(),))


async def remind(city: City, now: dt.datetime) -> int:
    return await commands.remind(city.pool, Deadlines(), Reminding(), now)


@pytest.mark.usefixtures("ahead")
async def test_a_hundred_reminders_leave_a_case_as_it_is(city: City, owner: psycopg.AsyncConnection) -> None:
    """AP-09, LC-13: on the last day and each opening day after it the holders are told, once; nothing is approved."""
    case_id = await city.circulating(**CONTRACT)
    chief = await city.holder(CHIEF)
    before = await chief.see(case_id)
    days = opening_days(dt.date(YEAR + 1, 4, 1), 105)
    await owner.execute(
        "UPDATE steps SET waiting_since = %s WHERE case_id = %s AND inbox_kind IS NOT NULL", (days[0], case_id)
    )
    for day in days:
        await asyncio.gather(remind(city, day), remind(city, day))
        await remind(city, day + dt.timedelta(hours=1))
    rows = await city.rows(
        "SELECT staff_id, (created_at AT TIME ZONE 'Asia/Tokyo')::date FROM notices"
        " WHERE case_id = %s AND kind = 'reminder' ORDER BY created_at",
        case_id,
    )
    assert {who for who, _ in rows} == {chief.staff_id}
    assert [day for _, day in rows] == [day.date() for day in days[5:]], "two replicas, and a second look, add none"
    after = await chief.see(case_id)
    assert after == before
    assert await city.rows("SELECT 1 FROM decisions WHERE case_id = %s", case_id) == []


@pytest.mark.usefixtures("ahead")
async def test_no_reminder_at_night_on_a_closed_day_or_before_the_last_day(
    city: City, owner: psycopg.AsyncConnection
) -> None:
    case_id = await city.circulating()
    await waits_since(owner, case_id, 40)
    saturday = next(
        day for day in (dt.date(YEAR + 2, 6, 1) + dt.timedelta(days=n) for n in range(7)) if day.weekday() == 5
    )
    monday = saturday + dt.timedelta(days=2)
    assert await remind(city, dt.datetime.combine(saturday, dt.time(9), clock.JST)) == 0
    assert await remind(city, dt.datetime.combine(monday, dt.time(7, 59), clock.JST)) == 0
    assert await remind(city, dt.datetime.combine(monday, dt.time(8), clock.JST)) > 0
    new = await city.circulating()
    assert "reminder" not in [kind for kind, _, _ in await told(city, new)]


@pytest.mark.usefixtures("ahead")
async def test_what_waits_far_longer_is_told_to_the_list_of_the_unit_above(
    city: City, owner: psycopg.AsyncConnection
) -> None:
    """LC-13: three opening days after the last one, to the posts of the list, as the number of a case that is not shown."""
    officer, head, chief = await city.person("S0018"), await city.holder(HEAD), await city.holder(CHIEF)
    saved = await officer.call("SaveEscalationList", request_id=clock.new_id(), unit_id=DEPARTMENT, post_ids=[DIRECTOR])
    assert (saved.list.version, saved.list.post_ids) == (1, [DIRECTOR])
    shown = await head.call("GetEscalationList", unit_id=UNIT)
    assert (shown.list.version, shown.holds_unit_id, shown.holds_post_ids) == (0, DEPARTMENT, [DIRECTOR])
    case_id = await city.circulating()
    days = opening_days(dt.date(YEAR + 3, 6, 1), 11)
    await owner.execute(
        "UPDATE steps SET waiting_since = %s WHERE case_id = %s AND inbox_kind IS NOT NULL", (days[0], case_id)
    )
    director = await city.holder(DIRECTOR)
    for day in days[:8]:
        await remind(city, day)
    assert {who for _, who, _ in await told(city, case_id)} == {chief.staff_id}
    await remind(city, days[8])
    (escalated,) = [one for one in await told(city, case_id) if one[0] == "escalation"]
    assert escalated == ("escalation", director.staff_id, DIRECTOR)
    assert (await refused(director.see(case_id))).reason == "NOT_FOUND", "being told shows nothing (AC-10)"
    # The unit's own list goes before; an empty one gives way to the one above again.
    own = await head.call("SaveEscalationList", request_id=clock.new_id(), unit_id=UNIT, post_ids=[HEAD])
    await remind(city, days[9])
    assert [who for kind, who, _ in await told(city, case_id) if kind == "escalation"] == sorted(
        [director.staff_id, head.staff_id], key=lambda who: who == head.staff_id
    )
    emptied = await head.call(
        "SaveEscalationList", request_id=clock.new_id(), unit_id=UNIT, expected_version=own.list.version
    )
    assert (await head.call("GetEscalationList", unit_id=UNIT)).holds_unit_id == DEPARTMENT
    (event,) = await city.envelopes(DEPARTMENT)
    assert (event.action, event.actor.staff_id) == ("escalation.saved", "S0018")
    assert events_pb2.EscalationListChanged.FromString(event.payload).post_ids == [DIRECTOR]
    assert [one.aggregate_version for one in await city.envelopes(UNIT)] == [1, 2] == [1, emptied.list.version]


async def test_a_list_is_its_managers_or_the_records_offices(city: City) -> None:
    chief, finance, officer = await city.holder(CHIEF), await city.holder(FINANCE), await city.person("S0018")
    for person in (chief, finance):
        for method in ("GetEscalationList", "SaveEscalationList"):
            more = {"request_id": clock.new_id()} if method == "SaveEscalationList" else {}
            assert (await refused(person.call(method, unit_id=UNIT, **more))).reason == "NOT_PERMITTED"
    assert (await refused(officer.call("GetEscalationList", unit_id="U-none"))).reason == "NOT_FOUND"

    def save(**fields: object) -> object:
        return officer.call("SaveEscalationList", request_id=clock.new_id(), unit_id="U-020-04", **fields)

    assert (await refused(save(expected_version=3))).reason == "STALE_VERSION"
    assert (await refused(save(post_ids=["P-none"]))).reason == "INVALID_FIELDS"
    assert (await refused(save(post_ids=[FINANCE, FINANCE]))).reason == "INVALID_FIELDS"


# --- choices, and open pages --------------------------------------------------------------------


async def test_each_person_switches_pages_and_mail_by_group(city: City) -> None:
    """The page 通知 has all of them in any case; the address is the one of personnel, for the person alone."""
    chief = await city.holder(CHIEF)
    before = (await chief.call("GetNoticeChoices")).choices
    assert (set(before.live), set(before.mail)) == ({"urgent", "turn", "result", "deadline"}, {"urgent", "deadline"})
    (row,) = await city.rows("SELECT email FROM staff WHERE staff_id = %s", chief.staff_id)
    assert (before.address, before.mail_possible) == (row[0], True)
    normal, urgent = await city.circulating(), await city.circulating(urgent=True)
    await chief.call("ChooseNotices", request_id=clock.new_id(), live=["result"], mail=["turn"])
    later = await city.circulating()
    rows = await city.rows(
        "SELECT case_id::text, live, mail_at IS NOT NULL FROM notices WHERE case_id = ANY(%s::uuid [])",
        [normal, urgent, later],
    )
    assert {case: (live, mail) for case, live, mail in rows} == {
        normal: (True, False),
        urgent: (True, True),
        later: (False, True),
    }
    assert len(await notices(chief, later)) == 1
    wrong = await refused(chief.call("ChooseNotices", request_id=clock.new_id(), live=["everything"]))
    assert [(one.field, one.problem) for one in wrong.fields] == [("live", "UNKNOWN")]
    (event,) = await city.envelopes(chief.staff_id)
    assert (event.action, event.aggregate_version) == ("notice_choices.changed", 1)
    await chief.call("ChooseNotices", request_id=clock.new_id(), live=before.live, mail=before.mail)


async def follow(city: City, after: str) -> pb.ListNewNoticesResponse:
    answer: pb.ListNewNoticesResponse = await city.call(
        "ListNewNotices", pb.ListNewNoticesRequest(after=after), GATEWAY
    )
    return answer


async def test_the_gateway_follows_without_a_gap(city: City) -> None:
    """A transaction that began earlier and commits later is not passed over; looking in vain is no access."""
    chief = await city.holder(CHIEF)
    with pytest.raises(DomainError) as caught:
        await chief.call("ListNewNotices")
    assert caught.value.reason == "NOT_PERMITTED"
    start = (await follow(city, "")).position
    seen = len(await city.records("notice.presented"))
    assert list((await follow(city, start)).notices) == []
    assert len(await city.records("notice.presented")) == seen
    async with db.transaction(city.pool) as slow:
        await slow.execute("SELECT pg_current_xact_id()")
        case_id = await city.circulating()
        assert list((await follow(city, start)).notices) == [], "one that began before may still write"
    answer = await follow(city, start)
    assert [(one.staff_id, one.notice.case_id, one.notice.kind) for one in answer.notices] == [
        (chief.staff_id, case_id, "turn")
    ]
    assert list((await follow(city, answer.position)).notices) == []
    assert [one.case_id for one in (await chief.call("ListNotices", after=start)).notices] == [case_id]
    assert list((await (await city.holder(HEAD)).call("ListNotices", after=start)).notices) == []
    # After a restore the transactions of the database may begin again below where somebody was.
    reset = await follow(city, f"{10**17}.{answer.position.partition('.')[2]}")
    assert int(reset.position.partition(".")[0]) < 10**17
    (*_, record) = await city.records("notice.presented")
    assert (record.actor.staff_id, record.result_count) == ("service:gateway", 1)


async def test_old_notices_are_forgotten(city: City, owner: psycopg.AsyncConnection) -> None:
    """They are no records; the acts they told of are kept."""
    case_id = await city.circulating()
    await owner.execute(
        "UPDATE notices SET created_at = created_at - interval '181 days' WHERE case_id = %s", (case_id,)
    )
    async with db.transaction(city.pool) as conn:
        await store.forget(conn, clock.now())
    assert await told(city, case_id) == []
