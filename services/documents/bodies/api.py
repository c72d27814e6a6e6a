# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of 例文: proto in, command or recorded reading, proto out."""

from __future__ import annotations

from typing import Any, TypeAlias

from chassis import clock, requests
from chassis.db import connection
from chassis.errors import FieldViolation, invalid, not_found
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of, timestamp
from kanketsu.documents.v1 import body_templates_service_pb2 as pb
from kanketsu.documents.v1.body_templates_service_pb2_grpc import BodyTemplatesServiceServicer
from services.documents import messages
from services.documents.bodies import commands, store
from services.documents.bodies.domain import BodyTemplate, Scope, filled
from services.documents.commands import Service

Context: TypeAlias = Any


class BodyTemplatesApi(BodyTemplatesServiceServicer):
    """kanketsu.documents.v1.BodyTemplatesService."""

    def __init__(self, service: Service, recorder: Recorder) -> None:
        self._service = service
        self._recorder = recorder

    async def ListBodyTemplates(
        self, request: pb.ListBodyTemplatesRequest, context: Context
    ) -> pb.ListBodyTemplatesResponse:
        """One's own, those of one's units, the city's."""
        caller = identity()
        async with connection(self._service.pool) as conn:
            found = await store.listed(conn, caller.staff_id, caller.units)
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="body_template.listed",
                object_type="body_template",
                result_count=len(found),
                result_digest=digest_of(*(one.body_template_id for one in found)),
            )
        )
        return pb.ListBodyTemplatesResponse(templates=map(_template, found), access_record=record)

    async def SaveBodyTemplate(
        self, request: pb.SaveBodyTemplateRequest, context: Context
    ) -> pb.SaveBodyTemplateResponse:
        """A new template, or the next version of one. INVALID_FIELDS, NOT_FOUND, STALE_VERSION, NOT_PERMITTED."""
        messages.check_text(request)

        def answer(made: BodyTemplate) -> bytes:
            return pb.SaveBodyTemplateResponse(template=_template(made)).SerializeToString()

        if request.body_template_id:
            return await requests.carry_out(
                self._recorder,
                request,
                pb.SaveBodyTemplateResponse,
                lambda call: commands.save_next(
                    self._service,
                    identity(),
                    call,
                    messages.known_id(request.body_template_id),
                    request.expected_version,
                    name=request.name,
                    body=request.body,
                    answer=answer,
                ),
            )
        if request.scope not in set(Scope):
            raise invalid(FieldViolation("scope", "UNKNOWN"))
        return await requests.carry_out(
            self._recorder,
            request,
            pb.SaveBodyTemplateResponse,
            lambda call: commands.save_new(
                self._service,
                identity(),
                call,
                scope=Scope(request.scope),
                unit_id=request.unit_id,
                name=request.name,
                body=request.body,
                answer=answer,
            ),
        )

    async def RetireBodyTemplate(
        self, request: pb.RetireBodyTemplateRequest, context: Context
    ) -> pb.RetireBodyTemplateResponse:
        """Offered no more. NOT_FOUND, STALE_VERSION, NOT_PERMITTED."""
        messages.check_text(request)
        return await requests.carry_out(
            self._recorder,
            request,
            pb.RetireBodyTemplateResponse,
            lambda call: commands.retire(
                self._service,
                identity(),
                call,
                messages.known_id(request.body_template_id),
                request.expected_version,
                lambda made: pb.RetireBodyTemplateResponse(template=_template(made)).SerializeToString(),
            ),
        )

    async def ReadBodyTemplate(
        self, request: pb.ReadBodyTemplateRequest, context: Context
    ) -> pb.ReadBodyTemplateResponse:
        """Its text for this title and counterparty, today. NOT_FOUND for one the caller may not use."""
        messages.check_text(request)
        caller, body_template_id = identity(), messages.known_id(request.body_template_id)
        async with connection(self._service.pool) as conn:
            found = await store.find(conn, body_template_id)
        if found is None or not found.usable_by(caller.staff_id, caller.units):
            raise not_found()
        record = await self._recorder.record(
            Access(actor=caller, action="body_template.read", object_type="body_template", object_id=body_template_id)
        )
        body = filled(found.body, request.title, request.counterparty, clock.today())
        return pb.ReadBodyTemplateResponse(body=body, access_record=record)


def _template(template: BodyTemplate) -> pb.BodyTemplate:
    return pb.BodyTemplate(
        body_template_id=template.body_template_id,
        version=template.version,
        scope=template.scope,
        unit_id=template.owner if template.scope is Scope.UNIT else "",
        name=template.name,
        body=template.body,
        saved_by=template.saved_by,
        saved_at=timestamp(template.saved_at),
    )
