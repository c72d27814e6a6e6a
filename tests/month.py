"""A month of the sample city's log, made through the real append path with its clock in that month."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from chassis import clock, db
from deploy.local.stack import Stack
from services.audit import commands
from services.audit.entry import Leaf

JST = clock.JST
# (staff, unit): people of the sample city.
PEOPLE = (
    ("S0072", "U-040-03"),
    ("S0070", "U-040-03"),
    ("S0160", "U-120-02"),
    ("S0045", "U-020-03"),
    ("S0099", "U-060-04"),
)
UNITS = ("U-040-03", "U-020-03", "U-120-02")


def leaves_of(year: int, month: int, seed: int = 7) -> Iterator[Leaf]:
    """Ordinary work on every weekday, and some days that give cause to ask."""
    chance = random.Random(seed)
    day = dt.date(year, month, 1)
    documents = [f"0199c7a6-{number:04x}-7000-8000-{number:012x}" for number in range(40)]
    while day.month == month:
        if day.weekday() < 5:
            for staff_id, unit_id in PEOPLE:
                yield _leaf(day, "09:00", "session.login", staff_id, unit_id)
                for number in range(chance.randint(4, 12)):
                    at = f"{9 + number % 8:02}:{chance.randrange(60):02}"
                    yield _read(day, at, staff_id, unit_id, chance.choice(documents), unit_id, "owner_unit")
        day += dt.timedelta(days=1)
    first = dt.date(year, month, 5)
    # Night work; a whole file read in one day; a refusal, then a task; another unit's staff file.
    for number in range(6):
        yield _read(first, f"22:{number:02}", "S0072", "U-040-03", documents[number], "U-040-03", "owner_unit")
    for number in range(70):
        document = f"0199c7a6-aaaa-7000-8000-{number:012x}"
        yield _read(
            first + dt.timedelta(days=3),
            f"13:{number % 60:02}",
            "S0160",
            "U-120-02",
            document,
            "U-120-02",
            "owner_unit",
        )
    refused = _read(first, "10:00", "S0070", "U-040-03", documents[30], "", "")
    yield Leaf(**{**_members(refused), "outcome": "denied", "reason": "NOT_FOUND", "detail": {}})
    yield _read(first, "10:20", "S0070", "U-040-03", documents[30], "U-020-03", "route_step")
    yield _read(
        first + dt.timedelta(days=1), "11:00", "S0099", "U-060-04", documents[31], "U-020-03", "grant", "0203-01-02"
    )


def _leaf(day: dt.date, at: str, action: str, staff_id: str, unit_id: str) -> Leaf:
    return Leaf(
        event_id=clock.new_id(),
        time=dt.datetime.combine(day, dt.time.fromisoformat(at), JST),
        action=action,
        service="documents",
        staff_id=staff_id,
        unit_id=unit_id,
        terminal="10.40.3.17",
        object_type="session",
    )


def _read(
    day: dt.date,
    at: str,
    staff_id: str,
    unit_id: str,
    document_id: str,
    owner: str,
    why: str,
    class_code: str = "0403-02-01",
) -> Leaf:
    made = _leaf(day, at, "document.viewed", staff_id, unit_id)
    about = {"object_type": "document", "object_id": document_id, "purpose": why}
    return Leaf(**{**_members(made), **about, "detail": {"unit": owner, "class": class_code} if owner else {}})


def _members(leaf: Leaf) -> dict[str, object]:
    return {name: getattr(leaf, name) for name in Leaf.__dataclass_fields__}


def append(stack: Stack, year: int, month: int) -> int:
    """Into the log of a running stack, as the audit service's role; returns how many."""
    keys = commands.LogKeys("audit.minoh.localhost", (stack.keys.folder / "log-signing-key.pem").read_bytes())

    async def work() -> int:
        pool = db.open_pool(stack.database_url("audit_app"), "audit", size=2)
        await pool.open(wait=True)
        try:
            made = list(leaves_of(year, month))
            return sum(
                [await commands.append(pool, keys, made[at : at + 500], clock.now()) for at in range(0, len(made), 500)]
            )
        finally:
            await pool.close()

    # In a thread: the browser of a test has an event loop of its own in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
