"""AC-02: nothing is filed under a class of the file plan that admits only a narrower 閲覧区分, whichever way it comes."""

from __future__ import annotations

import asyncio

import pytest

from chassis import db
from chassis.errors import DomainError
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents.tests.conftest import CLASS, FOLDER, House
from services.documents.view_classes import DESIGNATED, UNIT

NARROW, NARROW_FOLDER = "0403-02-02", "F-2026-0403-02-02"


async def allow(house: House, class_code: str, widest: int) -> None:
    """What the file plan says of a class (⚙)."""
    async with db.transaction(house.pool) as conn:
        await conn.execute("UPDATE classes SET view_class = %s WHERE class_code = %s", (int(widest), class_code))


@pytest.fixture(autouse=True)
async def file_plan(house: House):
    """One class for 指定者のみ alone; as it was, after each test."""
    await allow(house, NARROW, DESIGNATED)
    yield
    await allow(house, CLASS, UNIT)
    await allow(house, NARROW, UNIT)


async def refused(asked) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await asked
    return caught.value


async def complete(house: House, document: pb.Document, **given: object) -> pb.Document:
    known = {"document_id": document.document_id, "expected_version": document.version}
    return (await house.drafter.call("CompleteDocument", **known, **given)).document


@pytest.mark.parametrize(
    "given", [{"class_code": NARROW, "folder_id": NARROW_FOLDER}, {"class_code": NARROW, "folder_id": ""}]
)
async def test_ac_02_a_draft_is_not_filed_there(house: House, given: dict[str, str]) -> None:
    """With the folder or with its class alone, when it is written and when it is changed."""
    asked = house.drafter.draft(**given)
    assert [(one.field, one.problem) for one in (await refused(asked)).fields] == [("view_class", "TOO_WIDE")]
    draft = await house.drafter.draft()
    known = {"document_id": draft.document_id, "expected_version": draft.version}
    asked = house.drafter.call("UpdateDraft", **known, fields=pb.DraftFields(**given), changed=[*given])
    assert [(one.field, one.problem) for one in (await refused(asked)).fields] == [("view_class", "TOO_WIDE")]
    # Together with the narrower class it goes.
    fields = pb.DraftFields(**given, view_class=pb.VIEW_CLASS_DESIGNATED)
    changed = [*given, "view_class"]
    moved = await house.drafter.call("UpdateDraft", **known, fields=fields, changed=changed)
    assert (moved.document.fields.class_code, moved.document.fields.view_class) == (NARROW, DESIGNATED)
    # And from there it does not widen.
    known |= {"expected_version": moved.document.version}
    wide = pb.DraftFields(view_class=pb.VIEW_CLASS_UNIT)
    asked = house.drafter.call("UpdateDraft", **known, fields=wide, changed=["view_class"])
    assert [(one.field, one.problem) for one in (await refused(asked)).fields] == [("view_class", "TOO_WIDE")]


async def test_ac_02_a_folder_alone_brings_its_class(house: House) -> None:
    asked = house.drafter.draft(class_code="", folder_id=NARROW_FOLDER)
    assert [(one.field, one.problem) for one in (await refused(asked)).fields] == [("view_class", "TOO_WIDE")]
    # A draft that has a class already does not slip into another one's folder.
    draft = await house.drafter.draft()
    known = {"document_id": draft.document_id, "expected_version": draft.version}
    fields = pb.DraftFields(folder_id=NARROW_FOLDER)
    asked = house.drafter.call("UpdateDraft", **known, fields=fields, changed=["folder_id"])
    assert [(one.field, one.problem) for one in (await refused(asked)).fields] == [("folder_id", "MISMATCH")]


async def test_ac_02_a_decided_document_is_not_completed_there(house: House) -> None:
    """Refused as often as it is asked; nothing is written; in a folder that admits it, it is completed."""
    document = await house.decided(enforcement_required=False)
    for _ in range(2):
        assert (await refused(complete(house, document, folder_id=NARROW_FOLDER))).reason == "VIEW_CLASS_NOT_ADMITTED"
    after = await house.drafter.see(document.document_id)
    assert after == document
    assert await house.rows("SELECT count(*) FROM manifests WHERE document_id = %s", document.document_id) == [(0,)]
    done = await complete(house, document, folder_id=FOLDER)
    assert (done.state, done.fields.folder_id) == (pb.DOCUMENT_STATE_COMPLETED, FOLDER)


async def test_ac_02_what_is_narrow_enough_is_completed_there(house: House) -> None:
    document = await house.decided(enforcement_required=False, view_class=DESIGNATED)
    done = await complete(house, document, folder_id=NARROW_FOLDER)
    assert (done.fields.class_code, done.fields.view_class) == (NARROW, DESIGNATED)


async def test_ac_02_a_class_that_was_narrowed_meanwhile_takes_it_no_more(house: House) -> None:
    """Its own folder, too: before 回議 the drafter narrows it, afterwards it goes to a folder that admits it."""
    draft = await house.drafter.draft()
    document = await house.decided(enforcement_required=False)
    await allow(house, CLASS, DESIGNATED)
    error = await refused(house.drafter.submit(draft))
    assert [(one.field, one.problem) for one in error.fields] == [("view_class", "TOO_WIDE")]
    assert (await refused(complete(house, document))).reason == "VIEW_CLASS_NOT_ADMITTED"
    await allow(house, NARROW, UNIT)
    assert (await complete(house, document, folder_id=NARROW_FOLDER)).fields.folder_id == NARROW_FOLDER


async def test_ac_02_many_who_try_at_once_do_not_get_it_in(house: House) -> None:
    document = await house.decided(enforcement_required=False)
    tries = [complete(house, document, folder_id=NARROW_FOLDER) for _ in range(4)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert {one.reason for one in answers if isinstance(one, DomainError)} == {"VIEW_CLASS_NOT_ADMITTED"}
    assert len(answers) == len(tries)
    assert (await house.drafter.see(document.document_id)).state == pb.DOCUMENT_STATE_DECIDED


async def test_ac_02_what_is_repeated_there_is_narrowed(house: House) -> None:
    """引用起案 of a document whose class was narrowed since."""
    source = await house.circulating()
    await allow(house, CLASS, DESIGNATED)
    answer = await house.drafter.call("RepeatDocument", document_id=source.document_id)
    assert answer.document.fields.view_class == DESIGNATED
