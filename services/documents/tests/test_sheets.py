"""The approval sheet (鑑): drawn once at 決裁 and once at 完結, a file under lock that the manifest covers."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from pathlib import Path

import psycopg
import pypdfium2
import pytest

from chassis import clock, db, wareki
from chassis.errors import Kind
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.documents.v1 import events_pb2
from services.documents import attachment_store, domain, retention
from services.documents.blobs import ObjectStore, StoreConfig
from services.documents.sheets import drawing
from services.documents.sheets.drawing import Drawer
from services.documents.tests.conftest import House, snapshot
from services.documents.tests.test_drafts import refused


def sheets_of(document: pb.Document) -> list[pb.Attachment]:
    return [one for one in document.attachments if one.sheet]


async def text_of(house: House, document_id: str, sheet: pb.Attachment) -> str:
    """What the PDF says, without spaces; read as any file is."""
    _, content = await house.drafter.read(document_id, sheet.attachment_id)
    assert hashlib.sha256(content).hexdigest() == sheet.sha256
    pages = pypdfium2.PdfDocument(content)
    assert len(pages) == 1
    return "".join("".join(page.get_textpage().get_text_range().split()) for page in pages)


async def decided_undrawn(house: House) -> pb.Document:
    document = await house.circulating(enforcement_required=False)
    await house.decide(document)
    return await house.drafter.see(document.document_id)


async def test_the_decision_is_drawn_locked_recorded_and_announced(house: House) -> None:
    """UI-03, LC-05: a file of the document, under the lock of the decision; its version does not move."""
    before = await decided_undrawn(house)
    assert sheets_of(before) == []
    await house.drawn()
    await house.locked()
    after = await house.drafter.see(before.document_id)
    assert after.version == before.version, "nobody's form becomes stale"
    (sheet,) = sheets_of(after)
    assert (sheet.sheet, sheet.file_name, sheet.content_type) == ("decided", "鑑（決裁時）.pdf", "application/pdf")
    assert sheet.added_by == "service:documents"
    assert sheet.locked_until.ToDatetime(tzinfo=clock.JST) == retention.lock_until("5", domain.day_of(clock.now()))
    said = await text_of(house, before.document_id, sheet)
    for words in (before.draft_number, "決裁時の鑑", "担当主査", "室長", "髙橋一郎", "起案者"):
        assert words in said, words
    assert "辻" not in said, "nobody's name where it is struck through (AP-04)"
    header, _ = await house.drafter.read(before.document_id, sheet.attachment_id)
    record = await house.record(header.access_record)
    assert (record.action, record.object_id) == ("attachment.read", sheet.attachment_id), "I1"
    (event,) = await house.envelopes(sheet.attachment_id)
    assert (event.action, event.aggregate, event.aggregate_version) == ("sheet.drawn", "sheet", 1)
    assert events_pb2.SheetDrawn.FromString(event.payload).sha256 == sheet.sha256
    history = (await house.drafter.call("ListHistory", document_id=before.document_id)).events
    assert [one.action for one in history].count("sheet.drawn") == 1


AGAINST, WEIGHED = "当初予算に計上がありません。", "補正予算で対応する。"


async def test_what_people_wrote_is_on_the_sheets(house: House) -> None:
    """AP-53, UI-03: on that of the decision what was written until then, on that of 完結 the 後閲 too; the manifest and the
    log have digests."""
    document = await house.circulating(enforcement_required=False)
    await house.decide(document, opinions=[AGAINST, WEIGHED])
    viewed = snapshot(
        document, 12, "decided", acted=["S0070", "S0068", "S0069"], opinions=[AGAINST, WEIGHED, "後で見ました。"]
    )
    await house.seal(viewed, [AGAINST, WEIGHED, "後で見ました。"])
    await house.announce("PostViewed", viewed)
    await house.drawn()
    current = await house.drafter.see(document.document_id)
    await house.drafter.call("CompleteDocument", document_id=document.document_id, expected_version=current.version)
    first, second = sheets_of(await house.drafter.see(document.document_id))
    at_decision, at_completion = [await text_of(house, document.document_id, one) for one in (first, second)]
    assert at_decision.index(AGAINST) < at_decision.index(WEIGHED) < at_decision.index("件名")
    assert "後で見ました。" not in at_decision
    assert at_completion.index(WEIGHED) < at_completion.index("後で見ました。")
    answer = await house.drafter.call("GetManifest", document_id=document.document_id)
    acts = json.loads(answer.manifest)["decisions"]
    assert acts[0]["comment_digest"] == hashlib.sha256(AGAINST.encode()).hexdigest()
    assert not any("comment" in one for one in acts)
    for envelope in await house.envelopes(document.document_id):
        assert AGAINST.encode() not in envelope.SerializeToString()


SENT_BACK, DISSENT = "同意書の写しがありません。", "要綱第4条の要件を満たしません。"


async def test_what_people_wrote_in_an_earlier_circulation_is_in_the_record(house: House) -> None:
    """AP-53, I4: the manifest names the acts before a 差戻し with their words; the sheet is of the last circulation."""
    first = await house.circulating(enforcement_required=False)
    returned = snapshot(
        first, 4, "sent_back", acted=["S0070", "S0069"], opinions=[DISSENT, SENT_BACK], reason="step-S0069"
    )
    await house.seal(returned, [DISSENT, SENT_BACK])
    await house.announce("CaseClosed", returned)
    again = await house.drafter.submit(await house.drafter.see(first.document_id))
    refused_one = snapshot(again, 1, "refused", reason="PLAN_MISMATCH")
    await house.announce("CaseClosed", refused_one)
    again = await house.drafter.submit(await house.drafter.see(first.document_id))
    await house.decide(again, opinions=[WEIGHED])
    await house.drawn()
    current = await house.drafter.see(first.document_id)
    await house.drafter.call("CompleteDocument", document_id=first.document_id, expected_version=current.version)
    manifest = json.loads((await house.drafter.call("GetManifest", document_id=first.document_id)).manifest)
    assert manifest["case_id"] == again.case_id
    (earlier,) = manifest["earlier_cases"]
    assert (earlier["case_id"], earlier["state"], earlier["reason"]) == (first.case_id, "sent_back", "step-S0069")
    assert [(one["comment"], one["comment_digest"]) for one in earlier["decisions"]] == [
        (words, hashlib.sha256(words.encode()).hexdigest()) for words in (DISSENT, SENT_BACK)
    ]
    assert not any("comment" in one for one in manifest["decisions"])
    for sheet in sheets_of(await house.drafter.see(first.document_id)):
        said = await text_of(house, first.document_id, sheet)
        assert (WEIGHED in said, SENT_BACK in said) == (True, False)


async def test_the_manifest_of_a_document_that_circulated_once_is_as_it_always_was(house: House) -> None:
    document = await house.completed()
    answer = await house.drafter.call("GetManifest", document_id=document.document_id)
    assert "earlier_cases" not in json.loads(answer.manifest)


async def test_an_opinion_that_is_not_the_one_of_its_act_is_not_kept(house: House) -> None:
    """I4: the act names its words; with others, or with a seal that does not open, nothing happens and somebody looks."""
    document = await house.circulating(enforcement_required=False)
    case = snapshot(document, 9, "decided", acted=["S0070"], opinions=[AGAINST])
    await house.seal(case, ["異議ありません。"])
    other = snapshot(document, 9, "decided", acted=["S0070"], opinions=[AGAINST], case_id=clock.new_id())
    await house.seal(other, [AGAINST])
    moved = snapshot(document, 9, "decided", acted=["S0070"], opinions=[AGAINST])
    moved.sealed_opinions = other.sealed_opinions
    for wrong in (case, moved):
        error = await refused(house.announce("CaseDecided", wrong))
        assert (error.kind, error.reason) == (Kind.DATA_LOSS, "CONTENT_DAMAGED")
    assert (await house.drafter.see(document.document_id)).state == pb.DOCUMENT_STATE_CIRCULATING


async def test_completion_draws_the_second_and_the_manifest_covers_both(house: House) -> None:
    """Promise I3 and I4 for what staff print: number, dates, 後閲 until then and 追記 (LC-15, LC-16)."""
    decided = await house.decided(enforcement_required=False)
    await house.drafter.call(
        "AnnotateDocument", document_id=decided.document_id, expected_version=decided.version, text="法令番号を補記"
    )
    current = await house.drafter.see(decided.document_id)
    await house.drafter.call("CompleteDocument", document_id=decided.document_id, expected_version=current.version)
    await house.locked()
    document = await house.drafter.see(decided.document_id)
    first, second = sheets_of(document)
    assert (first.sheet, second.sheet) == ("decided", "completed")
    assert second.HasField("locked_until")
    assert first == sheets_of(decided)[0], "the first stays as it was drawn"
    said = await text_of(house, document.document_id, second)
    assert "完結時の鑑" in said
    assert "法令番号を補記" in said
    assert f"満了{wareki.format_date(dt.date.fromisoformat(document.retention_until))}" in said
    assert "法令番号を補記" not in await text_of(house, document.document_id, first)
    answer = await house.drafter.call("GetManifest", document_id=document.document_id)
    assert hashlib.sha256(answer.manifest).hexdigest() == document.manifest_digest
    named = {one["sheet"]: one["sha256"] for one in json.loads(answer.manifest)["attachments"]}
    assert named == {"decided": first.sha256, "completed": second.sha256}


async def test_completion_does_not_wait_for_the_drawer(house: House) -> None:
    """A sheet that is wanted and not drawn yet is drawn by 完結 itself; the drawer then finds nothing to do."""
    document = await decided_undrawn(house)
    done = await house.drafter.call(
        "CompleteDocument", document_id=document.document_id, expected_version=document.version
    )
    assert [one.sheet for one in sheets_of(done.document)] == ["decided", "completed"]
    assert await house.rows("SELECT 1 FROM sheet_jobs WHERE document_id = %s", document.document_id) == []
    await house.drawn()
    assert len(sheets_of(await house.drafter.see(document.document_id))) == 2


async def test_what_cannot_be_drawn_is_tried_again_and_stops_only_completion(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The case stays decided, nothing is half-done, operators see it; once it can be drawn everything goes on."""
    broken = tmp_path / "sheet.typ"
    broken.write_text('#panic("no paper")')
    document = await decided_undrawn(house)
    known = {"document_id": document.document_id, "expected_version": document.version}
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "TEMPLATE", broken)
        assert await house.service.drawer.draw_once()
        ((attempts, later),) = await house.rows(
            "SELECT attempts, next_attempt_at > now() FROM sheet_jobs WHERE document_id = %s", document.document_id
        )
        assert (attempts, later) == (1, True)
        error = await refused(house.drafter.call("CompleteDocument", **known))
        assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "SHEET_NOT_DRAWN")
    (line,) = [one for one in caplog.records if one.message == "sheet not drawn yet"]
    assert (line.document_id, line.error) == (document.document_id, "SHEET_NOT_DRAWN")
    assert document.fields.title not in str(vars(line))
    assert await house.drafter.see(document.document_id) == document
    assert (await house.drafter.call("CompleteDocument", **known)).document.state == pb.DOCUMENT_STATE_COMPLETED


async def test_while_the_store_is_down_the_decision_stands_and_the_sheet_follows(house: House) -> None:
    document = await decided_undrawn(house)
    nowhere = ObjectStore(
        StoreConfig(
            endpoint="http://127.0.0.1:9", bucket="kanketsu", access_key="a", secret_key="b", connect_timeout=0.2
        )
    )
    service = house.service
    without = Drawer(house.pool, service.relay, nowhere, service.keys, service.locker)
    assert await without.draw_once()
    await nowhere.close()
    assert sheets_of(await house.drafter.see(document.document_id)) == []
    async with db.transaction(house.pool) as conn:
        await conn.execute("UPDATE sheet_jobs SET next_attempt_at = now()")
    await house.drawn()
    assert [one.sheet for one in sheets_of(await house.drafter.see(document.document_id))] == ["decided"]


async def test_many_drawers_draw_it_once(house: House) -> None:
    """Also two that drew it both, the claim of the first having run out: one of them names the file."""
    document = await decided_undrawn(house)
    drawer = house.service.drawer
    async with db.connection(house.pool) as conn:
        job = await drawing.jobs.wanted(conn, document.document_id)
    assert job is not None
    await asyncio.gather(*(drawer.make(job) for _ in range(3)), drawer.draw_once())
    assert [one.sheet for one in sheets_of(await house.drafter.see(document.document_id))] == ["decided"]
    history = (await house.drafter.call("ListHistory", document_id=document.document_id)).events
    assert [one.action for one in history].count("sheet.drawn") == 1


async def test_what_it_says_is_settled_at_the_decision(house: House) -> None:
    """Drawn late, it still does not show what came after: the 追記, the next 後閲."""
    document = await decided_undrawn(house)
    await house.drafter.call(
        "AnnotateDocument", document_id=document.document_id, expected_version=document.version, text="後からの追記"
    )
    viewed = snapshot(document, 20, "decided", acted=["S0070"])
    viewed.seats[3].CopyFrom(viewed.seats[1])
    viewed.seats[3].staff_name = "後藤 閲子"
    await house.announce("PostViewed", viewed)
    await house.drawn()
    (sheet,) = sheets_of(await house.drafter.see(document.document_id))
    said = await text_of(house, document.document_id, sheet)
    assert "後からの追記" not in said
    assert "後藤" not in said


async def test_the_database_completes_nothing_without_its_sheets(house: House) -> None:
    """ADR-0016: not even a program of ours that forgets them."""
    document = await house.decided(enforcement_required=False)
    with pytest.raises(psycopg.IntegrityError, match="lacks an approval sheet"):
        async with db.transaction(house.pool) as conn:
            await conn.execute(
                "UPDATE documents SET state = 8, version = version + 1 WHERE document_id = %s", (document.document_id,)
            )


async def test_a_sheet_is_not_one_of_the_files_people_attach(house: House) -> None:
    """It takes no place among them, no search finds it, and nobody removes it."""
    document = await house.decided(enforcement_required=False)
    async with db.connection(house.pool) as conn:
        assert await attachment_store.count(conn, document.document_id) == 0
    await house.drafter.upload(document.document_id, "決裁後の資料".encode(), "資料.txt", "text/plain")
    found = (await house.drafter.call("ListDocuments", query="鑑（決裁時）")).documents
    assert document.document_id not in {one.document_id for one in found}
    current = await house.drafter.see(document.document_id)
    (sheet,) = sheets_of(current)
    error = await refused(
        house.drafter.call(
            "RemoveAttachment",
            document_id=document.document_id,
            expected_version=current.version,
            attachment_id=sheet.attachment_id,
        )
    )
    assert error.reason == "WRONG_STATE"
