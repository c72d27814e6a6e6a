# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPC of the numbers beside the menu."""

from __future__ import annotations

from typing import Any, TypeAlias

from chassis.db import Pool, connection
from chassis.errors import FieldViolation, invalid
from chassis.interceptors import identity
from kanketsu.documents.v1 import counts_service_pb2 as pb
from kanketsu.documents.v1.counts_service_pb2_grpc import CountsServiceServicer
from services.documents import search_store
from services.documents.search_store import Listing

Context: TypeAlias = Any

# Beyond this a number says no more than "many".
MOST = 100


class CountsApi(CountsServiceServicer):
    """kanketsu.documents.v1.CountsService."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def CountDocuments(self, request: pb.CountDocumentsRequest, context: Context) -> pb.CountDocumentsResponse:
        """How many documents of the state the reader sees, as their list does; one statement (AC-03)."""
        if not request.state:
            raise invalid(FieldViolation("state", "REQUIRED"))
        listing = Listing(principals=identity().principals, limit=MOST, states=[request.state])
        async with connection(self._pool) as conn:
            return pb.CountDocumentsResponse(count=await search_store.count(conn, listing))
