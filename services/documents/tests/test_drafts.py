"""Writing: who may, when, and what a retry, a stale page or a missing field gets."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable

import pytest

from chassis import clock
from chassis.errors import DomainError, Kind
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents.tests.conftest import House, fields, snapshot


async def refused(awaitable: Awaitable[object]) -> DomainError:
    """The refusal of a call."""
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value


async def test_the_answer_of_a_write_is_the_document_as_it_is_read(house: House) -> None:
    draft = await house.drafter.draft(subtitle="第3次交付分", urgent=True)
    assert draft.fields == fields(subtitle="第3次交付分", urgent=True)
    assert (draft.unit_id, draft.drafter, draft.drafter_post) == ("U-040-03", "S0072", "P-040-03-05")
    assert (draft.folder_name, draft.class_name, draft.matter) == (
        "令和8年度浄化槽補助金交付申請綴",
        "環境-補助金-浄化槽",
        "補助金交付",
    )
    assert await house.drafter.see(draft.document_id) == draft


async def test_the_same_request_gets_the_same_answer_and_does_nothing_twice(house: House) -> None:
    request = {"request_id": clock.new_id(), "fields": fields(title="再送の確認について（伺い）")}
    first = await house.drafter.call("CreateDraft", **request)
    again = await house.drafter.call("CreateDraft", **request)
    assert again == first
    assert len(await house.drafter.search("再送の確認")) == 1
    repeated = [r for r in await house.records() if r.action == "request.repeated"]
    assert [r.actor.staff_id for r in repeated] == ["S0072"]


async def test_concurrent_retries_are_one_write(house: House) -> None:
    document = await house.drafter.draft()
    request = {
        "request_id": clock.new_id(),
        "document_id": document.document_id,
        "expected_version": document.version,
        "route_plan_id": "r",
    }
    answers = await asyncio.gather(*(house.drafter.call("SubmitDocument", **request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert len(await house.rows("SELECT 1 FROM numbers WHERE issued_to = %s", document.document_id)) == 1


async def test_a_request_id_is_not_used_for_something_else(house: House) -> None:
    request_id = clock.new_id()
    await house.drafter.call("CreateDraft", request_id=request_id, fields=fields())
    error = await refused(house.drafter.call("CreateDraft", request_id=request_id, fields=fields(title="別の件名")))
    assert (error.kind, error.reason) == (Kind.INVALID, "REQUEST_ID_REUSED")
    # Another person's id is another id.
    await house.colleague.call("CreateDraft", request_id=request_id, fields=fields(title="別の人"))


async def test_a_request_id_is_needed(house: House) -> None:
    error = await refused(house.drafter.call("CreateDraft", request_id="", fields=fields()))
    assert [(f.field, f.problem) for f in error.fields] == [("request_id", "REQUIRED")]


async def test_two_editors_one_wins(house: House) -> None:
    draft = await house.drafter.draft()
    edits = [
        house.drafter.call(
            "UpdateDraft",
            document_id=draft.document_id,
            expected_version=draft.version,
            fields=pb.DraftFields(title=f"第{n}案"),
            changed=["title"],
        )
        for n in range(6)
    ]
    results = await asyncio.gather(*edits, return_exceptions=True)
    won = [r for r in results if not isinstance(r, BaseException)]
    lost = [r for r in results if isinstance(r, DomainError)]
    assert len(won) == 1
    assert {(e.kind, e.reason) for e in lost} == {(Kind.CONFLICT, "STALE_VERSION")}
    assert (await house.drafter.see(draft.document_id)).fields.title == won[0].document.fields.title


async def test_only_the_named_fields_change(house: House) -> None:
    draft = await house.drafter.draft()
    answer = await house.drafter.call(
        "UpdateDraft",
        document_id=draft.document_id,
        expected_version=draft.version,
        fields=pb.DraftFields(title="新しい件名", body="無視される"),
        changed=["title", "amount"],
    )
    expected = fields(title="新しい件名")
    expected.ClearField("amount")
    assert answer.document.fields == expected
    assert answer.document.version == draft.version + 1


@pytest.mark.parametrize("changed", [[], ["titel"], ["document_id"]])
async def test_unknown_changes_are_refused(house: House, changed: list[str]) -> None:
    draft = await house.drafter.draft()
    error = await refused(
        house.drafter.call("UpdateDraft", document_id=draft.document_id, expected_version=1, changed=changed)
    )
    assert error.reason == "INVALID_FIELDS"


async def test_bad_fields_are_all_named_and_nothing_is_written(house: House) -> None:
    before = await house.rows("SELECT count(*) FROM documents")
    error = await refused(
        house.drafter.draft(title="あ" * 10_000, decision_class="king", enforcement_planned_on="明日")
    )
    assert error.reason == "INVALID_FIELDS"
    error = await refused(house.drafter.draft(title="あ" * 10_000, decision_class="king"))
    assert {(f.field, f.problem) for f in error.fields} == {("title", "TOO_LONG"), ("decision_class", "UNKNOWN")}
    error = await refused(house.drafter.draft(body="\x00"))
    assert [(f.field, f.problem) for f in error.fields] == [("fields.body", "INVALID_CHARACTER")]
    assert await house.rows("SELECT count(*) FROM documents") == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"class_code": "1202-01-01", "folder_id": ""}, "class_code"),
        ({"class_code": "9999-99-99", "folder_id": ""}, "class_code"),
        ({"folder_id": "F-2026-1202-01-01"}, "folder_id"),
        ({"folder_id": "F-0000"}, "folder_id"),
        ({"class_code": "0403-02-02"}, "folder_id"),
        ({"receipt_ids": ["0190d5a0-0000-7000-8000-000000000000"]}, "receipt_ids"),
        ({"receipt_ids": ["収受"]}, "receipt_ids"),
    ],
)
async def test_another_units_plan_is_as_unknown_as_none(house: House, given: dict[str, object], field: str) -> None:
    error = await refused(house.drafter.draft(**given))
    assert [f.field for f in error.fields] == [field]


async def test_one_drafts_from_ones_own_post(house: House) -> None:
    error = await refused(house.drafter.draft(post_id="P-120-02-05"))
    assert [(f.field, f.problem) for f in error.fields] == [("post_id", "UNKNOWN")]


async def test_paper_only_classes_take_data_and_no_content(house: House) -> None:
    clerk = house.person("S0032", "P-020-07-05")
    given = {"class_code": "0207-01-01", "folder_id": ""}
    assert (await refused(clerk.draft(**given))).reason == "PAPER_ONLY"
    draft = await clerk.draft(**given, body="")
    assert (await refused(clerk.upload(draft.document_id, b"x"))).reason == "PAPER_ONLY"
    assert (await refused(clerk.submit(draft))).reason == "PAPER_ONLY"
    # Nor does a draft with files move there.
    other = await clerk.draft(class_code="0000-01-01", folder_id="", body="")
    await clerk.upload(other.document_id, b"x")
    error = await refused(
        clerk.call(
            "UpdateDraft",
            document_id=other.document_id,
            expected_version=2,
            fields=pb.DraftFields(class_code="0207-01-01"),
            changed=["class_code"],
        )
    )
    assert error.reason == "PAPER_ONLY"


async def test_a_draft_is_deleted_with_everything_but_its_history(house: House) -> None:
    draft = await house.drafter.draft(title="取りやめる案について（伺い）")
    await house.drafter.upload(draft.document_id, b"content")
    current = await house.drafter.see(draft.document_id)
    await house.drafter.call("DeleteDraft", document_id=draft.document_id, expected_version=current.version)
    assert (await refused(house.drafter.see(draft.document_id))).reason == "NOT_FOUND"
    assert await house.drafter.search("取りやめる案") == []
    for table in ("documents", "attachments", "document_texts", "document_keys"):
        assert await house.rows(f"SELECT 1 FROM {table} WHERE document_id = %s", draft.document_id) == []
    actions = await house.rows("SELECT action FROM history WHERE document_id = %s ORDER BY version", draft.document_id)
    assert [a for (a,) in actions] == ["document.created", "document.attachment_added", "document.deleted"]
    assert (
        await house.rows("SELECT 1 FROM viewers WHERE document_id = %s AND valid_to IS NULL", draft.document_id) == []
    )


async def test_what_circulated_is_not_deleted_nor_edited(house: House) -> None:
    document = await house.circulating()
    for method in ("DeleteDraft", "UpdateDraft"):
        given = {"changed": ["title"], "fields": fields(title="x")} if method == "UpdateDraft" else {}
        error = await refused(
            house.drafter.call(method, document_id=document.document_id, expected_version=document.version, **given)
        )
        assert (error.kind, error.reason, error.metadata["state"]) == (Kind.PRECONDITION, "WRONG_STATE", "CIRCULATING")


async def test_lc_04_lists_what_is_missing(house: House) -> None:
    draft = await house.drafter.draft(body="", decision_class="", folder_id="", enforcement_planned_on="")
    error = await refused(house.drafter.submit(draft, route_plan_id=""))
    assert (error.kind, error.reason) == (Kind.PRECONDITION, "INCOMPLETE")
    assert {f.field for f in error.fields} == {
        "body",
        "decision_class",
        "folder_id",
        "enforcement_planned_on",
        "route_plan_id",
    }
    assert (await house.drafter.see(draft.document_id)).draft_number == ""


async def test_only_the_drafter_submits_and_edits(house: House) -> None:
    document = await house.circulating()
    await house.announce("CaseClosed", snapshot(document, 2, "sent_back"))
    current = await house.colleague.see(document.document_id)
    error = await refused(
        house.colleague.call(
            "SubmitDocument", document_id=document.document_id, expected_version=current.version, route_plan_id="r"
        )
    )
    assert (error.kind, error.reason) == (Kind.DENIED, "NOT_PERMITTED")
    denied = [
        r for r in await house.records() if r.action == "document.submitted" and r.object_id == document.document_id
    ]
    assert [(r.actor.staff_id, r.reason) for r in denied] == [("S0073", "NOT_PERMITTED")]


async def test_after_sending_back_the_number_stays_and_the_text_is_a_new_revision(house: House) -> None:
    first = await house.circulating(title="差し戻される案について（伺い）")
    await house.drafter.see(first.document_id)
    await house.announce("CaseClosed", snapshot(first, 3, "sent_back", acted=["S0070"]))
    back = await house.drafter.see(first.document_id)
    assert (back.state, back.version_digest) == (pb.DOCUMENT_STATE_SENT_BACK, first.version_digest)
    edited = (
        await house.drafter.call(
            "UpdateDraft",
            document_id=first.document_id,
            expected_version=back.version,
            fields=fields(body="直しました。"),
            changed=["body"],
        )
    ).document
    # What is shown is not what was frozen, so it has no digest and no receipt.
    assert (edited.revision, edited.version_digest) == (2, "")
    assert (await house.drafter.call("GetDocument", document_id=first.document_id)).read_receipt == ""
    again = await house.drafter.submit(edited, replacement="substantive")
    assert again.draft_number == first.draft_number
    assert again.case_id != first.case_id
    assert again.version_digest not in ("", first.version_digest)
    revisions = await house.rows(
        "SELECT revision, version_digest FROM revisions WHERE document_id = %s ORDER BY revision", first.document_id
    )
    assert revisions == [(1, first.version_digest), (2, again.version_digest)]


async def test_every_version_that_circulated_stays_readable_for_who_sees_the_document(house: House) -> None:
    """AP-30, AC-03, SC-01: the bytes are those that were frozen, each reading is on record, others find nothing."""
    first = await house.circulating(body="五人槽を設置する。")
    await house.announce("CaseClosed", snapshot(first, 3, "sent_back", acted=["S0070"]))
    back = await house.drafter.see(first.document_id)
    change = {"fields": fields(body="七人槽を設置する。"), "changed": ["body"], "expected_version": back.version}
    edited = (await house.drafter.call("UpdateDraft", document_id=first.document_id, **change)).document
    assert len((await house.drafter.call("ListVersions", document_id=first.document_id)).versions) == 1
    again = await house.drafter.submit(edited, replacement="minor")
    answer = await house.drafter.call("ListVersions", document_id=first.document_id)
    assert [v.version_digest for v in answer.versions] == [again.version_digest, first.version_digest]
    assert [hashlib.sha256(v.content).hexdigest() for v in answer.versions] == [
        v.version_digest for v in answer.versions
    ]
    bodies = [json.loads(v.content)["fields"]["body"] for v in answer.versions]
    assert bodies == ["七人槽を設置する。", "五人槽を設置する。"]
    seen = [r for r in await house.records() if r.action == "document.versions_viewed"]
    assert {r.object_id for r in seen} == {first.document_id}
    assert len(seen) >= 2, "each reading"
    error = await refused(house.stranger.call("ListVersions", document_id=first.document_id))
    assert error.kind is Kind.NOT_FOUND


async def test_a_resubmission_without_a_change_is_the_same_version(house: House) -> None:
    first = await house.circulating()
    await house.announce("CaseClosed", snapshot(first, 3, "refused", reason="NO_RULE"))
    back = await house.drafter.see(first.document_id)
    history = (await house.drafter.call("ListHistory", document_id=first.document_id)).events
    assert history[-1].detail["reason"] == "NO_RULE"
    again = await house.drafter.submit(back)
    assert (again.revision, again.version_digest) == (1, first.version_digest)


async def test_attachments_of_a_circulated_revision_stay_with_it(house: House) -> None:
    draft = await house.drafter.draft()
    old = (await house.drafter.upload(draft.document_id, "旧案".encode(), "案.docx")).attachment
    document = await house.drafter.submit(draft)
    await house.announce("CaseClosed", snapshot(document, 3, "sent_back", acted=["S0070"]))
    back = await house.drafter.see(document.document_id)
    answer = await house.drafter.call(
        "RemoveAttachment",
        document_id=document.document_id,
        attachment_id=old.attachment_id,
        expected_version=back.version,
    )
    new = (await house.drafter.upload(document.document_id, "新案".encode(), "案.docx")).attachment
    current = await house.drafter.see(document.document_id)
    assert current.version == answer.version + 1
    assert [a.attachment_id for a in current.attachments] == [new.attachment_id]
    # AP-30: old versions stay readable to who may see the document.
    assert (await house.drafter.read(document.document_id, old.attachment_id))[1] == "旧案".encode()
    # One that never circulated goes for good.
    await house.drafter.call(
        "RemoveAttachment",
        document_id=document.document_id,
        attachment_id=new.attachment_id,
        expected_version=current.version,
    )
    assert (await refused(house.drafter.read(document.document_id, new.attachment_id))).reason == "NOT_FOUND"


async def test_annotations_and_late_attachments_are_added_never_replaced(house: House) -> None:
    document = await house.decided()
    answer = await house.colleague.call(
        "AnnotateDocument",
        document_id=document.document_id,
        expected_version=document.version,
        text="公布日を追記します。\n令和8年11月25日",
    )
    assert [n.staff_id for n in answer.document.annotations] == ["S0073"]
    late = await house.colleague.upload(document.document_id, b"late", "受領書.pdf")
    assert late.attachment.added_after_decision
    await house.locked()
    current = await house.drafter.see(document.document_id)
    assert current.attachments[-1].HasField("locked_until")
    assert current.version_digest == document.version_digest
    error = await refused(
        house.drafter.call(
            "RemoveAttachment",
            document_id=document.document_id,
            attachment_id=late.attachment.attachment_id,
            expected_version=current.version,
        )
    )
    assert error.reason == "WRONG_STATE"


async def test_completed_documents_refuse_everything(house: House) -> None:
    document = await house.completed()
    known = {"document_id": document.document_id, "expected_version": document.version}
    for call in (
        house.drafter.call("UpdateDraft", **known, changed=["title"], fields=fields(title="x")),
        house.drafter.call("DeleteDraft", **known),
        house.drafter.call("AnnotateDocument", **known, text="x"),
        house.drafter.call("SubmitDocument", **known, route_plan_id="r"),
        house.drafter.call("CompleteDocument", **known),
        house.drafter.call(
            "EnforceDocument", **known, enforced_on="2026-11-23", method="post", addressee="a", collated_by="S0001"
        ),
        house.drafter.call("RemoveAttachment", **known, attachment_id=clock.new_id()),
        house.drafter.upload(document.document_id, b"x"),
    ):
        error = await refused(call)
        assert (error.kind, error.reason) == (Kind.PRECONDITION, "IMMUTABLE")
    assert await house.drafter.see(document.document_id) == document


async def test_completion_files_into_the_folder_of_its_year(house: House) -> None:
    document = await house.decided(enforcement_required=False, folder_id="F-2025-0403-02-01")
    known = {"document_id": document.document_id, "expected_version": document.version}
    error = await refused(house.drafter.call("CompleteDocument", **known))
    assert [(f.field, f.problem) for f in error.fields] == [("folder_id", "WRONG_YEAR")]
    done = (await house.drafter.call("CompleteDocument", **known, folder_id="F-2026-0403-02-01")).document
    assert (done.fiscal_year, done.retention, done.fields.folder_id) == (2026, "5", "F-2026-0403-02-01")
    assert (done.retention_from, done.retention_until) == ("2027-04-01", "2032-03-31")


async def test_folders_are_made_for_ones_own_unit(house: House) -> None:
    given = {"fiscal_year": 2026, "class_code": "0403-02-02", "name": "令和8年度蓄電池補助金綴"}
    folder = (await house.drafter.call("CreateFolder", unit_id="U-040-03", **given)).folder
    assert folder.retention == "5"
    shown = (await house.drafter.call("ListFolders", fiscal_year=2026, class_code="0403-02-02")).folders
    assert folder in shown
    assert all(f.unit_id == "U-040-03" for f in shown)
    error = await refused(house.drafter.call("CreateFolder", unit_id="U-120-02", **given))
    assert [(f.field, f.problem) for f in error.fields] == [("unit_id", "UNKNOWN")]
    error = await refused(house.drafter.call("CreateFolder", unit_id="U-040-03", **(given | {"fiscal_year": 1999})))
    assert [(f.field, f.problem) for f in error.fields] == [("fiscal_year", "OUT_OF_RANGE")]
