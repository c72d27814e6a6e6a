"""次にすること of each class of the file plan, for the records office (FL-06)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kanketsu.documents.v1 import follow_ups_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import follow_ups as views


async def classes(clients: Clients, caller: Caller) -> Answer:
    """Every class, those of all units too, with how much its list holds."""
    rpc = clients.follow_ups.rpc
    answer = await clients.follow_ups.ask(rpc.ListFollowUpClasses, pb.ListFollowUpClassesRequest(), caller)
    return page_of((views.follow_up_class(one) for one in answer.classes), "", answer.access_record)


async def read(clients: Clients, caller: Caller, class_code: str) -> Answer:
    """The list of one class."""
    rpc = clients.follow_ups.rpc
    answer = await clients.follow_ups.ask(rpc.GetFollowUps, pb.GetFollowUpsRequest(class_code=class_code), caller)
    return Answer(views.follow_up_list(answer.list), answer.access_record)


async def save(
    clients: Clients,
    caller: Caller,
    class_code: str,
    version: int,
    follow_ups: Sequence[Mapping[str, str | None]],
    request_id: str,
) -> Answer:
    """The whole list in this order, instead of the one before.

    `follow_ups`: follow_up_id (none for a new one), after_kind, after_words, kind, title, next_class_code,
    body_template_id.
    """
    request = pb.SaveFollowUpsRequest(
        request_id=request_id,
        class_code=class_code,
        expected_version=version,
        follow_ups=[
            pb.PlannedFollowUp(**{name: value for name, value in one.items() if value is not None})
            for one in follow_ups
        ],
    )
    answer = await clients.follow_ups.ask(clients.follow_ups.rpc.SaveFollowUps, request, caller)
    return Answer(views.follow_up_list(answer.list))
