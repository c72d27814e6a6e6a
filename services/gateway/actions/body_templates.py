"""例文: texts to begin a 伺い文 with."""

from __future__ import annotations

from kanketsu.documents.v1 import body_templates_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import body_templates as views


async def listed(clients: Clients, caller: Caller) -> Answer:
    """The caller's own, those of their units, the city's."""
    rpc = clients.body_templates.rpc
    answer = await clients.body_templates.ask(rpc.ListBodyTemplates, pb.ListBodyTemplatesRequest(), caller)
    return page_of((views.body_template(one) for one in answer.templates), "", answer.access_record)


async def save(
    clients: Clients,
    caller: Caller,
    *,
    name: str,
    body: str,
    request_id: str,
    scope: str = "",
    unit_id: str = "",
    body_template_id: str = "",
    version: int = 0,
) -> Answer:
    """A new template, or with `body_template_id` and `version` the next version of one."""
    request = pb.SaveBodyTemplateRequest(
        request_id=request_id,
        body_template_id=body_template_id,
        expected_version=version,
        scope=scope,
        unit_id=unit_id,
        name=name,
        body=body,
    )
    answer = await clients.body_templates.ask(clients.body_templates.rpc.SaveBodyTemplate, request, caller)
    return Answer(views.body_template(answer.template))


async def retire(clients: Clients, caller: Caller, body_template_id: str, version: int, request_id: str) -> Answer:
    """Offered no more."""
    request = pb.RetireBodyTemplateRequest(
        request_id=request_id, body_template_id=body_template_id, expected_version=version
    )
    answer = await clients.body_templates.ask(clients.body_templates.rpc.RetireBodyTemplate, request, caller)
    return Answer(views.body_template(answer.template))


async def fill(
    clients: Clients, caller: Caller, body_template_id: str, *, title: str = "", counterparty: str = ""
) -> Answer:
    """The text for a draft with this title and counterparty, today: {body}."""
    request = pb.ReadBodyTemplateRequest(body_template_id=body_template_id, title=title, counterparty=counterparty)
    answer = await clients.body_templates.ask(clients.body_templates.rpc.ReadBodyTemplate, request, caller)
    return Answer({"body": answer.body}, answer.access_record)
