"""Streams to open pages alone: what they send, when they end, how many there may be."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from chassis.errors import DomainError, Kind
from kanketsu.approvals.v1 import notices_service_pb2 as pb
from services.gateway.errors import Refusal, refusal
from services.gateway.live import MOST_STREAMS, MOST_WAITING, Event, OpenPages, Stream, follow

NOBODY = cast(Any, None)


def event(number: int, staff_id: str = "S0070") -> Event:
    notice = pb.Notice(
        notice_id=f"N{number}", kind="urgent_turn", draft_number=f"箕市第{number}号", position=f"{number}.id"
    )
    return Event(staff_id, notice, unread=number)


async def there() -> None:
    """Somebody is signed in."""


async def test_an_event_has_number_kind_and_ids() -> None:
    """AC-14, AP-50: no title, no name; the id is where to go on from."""
    lines = event(3).text().decode().splitlines()
    assert lines[:2] == ["id: 3.id", "event: notice"]
    data = json.loads(lines[2].removeprefix("data: "))
    assert (data["draft_number"], data["kind"], data["unread"]) == ("箕市第3号", "urgent_turn", 3)
    ids = {"notice_id", "case_id", "document_id", "change_set_id"}
    assert set(data) == {"kind", "draft_number", "urgent", "unread"} | ids


async def test_what_was_missed_comes_first_and_nothing_twice() -> None:
    stream = Stream("S0070")
    body = follow(stream, [event(1), event(2)], there)
    assert await anext(body) == b"retry: 5000\n\n"
    stream.put(event(2))
    stream.put(event(3))
    assert [await anext(body) for _ in range(3)] == [event(1).text(), event(2).text(), event(3).text()]
    await body.aclose()


async def test_while_nothing_comes_there_are_comments() -> None:
    body = follow(Stream("S0070"), [], there, heartbeat=0.01)
    assert [await anext(body) for _ in range(3)] == [b"retry: 5000\n\n", b": \n\n", b": \n\n"]
    await body.aclose()


@pytest.mark.parametrize(
    "error", [refusal("SIGN_IN_REQUIRED"), DomainError(Kind.DENIED, "UNKNOWN_STAFF")], ids=["logout", "leaver"]
)
async def test_a_stream_ends_with_the_session(error: Exception) -> None:
    """AC-16: after the logout, or for who has left, not one more notice."""

    async def gone() -> None:
        raise error

    stream = Stream("S0070")
    body = follow(stream, [], gone, heartbeat=0.01)
    assert await anext(body) == b"retry: 5000\n\n"
    stream.put(event(1))
    with pytest.raises(StopAsyncIteration):
        await anext(body)


@pytest.mark.parametrize(
    "error", [refusal("SESSIONS_UNAVAILABLE"), DomainError(Kind.UNAVAILABLE, "UNAVAILABLE")], ids=["broker", "service"]
)
async def test_what_cannot_be_said_now_shows_nothing_and_ends_nothing(error: Exception) -> None:
    answers: list[Exception | None] = [error, None]

    async def away() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    stream = Stream("S0070")
    body = follow(stream, [], away, heartbeat=0.01)
    assert await anext(body) == b"retry: 5000\n\n"
    stream.put(event(1))
    assert await anext(body) == b": \n\n"
    assert await anext(body) == event(1).text()
    await body.aclose()


async def test_a_person_has_so_many_streams_and_who_leaves_makes_room() -> None:
    pages = OpenPages(NOBODY, 2.0)
    opened = [pages.open("S0070") for _ in range(MOST_STREAMS)]
    with pytest.raises(Refusal) as caught:
        pages.open("S0070")
    assert (caught.value.reason, caught.value.status) == ("TOO_MANY_STREAMS", 429)
    pages.open("S0071")
    pages.leave(opened[0])
    assert pages.open("S0070").closed is False


async def test_a_slow_reader_and_a_process_that_ends_close_the_stream() -> None:
    """It comes again with Last-Event-ID and loses nothing."""
    slow = Stream("S0070")
    for number in range(MOST_WAITING + 1):
        slow.put(event(number))
    assert slow.closed
    pages = OpenPages(NOBODY, 2.0)
    body = follow(pages.open("S0070"), [], there)
    assert await anext(body) == b"retry: 5000\n\n"
    pages.close()
    with pytest.raises(StopAsyncIteration):
        async with asyncio.timeout(5):
            await anext(body)
    assert pages.open("S0070").closed, "and nobody begins another"
