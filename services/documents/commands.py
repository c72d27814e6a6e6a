"""Every write of documents: one function, one transaction, visible from its first line to its last.

claim the request → lock the document → policy → domain → save → history and outbox → keep the answer.
The answer is stored with the request, so that a retry gets exactly it.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chassis import clock, outbox, recorder, requests
from chassis.db import Connection, Pool, connection, transaction
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.identity import Identity
from chassis.outbox import Relay
from chassis.requests import Call
from services.documents import (
    attachment_store,
    completion,
    content_locks,
    domain,
    events,
    manifest,
    number_store,
    plan_store,
    policy,
    receipt_store,
    receipts,
    retention,
    store,
    textrules,
)
from services.documents.blobs import (
    BlobError,
    KeyWrapper,
    ObjectStore,
    StoreUnavailable,
    new_document_key,
    open_document_key,
)
from services.documents.cases import domain as case_domain
from services.documents.cases import opinions
from services.documents.cases.domain import CaseSnapshot
from services.documents.content_locks import Locker
from services.documents.domain import Document, Enforcement, Fact, Fields, Folder, State
from services.documents.manifest import AnnotationEntry, AttachmentEntry
from services.documents.memos import domain as memos
from services.documents.memos import store as memo_store
from services.documents.owners.commands import Mover
from services.documents.receipt_store import Receipt
from services.documents.receipts import Arrival
from services.documents.sheets import domain as sheets
from services.documents.sheets import drawing
from services.documents.sheets import store as sheet_jobs
from services.documents.sheets.domain import Sheet
from services.documents.sheets.drawing import Drawer
from services.documents.store import View
from services.documents.view_classes import UNIT, in_section, narrowest

# What the API makes of the document after the write.
Answer = Callable[[View], bytes]


@dataclass(frozen=True)
class Service:
    """What commands work with."""

    pool: Pool
    relay: Relay
    blobs: ObjectStore
    keys: KeyWrapper
    locker: Locker
    drawer: Drawer
    mover: Mover


# ---------------------------------------------------------------- drafts


async def create_draft(
    service: Service, actor: Identity, call: Call, content: Fields, post_id: str, answer: Answer
) -> bytes:
    """起案 from one of the actor's posts; its unit becomes the owner (AP-44)."""
    now, document_id = clock.now(), clock.new_id()
    domain.check_fields(content)
    post, unit = policy.drafting_post(actor, post_id)
    wrapped = await new_document_key(service.keys, document_id)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await _check_receipts(conn, content.receipt_ids, actor)
        content = await _filed(conn, content, unit, actor)
        document, facts = domain.create(
            document_id, content, drafter=actor.staff_id, post_id=post, unit_id=unit, now=now
        )
        await store.insert(conn, document, wrapped)
        await store.set_receipts(conn, document_id, content.receipt_ids)
        await store.replace_owner_rights(conn, document_id, domain.owner_rights(document), now)
        await store.index_text(conn, document)
        await announce(conn, document, facts, by(actor, now))
        response = await _answer(conn, call, document, answer)
    service.relay.wake()
    return response


async def update_draft(
    service: Service,
    actor: Identity,
    call: Call,
    document_id: str,
    expected_version: int,
    change: Callable[[Fields], Fields],
    answer: Answer,
) -> bytes:
    """Edit a draft or a document sent back. After 差戻し this begins a new revision."""
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await _load(conn, document_id, actor, expected_version)
        policy.may_edit(actor, before)
        content = change(before.content)
        domain.check_fields(content)
        if content.receipt_ids != before.content.receipt_ids:
            await _check_receipts(conn, content.receipt_ids, actor)
        content = await _filed(conn, content, before.unit_id, actor)
        await _check_paper(conn, content, document_id)
        document, facts = domain.edit(before, content, now)
        await store.save(conn, document, before)
        await store.set_receipts(conn, document_id, content.receipt_ids)
        await store.index_text(conn, document)
        await announce(conn, document, facts, by(actor, now))
        response = await _answer(conn, call, document, answer)
    service.relay.wake()
    return response


async def delete_draft(
    service: Service, actor: Identity, call: Call, document_id: str, expected_version: int, answer: bytes
) -> bytes:
    """Remove a draft that never circulated (LC-12). The sweeper deletes its objects afterwards."""
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        document = await _load(conn, document_id, actor, expected_version)
        policy.may_edit(actor, document)
        facts = domain.delete(document)
        await store.delete(conn, document_id, now)
        await announce(conn, replace(document, version=document.version + len(facts)), facts, by(actor, now))
        await requests.keep(conn, call, answer)
    service.relay.wake()
    return answer


async def remove_attachment(
    service: Service,
    actor: Identity,
    call: Call,
    document_id: str,
    attachment_id: str,
    expected_version: int,
    answer: Answer,
) -> bytes:
    """Take an attachment out of a draft; one that circulated stays with its revision."""
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await _load(conn, document_id, actor, expected_version)
        policy.may_edit(actor, before)
        document, facts = domain.detach(before, attachment_id, now)
        if not await attachment_store.remove(conn, document, attachment_id, now):
            raise not_found()
        await store.save(conn, document, before)
        await store.index_text(conn, document)
        await announce(conn, document, facts, by(actor, now))
        response = await _answer(conn, call, document, answer)
    service.relay.wake()
    return response


# ---------------------------------------------------------------- circulation


async def submit_document(
    service: Service,
    actor: Identity,
    call: Call,
    document_id: str,
    expected_version: int,
    route_plan_id: str,
    replacement: str,
    confirmed: bool,
    answer: Answer,
) -> bytes:
    """回議開始: freezes the revision under its digest, issues the draft number the first time (LC-04, NB-04).

    approvals opens the case when the event reaches it; a refusal comes back as 差戻し with the reason. `confirmed`: the
    drafter means it to be wider than its receipts; WIDER_THAN_RECEIPTS otherwise (AC-02).
    """
    now, case_id = clock.now(), clock.new_id()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await _load(conn, document_id, actor, expected_version)
        policy.may_edit(actor, before)
        class_ = await plan_store.class_of(conn, before.content.class_code)
        folder = await plan_store.folder_of(conn, before.content.folder_id)
        class_ = domain.check_complete_for_circulation(before, class_, folder, route_plan_id)
        domain.check_view_class(before.content, class_, in_section=in_section(actor.principals, before.unit_id))
        wider = (await store.own_view(conn, document_id)).wider_than_receipts
        domain.check_confirmed(wider, confirmed)
        digest = await _freeze(conn, before, now)
        number = None
        if not before.draft_number:
            symbol = await _symbol(conn, before.unit_id)
            number = await number_store.issue_number(
                conn,
                register="draft",
                symbol=symbol,
                fiscal_year=retention.fiscal_year(domain.day_of(now)),
                issued_to=document_id,
                issued_by=actor.staff_id,
                now=now,
            )
        document, facts = domain.submit(
            before,
            case_id=case_id,
            route_plan_id=route_plan_id,
            replacement=replacement,
            version_digest=digest,
            number=number,
            matter=class_.matter,
            wider_than_receipts=wider,
            opinions_key=await opinions.key_of(conn, service.keys, document_id),
            now=now,
        )
        await store.save(conn, document, before)
        # From now on the unit owns it; whose it is sees it as one of its members (AC-01, AP-42).
        await store.replace_owner_rights(conn, document_id, domain.owner_rights(document), now)
        await store.index_text(conn, document)
        await announce(conn, document, facts, by(actor, now))
        response = await _answer(conn, call, document, answer)
    service.relay.wake()
    return response


async def _freeze(conn: Connection, document: Document, now: dt.datetime) -> str:
    """The digest of the working revision, frozen now unless nothing was edited since it was last."""
    if (kept := await store.frozen(conn, document.document_id, document.revision)) is not None:
        return kept[0]
    attachments = await entries(conn, document.document_id)
    content = manifest.version_content(
        document.document_id, document.revision, document.content, attachments, os.urandom(32)
    )
    await store.freeze(conn, document, manifest.digest(content), content, now)
    return manifest.digest(content)


async def follow_case(conn: Connection, case: CaseSnapshot, cause: events.Cause) -> bool:
    """Apply a snapshot of approvals in the consumer's transaction; says whether anything is announced.

    Older ones change nothing, so order is not needed.
    """
    before = await store.lock_any(conn, case.document_id)
    if before is None:
        raise not_found()
    if not await store.keep_snapshot(
        conn, case.case_id, case.document_id, case.case_version, case.state, case.reason, case.decisions, case.seats
    ):
        return False
    document, facts = case_domain.follow_case(before, case, cause.now)
    if facts:
        await store.save(conn, document, before)
        await announce(conn, document, facts, cause)
        if document.state is State.WITHDRAWN:
            await number_store.cancel_numbers(conn, case.document_id, "withdrawn", cause.now)
        if document.state is State.DECIDED:
            await _keep_decided(conn, document, case, cause.now)
    await store.replace_leases(conn, case.document_id, case.case_id, case_domain.leases_in_force(case, document.state))
    ended = await _end_memos(conn, document, cause)
    return bool(facts) or ended


async def _end_memos(conn: Connection, document: Document, cause: events.Cause) -> bool:
    """付箋 end with the case, and before that with their person's place on the route (AP-53); says whether any did."""
    ended = await memo_store.end(conn, document.document_id, circulating=document.state is State.CIRCULATING)
    for memo_id, version in ended:
        made = events.envelopes(
            [memos.deleted(memo_id)], aggregate="memo", aggregate_id=memo_id, last_version=version + 1, cause=cause
        )
        await outbox.append(conn, made, events.AUDIT)
    return bool(ended)


async def _keep_decided(conn: Connection, document: Document, case: CaseSnapshot, now: dt.datetime) -> None:
    """Ask for the locks of the decided version, as if it were completed today, and for its approval sheet.

    The locker applies them, the drawer draws it; what it says is settled here.
    """
    folder = await plan_store.folder_of(conn, document.content.folder_id)
    kept = folder.retention if folder is not None else retention.PERPETUAL
    until = retention.lock_until(kept, domain.day_of(now))
    await content_locks.want(conn, document.document_id, document.version_digest, until, now)
    view = await store.own_view(conn, document.document_id)
    sheet = sheets.content(
        Sheet.DECIDED,
        document,
        case.seats,
        case.decisions,
        folder_name=view.folder_name,
        class_name=view.class_name,
        retention=folder.retention if folder is not None else "",
        files=len(view.attachments),
    )
    await sheet_jobs.want(conn, document.document_id, sheet, until, now)


# ---------------------------------------------------------------- after the decision


async def enforce_document(
    service: Service,
    actor: Identity,
    call: Call,
    document_id: str,
    expected_version: int,
    sent: Enforcement,
    answer: Answer,
) -> bytes:
    """施行: issues the dispatch number in the same transaction (LC-06, LC-07, NB-09)."""
    now = clock.now()
    today = domain.day_of(now)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await _load(conn, document_id, actor, expected_version)
        policy.may_process(actor, before)
        domain.check_enforceable(before, sent, today)
        await _require_evidence(conn, before)
        number = await number_store.issue_number(
            conn,
            register="dispatch",
            symbol=await _symbol(conn, before.unit_id),
            fiscal_year=retention.fiscal_year(today),
            issued_to=document_id,
            issued_by=actor.staff_id,
            now=now,
        )
        document, facts = domain.enforce(before, sent, number, today, now)
        await store.save(conn, document, before)
        await store.index_text(conn, document)
        await announce(conn, document, facts, by(actor, now))
        response = await _answer(conn, call, document, answer)
    service.relay.wake()
    return response


async def annotate_document(
    service: Service, actor: Identity, call: Call, document_id: str, expected_version: int, text: str, answer: Answer
) -> bytes:
    """追記: adds, never replaces (LC-16)."""
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await _load(conn, document_id, actor, expected_version)
        policy.may_process(actor, before)
        entry = AnnotationEntry(
            annotation_id=clock.new_id(), text=text, staff_id=actor.staff_id, added_at=now.isoformat()
        )
        document, facts = domain.annotate(before, entry.annotation_id, text, now)
        await store.insert_annotation(conn, document_id, entry)
        await store.save(conn, document, before)
        await announce(conn, document, facts, by(actor, now))
        response = await _answer(conn, call, document, answer)
    service.relay.wake()
    return response


async def complete_document(
    service: Service,
    actor: Identity,
    call: Call,
    document_id: str,
    expected_version: int,
    completed_on: dt.date | None,
    folder_id: str,
    answer: Answer,
) -> bytes:
    """完結: filed, retention computed, sheet and manifest stored, then the row never changes again (LC-14, RT-02).

    The approval sheet and the manifest that names it are written before the transaction. Crash in between: objects no
    row names, which the sweeper deletes. A change in between: STALE_VERSION, because they are built from
    `expected_version`. Without the sheet of the decision and this one there is no 完結: SHEET_NOT_DRAWN.
    """
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.answered(conn, call)) is not None:
            return stored
        before = await _load(conn, document_id, actor, expected_version)
        policy.may_process(actor, before)
        day = domain.completion_day(before, completed_on, domain.day_of(now))
        await _require_evidence(conn, before)
        folder = await plan_store.folder_of(conn, folder_id or before.content.folder_id)
        class_ = await plan_store.class_of(conn, folder.class_code) if folder is not None else None
        filed, folder = domain.complete(before, day, folder, class_, now)
        undrawn = await sheet_jobs.wanted(conn, document_id)
        wrapped = await store.wrapped_key(conn, document_id)
    item_id = clock.new_id()
    try:
        if undrawn is not None:
            await service.drawer.make(undrawn)
        async with connection(service.pool) as conn:
            record = await completion.record_of(conn, filed, folder, await entries(conn, document_id))
        sheet = await service.drawer.draw(document_id, wrapped, Sheet.COMPLETED, record.sheet())
        text = record.manifest(sheet.entry)
        key = await open_document_key(service.keys, wrapped, document_id)
        sealed = await service.blobs.put_small(key.seal(item_id, text), "manifest")
    except BlobError as error:
        raise store_error(error) from error
    digest = manifest.digest(text)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await _load(conn, document_id, actor, expected_version)
        policy.may_process(actor, before)
        document, facts = domain.completed(filed, digest)
        await drawing.keep(conn, before, sheet, by(actor, now))
        await store.insert_manifest(conn, document_id, item_id, digest, sealed.object_key, sealed.version_id)
        await store.save(conn, document, before)
        # Who acted or confirmed keeps the view until now; members of the owner unit keep theirs (decision 3).
        await store.end_rights(conn, document_id, ["acted", "circulation"])
        until = retention.lock_until(document.retention, day)
        await content_locks.want(conn, document_id, document.version_digest, until, now)
        await announce(conn, document, facts, by(actor, now))
        response = await _answer(conn, call, document, answer)
    service.relay.wake()
    service.locker.wake()
    return response


# ---------------------------------------------------------------- receipts and folders


async def register_receipt(
    service: Service, actor: Identity, call: Call, arrival: Arrival, answer: Callable[[Receipt], bytes]
) -> bytes:
    """収受: the number and the receipt in one transaction (LC-01, NB-04)."""
    now, receipt_id = clock.now(), clock.new_id()
    today = domain.day_of(now)
    arrival = replace(arrival, unit_id=policy.may_work_for(actor, arrival.unit_id))
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        class_ = await plan_store.class_of(conn, arrival.class_code) if arrival.class_code else None
        receipts.check_arrival(arrival, class_, today)
        arrival = receipts.classed(arrival, class_, in_section=in_section(actor.principals, arrival.unit_id))
        number = await number_store.issue_number(
            conn,
            register="receipt",
            symbol=await _symbol(conn, arrival.unit_id),
            fiscal_year=retention.fiscal_year(today),
            issued_to=receipt_id,
            issued_by=actor.staff_id,
            now=now,
        )
        facts = receipts.receipt_facts(receipt_id, number)
        await receipt_store.insert(conn, receipt_id, len(facts), number, arrival, actor.staff_id, now)
        envelopes = events.envelopes(
            facts, aggregate="receipt", aggregate_id=receipt_id, last_version=len(facts), cause=by(actor, now)
        )
        await outbox.append(conn, envelopes, events.AUDIT)
        receipt = await receipt_store.get(conn, receipt_id, actor.principals)
        if receipt is None:
            # The unit is one of the actor's posts, but not among his principals.
            raise not_found()
        response = answer(receipt)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response


async def create_folder(
    service: Service, actor: Identity, call: Call, folder: Folder, answer: Callable[[Folder], bytes]
) -> bytes:
    """A folder of the actor's unit; its retention is that of the class (FL-03)."""
    unit = policy.may_work_for(actor, folder.unit_id)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        class_ = await plan_store.class_of(conn, folder.class_code)
        class_ = domain.check_new_folder(folder.name, folder.fiscal_year, class_, unit, clock.today())
        folder = replace(folder, unit_id=unit, retention=class_.retention)
        await plan_store.insert_folder(conn, folder)
        fact = domain.folder_created(folder)
        envelopes = events.envelopes(
            [fact], aggregate="folder", aggregate_id=folder.folder_id, last_version=1, cause=by(actor, clock.now())
        )
        await outbox.append(conn, envelopes, events.AUDIT)
        response = answer(folder)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response


# ---------------------------------------------------------------- what they share


def by(actor: Identity, now: dt.datetime) -> events.Cause:
    """Caused by the caller."""
    return events.Cause(recorder.actor_of(actor), now)


async def announce(
    conn: Connection,
    document: Document,
    facts: Sequence[Fact],
    cause: events.Cause,
    kept: Mapping[str, str] | None = None,
) -> None:
    """The facts into the history and the outbox, as the versions up to the document's.

    `kept`: what the history says besides and no event carries, as the reason somebody wrote.
    """
    envelopes = events.envelopes(
        facts,
        aggregate="document",
        aggregate_id=document.document_id,
        last_version=document.version,
        cause=cause,
        version_digest=document.version_digest,
    )
    await store.append_history(conn, document.document_id, envelopes, cause.now, kept=kept)
    for envelope in envelopes:
        await outbox.append(conn, [envelope], events.awaited_by(envelope))


async def entries(conn: Connection, document_id: str) -> list[AttachmentEntry]:
    """The attachments as they stand in digests and manifests."""
    view = await store.own_view(conn, document_id)
    return [
        AttachmentEntry(
            attachment_id=a.attachment_id,
            file_name=a.file_name,
            content_type=a.content_type,
            size=a.size,
            sha256=a.sha256,
            added_after_decision=a.added_after_decision,
            added_at=a.added_at.isoformat(),
            added_by=a.added_by,
            sheet=a.sheet,
        )
        for a in view.attachments
    ]


async def _require_evidence(conn: Connection, document: Document) -> None:
    """EVIDENCE_MISSING until what proves a 事後登録 is a file (AP-50)."""
    decisions = await store.decisions_of(conn, document.case_id)
    if case_domain.evidence_of(decisions):
        case_domain.require_evidence(decisions, [one.sha256 for one in await entries(conn, document.document_id)])


def store_error(error: BlobError) -> DomainError:
    """The object store as the caller sees it."""
    if isinstance(error, StoreUnavailable):
        return DomainError(Kind.UNAVAILABLE, "STORE_UNAVAILABLE", error.code)
    return DomainError(Kind.DATA_LOSS, "CONTENT_DAMAGED", f"{type(error).__name__} {error.code}")


async def _load(conn: Connection, document_id: str, actor: Identity, expected_version: int) -> Document:
    document = await store.lock(conn, document_id, actor.principals)
    if document is None:
        raise not_found()
    domain.check_version(document.version, expected_version)
    return document


async def _answer(conn: Connection, call: Call, document: Document, answer: Answer) -> bytes:
    response = answer(await store.own_view(conn, document.document_id))
    await requests.keep(conn, call, response)
    return response


async def _filed(conn: Connection, content: Fields, unit_id: str, actor: Identity) -> Fields:
    folder = await plan_store.folder_of(conn, content.folder_id) if content.folder_id else None
    code = content.class_code or (folder.class_code if folder is not None else "")
    class_ = await plan_store.class_of(conn, code) if code else None
    # Where nothing is chosen it is for no more people than what came was (AC-02).
    at_most = narrowest([UNIT, *await receipt_store.view_classes(conn, content.receipt_ids)])
    of_section = in_section(actor.principals, unit_id)
    return domain.check_filing(content, unit_id, class_, folder, in_section=of_section, at_most=at_most)


async def _check_paper(conn: Connection, content: Fields, document_id: str) -> None:
    """A draft with files cannot move to a class that takes none."""
    class_ = await plan_store.class_of(conn, content.class_code)
    if class_ is not None and class_.paper_only and await attachment_store.count(conn, document_id):
        raise domain.paper_only()


async def _check_receipts(conn: Connection, receipt_ids: Sequence[str], actor: Identity) -> None:
    if any(not textrules.is_uuid(receipt_id) for receipt_id in receipt_ids) or not await receipt_store.all_visible(
        conn, receipt_ids, actor.principals
    ):
        raise invalid(FieldViolation("receipt_ids", "UNKNOWN"))


async def _symbol(conn: Connection, unit_id: str) -> str:
    symbol = await plan_store.symbol_of(conn, unit_id)
    if symbol is None:
        raise DomainError(
            Kind.PRECONDITION, "INCOMPLETE", "the unit has no symbol", [FieldViolation("unit_id", "UNKNOWN")]
        )
    return symbol
