"""Sessions on a real broker: found by their cookie alone, ended for good, and clear words while the broker is away."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
import pytest_asyncio

from chassis.broker import Broker
from chassis.settings import Secret
from services.gateway.errors import Refusal
from services.gateway.sessions import BUCKET, TOUCH_SECONDS, Sessions


@pytest.fixture
def settings(engines, make_settings):
    certificate = engines.certificate("gateway")
    return make_settings(
        tls_cert_file=certificate.cert_file,
        tls_key_file=certificate.key_file,
        tls_ca_file=engines.authority.ca_file,
        nats_url=engines.nats_url,
        nats_nkey_seed=Secret(engines.keys.read("nats-gateway.nkey")),
    )


@pytest_asyncio.fixture
async def broker(settings):
    one = Broker(settings, "gateway")
    task = asyncio.create_task(one.run())
    await one.ready()
    yield one
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def sessions(broker, settings):
    return Sessions(broker, settings)


@pytest.fixture
def other(broker, settings):
    """Another replica, which remembers nothing."""
    return Sessions(broker, replace(settings, session_memory=0.0))


async def test_the_cookie_opens_the_session_on_every_replica(sessions, other):
    cookie, session = await sessions.create("katsuragi.takuya", "an id token")
    assert len(cookie) >= 43
    for replica in (sessions, other):
        found = await replica.find(cookie)
        assert found == session
        assert found.login == "katsuragi.takuya"
        assert found.id_token == "an id token"
        assert len(found.csrf) >= 43
    assert await other.find(cookie[:-1] + ("A" if cookie[-1] != "A" else "B")) is None
    assert await other.find("") is None
    assert await other.find("../../etc/passwd\n") is None


async def test_the_store_does_not_know_the_cookie(sessions, broker):
    cookie, session = await sessions.create("katsuragi.takuya", "")
    store = await broker.js.key_value(BUCKET)
    entry = await store.get(session.key)
    assert cookie.encode() not in entry.value
    assert cookie not in session.key


async def test_an_ended_session_stays_ended(sessions, other):
    cookie, session = await sessions.create("katsuragi.takuya", "")
    await sessions.end(session)
    assert await sessions.find(cookie) is None
    assert await other.find(cookie) is None
    await sessions.end(session)


async def test_a_slow_replica_cannot_bring_an_ended_session_back(sessions, other, monkeypatch):
    """It found the session, then somebody logged out, then it notes the time of last use."""
    cookie, session = await sessions.create("katsuragi.takuya", "")
    seen = await other.find(cookie)
    await sessions.end(session)
    assert await other._write(replace(seen, seen=time.time())) is None
    assert await other.find(cookie) is None
    with pytest.raises(Refusal) as caught:
        await other.choose_post(seen, "P-040-03-01")
    assert caught.value.reason == "SIGN_IN_REQUIRED"


async def test_the_chosen_post_is_the_same_on_every_replica(sessions, other):
    """AP-44; also when another replica wrote meanwhile."""
    cookie, session = await sessions.create("katsuragi.takuya", "")
    changed = await sessions.choose_post(session, "P-040-03-05")
    assert (await sessions.find(cookie)).post == "P-040-03-05"
    assert (await other.find(cookie)).post == "P-040-03-05"
    again = await other.choose_post(session, "P-040-03-04")
    assert again.revision > changed.revision
    assert (await other.find(cookie)).post == "P-040-03-04"


async def test_sessions_end_by_idleness_and_by_age(broker, settings):
    idle = Sessions(broker, replace(settings, session_idle=1, session_memory=0.0))
    cookie, session = await idle.create("katsuragi.takuya", "")
    assert await idle.find(cookie) is not None
    store = await broker.js.key_value(BUCKET)

    async def rewrite(**changes: float) -> None:
        current = await idle._read(session.key)
        await idle._write(replace(current, **changes))

    await rewrite(seen=time.time() - 2)
    assert await idle.find(cookie) is None
    with pytest.raises(Exception, match="not found"):
        await store.get(session.key)

    old = Sessions(broker, replace(settings, session_memory=0.0))
    cookie, session = await old.create("katsuragi.takuya", "")
    current = await old._read(session.key)
    await old._write(replace(current, created=time.time() - settings.session_absolute - 1))
    assert await old.find(cookie) is None


async def test_what_is_left_is_the_idle_time_and_never_more_than_the_whole(sessions, settings):
    """UI-06: what the warning of the pages is told by."""
    _, session = await sessions.create("katsuragi.takuya", "")
    fresh = sessions.left(session)
    assert settings.session_idle - 2 <= fresh.unless_used <= settings.session_idle
    assert fresh.at_most > fresh.unless_used
    unused = sessions.left(replace(session, seen=session.seen - settings.session_idle + 100))
    assert 95 <= unused.unless_used <= 100
    old = sessions.left(replace(session, created=session.created - settings.session_absolute + 60))
    assert old.unless_used == old.at_most <= 60
    assert sessions.left(replace(session, seen=0.0)).unless_used == 0


async def test_use_is_noted_so_that_work_is_not_interrupted(sessions, other):
    cookie, session = await sessions.create("katsuragi.takuya", "")
    earlier = time.time() - TOUCH_SECONDS - 1
    await other._write(replace(await other._read(session.key), seen=earlier))
    found = await other.find(cookie)
    assert found.seen > earlier + TOUCH_SECONDS
    assert (await other._read(session.key)).seen == found.seen


async def test_what_is_remembered_is_forgotten_after_seconds(broker, settings, other):
    brief = Sessions(broker, replace(settings, session_memory=0.05))
    cookie, session = await brief.create("katsuragi.takuya", "")
    assert await brief.find(cookie) is not None
    await other.end(session)
    await asyncio.sleep(0.1)
    assert await brief.find(cookie) is None


async def test_a_session_of_another_shape_is_none(sessions, other, broker):
    cookie, session = await sessions.create("katsuragi.takuya", "")
    store = await broker.js.key_value(BUCKET)
    for stored in (b"", b"not json", b'{"login": "x"}', b"[]", b'{"unknown": 1}'):
        await store.put(session.key, stored)
        assert await other.find(cookie) is None


async def test_a_broker_that_comes_back_empty_logs_everybody_out_and_goes_on(engines, sessions, other, broker):
    cookie, _ = await sessions.create("katsuragi.takuya", "")
    engines.stop_one("nats")
    for _ in range(200):
        if not broker.is_connected:
            break
        await asyncio.sleep(0.05)
    for attempt in (other.find(cookie), other.create("katsuragi.takuya", "")):
        with pytest.raises(Refusal) as caught:
            await attempt
        assert (caught.value.reason, caught.value.status) == ("SESSIONS_UNAVAILABLE", 503)
    engines.wipe_nats()
    engines.start_one("nats")
    for _ in range(200):
        if broker.is_connected:
            break
        await asyncio.sleep(0.05)
    assert await other.find(cookie) is None
    again, _ = await sessions.create("katsuragi.takuya", "")
    assert await other.find(again) is not None
