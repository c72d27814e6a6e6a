"""The canary: what it read is in the log, exactly, and it is heard; or an alarm says which record, whose, or which
gateway (SC-05)."""

from __future__ import annotations

import datetime as dt

import pytest

from chassis import clock, db
from services.audit.completeness import store
from services.audit.completeness.canary import READER
from services.audit.completeness.tests.test_commands import Watch, append, logged
from services.audit.entry import encode
from services.audit.review import domain as review
from services.audit.tests.making import NOW, view_leaf

READINGS = {"document.listed": "documents", "document.viewed": "documents", "inbox.listed": "approvals"}


class Town:
    """A gateway with its canary, and the services that it reads from. What is recorded arrives as it is told to."""

    def __init__(self, pool, keys):
        self.pool, self.keys, self.now = pool, keys, NOW
        self.epochs = {name: clock.new_id() for name in ("gateway", "documents", "approvals")}
        self.numbers = dict.fromkeys(self.epochs, 0)

    def name(self, service):
        return f"{service}.{service}-0/{self.epochs[service]}"

    async def record(self, service, action, *, arrives=True, **more):
        """Returns what the answer names."""
        self.numbers[service] += 1
        values = {
            **{"time": self.now, "action": action, "service": service, "instance": f"{service}-0"},
            **{"staff_id": READER, "unit_id": "", "object_type": "document"},
        }
        leaf = view_leaf(self.epochs[service], self.numbers[service], **(values | more))
        if arrives:
            await append(self.pool, self.keys, [leaf], self.now)
        return f"{self.name(service)}/{leaf.seq}"

    async def round(self, *, lost=(), answers=None, returns=True, interval="300"):
        """One round; `lost` are readings whose record does not arrive, `answers` what their answers name instead."""
        session = clock.new_id()
        mine = {"session_id": session, "object_type": "canary", "object_id": session}
        await self.record("gateway", "canary.announced", detail=dict.fromkeys(READINGS, "1"), **mine)
        told = {}
        for action, service in READINGS.items():
            told[action] = await self.record(service, action, arrives=action not in lost, session_id=session)
        if returns:
            told |= {"interval": interval, **(answers or {})}
            await self.record("gateway", "canary.returned", detail=told, **mine)
        return session, told


@pytest.fixture
def town(pool, keys):
    return Town(pool, keys)


async def begun(town, seconds=91, watch=None):
    """Alarms of the canary that begin when one looks on after the last round."""
    watch = watch or Watch(town.pool, town.now)
    await watch.look(1)
    found = [one for one in (await watch.look(seconds))[0] if one.kind.startswith("canary.")]
    return [(one.kind, one.subject, one.first) for one in found]


async def test_a_round_whose_records_arrived_is_no_alarm(town):
    for _ in range(3):
        await town.round()
    assert await begun(town) == []


@pytest.mark.parametrize("action", READINGS)
async def test_a_record_of_the_canary_that_does_not_arrive_is_an_alarm_until_it_does(town, action):
    """The last of its process, too, after which nothing comes: no gap shows it."""
    session, told = await town.round(lost=[action])
    watch = Watch(town.pool, town.now)
    place, _, number = told[action].rpartition("/")
    expected = ("canary.missing", f"{place} {action} {session}", int(number))
    assert await begun(town, watch=watch) == [expected]
    [leaf] = await logged(town.pool, "canary.missing")
    assert (leaf.object_id, leaf.detail) == (expected[1], {"first": number, "last": number})
    # Hours later it still stands: the record has not come.
    watch.now += dt.timedelta(hours=5)
    assert [one for one in (await watch.look(0))[1] if one.kind == "canary.missing"] == []
    town.numbers[READINGS[action]] = int(number) - 1
    await town.record(READINGS[action], action, session_id=session)
    [ended] = [one for one in (await watch.look(1))[1] if one.kind == "canary.missing"]
    assert ended.subject == expected[1]
    assert len(await logged(town.pool, "canary.found")) == 1


async def test_an_answer_without_a_record_is_an_alarm(town):
    """A service that serves without recording (I1)."""
    await town.round(lost=["document.viewed"], answers={"document.viewed": ""})
    assert await begun(town) == [("canary.missing", f"{town.name('gateway')} document.viewed none", 0)]


async def test_an_answer_that_names_an_older_record_is_an_alarm(town):
    """A service that records once, and then names that for ever."""
    _, told = await town.round()
    session, _ = await town.round(lost=["document.viewed"], answers={"document.viewed": told["document.viewed"]})
    place, _, number = told["document.viewed"].rpartition("/")
    assert await begun(town) == [("canary.missing", f"{place} document.viewed {session}", int(number))]


async def test_an_answer_that_names_the_record_of_something_else_is_an_alarm(town):
    await town.round()
    other = await town.record("documents", "document.viewed", staff_id="S0123")
    await town.round(answers={"document.viewed": other})
    assert ("canary.missing", other.rpartition("/")[0]) in [
        (kind, subject.split()[0]) for kind, subject, _ in await begun(town)
    ]


async def test_columns_that_only_look_like_the_record_convince_nobody(town, superuser):
    """The leaf counts, not what repeats it."""
    await town.round()
    forged = encode(view_leaf(town.epochs["documents"], town.numbers["documents"]))
    await superuser.execute(
        "UPDATE entries SET leaf = %s WHERE epoch = %s AND seq = %s",
        (forged, town.epochs["documents"], town.numbers["documents"]),
    )
    assert "canary.missing" in [kind for kind, _, _ in await begun(town)]


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ("canary.announced", {"canary.misused"}),
        ("canary.returned", set()),
        ("document.viewed", {"canary.missing"}),
    ],
)
async def test_a_leaf_of_the_canary_that_cannot_be_read_stops_no_look(town, superuser, action, found):
    """An administrator of the database blinds nobody with it: what else is missing is still found."""
    await town.round()
    await superuser.execute("UPDATE entries SET leaf = convert_to('読めない', 'UTF8') WHERE action = %s", (action,))
    epoch = clock.new_id()
    await append(town.pool, town.keys, [view_leaf(epoch, n) for n in (1, 3)], town.now)
    watch = Watch(town.pool, town.now)
    await watch.look(1)
    kinds = {one.kind for one in (await watch.look(91))[0]}
    assert kinds == {"source.gap", *found}


async def test_a_round_that_did_not_return_explains_what_it_read(town):
    """The gateway was killed, or documents did not answer: nothing is missing, and nothing is too much."""
    await town.round(lost=["inbox.listed"], returns=False)
    assert await begun(town) == []


async def test_a_reading_under_the_name_of_the_canary_that_nobody_announced_is_an_alarm_for_good(town):
    """Somebody else signs as the canary."""
    await town.round()
    record = await town.record("documents", "document.viewed", session_id=clock.new_id(), object_id="文書")
    watch = Watch(town.pool, town.now)
    place, _, number = record.rpartition("/")
    assert await begun(town, watch=watch) == [("canary.misused", f"{place} document.viewed", int(number))]
    watch.now += dt.timedelta(hours=5)
    assert [one for one in (await watch.look(0))[1] if one.kind == "canary.misused"] == []
    async with db.connection(town.pool) as conn:
        assert len(await store.standing(conn, ["canary.misused"])) == 1


async def test_one_record_more_than_the_answers_of_a_round_is_an_alarm(town):
    session, _ = await town.round()
    record = await town.record("documents", "document.viewed", session_id=session)
    place, _, number = record.rpartition("/")
    assert await begun(town) == [("canary.misused", f"{place} document.viewed", int(number))]


async def test_what_another_service_says_of_the_canary_counts_for_nothing(town):
    session = clock.new_id()
    await town.record("documents", "canary.announced", session_id=session)
    await town.record("documents", "document.viewed", session_id=session)
    assert [kind for kind, _, _ in await begun(town)] == ["canary.misused", "canary.misused"]


async def test_an_hour_s_edge_cuts_no_round(town):
    """A round that began more than an hour ago is known by its announcement."""
    session, _ = await town.round(returns=False)
    town.now += dt.timedelta(minutes=5)
    await town.record("documents", "document.viewed", session_id=session)
    watch = Watch(town.pool, NOW + dt.timedelta(minutes=61))
    assert [one for one in await begun(town, watch=watch) if one[0] == "canary.misused"] == []


async def silences(town, watch):
    """What begins and ends within the next ninety seconds."""
    looks = [await watch.look(0), await watch.look(90)]
    return [[one.subject for look in looks for one in look[which] if one.kind == "canary.silent"] for which in (0, 1)]


async def test_a_canary_that_falls_silent_is_an_alarm_that_names_its_gateway_until_it_sings(town):
    await town.round(interval="60")
    watch = Watch(town.pool, NOW + dt.timedelta(seconds=180))
    assert await silences(town, watch) == [[], []]
    assert await silences(town, watch) == [[town.name("gateway")], []]
    # Rounds that begin and do not return are silence, too.
    town.now = watch.now
    await town.round(returns=False)
    assert await silences(town, watch) == [[], []]
    await town.round(interval="60")
    assert await silences(town, watch) == [[], [town.name("gateway")]]
    assert len(await logged(town.pool, "canary.silent", "canary.heard")) == 2


@pytest.mark.parametrize("interval", ["86400", "", "-1", "1e9", "三"])
async def test_no_gateway_gives_its_canary_longer_than_fifteen_minutes(town, interval):
    await town.round(interval=interval)
    watch = Watch(town.pool, NOW + dt.timedelta(minutes=15))
    assert await silences(town, watch) == [[], []]
    assert await silences(town, watch) == [[town.name("gateway")], []]


async def test_a_gateway_whose_canary_was_never_heard_is_an_alarm(town):
    await town.record("gateway", "session.login", staff_id="S0123")
    watch = Watch(town.pool, NOW + dt.timedelta(minutes=16))
    assert await silences(town, watch) == [[town.name("gateway")], []]


async def test_a_gateway_that_has_ended_needs_no_canary(town):
    await town.round()
    await town.record("gateway", "epoch.close", staff_id="service:gateway")
    watch = Watch(town.pool, NOW + dt.timedelta(hours=2))
    assert await silences(town, watch) == [[], []]


def test_the_canary_is_no_person_in_a_review():
    """However much it reads, and at whatever hour (SC-07)."""
    leaf = encode(view_leaf(clock.new_id(), 1, staff_id=READER))
    assert not review.record_of(review.Place(2026, 0), leaf).is_person
