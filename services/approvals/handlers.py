"""What the RPCs of all nouns are built from and do alike: the parts, a write once for its request_id, a recorded list."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from chassis import interceptors, requests
from chassis.db import Pool
from chassis.identity import Identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, digest_of
from chassis.requests import Call
from services.approvals.cases.domain import CityRules
from services.approvals.deadlines.domain import Deadlines
from services.approvals.inputs import require_readable
from services.approvals.policy import Reader
from services.approvals.receipts import Receipts

A = TypeVar("A", bound=Message)
Context: TypeAlias = grpc.aio.ServicerContext[Message, Message]


@dataclass(frozen=True)
class Parts:
    """What handlers of cases work with."""

    pool: Pool
    relay: Relay
    recorder: Recorder
    receipts: Receipts
    tenant: str
    city: CityRules
    deadlines: Deadlines
    managers_see_below: bool = False


class Writing:
    """RPCs whose writes are announced."""

    def __init__(self, pool: Pool, relay: Relay, recorder: Recorder) -> None:
        self._pool = pool
        self._relay = relay
        self._recorder = recorder

    async def _write(self, request: Message, answer: type[A], command: Callable[[Call], Awaitable[bytes]]) -> A:
        """Run a command once for its request_id, and send on what it announces."""
        require_readable(request)
        response = await requests.carry_out(self._recorder, request, answer, command)
        self._relay.wake()
        return response


class Handlers(Writing):
    """The RPCs of one noun of ApprovalsService."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.pool, parts.relay, parts.recorder)
        self._parts = parts

    async def _listed(self, action: str, object_type: str, request: Message, ids: Sequence[str]) -> str:
        """Record a list that is about to be shown; returns the record's reference."""
        return await self._parts.recorder.record(
            Access(
                actor=interceptors.identity(),
                action=action,
                object_type=object_type,
                # Not in the spelling of `recorder.listing`: a digest that is in the log does not change its meaning.
                query_digest=hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest(),
                result_count=len(ids),
                result_digest=digest_of(*ids),
            )
        )


def reader_of(caller: Identity) -> Reader:
    """Who reads, for the policy."""
    return Reader(caller.staff_id, caller.posts)
