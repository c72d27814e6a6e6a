"""Time and identifiers, in one place so that rules can take them as arguments."""

from __future__ import annotations

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


def new_id() -> str:
    """A UUIDv7 as text: sortable by time of making."""
    return str(uuid_utils.uuid7())
