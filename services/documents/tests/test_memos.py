"""付箋 (AP-53): for their person alone, under the key of the document, gone when the case ends or their view does."""

from __future__ import annotations

import psycopg
import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents.tests.conftest import House, Person, snapshot

CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
TEXT = "添付の見積りの日付が違うのでは。髙﨑さんに電話で聞く。"


@pytest.fixture
def chief(house: House) -> Person:
    """Whose turn it is."""
    return house.person("S0070", CHIEF)


async def circulating(house: House) -> pb.Document:
    """A document that waits for the chief."""
    document = await house.circulating()
    await house.announce("StepActivated", snapshot(document, 2, "circulating", active=[CHIEF]))
    return document


async def save(person: Person, document: pb.Document, text: str = TEXT, version: int = 0) -> int:
    answer = await person.call("SaveMemo", document_id=document.document_id, text=text, expected_version=version)
    return int(answer.version)


async def read(person: Person, document: pb.Document):
    return await person.call("GetMemo", document_id=document.document_id)


async def reason_of(awaitable) -> str:
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value.reason


async def kept(house: House, document: pb.Document) -> int:
    return len(await house.rows("SELECT 1 FROM memos WHERE document_id = %s", document.document_id))


async def test_whoever_is_on_the_route_keeps_one_and_changes_it(house: House, chief: Person) -> None:
    """AP-53: recorded as every access, by identifiers only."""
    document = await circulating(house)
    assert (await read(chief, document)).may_save
    assert await save(chief, document) == 1
    found = await read(chief, document)
    assert (found.text, found.version) == (TEXT, 1)
    record = await house.record(found.access_record)
    assert (record.action, record.object_type, dict(record.detail)) == ("memo.viewed", "memo", {})
    assert record.object_id not in ("", document.document_id), "on which document stays their own affair"
    [event] = await house.envelopes(record.object_id)
    assert (event.action, event.actor.staff_id, dict(event.detail)) == ("memo.saved", "S0070", {})
    assert await save(chief, document, "確認済み", 1) == 2
    assert await reason_of(save(chief, document, "古い画面", 1)) == "STALE_VERSION"
    assert (await read(chief, document)).text == "確認済み"
    await chief.call("DeleteMemo", document_id=document.document_id, expected_version=2)
    assert ((await read(chief, document)).version, await kept(house, document)) == (0, 0)


async def test_nobody_else_reads_it_whatever_their_role(house: House, chief: Person) -> None:
    """AP-53: the drafter, a colleague, another seat of the same post, the records office, the audit officer."""
    document = await circulating(house)
    await save(chief, document)
    others = [
        house.drafter,
        house.colleague,
        house.person("S0084", CHIEF),
        house.person("S0068", HEAD, roles=frozenset({"records_manager"})),
        house.person("S0016", "P-040-03-04", roles=frozenset({"records_officer", "system_admin"})),
        house.person("S0224", "P-040-03-04", roles=frozenset({"audit_officer"})),
    ]
    for person in others:
        found = await read(person, document)
        assert (found.text, found.version) == ("", 0)
        wanted = {"document_id": document.document_id, "expected_version": 1}
        assert await reason_of(person.call("DeleteMemo", **wanted)) == "STALE_VERSION"
    assert await reason_of(read(house.stranger, document)) == "NOT_FOUND"
    assert (await read(chief, document)).text == TEXT


async def test_no_other_way_shows_it(house: House, chief: Person) -> None:
    """AP-53: not the document, its list, search, history, viewers or versions; not for its person either."""
    document = await circulating(house)
    await save(chief, document)
    known = {"document_id": document.document_id}
    for person in (chief, house.drafter):
        assert document.document_id not in await person.search("見積りの日付")
        for method in ("GetDocument", "ListHistory", "ListViewers", "ListVersions"):
            answer = str(await person.call(method, **known))
            assert TEXT not in answer
            assert "memo" not in answer.lower()
    assert not [one for one in await house.envelopes(document.document_id) if one.action.startswith("memo.")]


async def in_database(house: House, words: str) -> list[str]:
    """Tables of the service in which these words stand anywhere, as text or as bytes; asked as its owner."""
    found = []
    async with await psycopg.AsyncConnection.connect(house.where.owner_url, autocommit=True) as conn:
        cursor = await conn.execute("SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'documents'")
        for (name,) in await cursor.fetchall():
            rows = await conn.execute(f"SELECT t::text FROM documents.{name} AS t".encode())
            texts = [row[0] for row in await rows.fetchall()]
            if any(words in text or words.encode().hex() in text for text in texts):
                found.append(name)
    return found


async def test_the_database_holds_no_readable_memo_and_another_row_does_not_open(house: House, chief: Person) -> None:
    """AP-53: sealed under the key of the document, bound to the person; a row that changes hands does not open."""
    document = await circulating(house)
    await save(chief, document)
    assert await in_database(house, TEXT) == []
    assert await in_database(house, document.fields.title) != [], "what the search would find"
    async with house.pool.connection() as conn:
        await conn.execute(
            "INSERT INTO memos SELECT document_id, 'S0072', gen_random_uuid(), through, sealed, version, saved_at"
            " FROM memos WHERE document_id = %s",
            (document.document_id,),
        )
    with pytest.raises(DomainError) as caught:
        await read(house.drafter, document)
    assert TEXT not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "state", "reason"),
    [
        ("CaseDecided", "decided", ""),
        ("CaseClosed", "withdrawn", ""),
        ("CaseClosed", "rejected", ""),
        ("CaseClosed", "sent_back", "step-1"),
        ("CaseClosed", "sent_back", "replacing"),
    ],
)
async def test_it_is_gone_when_the_case_ends(
    house: House, chief: Person, message: str, state: str, reason: str
) -> None:
    """AP-53: 決裁, 取下げ, 否認, 差戻し, 差替え; who acted goes on seeing the document, without it."""
    document = await circulating(house)
    await save(chief, document)
    record = await house.record((await read(chief, document)).access_record)
    await house.announce(message, snapshot(document, 9, state, acted=["S0070"], reason=reason))
    assert await kept(house, document) == 0
    assert [one.action for one in await house.envelopes(record.object_id)] == ["memo.saved", "memo.deleted"]
    found = await read(chief, document)
    assert (found.text, found.version, found.may_save) == ("", 0, False)
    assert await reason_of(save(chief, document)) == "WRONG_STATE"


async def test_it_goes_with_the_view_of_its_person_and_stays_with_who_acted(house: House, chief: Person) -> None:
    """AP-53, AC-11: the seat was taken back, or somebody else acted on it; who acts keeps it until the end."""
    document = await circulating(house)
    deputy = house.person("S0069", DEPUTY)
    await save(chief, document)
    await house.announce("StepClosed", snapshot(document, 3, "circulating", active=[DEPUTY], acted=["S0070"]))
    await save(deputy, document)
    assert (await read(chief, document)).text == TEXT
    await house.announce("StepClosed", snapshot(document, 4, "circulating", active=[CHIEF], acted=["S0070"]))
    assert await kept(house, document) == 1
    assert (await read(deputy, document)).text == ""
    assert (await read(chief, document)).text == TEXT


async def test_who_left_the_post_does_not_see_it_and_it_goes_with_the_next_act_there(
    house: House, chief: Person
) -> None:
    """AP-53: a transfer takes the view at once, and may be called off; the row goes when somebody acts on the seat."""
    document = await circulating(house)
    await save(chief, document)
    moved, successor = house.person("S0070", "P-120-02-05"), house.person("S0084", CHIEF)
    assert await reason_of(read(moved, document)) == "NOT_FOUND"
    assert (await read(successor, document)).version == 0
    assert (await read(chief, document)).text == TEXT, "back at the post"
    await house.announce("StepClosed", snapshot(document, 3, "circulating", active=[DEPUTY], acted=["S0084"]))
    assert await kept(house, document) == 0


async def test_it_is_for_the_route_alone(house: House, chief: Person) -> None:
    """AP-53: the owner unit sees the document, but is not asked; nobody is before it circulates."""
    document = await circulating(house)
    assert not (await read(house.drafter, document)).may_save
    assert await reason_of(save(house.drafter, document)) == "NOT_PERMITTED"
    assert await reason_of(save(house.stranger, document)) == "NOT_FOUND"
    draft = await house.drafter.draft()
    assert await reason_of(save(house.drafter, draft)) == "WRONG_STATE"
    for text in ("", " \n", "あ" * 2_001):
        assert await reason_of(save(chief, document, text)) == "INVALID_FIELDS"


async def test_the_same_request_sticks_one(house: House, chief: Person) -> None:
    """Idempotency: the answer is the same, and says nothing of the text."""
    document = await circulating(house)
    wanted = {"document_id": document.document_id, "text": TEXT, "request_id": clock.new_id()}
    assert await chief.call("SaveMemo", **wanted) == await chief.call("SaveMemo", **wanted)
    assert await reason_of(chief.call("SaveMemo", **(wanted | {"text": "別"}))) == "REQUEST_ID_REUSED"
