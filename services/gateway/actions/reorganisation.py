"""人事異動・組織改編: planned changes, the personnel file, steps without an addressee, who held what."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from chassis.errors import FieldViolation
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from kanketsu.documents.v1 import owners_service_pb2 as owners_pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.errors import raise_invalid
from services.gateway.views import View
from services.gateway.views import reorganisation as views

# Columns of a list of changes as a file: the fields of a change.
COLUMNS = tuple(pb.Change.DESCRIPTOR.fields_by_name)


async def listed(clients: Clients, caller: Caller) -> Answer:
    """Change sets, the latest day first, without their changes."""
    rpc = clients.reorganisation.rpc
    answer = await clients.reorganisation.ask(rpc.ListChangeSets, pb.ListChangeSetsRequest(), caller)
    return page_of((views.change_set(one) for one in answer.change_sets), "", answer.access_record)


async def change_set(clients: Clients, caller: Caller, change_set_id: str) -> Answer:
    """One set with its changes and, until it is closed, its preview."""
    rpc = clients.reorganisation.rpc
    request = pb.GetChangeSetRequest(change_set_id=change_set_id)
    answer = await clients.reorganisation.ask(rpc.GetChangeSet, request, caller)
    shown = views.whole_change_set(answer)
    if shown["preview"] is not None:
        records_unit = answer.preview.records_unit
        shown["preview"]["owned"] = await _owned(clients, caller, answer.change_set.changes, records_unit)
    return Answer(shown, answer.access_record)


async def _owned(clients: Clients, caller: Caller, changes: Sequence[pb.Change], records_unit: str) -> list[View]:
    """What of each unit that ends goes to whom, at last to the records office: documents counts what is its own (RT-10)."""
    heirs = {one.unit_id: one.successor or records_unit for one in changes if one.kind == "unit_ends"}
    rules = [one for one in changes if one.kind == "unit_shares" and one.unit_id in heirs]
    if not heirs:
        return []
    request = owners_pb.CountOwnedRequest(
        units=[
            owners_pb.PlannedSplit(
                unit_id=unit_id,
                class_codes=[one.class_code for one in rules if one.unit_id == unit_id and one.class_code],
                folder_ids=[one.folder_id for one in rules if one.unit_id == unit_id and one.folder_id],
            )
            for unit_id in heirs
        ]
    )
    answer = await clients.owners.ask(clients.owners.rpc.CountOwned, request, caller)
    wishes = {(one.unit_id, one.class_code, one.folder_id): one.successor for one in rules}
    return [
        views.owned(one, wishes.get((one.unit_id, one.class_code, one.folder_id), heirs[one.unit_id]))
        for one in answer.owned
    ]


async def draft(
    clients: Clients,
    caller: Caller,
    *,
    title: str,
    effective_on: str,
    changes: Sequence[View],
    late_reason: str,
    request_id: str,
) -> Answer:
    """Plan changes for a day (ISO date), an earlier one with the reason. Each has `kind` and the fields of its kind."""
    rpc = clients.reorganisation.rpc
    request = pb.DraftChangeSetRequest(
        request_id=request_id,
        title=title,
        effective_on=effective_on,
        changes=_messages(changes),
        late_reason=late_reason,
    )
    answer = await clients.reorganisation.ask(rpc.DraftChangeSet, request, caller)
    return Answer(views.change_set(answer.change_set))


async def preview(clients: Clients, caller: Caller, *, effective_on: str, changes: Sequence[View]) -> Answer:
    """What changes would do on the day, and why they would be refused. Keeps nothing."""
    rpc = clients.reorganisation.rpc
    request = pb.ReadChangesRequest(effective_on=effective_on, changes=_messages(changes))
    answer = await clients.reorganisation.ask(rpc.ReadChanges, request, caller)
    shown = views.previewed(answer)
    shown["preview"]["owned"] = await _owned(clients, caller, request.changes, answer.preview.records_unit)
    return Answer(shown, answer.access_record)


def _messages(changes: Sequence[View]) -> list[pb.Change]:
    return [pb.Change(**{name: value for name, value in one.items() if value}) for one in changes]


async def review(clients: Clients, caller: Caller, change_set_id: str, version: int, request_id: str) -> Answer:
    """Another person lets it take effect, at midnight of its day or at once when that has begun."""
    rpc = clients.reorganisation.rpc
    request = pb.ReviewChangeSetRequest(request_id=request_id, change_set_id=change_set_id, expected_version=version)
    answer = await clients.reorganisation.ask(rpc.ReviewChangeSet, request, caller)
    return Answer(views.change_set(answer.change_set))


async def undo(
    clients: Clients, caller: Caller, change_set_id: str, version: int, reason: str, request_id: str
) -> Answer:
    """Call it off, until midnight of its day."""
    rpc = clients.reorganisation.rpc
    request = pb.UndoChangeSetRequest(
        request_id=request_id, change_set_id=change_set_id, expected_version=version, reason=reason
    )
    answer = await clients.reorganisation.ask(rpc.UndoChangeSet, request, caller)
    return Answer(views.change_set(answer.change_set))


async def compare_personnel(clients: Clients, caller: Caller, *, effective_on: str, content: bytes) -> Answer:
    """What a personnel file would change on the day, or its bad lines. Changes nothing."""
    rpc = clients.reorganisation.rpc
    request = pb.ReadPersonnelFileRequest(effective_on=effective_on, content=content)
    answer = await clients.reorganisation.ask(rpc.ReadPersonnelFile, request, caller)
    return Answer(views.personnel(answer), answer.access_record)


async def export_personnel(clients: Clients, caller: Caller, effective_on: str) -> tuple[bytes, str]:
    """The staff of a day (ISO date) as the file that `compare_personnel` takes, and the record that it was shown."""
    rpc = clients.reorganisation.rpc
    request = pb.GetPersonnelFileRequest(effective_on=effective_on)
    answer = await clients.reorganisation.ask(rpc.GetPersonnelFile, request, caller)
    return answer.content, answer.access_record


async def import_personnel(
    clients: Clients,
    caller: Caller,
    *,
    title: str,
    effective_on: str,
    content: bytes,
    late_reason: str,
    request_id: str,
) -> Answer:
    """The difference becomes a draft; with a bad line nothing does."""
    rpc = clients.reorganisation.rpc
    request = pb.ImportPersonnelFileRequest(
        request_id=request_id, title=title, effective_on=effective_on, content=content, late_reason=late_reason
    )
    answer = await clients.reorganisation.ask(rpc.ImportPersonnelFile, request, caller)
    return Answer(views.change_set(answer.change_set))


def changes_of(content: bytes) -> list[dict[str, Any]]:
    """A list of changes as CSV (UTF-8), the header naming fields of a change; empty cells are not given.

    INVALID_FIELDS `file` for what is no such list. What a change means is for the service to judge.
    """
    try:
        reader = csv.DictReader(content.decode("utf-8-sig").splitlines(keepends=True), strict=True)
        if not reader.fieldnames or not set(reader.fieldnames) <= set(COLUMNS):
            raise_invalid([FieldViolation("file", "WRONG_HEADER")])
        rows = list(reader)
    except UnicodeDecodeError:
        raise_invalid([FieldViolation("file", "NOT_UTF8")])
    except csv.Error:
        raise_invalid([FieldViolation("file", "NOT_CSV")])
    if any(None in row or None in row.values() for row in rows):
        raise_invalid([FieldViolation("file", "WRONG_CELLS")])
    return [_change(row) for row in rows]


def _change(row: dict[str, str]) -> dict[str, Any]:
    change: dict[str, Any] = dict(row)
    if row.get("covers"):
        change["covers"] = row["covers"].split(";")
    for name in ("sort_order", "place"):
        if number := row.get(name, ""):
            if not (number.isascii() and number.isdigit() and len(number) <= 6):
                raise_invalid([FieldViolation("file", "MALFORMED")])
            change[name] = int(number)
    return change


async def stranded(clients: Clients, caller: Caller, *, cursor: str = "", limit: int = 50) -> Answer:
    """宛先のない回議 (AP-41): by number, never by title."""
    rpc = clients.reorganisation.rpc
    request = pb.ListStrandedStepsRequest(cursor=cursor, limit=limit)
    answer = await clients.reorganisation.ask(rpc.ListStrandedSteps, request, caller)
    return page_of((views.stranded_step(one) for one in answer.steps), answer.next_cursor, answer.access_record)


async def reassign(
    clients: Clients,
    caller: Caller,
    *,
    case_id: str,
    step_id: str,
    post_id: str,
    reason: str,
    version: int,
    request_id: str,
) -> Answer:
    """The records office names the post that acts, with a reason (AP-41)."""
    rpc = clients.reorganisation.rpc
    request = pb.ReassignStepRequest(
        request_id=request_id,
        case_id=case_id,
        step_id=step_id,
        post_id=post_id,
        reason=reason,
        expected_version=version,
    )
    answer = await clients.reorganisation.ask(rpc.ReassignStep, request, caller)
    return Answer(
        {
            "case_id": answer.case_id,
            "step_id": answer.step_id,
            "post_id": answer.post_id,
            "version": answer.version,
        }
    )


async def tenures(clients: Clients, caller: Caller, *, post_id: str = "", staff_id: str = "", on: str = "") -> Answer:
    """Who held a post, or which posts somebody held: ever, or on an ISO date."""
    rpc = clients.reorganisation.rpc
    request = pb.ListTenuresRequest(post_id=post_id, staff_id=staff_id, on=on)
    answer = await clients.reorganisation.ask(rpc.ListTenures, request, caller)
    return page_of((views.tenure(one) for one in answer.tenures), "", answer.access_record)


async def substitutes(clients: Clients, caller: Caller, *, post_id: str, on: str = "") -> Answer:
    """代決順位 of a post: ever, or on an ISO date (AP-13)."""
    rpc = clients.reorganisation.rpc
    request = pb.ListSubstitutesRequest(post_id=post_id, on=on)
    answer = await clients.reorganisation.ask(rpc.ListSubstitutes, request, caller)
    return page_of((views.substitution(one) for one in answer.substitutions), "", answer.access_record)
