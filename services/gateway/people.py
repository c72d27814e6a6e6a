"""The person behind a login, as of now: asked of approvals, remembered for seconds (ADR-0012).

Forgotten at once when the organisation changes. If approvals does not answer, nobody gets in.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import OrderedDict

from chassis.errors import DomainError, Kind
from kanketsu.approvals.v1.approvals_service_pb2 import ResolveActorRequest, ResolveActorResponse
from services.gateway.callers import HeldPost, Person
from services.gateway.clients import Clients

REMEMBER = 4096


class People:
    """Logins and who they are."""

    def __init__(self, clients: Clients, seconds: float) -> None:
        self._clients = clients
        self._seconds = seconds
        # login → (good until, person). Stale entries stay to recognise that nothing changed.
        self._known: OrderedDict[str, tuple[float, Person]] = OrderedDict()
        # How many notices each has not read, as of the same answer.
        self._unread: dict[str, int] = {}
        self._asking: dict[str, asyncio.Task[Person]] = {}

    async def find(self, login: str) -> Person:
        """DENIED UNKNOWN_STAFF when the login is no staff member today. The same object while nothing changed."""
        known = self._known.get(login)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        asking = self._asking.get(login)
        if asking is None:
            # One question for all requests of one person that wait for it.
            asking = self._asking[login] = asyncio.create_task(self._ask(login))
            asking.add_done_callback(lambda _: self._asking.pop(login, None))
        return await asyncio.shield(asking)

    def unread(self, login: str) -> int:
        """How many notices the person had not read when last asked, seconds ago."""
        return self._unread.get(login, 0)

    def has_read(self, login: str, unread: int) -> None:
        """What this process has just heard of it."""
        self._unread[login] = unread

    def forget(self) -> None:
        """The organisation changed."""
        for login, (_, person) in self._known.items():
            self._known[login] = (0.0, person)

    async def _ask(self, login: str) -> Person:
        approvals = self._clients.approvals
        try:
            answer = await approvals.ask(
                approvals.rpc.ResolveActor, ResolveActorRequest(login=login), self._clients.itself
            )
        except DomainError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            self._known.pop(login, None)
            raise DomainError(Kind.DENIED, "UNKNOWN_STAFF", metadata={"service": "approvals"}) from None
        seconds = self._seconds
        if answer.HasField("until"):
            # A vendor's window ends to the second, whatever is remembered (AC-09).
            seconds = min(seconds, answer.until.ToDatetime(tzinfo=dt.UTC).timestamp() - time.time())
        person = _person(login, answer)
        known = self._known.get(login)
        if known is not None and known[1] == person:
            person = known[1]
        self._known[login] = (time.monotonic() + seconds, person)
        self._unread[login] = answer.unread_notices
        while len(self._known) > REMEMBER:
            gone, _ = self._known.popitem(last=False)
            self._unread.pop(gone, None)
        return person


def _person(login: str, answer: ResolveActorResponse) -> Person:
    return Person(
        login=login,
        staff_id=answer.staff_id,
        name=answer.name,
        kana=answer.kana,
        posts=tuple(
            HeldPost(
                post_id=post.post_id,
                unit_id=post.unit_id,
                title=post.title,
                unit_name=post.unit_name,
                kind=post.kind,
                rank=post.rank,
                signs_as=post.signs_as,
            )
            for post in answer.posts
        ),
        roles=tuple(answer.roles),
        principals=tuple(answer.principals),
    )
