"""ルートのひな形: seats that are added to a proposed route (AP-54)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kanketsu.approvals.v1 import route_templates_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import templates as views


async def listed(clients: Clients, caller: Caller) -> Answer:
    """The caller's own, those of their units, the city's."""
    rpc = clients.templates.rpc
    answer = await clients.templates.ask(rpc.ListRouteTemplates, pb.ListRouteTemplatesRequest(), caller)
    return page_of((views.route_template(one) for one in answer.templates), "", answer.access_record)


async def save(
    clients: Clients,
    caller: Caller,
    *,
    name: str,
    steps: Sequence[Mapping[str, Any]],
    request_id: str,
    scope: str = "",
    unit_id: str = "",
    route_template_id: str = "",
    version: int = 0,
) -> Answer:
    """A new template, or with `route_template_id` and `version` the next version of one."""
    request = pb.SaveRouteTemplateRequest(
        request_id=request_id,
        route_template_id=route_template_id,
        expected_version=version,
        scope=scope,
        unit_id=unit_id,
        name=name,
        steps=[pb.TemplateStep(kind=one["kind"], post_id=one["post_id"], after=one["after"]) for one in steps],
    )
    answer = await clients.templates.ask(clients.templates.rpc.SaveRouteTemplate, request, caller)
    return Answer(views.route_template(answer.template))


async def retire(clients: Clients, caller: Caller, route_template_id: str, version: int, request_id: str) -> Answer:
    """Offered no more."""
    request = pb.RetireRouteTemplateRequest(
        request_id=request_id, route_template_id=route_template_id, expected_version=version
    )
    answer = await clients.templates.ask(clients.templates.rpc.RetireRouteTemplate, request, caller)
    return Answer(views.route_template(answer.template))
