# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of 引継ぎ: an attestation of approvals in, a recorded reading or a command, a message out."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeAlias

from chassis import clock, requests
from chassis.db import connection
from chassis.errors import DomainError
from chassis.identity import KeyVerifier
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of, timestamp
from kanketsu.documents.v1 import assignments_service_pb2 as pb
from kanketsu.documents.v1.assignments_service_pb2_grpc import AssignmentsServiceServicer
from services.documents import messages
from services.documents.assignments import commands, domain, store
from services.documents.assignments.domain import Attested
from services.documents.assignments.store import Unattended
from services.documents.commands import Service

Context: TypeAlias = Any


class AssignmentsApi(AssignmentsServiceServicer):
    """kanketsu.documents.v1.AssignmentsService."""

    def __init__(self, service: Service, recorder: Recorder, attestations: KeyVerifier) -> None:
        self._service = service
        self._recorder = recorder
        self._attestations = attestations

    async def ListUnattended(self, request: pb.ListUnattendedRequest, context: Context) -> pb.ListUnattendedResponse:
        """引き継ぐ案件 of the caller's unit: numbers and ids. MEMBERSHIP_UNPROVEN, NOT_PERMITTED, INVALID_CURSOR."""
        caller, attested = identity(), attested_by(self._attestations, request.attestation)
        domain.check_head(attested, caller.staff_id)
        limit = messages.page_size(request.limit)
        async with connection(self._service.pool) as conn:
            rows = await store.unattended(
                conn,
                attested.unit_id,
                attested.members,
                before=messages.position(request.cursor),
                limit=limit + 1,
            )
        page = rows[:limit]
        query = messages.canonical(unattended=attested.unit_id, cursor=request.cursor, limit=limit)
        ids = [row.document_id for row in page]
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="document.listed",
                object_type="document",
                query_digest=digest_of(query),
                result_count=len(ids),
                result_digest=digest_of(*ids),
            )
        )
        cursor = messages.cursor(ids[-1]) if len(rows) > limit else ""
        return pb.ListUnattendedResponse(documents=map(_unattended, page), next_cursor=cursor, access_record=record)

    async def AssignDocument(self, request: pb.AssignDocumentRequest, context: Context) -> pb.AssignDocumentResponse:
        """引継ぎ to a member of the owner unit (AC-16, AP-42)."""
        messages.check_text(request)
        attested = attested_by(self._attestations, request.attestation)
        # What makes the request the same is what is wished, not the minute in which membership was attested.
        wish = pb.AssignDocumentRequest()
        wish.CopyFrom(request)
        wish.attestation = ""
        return await requests.carry_out(
            self._recorder,
            wish,
            pb.AssignDocumentResponse,
            lambda call: commands.assign_document(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                attested,
                request.assignee,
                request.reason,
                lambda made: pb.AssignDocumentResponse(
                    document_id=made.document_id, assignee=made.assignee, version=made.version
                ).SerializeToString(),
            ),
        )


def attested_by(keys: KeyVerifier, token: str) -> Attested:
    """What approvals says of a unit. MEMBERSHIP_UNPROVEN for a forged, malformed, old or foreign token."""
    try:
        claims = keys.claims(token)
    except DomainError as error:
        raise domain.unproven(error.message) from None
    heads, members, issued = claims.get("heads"), claims.get("members"), claims.get("iat")
    if not isinstance(heads, list) or not isinstance(members, list) or not isinstance(issued, int):
        raise domain.unproven("claims are missing")
    attested = Attested(
        tenant=str(claims.get("ten")),
        unit_id=str(claims.get("unit")),
        heads=frozenset(map(str, heads)),
        members=frozenset(map(str, members)),
        at=dt.datetime.fromtimestamp(issued, tz=clock.JST),
    )
    domain.check_attested(attested, identity().tenant, clock.now())
    return attested


def _unattended(row: Unattended) -> pb.UnattendedDocument:
    return pb.UnattendedDocument(
        document_id=row.document_id,
        state=messages.enum_number(row.state),
        draft_number=row.draft_number,
        drafter=row.drafter,
        assignee=row.assignee,
        created_at=timestamp(row.created_at),
        version=row.version,
    )
