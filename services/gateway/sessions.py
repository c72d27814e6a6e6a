"""Browser sessions in a JetStream key-value bucket: opaque cookie, its sha256 is the key, nothing else durable.

The bucket may be lost: it is made again and people log in again. While the broker does not answer nobody's
session can be looked up, and the answer is SESSIONS_UNAVAILABLE, never "logged out".
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import logging
import secrets
import time
from collections import OrderedDict
from typing import NamedTuple

import nats.errors
import nats.js.errors
from nats.js import api
from nats.js.kv import KeyValue

from chassis import clock
from chassis.broker import Broker
from services.gateway.callers import Session
from services.gateway.errors import refusal
from services.gateway.settings import Settings

log = logging.getLogger(__name__)

BUCKET = "sessions"
# The note of what was opened and waits for its reader (`openings`).
OPENINGS = "openings"
# The time of last use is written at most this often.
TOUCH_SECONDS = 60.0
REMEMBER = 10_000
_LOST = (nats.errors.Error, OSError, asyncio.TimeoutError)
# What a missing bucket looks like, depending on the call.
_NO_BUCKET = (
    nats.js.errors.BucketNotFoundError,
    nats.js.errors.NoStreamResponseError,
    nats.errors.NoRespondersError,
)


class Left(NamedTuple):
    """Seconds until a session ends."""

    unless_used: int
    # Whatever is done.
    at_most: int


class Sessions:
    """All sessions of this municipality; every replica sees the same."""

    def __init__(self, broker: Broker, settings: Settings) -> None:
        self._broker = broker
        self._idle = settings.session_idle
        self._absolute = settings.session_absolute
        self._memory = settings.session_memory
        self._store: KeyValue | None = None
        # key → (good until, session)
        self._known: OrderedDict[str, tuple[float, Session]] = OrderedDict()

    async def create(self, login: str, id_token: str) -> tuple[str, Session]:
        """A new session and the cookie value that opens it (256 bits, known to the browser alone)."""
        cookie = secrets.token_urlsafe(32)
        now = time.time()
        session = Session(
            key=_key(cookie),
            id=clock.new_id(),
            login=login,
            csrf=secrets.token_urlsafe(32),
            created=now,
            seen=now,
            id_token=id_token,
        )
        try:
            revision = await self._create(session)
        except _LOST as error:
            raise _unavailable(error) from None
        session = dataclasses.replace(session, revision=revision)
        self._remember(session)
        return cookie, session

    async def find(self, cookie: str, *, used: bool = True) -> Session | None:
        """The live session of a cookie; None when there is none, or it ended. `used`: somebody is there to use it."""
        key, now = _key(cookie), time.time()
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[0]:
            session = known[1]
        else:
            found = await self._read(key)
            if found is None:
                self._known.pop(key, None)
                return None
            session = found
            self._remember(session)
        if now - session.seen > self._idle or now - session.created > self._absolute:
            await self.end(session)
            return None
        if used and now - session.seen > TOUCH_SECONDS:
            session = await self._write(dataclasses.replace(session, seen=now)) or session
        return session

    def left(self, session: Session) -> Left:
        """How long a live session lasts from now."""
        now = time.time()
        at_most = max(0, int(session.created + self._absolute - now))
        return Left(min(at_most, max(0, int(session.seen + self._idle - now))), at_most)

    async def choose_post(self, session: Session, post_id: str) -> Session:
        """Act from this post on the pages from now on (AP-44). The caller has checked that it is held."""
        for _ in range(3):
            changed = await self._write(dataclasses.replace(session, post=post_id))
            if changed is not None:
                return changed
            current = await self._read(session.key)
            if current is None:
                raise refusal("SIGN_IN_REQUIRED")
            session = current
        raise refusal("SESSIONS_UNAVAILABLE")

    async def end(self, session: Session) -> None:
        """Delete it. Other replicas forget it within `session_memory` seconds."""
        self._known.pop(session.key, None)
        try:
            store = await self._bucket()
            await store.delete(session.key)
            await store.delete(_beside(session.key, OPENINGS))
        except _NO_BUCKET:
            return
        except _LOST as error:
            raise _unavailable(error) from None

    async def note(self, session: Session, name: str) -> tuple[bytes, int]:
        """What is noted beside a session under a name, and its revision; (b"", 0) for nothing. Ends with the session."""
        try:
            entry = await (await self._bucket()).get(_beside(session.key, name))
        except (nats.js.errors.KeyNotFoundError, *_NO_BUCKET):
            return b"", 0
        except _LOST as error:
            raise _unavailable(error) from None
        return entry.value or b"", int(entry.revision or 0)

    async def write_note(self, session: Session, name: str, content: bytes, revision: int) -> bool:
        """Replace what was read with that revision; False when somebody wrote meanwhile, or the bucket is gone."""
        try:
            store = await self._bucket()
            key = _beside(session.key, name)
            # A key that was never there, or was deleted, is created.
            await (store.update(key, content, last=revision) if revision else store.create(key, content))
        except (nats.js.errors.KeyWrongLastSequenceError, *_NO_BUCKET):
            return False
        except _LOST as error:
            raise _unavailable(error) from None
        return True

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers now."""
        return self._broker.is_connected

    async def _create(self, session: Session) -> int:
        try:
            return await (await self._bucket()).create(session.key, _bytes(session))
        except _NO_BUCKET:
            # The broker came back empty.
            self._store = None
            return await (await self._bucket()).create(session.key, _bytes(session))

    async def _read(self, key: str) -> Session | None:
        try:
            entry = await (await self._bucket()).get(key)
        except nats.js.errors.KeyNotFoundError:
            return None
        except _NO_BUCKET:
            self._store = None
            try:
                await self._bucket()
            except _LOST as error:
                raise _unavailable(error) from None
            return None
        except _LOST as error:
            raise _unavailable(error) from None
        return _session(key, entry)

    async def _write(self, session: Session) -> Session | None:
        """The stored session; None when somebody wrote or deleted it meanwhile: an ended session never comes back."""
        try:
            revision = await (await self._bucket()).update(session.key, _bytes(session), last=session.revision)
        except nats.js.errors.KeyWrongLastSequenceError:
            self._known.pop(session.key, None)
            return None
        except _NO_BUCKET:
            self._store = None
            return None
        except _LOST as error:
            raise _unavailable(error) from None
        session = dataclasses.replace(session, revision=revision)
        self._remember(session)
        return session

    async def _bucket(self) -> KeyValue:
        if not self._broker.is_connected:
            raise ConnectionError("no broker")
        if self._store is None:
            js = self._broker.js
            try:
                self._store = await js.key_value(BUCKET)
            except nats.js.errors.BucketNotFoundError:
                # The store forgets what was not used; the age of a key starts anew with each write.
                ttl = self._idle + 2 * TOUCH_SECONDS
                try:
                    self._store = await js.create_key_value(
                        api.KeyValueConfig(bucket=BUCKET, history=1, ttl=ttl, storage=api.StorageType.FILE)
                    )
                    log.info("session bucket created")
                except nats.js.errors.BadRequestError:
                    # Another replica was first.
                    self._store = await js.key_value(BUCKET)
        return self._store

    def _remember(self, session: Session) -> None:
        self._known[session.key] = (time.monotonic() + self._memory, session)
        self._known.move_to_end(session.key)
        while len(self._known) > REMEMBER:
            self._known.popitem(last=False)


def _unavailable(error: BaseException) -> Exception:
    log.warning("session store does not answer", extra={"error": repr(error)})
    return refusal("SESSIONS_UNAVAILABLE")


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _beside(key: str, name: str) -> str:
    return f"{key}.{name}"


def _bytes(session: Session) -> bytes:
    kept = dataclasses.asdict(session)
    del kept["key"], kept["revision"]
    return json.dumps(kept).encode()


def _session(key: str, entry: KeyValue.Entry) -> Session | None:
    """A session from its stored form; None for one that another release wrote in another shape."""
    try:
        return Session(key=key, revision=int(entry.revision or 0), **json.loads(entry.value or b""))
    except (ValueError, TypeError):
        return None
