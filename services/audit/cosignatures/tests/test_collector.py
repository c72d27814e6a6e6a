"""Cosignatures for our own log, from witnesses behind real HTTP: honest, away, slow, and lying."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from chassis import clock, db
from services.audit import commands, domain, note, tree_store
from services.audit.cosignatures import collector as collecting
from services.audit.cosignatures import commands as cosigning
from services.audit.cosignatures import store as cosignatures
from services.audit.cosignatures.collector import Collector
from services.audit.cosignatures.tests.neighbour import PLAIN, Neighbour, fork_of, text_of
from services.audit.note import COSIGNATURE_V1, SigningKey
from services.audit.quorum import Policy
from services.audit.sequencer import advance
from services.audit.tests.making import event_leaf
from services.audit.witness.domain import Seen
from services.audit.witness.protocol import SIZE_TYPE, parse_submission


@dataclass
class City:
    """Our log, and the neighbours that witness it."""

    pool: object
    keys: object
    vault: object
    http: object
    neighbours: dict[str, Neighbour] = field(default_factory=dict)

    @property
    def year(self) -> int:
        return domain.fiscal_year(clock.today())

    async def grow(self, leaves: int = 1) -> None:
        """Append and sign."""
        await commands.append(self.pool, self.keys, [event_leaf() for _ in range(leaves)], clock.now())
        async with db.connection(self.pool) as conn:
            await advance(conn, self.keys, self.vault)

    def policy(self, *lines: str) -> Policy:
        """All neighbours, and these lines."""
        witnesses = [f"witness {one.name} {one.key.verifier.vkey} {one.url}" for one in self.neighbours.values()]
        return Policy.parse("\n".join([*witnesses, *lines]).encode())

    async def published(self, policy: Policy) -> tuple[int, bytes] | None:
        async with db.connection(self.pool) as conn:
            return await cosigning.published(conn, await tree_store.current_log(conn), policy)

    async def signed(self) -> int:
        async with db.connection(self.pool) as conn:
            return (await tree_store.current_log(conn)).checkpoint_size

    async def problem(self, name: str) -> str:
        key = self.neighbours[name].key.verifier.vkey
        async with db.connection(self.pool) as conn:
            found = (await cosignatures.reports(conn, [key])).get(key)
        return found.problem if found else ""

    @contextlib.asynccontextmanager
    async def collecting(self, policy: Policy) -> AsyncIterator[None]:
        task = asyncio.create_task(Collector(self.pool, policy, self.http).run())
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def until(self, check: Callable, seconds: float = 12.0) -> None:
        """Bounded."""
        deadline = time.monotonic() + seconds
        while not await check():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture(loop_scope="session")
async def city(pool, keys, vault, http) -> AsyncIterator[City]:
    found = City(pool, keys, vault, http)
    key = keys.of(found.year).verifier
    async with contextlib.AsyncExitStack() as servers:
        for name in ("toyonaka", "suita", "ikeda"):
            found.neighbours[name] = neighbour = Neighbour(name, key)
            await servers.enter_async_context(await neighbour.serve())
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Rounds as often as tests need them; the rules between them are the same."""
    monkeypatch.setattr(collecting, "ROUND_SECONDS", 0.2)
    monkeypatch.setattr(collecting, "HOLD_SECONDS", 1.0)
    monkeypatch.setattr(collecting, "RETRY_SECONDS", 0.2)


async def cosigners(city: City, policy: Policy) -> tuple[int, set[str]]:
    found = await city.published(policy)
    if found is None:
        return -1, set()
    keys = {one.key.verifier for one in city.neighbours.values()} | {city.keys.of(city.year).verifier}
    text, signatures = note.open_note(found[1], keys)
    assert note.parse_checkpoint(text).size == found[0]
    return found[0], {one.name for one in signatures} - {city.keys.of(city.year).name}


ALL = {"witness.toyonaka.example", "witness.suita.example", "witness.ikeda.example"}
TWO_OF_THREE = ("group n 2 toyonaka suita ikeda", "quorum n")


async def test_the_largest_checkpoint_that_meets_the_policy_is_published_with_all_its_cosignatures(city):
    policy = city.policy(*TWO_OF_THREE)
    await city.grow(300)
    assert await city.published(policy) is None
    async with city.collecting(policy):
        for leaves in (0, 1, 255, 300):
            await city.grow(leaves or 1)
            size = await city.signed()

            async def done(size: int = size) -> bool:
                return await cosigners(city, policy) == (size, ALL)

            await city.until(done)
    # One by one, with proofs: nobody was asked for a whole history twice.
    for one in city.neighbours.values():
        assert one.most_at_once == 1
        assert one.seen.size == size
        assert sum(parse_submission(body).old_size == 0 for body in one.asked) == 1


async def test_without_demands_the_last_signed_is_published(city):
    await city.grow(5)
    assert (await city.published(Policy()))[0] == 5
    policy = city.policy("quorum none")
    assert await cosigners(city, policy) == (5, set())
    async with city.collecting(policy):

        async def all_lines() -> bool:
            return await cosigners(city, policy) == (5, ALL)

        await city.until(all_lines)
        await city.grow(1)
        assert (await city.published(policy))[0] == 6


async def test_signing_goes_on_while_witnesses_are_away_and_publishing_catches_up(city):
    """Never waits: what is signed and what is published are two things."""

    async def hangs(body: bytes, answer: object) -> object:
        # Longer than the client of these tests waits.
        await asyncio.sleep(3)
        return answer

    policy = city.policy(*TWO_OF_THREE)
    city.neighbours["suita"].lie = hangs
    city.neighbours["ikeda"].lie = lambda body, answer: (503, PLAIN, b"")
    async with city.collecting(policy):
        started = time.monotonic()
        for _ in range(5):
            await city.grow(2)
        assert time.monotonic() - started < 5
        assert await city.signed() == 10

        async def told() -> bool:
            return "no answer" in await city.problem("suita") and "503" in await city.problem("ikeda")

        await city.until(told)
        assert await city.published(policy) is None
        city.neighbours["ikeda"].lie = None
        await city.grow(1)

        async def caught_up() -> bool:
            size, names = await cosigners(city, policy)
            return size == 11 and {"witness.toyonaka.example", "witness.ikeda.example"} <= names

        await city.until(caught_up)


async def test_a_witness_that_has_seen_more_than_we_know_is_asked_again_from_there(city):
    """409 with a size: the database forgot what the witness has, a new proof leads on from it."""
    await city.grow(300)
    async with db.connection(city.pool) as conn:
        log = await tree_store.current_log(conn)
    city.neighbours["toyonaka"].seen = Seen(300, log.root, log.checkpoint)
    await city.grow(300)
    policy = city.policy("quorum toyonaka")
    async with city.collecting(policy):

        async def done() -> bool:
            return (await cosigners(city, policy))[0] == 600

        await city.until(done)
    assert [parse_submission(body).old_size for body in city.neighbours["toyonaka"].asked][:2] == [0, 300]


async def test_a_tile_that_is_gone_is_told_and_the_asking_goes_on_when_it_is_back(city, superuser):
    """No proof can be made for a witness that has seen the log before; the process lives."""
    await city.grow(300)
    async with db.connection(city.pool) as conn:
        log = await tree_store.current_log(conn)
    city.neighbours["toyonaka"].seen = Seen(300, log.root, log.checkpoint)
    await city.grow(300)
    await superuser.execute("CREATE TEMPORARY TABLE taken AS TABLE tiles")
    await superuser.execute("DELETE FROM tiles")
    policy = city.policy("quorum toyonaka")
    async with city.collecting(policy):

        async def told() -> bool:
            return "our log is damaged: tile 0/1 is missing" in await city.problem("toyonaka")

        async def done() -> bool:
            return (await cosigners(city, policy))[0] == 600

        await city.until(told)
        await superuser.execute("INSERT INTO tiles TABLE taken")
        await city.until(done)


FOREIGN = SigningKey.from_seed("witness.toyonaka.example", bytes(32), COSIGNATURE_V1)


def _cosigned(make: Callable) -> Callable:
    return lambda neighbour: lambda body, answer: (200, PLAIN, make(neighbour, text_of(body)))


def now() -> int:
    return int(clock.now().timestamp())


LIES = {
    "a bad signature": _cosigned(lambda n, text: n.sign(text + b"x")),
    "another key under its name": _cosigned(lambda n, text: FOREIGN.sign(text, now())),
    "a fork": _cosigned(lambda n, text: n.sign(fork_of(text))),
    "a future time": _cosigned(lambda n, text: n.sign(text, now() + 3600)),
    "an old time": _cosigned(lambda n, text: n.sign(text, now() - 3600)),
    "no time": _cosigned(lambda n, text: n.sign(text, 0)),
    "nothing": _cosigned(lambda n, text: b""),
    "garbage": _cosigned(lambda n, text: bytes(range(256))),
    "something huge": _cosigned(lambda n, text: n.sign(text) * 100_000),
    "a redirect": lambda n: lambda body, answer: (307, PLAIN, b""),
    "no size": lambda n: lambda body, answer: (409, SIZE_TYPE, "よん\n".encode()),
    "sizes in circles": lambda n: (
        lambda body, answer: (
            409,
            SIZE_TYPE,
            b"%d\n" % ((parse_submission(body).old_size + 1) % 4),
        )
    ),
    "a size beyond our log": lambda n: lambda body, answer: (409, SIZE_TYPE, b"4711\n"),
    "a dispute": lambda n: lambda body, answer: (422, PLAIN, b""),
    "not to know us": lambda n: lambda body, answer: (403, PLAIN, b""),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_witness_counts_for_nothing_and_is_shown(city, lie):
    """What it signed is nowhere, the others' word is published, and people see why."""
    liar = city.neighbours["toyonaka"]
    liar.lie = LIES[lie](liar)
    policy = city.policy(*TWO_OF_THREE)
    await city.grow(7)
    async with city.collecting(policy):

        async def done() -> bool:
            return (await cosigners(city, policy))[0] == 7 and await city.problem("toyonaka") != ""

        await city.until(done)
    assert await cosigners(city, policy) == (7, ALL - {"witness.toyonaka.example"})
    async with db.connection(city.pool) as conn:
        assert await cosignatures.cosigned_sizes(conn, city.year) == {
            city.neighbours[name].key.verifier.vkey: 7 for name in ("suita", "ikeda")
        }
    # It is left alone for longer each time: 0.2, 0.4, 0.8 s …
    assert len(liar.asked) < 20


async def test_two_replicas_ask_once(city):
    policy = city.policy(*TWO_OF_THREE)
    await city.grow(3)
    async with city.collecting(policy), city.collecting(policy):

        async def done() -> bool:
            return await cosigners(city, policy) == (3, ALL)

        await city.until(done)
        await asyncio.sleep(1)
    assert [len(one.asked) for one in city.neighbours.values()] == [1, 1, 1]


async def test_a_record_that_waits_too_long_for_cosignatures_is_an_alarm(city, monkeypatch):
    await city.grow(1)
    later = clock.now() + cosigning.LAG * 2
    async with db.connection(city.pool) as conn:
        years = await cosignatures.unpublished_years(conn)
        assert years == [city.year]
        assert await cosigning.is_lagging(conn, years, later)
    policy = city.policy("quorum toyonaka")
    async with city.collecting(policy):

        async def done() -> bool:
            return (await cosigners(city, policy))[0] == 1

        await city.until(done)
    async with db.connection(city.pool) as conn:
        assert await cosignatures.unpublished_years(conn) == []
