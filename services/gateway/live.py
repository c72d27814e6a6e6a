"""Notices on open pages (server-sent events): one look at approvals for all of them, each person gets their own.

A cheap look every few seconds instead of messages: it holds with any number of replicas of anything, and what was
written after a position is never passed over. Nothing here is needed to work: every page shows the count by itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from chassis import clock
from chassis.errors import DomainError, Kind
from kanketsu.approvals.v1 import notices_service_pb2 as pb
from services.gateway.errors import Refusal, refusal

if TYPE_CHECKING:
    from services.gateway.clients import Clients

log = logging.getLogger(__name__)

# Streams of one person in this process; a browser opens one for each page that is looked at.
MOST_STREAMS: Final = 6
# Events that wait for a slow reader; one that is slower comes again and says what it has seen.
MOST_WAITING: Final = 100
HEARTBEAT_SECONDS: Final = 15.0
# A page that was just drawn may have missed what came meanwhile.
RECENT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Event:
    """One notice for one person, with how many they have not read."""

    staff_id: str
    notice: pb.Notice
    unread: int

    def text(self) -> bytes:
        """As it travels: number, kind and ids."""
        one = self.notice
        data = {
            "notice_id": one.notice_id,
            "kind": one.kind,
            "draft_number": one.draft_number,
            "case_id": one.case_id,
            "document_id": one.document_id,
            "change_set_id": one.change_set_id or None,
            "urgent": one.urgent,
            "unread": self.unread,
        }
        return f"id: {one.position}\nevent: notice\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


@dataclass(eq=False)
class Stream:
    """One open page."""

    staff_id: str
    waiting: deque[Event] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    def put(self, event: Event) -> None:
        """Hand over; a reader that does not keep up is closed."""
        self.waiting.append(event)
        self.closed = self.closed or len(self.waiting) > MOST_WAITING
        self.woken.set()

    def close(self) -> None:
        """The end, once what waits has been sent."""
        self.closed = True
        self.woken.set()


class OpenPages:
    """The streams of this process."""

    def __init__(self, clients: Clients, interval: float) -> None:
        self._clients = clients
        self._interval = interval
        self._streams: dict[str, set[Stream]] = {}
        self._recent: deque[tuple[float, Event]] = deque()
        self._closing = False

    async def run(self) -> None:
        """Look for new notices until cancelled."""
        position = ""
        while True:
            try:
                position = await self._look(position)
            except DomainError as error:
                log.warning("open pages wait for notices", extra={"error": error.message})
            await asyncio.sleep(self._interval)

    async def _look(self, position: str) -> str:
        notices = self._clients.notices
        request = pb.ListNewNoticesRequest(after=position)
        answer = await notices.ask(notices.rpc.ListNewNotices, request, self._clients.itself)
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
        for one in answer.notices:
            event = Event(one.staff_id, one.notice, one.unread)
            self._recent.append((now, event))
            for stream in self._streams.get(one.staff_id, ()):
                stream.put(event)
        return answer.position

    def open(self, staff_id: str) -> Stream:
        """Another stream of a person, until `leave`. TOO_MANY_STREAMS."""
        streams = self._streams.setdefault(staff_id, set())
        if len(streams) >= MOST_STREAMS:
            raise refusal("TOO_MANY_STREAMS")
        made = Stream(staff_id, closed=self._closing)
        streams.add(made)
        return made

    def leave(self, stream: Stream) -> None:
        """Nobody reads it any more."""
        streams = self._streams.get(stream.staff_id, set())
        streams.discard(stream)
        if not streams:
            self._streams.pop(stream.staff_id, None)

    def recent(self, staff_id: str) -> list[Event]:
        """What was handed out in the last seconds."""
        return [event for _, event in self._recent if event.staff_id == staff_id]

    def close(self) -> None:
        """The process ends: every stream does, and the pages come to another replica."""
        self._closing = True
        for streams in self._streams.values():
            for stream in streams:
                stream.close()


async def follow(
    stream: Stream,
    missed: list[Event],
    still_there: Callable[[], Awaitable[object]],
    heartbeat: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """The body of a stream: what was missed, then what comes; a comment now and then while nothing does.

    Ends with the session: `still_there` raises when it is over, and is asked before every event and comment. While that
    cannot be said, nothing is shown.
    """
    yield b"retry: 5000\n\n"
    sent: set[str] = set()
    for event in missed:
        sent.add(event.notice.notice_id)
        yield event.text()
    while True:
        await clock.either(stream.woken, heartbeat)
        stream.woken.clear()
        try:
            await still_there()
        except (Refusal, DomainError) as error:
            if not _is_away(error):
                return
        else:
            while stream.waiting:
                event = stream.waiting.popleft()
                if event.notice.notice_id not in sent:
                    yield event.text()
        if stream.closed:
            return
        yield b": \n\n"


def _is_away(error: Refusal | DomainError) -> bool:
    """Whether it only cannot be said now who is there."""
    return error.status == 503 if isinstance(error, Refusal) else error.kind is Kind.UNAVAILABLE
