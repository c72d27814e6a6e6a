"""文書: read one, who may see it, what happened to it; 施行, 完結, 追記."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError, Kind
from chassis.wareki import JST
from services.gateway.actions import cases, documents, filing, memos, organisation
from services.gateway.actions.answer import Answer
from services.gateway.openings import Opening
from services.gateway.pages import choices, differences, files, repeating, sheet, view_classes, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, day_values, version_of
from services.gateway.views import View

router = APIRouter()


@router.get("/documents/{document_id}")
async def show(desk: AtDesk, document_id: str) -> Response:
    """起案用紙, files, opinions, and the form of what waits for this person."""
    return await draw(desk, document_id, Form())


@router.get("/documents/{document_id}/print")
async def show_for_paper(desk: AtDesk, document_id: str) -> Response:
    """The same for paper, marked with who prints it and when. Recorded as printed before it is served (AC-15)."""
    return await draw(desk, document_id, Form(), printing=True)


async def draw(desk: Desk, document_id: str, form: Form, status: int = 200, *, printing: bool = False) -> Response:
    """The page of a document; also the answer to an act that was refused. Only the one for printing comes on paper."""
    answer = await documents.read(desk.clients, desk.caller, document_id, purpose="print" if printing else "")
    document = answer.body
    people = [document["drafter"], document["assignee"], document["decided_by"], document["enforcement"]["collated_by"]]
    people += [one["added_by"] for one in document["attachments"] if not one["sheet"]]
    people += [one["staff_id"] for one in document["annotations"]]
    names, case, related = await asyncio.gather(
        organisation.names(
            desk.clients,
            desk.caller,
            [
                f"unit:{document['unit_id']}",
                *(f"unit:{one['unit_id']}" for one in document["former_owners"]),
                *(f"staff:{staff_id}" for staff_id in people if staff_id),
            ],
        ),
        case_of(desk, document),
        repeating.related(desk, document_id),
    )
    memo = None
    if not printing:
        await _remember(desk, document, case)
        memo = await _memo(desk, document_id, case)
    return desk.draw(
        "document",
        "search",
        status=status,
        access_record=answer.access_record,
        form=form,
        document=_shown(document, names, sheet.registration(case)),
        seats=sheet.seats(document, case, names[f"staff:{document['drafter']}"]),
        opinions=sheet.opinions(case),
        reassigned=sheet.reassigned(case),
        case=case,
        related=related,
        memo=memo,
        memo_form=form if form.text("memo_version") else Form({"text": memo["text"]} if memo else {}),
        my_step=None if printing else sheet.my_step(case),
        printed_at=clock.now().isoformat() if printing else None,
        now=sheet.now(
            document,
            case,
            is_drafter=document["assignee"] == desk.caller.identity.staff_id,
            is_member=document["unit_id"] in desk.unit_ids,
        ),
        read_receipt=document["read_receipt"] or "",
        access_record_text=answer.access_record,
    )


async def _remember(desk: Desk, document: View, case: View | None) -> None:
    """That the person opened it while it waited for them, where 一括承認 asks for that (AP-52)."""
    waiting = (step for step in (case["steps"] if case is not None else ()) if step["bulk_action"])
    step, session, receipt = next(waiting, None), desk.caller.session, document["read_receipt"]
    if case is None or step is None or session is None or not receipt:
        return
    opening = Opening(
        document["document_id"],
        case["case_id"],
        step["step_id"],
        step["post_id"],
        step["bulk_action"],
        case["version"],
        document["version_digest"],
        receipt,
    )
    await desk.gateway.openings.remember(session, opening)


async def _memo(desk: Desk, document_id: str, case: View | None) -> View | None:
    """The person's own 付箋, or the empty one they may fill; None for who is not on the route (AP-53)."""
    posts = {post.post_id for post in desk.caller.staff.posts}
    if not sheet.is_on_route(case, desk.caller.identity.staff_id, posts):
        return None
    found = (await memos.read(desk.clients, desk.caller, document_id)).body
    return found if found["may_save"] else None


@router.get("/documents/{document_id}/viewers")
async def viewers(desk: AtDesk, document_id: str) -> Response:
    """Who may see it now and why (AC-10)."""
    document, answer = await asyncio.gather(
        documents.read(desk.clients, desk.caller, document_id),
        documents.viewers(desk.clients, desk.caller, document_id),
    )
    staff_ids = {staff_id for one in answer.body["items"] for staff_id in one["staff_ids"]}
    names = await organisation.names(desk.clients, desk.caller, [f"staff:{one}" for one in staff_ids])
    return desk.draw(
        "viewers",
        "search",
        access_record=answer.access_record,
        document=document.body,
        viewers=[_viewer(one, names) for one in answer.body["items"]],
    )


@router.get("/documents/{document_id}/versions")
async def versions(desk: AtDesk, document_id: str) -> Response:
    """What circulated, and what each 差替え changed (AP-30)."""
    document, answer = await asyncio.gather(
        documents.read(desk.clients, desk.caller, document_id),
        documents.versions(desk.clients, desk.caller, document_id),
    )
    items = answer.body["items"]
    before = [*items[1:], None]
    return desk.draw(
        "versions",
        "search",
        access_record=answer.access_record,
        document=document.body,
        versions=[
            one | {"changes": differences.between(older, one) if older is not None else None}
            for one, older in zip(items, before, strict=True)
        ],
    )


@router.get("/documents/{document_id}/decider")
async def decider(desk: AtDesk, document_id: str) -> Response:
    """Why the latest case of it has its decider, and what would change it (AP-02, AP-03)."""
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    answer = await cases.decider(
        desk.clients, desk.caller, document_id=document_id, read_receipt=document["read_receipt"] or ""
    )
    return desk.draw("decider", "search", access_record=answer.access_record, document=document, found=answer.body)


@router.get("/documents/{document_id}/history")
async def history(desk: AtDesk, document_id: str, cursor: str = "") -> Response:
    """Every event, every act of every circulation, and for those entitled every access (LC-11, AP-53)."""
    document, answer = await asyncio.gather(
        documents.read(desk.clients, desk.caller, document_id),
        documents.history(desk.clients, desk.caller, document_id, cursor=cursor),
    )
    accesses = answer.body["accesses"]
    told = [principal for one in answer.body["items"] for principal in sheet.principals_in(one["detail"])]
    called = await organisation.names(desk.clients, desk.caller, told) if told else {}
    events = sheet.course(answer.body["items"], await _cases_of(desk, document.body), called)
    names = await actor_names(desk, [*events, *(one["actor"] for one in accesses or ())])
    return desk.draw(
        "history",
        "search",
        access_record=answer.access_record,
        document=document.body,
        events=[one | actor_labels(one, names) for one in events],
        accesses=None
        if accesses is None
        else [one | actor_labels(one["actor"], names) | {"terminal": one["actor"]["terminal"]} for one in accesses],
        pager=desk.pager(answer.body["next_cursor"]),
    )


@router.get("/documents/{document_id}/enforce")
async def enforcement(desk: AtDesk, document_id: str) -> Response:
    """The form of 施行, with what the draft planned."""
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    planned = document["enforcement"]
    values = {
        "version": str(document["version"]),
        "method": planned["method"] or "",
        "addressee": planned["addressee"],
        **day_values("enforced_on", clock.today()),
    }
    return await _draw_enforcement(desk, document, Form(values))


@router.post("/documents/{document_id}/enforce")
async def enforce(desk: AtDesk, document_id: str) -> Response:
    """施行: the dispatch number is issued (LC-06, LC-07)."""
    form = await desk.form()
    fields: dict[str, Any] = {
        "enforced_on": form.day("enforced_on", missing="施行日を入力してください。"),
        "method": form.required("method", "施行方法を選んでください。"),
        "addressee": form.required("addressee", "宛先を入力してください。"),
        "collated_by": form.required("collated_by", "照合した職員を選んでください。"),
    }
    status = 422
    if not form.errors:
        try:
            await documents.enforce(
                desk.clients, desk.caller, document_id, version_of(form), fields, form.text("request_key")
            )
            return desk.go(f"/documents/{document_id}", done="enforced")
        except DomainError as error:
            status = absorb(form, error)
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    return await _draw_enforcement(desk, document, form, status)


@router.get("/documents/{document_id}/complete")
async def completion(desk: AtDesk, document_id: str) -> Response:
    """The form of 完結, on the day that the rule gives (LC-09)."""
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    values = {
        "version": str(document["version"]),
        "folder_id": document["folder_id"] or "",
        **day_values("completed_on", _completion_day(document)),
    }
    return await _draw_completion(desk, document, Form(values))


@router.post("/documents/{document_id}/complete")
async def complete(desk: AtDesk, document_id: str) -> Response:
    """完結: filed for good (LC-14, RT-02)."""
    form = await desk.form()
    fields: dict[str, Any] = {
        "completed_on": form.day("completed_on", missing="完結日を入力してください。"),
        "folder_id": form.required("folder_id", "簿冊を選んでください。"),
    }
    status = 422
    if not form.errors:
        try:
            await documents.complete(
                desk.clients, desk.caller, document_id, version_of(form), fields, form.text("request_key")
            )
            return desk.go(f"/documents/{document_id}", done="completed")
        except DomainError as error:
            status = absorb(form, error)
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    return await _draw_completion(desk, document, form, status)


@router.get("/documents/{document_id}/annotations/new")
async def annotation(desk: AtDesk, document_id: str) -> Response:
    """The form of 追記."""
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    return desk.draw("annotate", "search", document=document, form=Form({"version": str(document["version"])}))


@router.post("/documents/{document_id}/annotations")
async def annotate(desk: AtDesk, document_id: str) -> Response:
    """追記 (LC-16)."""
    form = await desk.form()
    form.required("text", "追記の内容を入力してください。")
    text = form.lines("text")
    status = 422
    if not form.errors:
        try:
            await documents.annotate(
                desk.clients, desk.caller, document_id, version_of(form), text, form.text("request_key")
            )
            return desk.go(f"/documents/{document_id}", done="annotated")
        except DomainError as error:
            status = absorb(form, error)
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    return desk.draw("annotate", "search", status=status, document=document, form=form)


async def actor_names(desk: Desk, actors: list[View]) -> dict[str, str]:
    """Names of the people, posts and units of recorded acts, as of today."""
    principals = [
        f"{kind}:{actor[f'{kind}_id']}" for actor in actors for kind in ("staff", "unit") if actor[f"{kind}_id"]
    ]
    return await organisation.names(desk.clients, desk.caller, principals)


def actor_labels(actor: View, names: dict[str, str]) -> View:
    """The name and unit to show for a recorded act."""
    staff_id = actor["staff_id"] or ""
    return {
        "staff_id": staff_id,
        "staff_name": "システム" if staff_id.startswith("service:") else names.get(f"staff:{staff_id}", staff_id),
        "post_label": names.get(f"unit:{actor['unit_id']}", ""),
    }


async def case_of(desk: Desk, document: View) -> View | None:
    """The latest case. None before circulation, and for the moment until approvals has opened it."""
    if not document["case_id"]:
        return None
    try:
        found: Answer = await cases.read(
            desk.clients,
            desk.caller,
            document_id=document["document_id"],
            read_receipt=document["read_receipt"] or "",
        )
    except DomainError as error:
        if error.kind is not Kind.NOT_FOUND:
            raise
        return None
    return found.body


async def _cases_of(desk: Desk, document: View) -> list[View]:
    """All circulations, newest first. None before the first, and for the moment until approvals has opened it."""
    if not document["case_id"]:
        return []
    try:
        found = await cases.of_document(
            desk.clients, desk.caller, document["document_id"], read_receipt=document["read_receipt"] or ""
        )
    except DomainError as error:
        if error.kind is not Kind.NOT_FOUND:
            raise
        return []
    items: list[View] = found.body["items"]
    return items


def _shown(document: View, names: dict[str, str], registered: View | None) -> View:
    proof = registered["walk_around"]["evidence_sha256"] if registered is not None else ""
    return document | {
        "unit_name": names[f"unit:{document['unit_id']}"],
        "former_owners": [one | {"unit_name": names[f"unit:{one['unit_id']}"]} for one in document["former_owners"]],
        "drafter_name": names[f"staff:{document['drafter']}"],
        "assignee_name": names[f"staff:{document['assignee']}"],
        "collated_by_name": names.get(f"staff:{document['enforcement']['collated_by']}", ""),
        "drafted_on": document["submitted_at"] or document["created_at"],
        "attachments": [files.shown(one, names, proof) for one in document["attachments"] if not one["sheet"]],
        "sheets": [one for one in document["attachments"] if one["sheet"]],
        "annotations": [one | {"staff_name": names[f"staff:{one['staff_id']}"]} for one in document["annotations"]],
    }


def _viewer(one: View, names: dict[str, str]) -> View:
    people = [] if one["principal"].startswith("staff:") else [names[f"staff:{s}"] for s in one["staff_ids"]]
    kept = dict.fromkeys(("owner_unit", "section", "designated", "records_manager", "department", "city"), "廃棄まで")
    until = kept | {
        "route_step": "処理するまで",
        "acted": "完結まで",
        "circulation": "確認するまで（確認した後は完結まで）",
    }
    more = [word for right, word in (("may_print", "印刷"), ("may_download", "ダウンロード")) if one[right]]
    rights = "・".join(["閲覧", *more]) if more else "閲覧のみ"
    return one | {"staff_names": people, "rights": rights, "until_words": until.get(one["reason"], "定めなし")}


async def _draw_enforcement(desk: Desk, document: View, form: Form, status: int = 200) -> Response:
    staff, case = await asyncio.gather(
        organisation.staff(desk.clients, desk.caller, unit_id=document["unit_id"]), case_of(desk, document)
    )
    return desk.draw(
        "enforce",
        "search",
        status=status,
        document=document,
        form=form,
        staff_choices=choices.staff(staff.body["items"]),
        conditions=sheet.conditions(case),
    )


async def _draw_completion(desk: Desk, document: View, form: Form, status: int = 200) -> Response:
    folders, classes, case = await asyncio.gather(
        filing.folders(desk.clients, desk.caller), filing.classes(desk.clients, desk.caller), case_of(desk, document)
    )
    chosen = document["view_class"] or "unit"
    admitting = {
        one["class_code"]
        for one in classes.body["items"]
        if view_classes.admits(one["view_class"], chosen) and not one["paper_only"]
    }
    # The file plan was changed after 回議 began: of another class then (AC-02, decision 13).
    narrowed = document["class_code"] not in admitting
    offered = admitting if narrowed else {document["class_code"]}
    waiting = [
        vocabulary.post_name(step["unit_name"], step["post_title"])
        for step in (case["steps"] if case is not None else ())
        if step["post_view"] and step["state"] != "postviewed"
    ]
    return desk.draw(
        "complete",
        "search",
        status=status,
        document=document,
        form=form,
        folder_groups=choices.folders(one for one in folders.body["items"] if one["class_code"] in offered),
        narrowed=narrowed,
        post_views=waiting,
    )


def _completion_day(document: View) -> date:
    """LC-09: the day of 施行, else of the decision."""
    if document["enforced_on"]:
        return date.fromisoformat(document["enforced_on"])
    if document["decided_at"]:
        return datetime.fromisoformat(document["decided_at"]).astimezone(JST).date()
    return clock.today()
