# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs about archived checkpoints and their time-stamps: hashes and times, so nothing of it is an access."""

from __future__ import annotations

from typing import Any

import grpc

from chassis import db
from chassis.db import Connection, Pool
from chassis.errors import not_found
from kanketsu.audit.v1 import timestamp_service_pb2 as pb
from kanketsu.audit.v1.timestamp_service_pb2_grpc import TimestampServiceServicer
from services.audit import tree_store
from services.audit.timestamps import store

Context = grpc.aio.ServicerContext[Any, Any]


class TimestampApi(TimestampServiceServicer):
    """kanketsu.audit.v1.TimestampService."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def GetArchivedCheckpoint(
        self, request: pb.GetArchivedCheckpointRequest, context: Context
    ) -> pb.GetArchivedCheckpointResponse:
        """As it was signed, byte for byte: what the time-stamp is over."""
        async with db.connection(self._pool) as conn:
            found = await store.archived_at(conn, await _year(conn, request.log_year), request.size)
        if found is None:
            raise not_found()
        return pb.GetArchivedCheckpointResponse(checkpoint=found)

    async def GetTimestamp(self, request: pb.GetTimestampRequest, context: Context) -> pb.GetTimestampResponse:
        """The authority's answer."""
        async with db.connection(self._pool) as conn:
            found = await store.token_at(conn, await _year(conn, request.log_year), request.size)
        if found is None:
            raise not_found()
        return pb.GetTimestampResponse(token=found)

    async def ListArchived(self, request: pb.ListArchivedRequest, context: Context) -> pb.ListArchivedResponse:
        """What there is of a year; nothing of one that has no log."""
        async with db.connection(self._pool) as conn:
            found = await store.sizes_of(conn, await _year(conn, request.log_year))
        return pb.ListArchivedResponse(archived=[pb.Archived(size=size, stamped=stamped) for size, stamped in found])


async def _year(conn: Connection, asked: int) -> int:
    if asked:
        return asked
    log = await tree_store.current_log(conn)
    if log is None:
        raise not_found()
    return log.log_year
