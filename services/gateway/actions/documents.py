"""文書: draft, read, search, files, route, submit, enforce, complete, annotate, who may see it, what happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kanketsu.approvals.v1 import approvals_service_pb2 as approvals_pb
from kanketsu.audit.v1 import audit_service_pb2 as audit_pb
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.gateway.actions.answer import Answer, enum_of, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Chunks, Clients
from services.gateway.views import DISCLOSURES, PERSONAL, STATES, STEP_KINDS, VIEW_CLASSES, View, moment
from services.gateway.views import documents as views
from services.gateway.views.audit import entry
from services.gateway.views.routes import route_plan

_ENFORCEMENT = {
    "required": "enforcement_required",
    "planned_on": "enforcement_planned_on",
    "method": "enforcement_method",
    "addressee": "enforcement_addressee",
}


def _draft_fields(fields: Mapping[str, Any]) -> tuple[pb.DraftFields, list[str]]:
    """The fields as the service takes them, and the names of those that were given (None clears one)."""
    values: dict[str, Any] = {}
    changed: list[str] = []
    for name, value in fields.items():
        if name == "enforcement":
            for part, part_value in (value or {}).items():
                values[_ENFORCEMENT[part]] = part_value
                changed.append(_ENFORCEMENT[part])
            continue
        if name == "disclosure" and value is not None:
            value = enum_of(DISCLOSURES, name, value)
        elif name == "personal_information" and value is not None:
            value = enum_of(PERSONAL, name, value)
        elif name == "view_class" and value is not None:
            value = enum_of(VIEW_CLASSES, name, value)
        values[name] = value
        changed.append(name)
    return pb.DraftFields(**{name: value for name, value in values.items() if value is not None}), changed


async def create(clients: Clients, caller: Caller, fields: Mapping[str, Any], request_id: str) -> Answer:
    """起案 from the acting post (AP-44).

    `fields`: title, subtitle, body, folder_id, class_code, decision_class, disclosure (open, partial, closed),
    personal_information (none, personal, sensitive), view_class (unit, section, designated, department, city),
    designated (staff ids), counterparty, amount (yen), urgent, receipt_ids,
    enforcement {required, planned_on, method, addressee}.
    """
    draft, _ = _draft_fields(fields)
    rpc = clients.documents.rpc
    request = pb.CreateDraftRequest(request_id=request_id, fields=draft, post_id=caller.identity.acting_post)
    answer = await clients.documents.ask(rpc.CreateDraft, request, caller)
    return Answer(views.document(answer.document))


async def read(clients: Clients, caller: Caller, document_id: str, *, purpose: str = "") -> Answer:
    """The current version, with the read receipt that acting on it needs. `purpose`: "", "print", "export" (AC-15)."""
    rpc = clients.documents.rpc
    request = pb.GetDocumentRequest(document_id=document_id, purpose=purpose)
    answer = await clients.documents.ask(rpc.GetDocument, request, caller)
    body = views.document(answer.document)
    body["read_receipt"] = answer.read_receipt or None
    body |= {"may_download": answer.may_download, "may_print": answer.may_print}
    body["break_glass_until"] = moment(answer, "break_glass_until")
    return Answer(body, answer.access_record)


async def edit(
    clients: Clients, caller: Caller, document_id: str, version: int, fields: Mapping[str, Any], request_id: str
) -> Answer:
    """Change the given fields of a draft; a field given as None is cleared."""
    draft, changed = _draft_fields(fields)
    rpc = clients.documents.rpc
    request = pb.UpdateDraftRequest(
        request_id=request_id, document_id=document_id, expected_version=version, fields=draft, changed=changed
    )
    answer = await clients.documents.ask(rpc.UpdateDraft, request, caller)
    return Answer(views.document(answer.document))


async def delete(clients: Clients, caller: Caller, document_id: str, version: int, request_id: str) -> None:
    """Remove a draft that never circulated (LC-12)."""
    rpc = clients.documents.rpc
    request = pb.DeleteDraftRequest(request_id=request_id, document_id=document_id, expected_version=version)
    await clients.documents.ask(rpc.DeleteDraft, request, caller)


async def list_documents(
    clients: Clients,
    caller: Caller,
    *,
    query: str = "",
    states: Sequence[str] = (),
    unit_id: str = "",
    folder_id: str = "",
    class_code: str = "",
    since: str = "",
    until: str = "",
    number: str = "",
    document_ids: Sequence[str] = (),
    cursor: str = "",
    limit: int = 50,
) -> Answer:
    """List or search what the caller may see; `since` and `until` are ISO days of creation, inclusive."""
    rpc = clients.documents.rpc
    request = pb.ListDocumentsRequest(
        query=query,
        states=[enum_of(STATES, "state", state) for state in states],
        unit_id=unit_id,
        folder_id=folder_id,
        class_code=class_code,
        to=until,
        number=number,
        document_ids=document_ids,
        cursor=cursor,
        limit=limit,
        **{"from": since},
    )
    answer = await clients.documents.ask(rpc.ListDocuments, request, caller)
    return page_of((views.document_summary(one) for one in answer.documents), answer.next_cursor, answer.access_record)


# --- files -------------------------------------------------------------------------------------------


async def upload(
    clients: Clients,
    caller: Caller,
    document_id: str,
    *,
    file_name: str,
    content_type: str,
    size: int | None,
    sha256: str,
    chunks: Chunks,
    request_id: str,
) -> Answer:
    """Add a file, streamed. `sha256` is hex or "", `size` in bytes if known; both are checked on arrival."""
    header = pb.UploadHeader(
        request_id=request_id,
        document_id=document_id,
        file_name=file_name,
        content_type=content_type,
        sha256=sha256,
    )
    if size is not None:
        header.size = size
    answer = await clients.upload(header, chunks, caller)
    return Answer(views.attachment(answer.attachment) | {"version": answer.version})


async def remove_attachment(
    clients: Clients, caller: Caller, document_id: str, attachment_id: str, version: int, request_id: str
) -> Answer:
    """Take a file off a draft. The body holds the document's new version."""
    rpc = clients.documents.rpc
    request = pb.RemoveAttachmentRequest(
        request_id=request_id, document_id=document_id, attachment_id=attachment_id, expected_version=version
    )
    answer = await clients.documents.ask(rpc.RemoveAttachment, request, caller)
    return Answer({"version": answer.version})


@dataclass(frozen=True)
class Content:
    """An opened file: what it is, which bytes are coming, and the bytes. Whoever opened it closes it."""

    attachment: View
    offset: int
    length: int
    access_record: str
    _messages: AsyncGenerator[pb.ReadAttachmentResponse, None]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, as they come."""
        async for message in self._messages:
            yield message.chunk

    async def close(self) -> None:
        """Stop the transfer if it still runs."""
        await self._messages.aclose()


async def open_content(
    clients: Clients,
    caller: Caller,
    document_id: str,
    attachment_id: str,
    *,
    purpose: str,
    offset: int = 0,
    length: int = 0,
) -> Content:
    """Open a file for reading; the access is recorded before the first byte.

    `purpose` is "inline" or "download" (AC-15). A negative `offset` counts from the end; `length` 0 means the rest.
    """
    request = pb.ReadAttachmentRequest(
        document_id=document_id, attachment_id=attachment_id, offset=offset, length=length, purpose=purpose
    )
    messages = clients.download(request, caller)
    header = (await anext(messages)).header
    return Content(views.attachment(header.attachment), header.offset, header.length, header.access_record, messages)


# --- the course of a document ------------------------------------------------------------------------


async def plan_route(
    clients: Clients,
    caller: Caller,
    document_id: str,
    request_id: str,
    *,
    steps: Sequence[Mapping[str, Any]] = (),
    exceptional: bool = False,
    exception: str = "",
    exception_reason: str = "",
    route_template_id: str = "",
) -> Answer:
    """Propose a route from the decision rules for the document as it stands (AP-02).

    `steps` ({kind, post_id, group, mandatory}) replaces the optional part of the proposal; `exception` with its
    reason seeks the higher decider (AP-03), and `exceptional` is refused without them. The body also holds the document's `version`, the one the plan is good for.
    """
    found = await clients.documents.ask(
        clients.documents.rpc.GetDocument, pb.GetDocumentRequest(document_id=document_id), caller
    )
    document = found.document
    facts = approvals_pb.RouteFacts(
        document_id=document_id,
        unit_id=document.unit_id,
        # Who carries on in the drafter's place has another post of the unit (AP-42).
        drafter_post=document.drafter_post if document.drafter_post in caller.identity.posts else "",
        matter=document.matter,
        decision_class=document.fields.decision_class,
        exceptional=exceptional,
        exception=exception,
        exception_reason=exception_reason,
    )
    if document.fields.HasField("amount"):
        facts.amount = document.fields.amount
    adjusted = [
        approvals_pb.PlannedStep(
            kind=enum_of(STEP_KINDS, "steps", step["kind"]),
            post_id=step["post_id"],
            group=step["group"],
            mandatory=step.get("mandatory", False),
        )
        for step in steps
    ]
    plan = await clients.approvals.ask(
        clients.approvals.rpc.PlanRoute,
        approvals_pb.PlanRouteRequest(
            request_id=request_id, facts=facts, adjusted=adjusted, route_template_id=route_template_id
        ),
        caller,
    )
    return Answer(route_plan(plan) | {"version": document.version}, found.access_record)


async def submit(
    clients: Clients,
    caller: Caller,
    document_id: str,
    version: int,
    route_plan_id: str,
    request_id: str,
    *,
    replacement: str = "",
    wider_than_receipts_confirmed: bool = False,
) -> Answer:
    """回議開始: freezes the version and issues the draft number. `replacement`: "minor" or "substantive" (AP-30).

    `wider_than_receipts_confirmed`: the drafter means it to be for people whom one of its receipts is not for (AC-02).
    """
    rpc = clients.documents.rpc
    request = pb.SubmitDocumentRequest(
        request_id=request_id,
        document_id=document_id,
        expected_version=version,
        route_plan_id=route_plan_id,
        replacement=replacement,
        wider_than_receipts_confirmed=wider_than_receipts_confirmed,
    )
    answer = await clients.documents.ask(rpc.SubmitDocument, request, caller)
    body = views.document(answer.document)
    return Answer(
        {
            "case_id": answer.case_id,
            "draft_number": body["draft_number"],
            "version_digest": body["version_digest"],
            "version": body["version"],
            "document": body,
        }
    )


async def enforce(
    clients: Clients, caller: Caller, document_id: str, version: int, fields: Mapping[str, Any], request_id: str
) -> Answer:
    """施行: issues the dispatch number (LC-06, LC-07). `fields`: enforced_on, method, addressee, collated_by."""
    rpc = clients.documents.rpc
    given = {name: value for name, value in fields.items() if value is not None}
    request = pb.EnforceDocumentRequest(
        request_id=request_id, document_id=document_id, expected_version=version, **given
    )
    answer = await clients.documents.ask(rpc.EnforceDocument, request, caller)
    return Answer(views.document(answer.document))


async def complete(
    clients: Clients, caller: Caller, document_id: str, version: int, fields: Mapping[str, Any], request_id: str
) -> Answer:
    """完結: files it, fixes the end of retention (RT-02), writes the manifest. `fields`: completed_on, folder_id."""
    rpc = clients.documents.rpc
    given = {name: value for name, value in fields.items() if value is not None}
    request = pb.CompleteDocumentRequest(
        request_id=request_id, document_id=document_id, expected_version=version, **given
    )
    answer = await clients.documents.ask(rpc.CompleteDocument, request, caller)
    return Answer(views.document(answer.document))


async def annotate(
    clients: Clients, caller: Caller, document_id: str, version: int, text: str, request_id: str
) -> Answer:
    """追記 after the decision; append only (LC-16)."""
    rpc = clients.documents.rpc
    request = pb.AnnotateDocumentRequest(
        request_id=request_id, document_id=document_id, expected_version=version, text=text
    )
    answer = await clients.documents.ask(rpc.AnnotateDocument, request, caller)
    return Answer(views.document(answer.document))


# --- who sees it, what happened ----------------------------------------------------------------------


async def viewers(clients: Clients, caller: Caller, document_id: str) -> Answer:
    """Who may see it now and why (AC-10); principals carry the names they have today."""
    rpc = clients.documents.rpc
    answer = await clients.documents.ask(rpc.ListViewers, pb.ListViewersRequest(document_id=document_id), caller)
    principals = sorted({viewer.principal for viewer in answer.viewers})[:500]
    named = await clients.approvals.ask(
        clients.approvals.rpc.DescribePrincipals,
        approvals_pb.DescribePrincipalsRequest(principals=principals),
        caller,
    )
    described = {one.principal: one for one in named.principals}

    def view(viewer: pb.Viewer) -> View:
        known = described.get(viewer.principal)
        return views.viewer(viewer) | {
            "label": known.label if known is not None else viewer.principal,
            "staff_ids": list(known.staff_ids) if known is not None else [],
        }

    return page_of((view(one) for one in answer.viewers), "", answer.access_record)


async def versions(clients: Clients, caller: Caller, document_id: str) -> Answer:
    """The versions that circulated, newest first, each with its fields and files as they were (AP-30)."""
    rpc = clients.documents.rpc
    answer = await clients.documents.ask(rpc.ListVersions, pb.ListVersionsRequest(document_id=document_id), caller)
    return page_of((views.version(one) for one in answer.versions), "", answer.access_record)


async def history(clients: Clients, caller: Caller, document_id: str, *, cursor: str = "", limit: int = 100) -> Answer:
    """Every event (LC-11), oldest first, and for those entitled the accesses, newest first; null for others.

    Audit officers see the accesses; records managers do with a read receipt, which is fetched here. A document that
    never circulated has none, so its accesses are for audit officers alone.
    """
    rpc = clients.documents.rpc
    events = clients.documents.ask(rpc.ListHistory, pb.ListHistoryRequest(document_id=document_id), caller)
    receipt = ""
    if caller.has_role("records_manager") and not caller.has_role("audit_officer"):
        answer, found = await asyncio.gather(
            events, clients.documents.ask(rpc.GetDocument, pb.GetDocumentRequest(document_id=document_id), caller)
        )
        receipt = found.read_receipt
    else:
        answer = await events
    accesses: list[View] | None = None
    next_cursor = ""
    if receipt or caller.has_role("audit_officer"):
        entries = await clients.audit.ask(
            clients.audit.rpc.ListDocumentEntries,
            audit_pb.ListDocumentEntriesRequest(
                document_id=document_id, read_receipt=receipt, cursor=cursor, limit=limit
            ),
            caller,
        )
        accesses, next_cursor = [entry(one) for one in entries.entries], entries.next_cursor
    return page_of(
        (views.history_event(one) for one in answer.events), next_cursor, answer.access_record, accesses=accesses
    )
