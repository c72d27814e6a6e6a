# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of route templates: proto in, command or recorded reading, proto out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from chassis import clock, db, requests
from chassis.db import Pool
from chassis.errors import FieldViolation, invalid
from chassis.interceptors import identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, actor_of, digest_of, timestamp
from chassis.requests import Call
from kanketsu.approvals.v1 import route_templates_service_pb2 as pb
from kanketsu.approvals.v1.route_templates_service_pb2_grpc import RouteTemplatesServiceServicer
from services.approvals.cases.envelopes import Cause, cause_of
from services.approvals.inputs import known_id
from services.approvals.policy import Reader
from services.approvals.routes.domain import StepKind
from services.approvals.templates import commands, store
from services.approvals.templates.domain import Extra, Scope, Template

A = TypeVar("A", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]


class TemplatesApi(RouteTemplatesServiceServicer):
    """kanketsu.approvals.v1.RouteTemplatesService."""

    def __init__(self, pool: Pool, relay: Relay, recorder: Recorder) -> None:
        self._pool = pool
        self._relay = relay
        self._recorder = recorder

    async def ListRouteTemplates(
        self, request: pb.ListRouteTemplatesRequest, context: Context
    ) -> pb.ListRouteTemplatesResponse:
        """One's own, those of one's units, the city's."""
        caller = identity()
        async with db.connection(self._pool) as conn:
            found = await store.list_templates(conn, caller.staff_id, sorted(set(caller.posts.values())))
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="template.listed",
                object_type="route_template",
                result_count=len(found),
                result_digest=digest_of(*(one.route_template_id for one in found)),
            )
        )
        return pb.ListRouteTemplatesResponse(templates=map(_template, found), access_record=record)

    async def SaveRouteTemplate(
        self, request: pb.SaveRouteTemplateRequest, context: Context
    ) -> pb.SaveRouteTemplateResponse:
        """A new template, or the next version of one."""
        extras = [_extra(step) for step in request.steps]
        if request.route_template_id:
            return await self._write(
                request,
                pb.SaveRouteTemplateResponse,
                lambda call, reader, roles, cause: commands.save_next(
                    self._pool,
                    call,
                    known_id(request.route_template_id),
                    request.expected_version,
                    request.name,
                    extras,
                    reader,
                    roles,
                    cause,
                    lambda made: pb.SaveRouteTemplateResponse(template=_template(made)).SerializeToString(),
                    clock.now(),
                ),
            )
        if request.scope not in set(Scope):
            raise invalid(FieldViolation("scope", "UNKNOWN"))
        return await self._write(
            request,
            pb.SaveRouteTemplateResponse,
            lambda call, reader, roles, cause: commands.save_new(
                self._pool,
                call,
                Scope(request.scope),
                request.unit_id,
                request.name,
                extras,
                reader,
                roles,
                cause,
                lambda made: pb.SaveRouteTemplateResponse(template=_template(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def RetireRouteTemplate(
        self, request: pb.RetireRouteTemplateRequest, context: Context
    ) -> pb.RetireRouteTemplateResponse:
        """Offered no more."""
        return await self._write(
            request,
            pb.RetireRouteTemplateResponse,
            lambda call, reader, roles, cause: commands.retire(
                self._pool,
                call,
                known_id(request.route_template_id),
                request.expected_version,
                reader,
                roles,
                cause,
                lambda made: pb.RetireRouteTemplateResponse(template=_template(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def _write(
        self,
        request: Any,
        answer: type[A],
        command: Callable[[Call, Reader, frozenset[str], Cause], Awaitable[bytes]],
    ) -> A:
        caller = identity()
        reader, cause = Reader(caller.staff_id, caller.posts), cause_of(actor_of(caller))
        response = await requests.carry_out(
            self._recorder, request, answer, lambda call: command(call, reader, caller.roles, cause)
        )
        self._relay.wake()
        return response


def _extra(step: pb.TemplateStep) -> Extra:
    if step.kind not in set(StepKind):
        raise invalid(FieldViolation("steps", "KIND_NOT_ALLOWED"))
    if "\0" in step.post_id:
        raise invalid(FieldViolation("steps", "MALFORMED"))
    return Extra(StepKind(step.kind), step.post_id, step.after)


def _template(template: Template) -> pb.RouteTemplate:
    return pb.RouteTemplate(
        route_template_id=template.route_template_id,
        version=template.version,
        scope=template.scope,
        unit_id=template.owner if template.scope is Scope.UNIT else "",
        name=template.name,
        steps=[pb.TemplateStep(kind=one.kind, post_id=one.post_id, after=one.after) for one in template.extras],
        saved_by=template.saved_by,
        saved_at=timestamp(template.saved_at),
    )
