"""Time and identifiers, in one place so that rules can take them as arguments."""

from __future__ import annotations

import asyncio
import datetime as dt
from zoneinfo import ZoneInfo

import uuid_utils

JST = ZoneInfo("Asia/Tokyo")


def now() -> dt.datetime:
    """The current time, aware, in Japan's zone (AP-51: days and years of the domain are Japanese days)."""
    return dt.datetime.now(tz=JST)


def today() -> dt.date:
    """The current day in Japan."""
    return now().date()


async def either(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set or the time is over.

    Not `wait_for`: on Python 3.11 it swallows a cancellation that meets the event, and the task never ends.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def new_id() -> str:
    """A UUIDv7 as text: sortable by time of making."""
    return str(uuid_utils.uuid7())
