"""What was opened in a session, on a real broker (AP-52): by step, bounded, gone with the session."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import pytest_asyncio

from chassis.broker import Broker
from chassis.settings import Secret
from services.gateway.actions.bulk import MOST
from services.gateway.openings import Opening, Openings
from services.gateway.sessions import OPENINGS, Sessions

READING = Opening("d-1", "c-1", "s-1", "P-040-03-03", "approve", 3, "a" * 64, "閲覧証明")


@pytest_asyncio.fixture
async def sessions(engines, make_settings):
    certificate = engines.certificate("gateway")
    settings = make_settings(
        tls_cert_file=certificate.cert_file,
        tls_key_file=certificate.key_file,
        tls_ca_file=engines.authority.ca_file,
        nats_url=engines.nats_url,
        nats_nkey_seed=Secret(engines.keys.read("nats-gateway.nkey")),
    )
    broker = Broker(settings, "gateway")
    task = asyncio.create_task(broker.run())
    await broker.ready()
    yield Sessions(broker, settings)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_latest_opening_of_a_step_counts_on_every_replica(sessions):
    """AP-52: another session of the same person has opened nothing."""
    openings = Openings(sessions)
    _, session = await sessions.create("watanabe.hiroshi", "")
    _, elsewhere = await sessions.create("watanabe.hiroshi", "")
    assert await openings.of(session) == {}
    await openings.remember(session, READING)
    again = replace(READING, case_version=5, version_digest="b" * 64)
    await openings.remember(session, again)
    assert await Openings(sessions).of(session) == {"s-1": again}
    assert await openings.of(elsewhere) == {}


async def test_only_the_newest_hundred_are_kept(sessions):
    openings = Openings(sessions)
    _, session = await sessions.create("watanabe.hiroshi", "")
    for number in range(MOST + 2):
        await openings.remember(session, replace(READING, step_id=f"s-{number}"))
    await openings.remember(session, replace(READING, step_id="s-2"))
    found = list(await openings.of(session))
    assert (len(found), found[0], found[-1]) == (MOST, "s-3", "s-2")


async def test_two_tabs_lose_nothing_of_each_other(sessions):
    openings = Openings(sessions)
    _, session = await sessions.create("watanabe.hiroshi", "")
    await asyncio.gather(*(openings.remember(session, replace(READING, step_id=step)) for step in ("s-1", "s-2")))
    assert set(await openings.of(session)) == {"s-1", "s-2"}


async def test_it_ends_with_the_session(sessions):
    openings = Openings(sessions)
    _, session = await sessions.create("watanabe.hiroshi", "")
    await openings.remember(session, READING)
    await sessions.end(session)
    assert await openings.of(session) == {}


@pytest.mark.parametrize("content", [b"{", b'[{"of": "another release"}]', b"3"])
async def test_another_shape_is_nothing(sessions, content):
    _, session = await sessions.create("watanabe.hiroshi", "")
    assert await sessions.write_note(session, OPENINGS, content, 0)
    assert await Openings(sessions).of(session) == {}
