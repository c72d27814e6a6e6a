"""Numbers have no holes (I9, NB-05): many issuers at once, some of whom fail at the last moment."""

from __future__ import annotations

import asyncio
import random

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import clock, db
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents import number_store
from services.documents.tests.conftest import House


class Forced(Exception):
    """The last moment went wrong."""


async def issue(house: House, symbol: str, year: int, fail: bool, wait: float) -> int | None:
    """One issuer in a transaction of its own; None when it was rolled back."""
    try:
        async with db.transaction(house.pool) as conn:
            number = await number_store.issue_number(
                conn,
                register="draft",
                symbol=symbol,
                fiscal_year=year,
                issued_to=clock.new_id(),
                issued_by="S0072",
                now=clock.now(),
            )
            await asyncio.sleep(wait)
            if fail:
                raise Forced
            return number.number
    except Forced:
        return None


async def issued(house: House, symbol: str, year: int) -> list[int]:
    rows = await house.rows(
        "SELECT number FROM numbers WHERE register = 'draft' AND symbol = %s AND fiscal_year = %s ORDER BY number",
        symbol,
        year,
    )
    return [row[0] for row in rows]


async def test_sixty_issuers_with_forced_rollbacks_give_one_to_n(house: House) -> None:
    dice = random.Random(5)
    results = await asyncio.gather(
        *(issue(house, "箕競", 2026, dice.random() < 0.4, dice.random() * 0.005) for _ in range(60))
    )
    given_out = sorted(n for n in results if n is not None)
    assert 0 < len(given_out) < 60
    assert given_out == list(range(1, len(given_out) + 1)) == await issued(house, "箕競", 2026)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(failures=st.lists(st.booleans(), min_size=2, max_size=12))
async def test_any_pattern_of_failures_leaves_no_hole(house: House, failures: list[bool]) -> None:
    symbol = f"箕{clock.new_id()[-12:]}"
    await asyncio.gather(*(issue(house, symbol, 2026, fail, 0.0) for fail in failures))
    assert await issued(house, symbol, 2026) == list(range(1, failures.count(False) + 1))


async def test_registers_symbols_and_years_count_by_themselves(house: House) -> None:
    assert await issue(house, "箕病", 2026, False, 0) == 1
    assert await issue(house, "箕病", 2027, False, 0) == 1
    assert await issue(house, "箕教", 2026, False, 0) == 1
    assert await issue(house, "箕病", 2026, False, 0) == 2


async def test_fifty_submissions_through_the_service(house: House) -> None:
    drafts = [await house.drafter.draft(title=f"第{n}回の補助金の交付決定について（伺い）") for n in range(25)]
    before = await issued(house, "箕市", 2026)

    async def submit(draft: pb.Document, stale: bool) -> pb.SubmitDocumentResponse:
        return await house.drafter.call(
            "SubmitDocument",
            document_id=draft.document_id,
            expected_version=draft.version + stale,
            route_plan_id="r",
        )

    calls = [submit(draft, stale) for draft in drafts for stale in (False, True)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    done = [r for r in results if not isinstance(r, BaseException)]
    assert len(done) == 25
    assert await issued(house, "箕市", 2026) == list(range(1, len(before) + 25 + 1))


async def test_a_register_only_counts_up_by_one(house: House) -> None:
    await issue(house, "箕農", 2026, False, 0)
    for statement in ("UPDATE registers SET next = next - 1", "UPDATE registers SET next = next + 2"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            await house.rows(f"{statement} WHERE symbol = '箕農' RETURNING next")
