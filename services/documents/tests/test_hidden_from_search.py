"""AC-04: search filters before it ranks. Whatever hidden thing would come first, whoever may not see it gets the same bytes."""

from __future__ import annotations

from itertools import product

import pytest

from services.documents.tests.conftest import House, Person, today
from services.documents.tests.test_view_classes import arrived
from services.documents.view_classes import DESIGNATED, SECTION

PHRASE = "緊急一時保護の費用負担"
FOLDER = "F-2026-0403-02-01"
# Every filter that a search may have, and pages of one line: a hidden first hit would take the place of a visible one.
FILTERS: tuple[dict[str, object], ...] = (
    {},
    {"limit": 1},
    {"unit_id": "U-040-03"},
    {"folder_id": FOLDER},
    {"class_code": "0403-02-01"},
    {"states": [1, 2]},
    {"from": today().isoformat(), "to": today().isoformat()},
)
# The phrase, a part of it, words that only the hidden ones have, and nothing at all.
QUERIES = (PHRASE, "費用負担", "保護 費用", f"{PHRASE} 秘匿事案", "秘匿事案", "")


async def answers(person: Person) -> dict[str, tuple[bytes, int, str]]:
    """Everything that lists and searches answer, page after page, with what the log says of each."""
    found: dict[str, tuple[bytes, int, str]] = {}
    questions = [("ListDocuments", {"query": query} | given) for query, given in product(QUERIES, FILTERS)]
    questions += [("ListReceipts", {"query": query, "limit": limit}) for query, limit in product(QUERIES, (1, 50))]
    for method, given in questions:
        cursor = ""
        for page in range(20):
            answer = await person.call(method, cursor=cursor, **given)
            record = await person.house.record(answer.access_record)
            answer.access_record = ""
            cursor = answer.next_cursor
            found[f"{method} {given} {page}"] = (
                answer.SerializeToString(deterministic=True),
                record.result_count,
                record.result_digest,
            )
            if not cursor:
                break
        assert not cursor, "the pages never end"
    return found


# One by one, and by the word index.
@pytest.mark.parametrize("newest", [300, 1])
async def test_ac_04_hidden_hits_change_no_byte_of_what_is_found(
    house: House, monkeypatch: pytest.MonkeyPatch, newest: int
) -> None:
    """Newer and better hits of every kind that is hidden: title, body, party, file name, number; order, pages, counts, cursors."""
    monkeypatch.setattr("services.documents.search_store._NEWEST", newest)
    reader = house.colleague
    for number in range(3):
        await house.circulating(title=f"{PHRASE}について（第{number}回伺い）")
    await arrived(house.drafter, title=f"{PHRASE}の照会")
    before = await answers(reader)
    assert sum(PHRASE.encode() in answer for answer, _, _ in before.values()) > 10, "there is something to find"

    hidden = await hide(house)
    after = await answers(reader)
    different = [question for question in before.keys() | after.keys() if before.get(question) != after.get(question)]
    assert different == []
    for name, person in hidden.items():
        assert await answers(person) != before, f"{name} is hidden from everybody: nothing was attacked"


async def hide(house: House) -> dict[str, Person]:
    """Newer documents and receipts with the phrase that the reader may not see; and who finds each kind."""
    title = f"{PHRASE}について（秘匿事案）"
    chief = house.chief
    of_section = house.person("S0070", "P-040-03-03", beside=["section:U-040-03"])
    # A draft of somebody else; it has a file, whose name is found too.
    draft = await chief.draft(title=title)
    await chief.upload(draft.document_id, b"%PDF-1.7", f"{PHRASE}（秘匿事案）.pdf")
    await house.circulating(chief, title=title, view_class=DESIGNATED)
    await house.circulating(of_section, title=title, view_class=SECTION)
    await house.circulating(
        chief, title="秘匿事案について（伺い）", body=PHRASE, counterparty=PHRASE, view_class=DESIGNATED
    )
    elsewhere = house.stranger
    filed = {"class_code": "1202-01-01", "folder_id": "F-2026-1202-01-01"}
    for _ in range(5):
        await house.circulating(elsewhere, title=title, **filed)
    await arrived(chief, title=title, view_class=DESIGNATED)
    await arrived(of_section, title=title, view_class=SECTION)
    await arrived(elsewhere, title=title)
    return {"what is somebody's own": chief, "what is of a section": of_section, "what is elsewhere": elsewhere}
