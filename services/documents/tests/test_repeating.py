"""引用起案 and 次にすること over gRPC: what comes over, who may, what is recorded, what the link shows to whom."""

from __future__ import annotations

from chassis import clock
from chassis.errors import Kind
from services.documents.tests.conftest import FOLDER, House
from services.documents.tests.test_drafts import refused


async def test_a_draft_of_my_own_from_a_document_i_may_see(house: House) -> None:
    """FL-06, I1: filed in this year's folder, recorded as a viewing of the source and with an action of its own."""
    source = await house.completed(title="令和8年度浄化槽補助金の交付決定について（伺い）")
    answer = await house.colleague.call("RepeatDocument", document_id=source.document_id)
    draft = answer.document
    assert (draft.drafter, draft.unit_id, draft.draft_number) == ("S0073", "U-040-03", "")
    # The amount is of the old case, also where the text has it (FL-06).
    assert "金332,000円" in source.fields.body
    text = source.fields.body.replace("金332,000円", "金〔金額〕円")
    assert (draft.fields.title, draft.fields.body) == (source.fields.title, text)
    assert (draft.fields.folder_id, draft.fields.decision_class) == (FOLDER, "head")
    assert (draft.fields.counterparty, draft.fields.enforcement_addressee) == ("", "")
    assert not draft.fields.HasField("amount")
    record = await house.record(answer.access_record)
    assert (record.action, record.object_id, record.actor.staff_id) == (
        "document.viewed",
        source.document_id,
        "S0073",
    )
    (event,) = await house.envelopes(draft.document_id)
    assert event.action == "document.redrafted"
    # AC-03: who sees the new one does not learn of the old one from its history.
    assert source.document_id not in str(event)
    asked = await house.colleague.call("RepeatDocument", document_id=source.document_id, with_counterparty=True)
    assert asked.document.fields.counterparty == "髙﨑 邦夫"


async def test_what_i_may_not_see_is_not_there(house: House) -> None:
    """AC-03: hidden, another's draft and absent are the same, and nothing is made."""
    source = await house.decided()
    before = len(await house.rows("SELECT 1 FROM documents"))
    reasons = set()
    for document_id in (source.document_id, (await house.drafter.draft()).document_id, clock.new_id()):
        for method in ("RepeatDocument", "ListRelated"):
            error = await refused(house.stranger.call(method, document_id=document_id))
            reasons.add((error.kind, error.reason))
    assert reasons == {(Kind.NOT_FOUND, "NOT_FOUND")}
    assert len(await house.rows("SELECT 1 FROM documents")) == before + 1


async def test_the_link_is_shown_to_who_may_see_the_other(house: House) -> None:
    """AC-03, LC-12: both sides, each only where the other may be seen; it goes with the draft."""
    source = await house.decided()
    draft = (await house.colleague.call("RepeatDocument", document_id=source.document_id)).document
    mine = await house.colleague.call("ListRelated", document_id=draft.document_id)
    assert list(mine.source_ids) == [source.document_id]
    assert list((await house.colleague.call("ListRelated", document_id=source.document_id)).repeated_ids) == [
        draft.document_id
    ]
    # A draft is its drafter's alone: his neighbour sees the source, and not that it was repeated.
    assert not (await house.drafter.call("ListRelated", document_id=source.document_id)).repeated_ids
    await house.colleague.call("DeleteDraft", document_id=draft.document_id, expected_version=draft.version)
    assert not (await house.colleague.call("ListRelated", document_id=source.document_id)).repeated_ids


async def test_the_file_plan_says_what_usually_follows(house: House) -> None:
    """FL-06: 交付申請の収受 → 交付決定 → 実績報告の収受 → 額の確定; a draft of it is filled in."""
    arrived = {"arrived_on": clock.today().isoformat(), "received_on": clock.today().isoformat()}
    receipt = (
        await house.drafter.call(
            "RegisterReceipt",
            title="浄化槽設置整備事業補助金交付申請書",
            sender_kind="citizen",
            sender_name="髙﨑 邦夫",
            medium="post",
            class_code="0403-02-01",
            **arrived,
        )
    ).receipt
    (first,) = (await house.drafter.call("ListRelated", receipt_id=receipt.receipt_id)).follow_ups
    assert (first.kind, first.folder_id) == ("draft", FOLDER)
    assert first.title == "令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）"

    circulating = await house.circulating(title=first.title)
    assert not (await house.drafter.call("ListRelated", document_id=circulating.document_id)).follow_ups
    source = await house.decided(title=first.title)
    offered = (await house.drafter.call("ListRelated", document_id=source.document_id)).follow_ups
    assert [(one.kind, one.title) for one in offered] == [
        ("receipt", "浄化槽設置整備事業実績報告書"),
        ("draft", "令和8年度箕面市合併処理浄化槽設置整備事業補助金の額の確定について（通知）"),
    ]
    draft = (
        await house.drafter.call(
            "RepeatDocument",
            document_id=source.document_id,
            follow_up_id=offered[1].follow_up_id,
            with_counterparty=True,
        )
    ).document
    assert draft.fields.title == offered[1].title
    assert "髙﨑 邦夫から別添のとおり実績報告がありました。" in draft.fields.body
    for wrong in (offered[0].follow_up_id, "N-1102-01-01-1", "none"):
        error = await refused(house.drafter.call("RepeatDocument", document_id=source.document_id, follow_up_id=wrong))
        assert [(f.field, f.problem) for f in error.fields] == [("follow_up_id", "UNKNOWN")]


async def test_the_same_request_makes_one_draft(house: House) -> None:
    source = await house.decided()
    request = {"request_id": clock.new_id(), "document_id": source.document_id}
    first = await house.drafter.call("RepeatDocument", **request)
    assert await house.drafter.call("RepeatDocument", **request) == first
    assert list((await house.drafter.call("ListRelated", document_id=source.document_id)).repeated_ids) == [
        first.document.document_id
    ]
