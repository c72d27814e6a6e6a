"""A write that is asked for twice happens once, and gives the same answer to nobody but who asked."""

from __future__ import annotations

import asyncio
import hashlib

import psycopg
import pytest

from chassis import requests
from chassis.db import transaction
from chassis.errors import DomainError
from chassis.requests import Call


def call(staff_id="S0042", request_id="r-1", method="ActOnStepRequest", text="承認"):
    return Call(staff_id, request_id, method, hashlib.sha256(text.encode()).digest())


NEW_CASE = "新しい案件".encode()


async def carried_out(pool, one, answer=NEW_CASE):
    """What a command does; the answer, and whether it did the work."""
    async with transaction(pool) as conn:
        if (stored := await requests.claim(conn, one)) is not None:
            return stored, False
        await requests.keep(conn, one, answer)
    return answer, True


async def test_the_second_time_gives_the_first_answer(pool):
    assert await carried_out(pool, call()) == (NEW_CASE, True)
    again = call()
    assert await carried_out(pool, again, b"other") == (NEW_CASE, False)
    assert again.answered_before


@pytest.mark.parametrize("other", [{"method": "WithdrawCaseRequest"}, {"text": "差戻し"}])
async def test_an_id_serves_one_request_only(pool, other):
    await carried_out(pool, call())
    with pytest.raises(DomainError) as caught:
        await carried_out(pool, call(**other))
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_the_same_id_of_another_person_is_another_request(pool):
    await carried_out(pool, call())
    assert await carried_out(pool, call(staff_id="S0007"), b"theirs") == (b"theirs", True)


async def test_of_many_at_once_one_does_the_work_and_all_get_its_answer(pool):
    answers = await asyncio.gather(*(carried_out(pool, call(), b"%d" % n) for n in range(8)))
    (winner,) = [answer for answer, worked in answers if worked]
    assert {answer for answer, _ in answers} == {winner}


async def test_who_fails_leaves_the_work_to_the_next(pool):
    with pytest.raises(RuntimeError):
        async with transaction(pool) as conn:
            assert await requests.claim(conn, call()) is None
            raise RuntimeError
    assert await carried_out(pool, call()) == (NEW_CASE, True)


async def test_a_kept_answer_cannot_be_changed_with_the_applications_role(pool):
    await carried_out(pool, call())
    for statement in ("UPDATE requests SET response = ''", "UPDATE requests SET digest = ''", "TRUNCATE requests"):
        with pytest.raises((psycopg.errors.RaiseException, psycopg.errors.InsufficientPrivilege)):
            async with pool.connection() as conn:
                await conn.execute(statement.encode())


async def test_old_answers_are_forgotten_and_young_ones_kept(pool):
    await carried_out(pool, call())
    async with transaction(pool) as conn:
        await conn.execute(
            "INSERT INTO requests (staff_id, request_id, method, digest, response, created_at)"
            " VALUES ('S0042', 'old', 'm', '', '', now() - interval '3 days')"
        )
    assert await requests.forget(pool) == 1
    assert await carried_out(pool, call(), b"other") == (NEW_CASE, False)


@pytest.mark.parametrize(("request_id", "problem"), [("", "REQUIRED"), ("r" * 201, "INVALID"), ("r\x00", "INVALID")])
def test_an_id_is_a_short_text(request_id, problem):
    with pytest.raises(DomainError) as caught:
        call(request_id=request_id)
    assert [(v.field, v.problem) for v in caught.value.fields] == [("request_id", problem)]
