"""The main job, as far as this service goes: receive, draft, attach, circulate, decide, send, complete, prove."""

from __future__ import annotations

import hashlib
import json

import rfc8785

from services.documents.tests.conftest import House, sha256, snapshot, today


async def test_a_document_from_receipt_to_manifest(house: House) -> None:
    clerk = house.drafter
    receipt = (
        await clerk.call(
            "RegisterReceipt",
            title="浄化槽設置整備事業補助金交付申請書",
            sender_kind="citizen",
            sender_name="髙﨑 邦夫",
            received_on=today().isoformat(),
            arrived_on=today().isoformat(),
            medium="post",
            class_code="0403-02-01",
        )
    ).receipt
    assert receipt.receipt_number == "箕市第1号"

    draft = await clerk.draft(receipt_ids=[receipt.receipt_id])
    pdf = b"%PDF-1.7 " + bytes(range(256)) * 4000
    uploaded = await clerk.upload(
        draft.document_id, pdf, "浄化槽設置整備事業補助金交付申請書（髙﨑邦夫）.pdf", size=len(pdf), sha256=sha256(pdf)
    )
    assert (uploaded.attachment.size, uploaded.attachment.sha256) == (len(pdf), sha256(pdf))
    header, content = await clerk.read(draft.document_id, uploaded.attachment.attachment_id)
    assert content == pdf
    assert (await house.record(header.access_record)).action == "attachment.read"

    submitted = await clerk.submit(draft)
    assert submitted.draft_number == "箕市第1号"
    assert len(submitted.version_digest) == 64

    # The first step becomes active: its post sees it, nobody else of other units does.
    await house.announce("CaseOpened", snapshot(submitted, 1, "circulating", active=["P-040-03-03"]))
    seen = await house.chief.call("GetDocument", document_id=draft.document_id)
    claims = house.receipts.claims(seen.read_receipt)
    assert claims["doc"] == draft.document_id
    assert claims["ver"] == submitted.version_digest
    assert claims["sub"] == "S0070"
    assert claims["rec"] == seen.access_record

    await house.decide(submitted)
    await house.locked()
    decided = await clerk.see(draft.document_id)
    assert decided.content_locked
    assert decided.decided_by == "S0068"

    enforced = (
        await clerk.call(
            "EnforceDocument",
            document_id=draft.document_id,
            expected_version=decided.version,
            enforced_on=today().isoformat(),
            method="post",
            addressee="髙﨑 邦夫",
            collated_by="S0071",
        )
    ).document
    assert enforced.dispatch_number == "箕市第1号"
    completed = (
        await clerk.call("CompleteDocument", document_id=draft.document_id, expected_version=enforced.version)
    ).document
    assert completed.retention_until.endswith("-03-31")
    await house.locked()
    assert (await clerk.see(draft.document_id)).attachments[0].locked_until.ToDatetime().year >= today().year + 5

    answer = await clerk.call("GetManifest", document_id=draft.document_id)
    assert hashlib.sha256(answer.manifest).hexdigest() == answer.manifest_digest == completed.manifest_digest
    manifest = json.loads(answer.manifest)
    assert rfc8785.dumps(manifest) == answer.manifest
    assert sha256(rfc8785.dumps(manifest["version"])) == submitted.version_digest
    assert manifest["attachments"][0]["sha256"] == sha256(pdf)
    assert [d["staff_id"] for d in manifest["decisions"]] == ["S0070", "S0068"]

    events = await house.envelopes(draft.document_id)
    assert [e.aggregate_version for e in events] == list(range(1, len(events) + 1))
    assert [e.action for e in events] == [
        "document.created",
        "document.attachment_added",
        "number.issued",
        "document.submitted",
        "document.decided",
        "number.issued",
        "document.enforced",
        "document.completed",
    ]
    history = (await clerk.call("ListHistory", document_id=draft.document_id)).events
    assert [h.action for h in history].count("content.locked") == 3, "at the decision, of its sheet, at completion"
