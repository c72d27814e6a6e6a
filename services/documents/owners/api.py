# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""What a unit owns, counted for those who plan its end (RT-10)."""

from __future__ import annotations

from typing import Any, TypeAlias

from chassis.db import connection
from chassis.errors import DomainError, FieldViolation, Kind, invalid
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of
from kanketsu.documents.v1 import owners_service_pb2 as pb
from kanketsu.documents.v1.owners_service_pb2_grpc import OwnersServiceServicer
from services.documents import messages
from services.documents.commands import Service
from services.documents.owners import store
from services.documents.owners.domain import CLASS, FOLDER

MAX_UNITS, MAX_RULES = 200, 5000
PLANNERS = frozenset({"records_officer", "system_admin"})

Context: TypeAlias = Any


class OwnersApi(OwnersServiceServicer):
    """kanketsu.documents.v1.OwnersService."""

    def __init__(self, service: Service, recorder: Recorder) -> None:
        self._service = service
        self._recorder = recorder

    async def CountOwned(self, request: pb.CountOwnedRequest, context: Context) -> pb.CountOwnedResponse:
        """Folders, documents and receipts by rule, as of now. NOT_PERMITTED, INVALID_FIELDS."""
        messages.check_text(request)
        caller = identity()
        if not PLANNERS & set(caller.roles):
            raise DomainError(Kind.DENIED, "NOT_PERMITTED", "the records office or an administrator plans")
        rules = sum(len(one.class_codes) + len(one.folder_ids) for one in request.units)
        if len(request.units) > MAX_UNITS or rules > MAX_RULES:
            raise invalid(FieldViolation("units", "TOO_MANY"))
        found: list[pb.Owned] = []
        async with connection(self._service.pool) as conn:
            for unit in request.units:
                counts = await store.count_owned(conn, unit.unit_id, unit.class_codes, unit.folder_ids)
                asked = [(CLASS, code) for code in unit.class_codes] + [(FOLDER, one) for one in unit.folder_ids]
                for kind, object_id in [*asked, ("", "")]:
                    folders, documents, receipts = counts.get((kind, object_id), (0, 0, 0))
                    found.append(
                        pb.Owned(
                            unit_id=unit.unit_id,
                            class_code=object_id if kind == CLASS else "",
                            folder_id=object_id if kind == FOLDER else "",
                            folders=folders,
                            documents=documents,
                            receipts=receipts,
                        )
                    )
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="document.listed",
                object_type="unit",
                query_digest=digest_of(messages.canonical(owned=[one.unit_id for one in request.units])),
                result_count=len(found),
                result_digest=digest_of(*[f"{one.unit_id}/{one.class_code}/{one.folder_id}" for one in found]),
            )
        )
        return pb.CountOwnedResponse(owned=found, access_record=record)
