"""What a post was told to do and that waits for it no longer is read, and goes by no e-mail any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from chassis import clock, db
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.changes import midnight
from services.approvals.notices import mail
from services.approvals.notices import store as notices
from services.approvals.tests.conftest import City
from services.approvals.tests.test_acts import CHIEF, CONTRACT, DEPUTY, DRAFTER, HEAD, appointed
from services.approvals.tests.test_midnight import YEAR, at, reviewed

FINANCE, CONTRACTS = "P-020-04-01", "P-020-05-01"


async def unread(city: City, case_id: str) -> list[tuple[str, str]]:
    """(kind, post) of the notices of the case that nobody has read."""
    rows = await city.rows(
        "SELECT kind, post_id FROM notices WHERE case_id = %s AND read_at IS NULL ORDER BY kind, post_id", case_id
    )
    return [(str(kind), str(post_id)) for kind, post_id in rows]


async def letters(city: City, case_id: str) -> int:
    """How many e-mails of the case are due; taking them changes nothing that is kept here."""
    now = clock.now()
    async with db.transaction(city.pool) as conn, conn.transaction(force_rollback=True):
        taken = await notices.take_letters(conn, now, now - mail.OLDEST, mail.FIRST_WAIT, 1000)
        cursor = await conn.execute(
            "SELECT count(*) FROM notices WHERE notice_id = ANY(%s::uuid []) AND case_id = %s",
            ([one.notice_id for one in taken], case_id),
        )
        row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


async def recalled(city: City, case_id: str) -> pb.Case:
    drafter = await city.person(DRAFTER)
    return await drafter.on_case("RecallCase", await drafter.see(case_id))


async def withdrawn(city: City, case_id: str) -> pb.Case:
    drafter = await city.person(DRAFTER)
    return await drafter.on_case("WithdrawCase", await drafter.see(case_id), "起案の必要がなくなった")


async def pulled_up(city: City, case_id: str) -> pb.Case:
    head = await city.holder(HEAD)
    case = await head.see(case_id)
    return await head.act(case, "pull_up", step=case.steps[0])


async def sent_back(city: City, case_id: str) -> pb.Case:
    """By one of two holders: the other hears of nothing to do any more."""
    chief = await city.holder(CHIEF)
    return await chief.act(await chief.see(case_id), "send_back", "添付の見積書が古い")


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (recalled, []),
        (withdrawn, []),
        (pulled_up, [("urgent_turn", DEPUTY)]),
        (sent_back, [("sent_back", "")]),
    ],
)
async def test_what_waits_no_longer_is_read_and_not_mailed(
    city: City, end: Callable[[City, str], Awaitable[pb.Case]], left: list[tuple[str, str]]
) -> None:
    """引戻し, 取下げ, 引上げ, 差戻し: the document is not even visible any more to who was told."""
    async with appointed(city, "S0071", CHIEF):
        case_id = await city.circulating(urgent=True)
        assert await unread(city, case_id) == [("urgent_turn", CHIEF)] * 2
        assert await letters(city, case_id) == 2
        await end(city, case_id)
        assert await unread(city, case_id) == left
        assert await letters(city, case_id) == sum(kind == "urgent_turn" for kind, _ in left)


async def test_what_still_waits_stays_unread(city: City) -> None:
    """AP-08: of a parallel group one has acted; 供覧 stays until the case ends without a decision."""
    case_id = await city.circulating(**CONTRACT)
    for post in (CHIEF, DEPUTY, HEAD):
        person = await city.holder(post)
        await person.act(await person.see(case_id), "approve")
    drafter = await city.person(DRAFTER)
    await drafter.on_case("CirculateCase", await drafter.see(case_id), post_ids=["P-040-02-01"])
    finance = await city.holder(FINANCE)
    await finance.act(await finance.see(case_id), "concur")
    assert await unread(city, case_id) == [("circulation", "P-040-02-01"), ("turn", CONTRACTS)]
    contracts = await city.holder(CONTRACTS)
    await contracts.act(await contracts.see(case_id), "send_back", "検査の体制が未定")
    assert [kind for kind, _ in await unread(city, case_id)] == ["sent_back"]


async def test_a_post_that_lost_its_seat_has_nothing_to_do(city: City) -> None:
    """AP-41: who has it now is told, and the e-mail to who had it is none."""
    day = at(clock.today().replace(year=YEAR + 1, month=4, day=1))
    case_id = await city.circulating(urgent=True)
    await reviewed(city, day.date(), {"kind": "post_ends", "post_id": CHIEF, "successor": DEPUTY})
    await midnight.turn(city.pool, city.relay, day)
    assert await unread(city, case_id) == [("urgent_turn", DEPUTY)]
