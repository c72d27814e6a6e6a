"""Search: finds what people mean, only what they may see, newest first, page after page."""

from __future__ import annotations

import datetime as dt

import pytest

from chassis.errors import DomainError
from chassis.recorder import digest_of
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents.tests.conftest import House, snapshot, today


async def test_it_finds_titles_bodies_names_parties_and_numbers(house: House) -> None:
    document = await house.circulating(
        title="髙﨑橋の架替えに伴う協議について（回答）",
        body="標記の件につき、渡邉工務店より照会がありました。",
        counterparty="葛\U000e0100西 千代子",
    )
    for query in (
        "高崎橋",
        "タカ",
        "架替え",
        "橋の架替えに伴う",
        "渡辺工務店",
        "葛西",
        "協議 回答",
        document.draft_number,
        "箕市",
        "橋",
    ):
        found = await house.drafter.search(query)
        assert (document.document_id in found) == (query != "タカ"), query


async def test_pairs_alone_are_not_enough(house: House) -> None:
    mixed = await house.drafter.draft(title="環境と境政と政策について（伺い）")
    exact = await house.drafter.draft(title="環境政策について（伺い）")
    assert await house.drafter.search("環境政策") == [exact.document_id]
    assert set(await house.drafter.search("環境 政策")) == {mixed.document_id, exact.document_id}


@pytest.mark.parametrize("query", ["'", "\\", "%", "_", "a' | 'b", "!&|<>():*", "\x02U-040-03", "''''", "ー", "50%"])
async def test_odd_queries_are_only_text(house: House, query: str) -> None:
    await house.drafter.search(query)
    marked = await house.drafter.draft(title=f"記号{query.replace(chr(2), '')}の扱いについて（伺い）")
    if "\x02" not in query:
        assert marked.document_id in await house.drafter.search(f"記号{query}の扱い")


async def test_blank_queries_find_nothing(house: House) -> None:
    await house.drafter.draft()
    assert await house.drafter.search("　 ") == []


async def test_only_what_may_be_seen_is_found(house: House) -> None:
    draft = await house.drafter.draft(title="秘匿される起案について（伺い）")
    assert await house.drafter.search("秘匿される起案") == [draft.document_id]
    for person in (house.colleague, house.chief, house.stranger):
        assert await person.search("秘匿される起案") == []
        assert draft.document_id not in await person.search()
    document = await house.drafter.submit(draft)
    assert await house.colleague.search("秘匿される起案") == [draft.document_id]
    on_route = house.person("S0026", "P-020-04-01")
    await house.announce("CaseOpened", snapshot(document, 1, "circulating", active=["P-020-04-01"]))
    assert await on_route.search("秘匿される起案") == [draft.document_id]
    assert await on_route.search(unit_id="U-040-03") == [draft.document_id]
    await house.announce("CaseClosed", snapshot(document, 2, "sent_back", active=["P-020-04-01"]))
    assert await on_route.search("秘匿される起案") == []
    assert await on_route.search(number=document.draft_number) == []
    assert await on_route.search(document_ids=[document.document_id]) == []


async def test_pages_follow_each_other_without_gap_or_repetition(house: House) -> None:
    clerk = house.person("S0301", "P-130-11-05")
    given = {"folder_id": "", "class_code": "1311-01-01"}
    made = [(await clerk.draft(title=f"第{n}回入札執行について（伺い）", **given)).document_id for n in range(7)]
    for query in ("", "入札執行", "第"):
        seen: list[str] = []
        cursor = ""
        for _ in range(10):
            answer = await clerk.call("ListDocuments", query=query, limit=3, cursor=cursor)
            seen += [d.document_id for d in answer.documents]
            cursor = answer.next_cursor
            if not cursor:
                break
        assert seen == made[::-1], query


@pytest.mark.parametrize("cursor", ["x", "////", "あ", "AQ", "AgAAAAAAAAAAAAAAAAAAAAA"])
async def test_foreign_cursors_are_refused(house: House, cursor: str) -> None:
    for method in ("ListDocuments", "ListReceipts"):
        with pytest.raises(DomainError) as caught:
            await house.drafter.call(method, cursor=cursor)
        assert caught.value.reason == "INVALID_CURSOR"


@pytest.mark.parametrize("limit", [-1, 201])
async def test_limits(house: House, limit: int) -> None:
    with pytest.raises(DomainError) as caught:
        await house.drafter.call("ListDocuments", limit=limit)
    assert [f.field for f in caught.value.fields] == ["limit"]


async def test_filters(house: House) -> None:
    clerk = house.person("S0302", "P-120-02-05")
    contract = {"class_code": "1202-01-01", "folder_id": "F-2026-1202-01-01"}
    one = await clerk.draft(title="太閤賞競走の開催に係る契約の締結について（伺い）", **contract)
    two = await clerk.draft(title="開催日程について（伺い）", class_code="1202-01-02", folder_id="")
    circulating = await clerk.submit(one)
    assert await clerk.search(states=[pb.DOCUMENT_STATE_CIRCULATING]) == [one.document_id]
    assert await clerk.search(class_code="1202-01-02") == [two.document_id]
    assert await clerk.search(folder_id="F-2026-1202-01-01") == [one.document_id]
    assert await clerk.search(number=circulating.draft_number) == [one.document_id]
    assert await clerk.search(number=circulating.draft_number.replace("1", "１") + "　") == [one.document_id]
    assert await clerk.search("開催", states=[pb.DOCUMENT_STATE_DRAFTING]) == [two.document_id]
    assert await clerk.search(unit_id="U-040-03") == []
    day = today()
    assert len(await clerk.search(**{"from": day.isoformat(), "to": day.isoformat()})) == 2
    assert await clerk.search(**{"from": (day + dt.timedelta(days=1)).isoformat()}) == []
    assert await clerk.search(to=(day - dt.timedelta(days=1)).isoformat()) == []
    # Other units number their own, and cannot learn of these.
    assert one.document_id not in await house.drafter.search(number=circulating.draft_number)


async def test_documents_of_a_receipt_are_found_by_its_number(house: House) -> None:
    clerk = house.person("S0303", "P-110-02-05")
    receipt = (
        await clerk.call(
            "RegisterReceipt",
            title="給水装置工事申込書",
            sender_kind="company",
            received_on=today().isoformat(),
            arrived_on=today().isoformat(),
            medium="counter",
        )
    ).receipt
    draft = await clerk.draft(
        title="給水装置工事申込みの承認について（通知）",
        class_code="1102-01-01",
        folder_id="",
        receipt_ids=[receipt.receipt_id],
    )
    assert await clerk.search(number=receipt.receipt_number) == [draft.document_id]


async def test_lists_and_searches_are_recorded_by_digest(house: House) -> None:
    draft = await house.drafter.draft(title="記録される検索について（伺い）")
    answer = await house.drafter.call("ListDocuments", query="記録される検索")
    record = await house.record(answer.access_record)
    assert (record.action, record.result_count) == ("document.searched", 1)
    assert record.result_digest == digest_of(draft.document_id)
    assert record.query_digest == digest_of('{"limit":50,"q":"記録される検索"}')
    listed = await house.record((await house.drafter.call("ListDocuments", limit=1)).access_record)
    assert (listed.action, listed.result_count) == ("document.listed", 1)


async def test_both_ways_of_searching_find_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest documents one by one, and the index: whichever comes first, the pages are the same."""
    clerk = house.person("S0304", "P-070-02-05")
    given = {"folder_id": "", "class_code": "0702-01-01"}
    for n in range(24):
        word = "道路占用許可" if n % 3 else "水路占用許可"
        await clerk.draft(title=f"{word}第{n}号について（通知）", **given)
    submitted = await clerk.draft(
        title="道路占用許可の取消しについて（通知）", **given | {"folder_id": "F-2026-0702-01-01"}
    )
    await clerk.submit(submitted)
    filters: list[dict[str, object]] = [
        {},
        {"states": [pb.DOCUMENT_STATE_DRAFTING]},
        {"states": [pb.DOCUMENT_STATE_CIRCULATING]},
        {"class_code": "0702-01-01"},
        {"unit_id": "U-070-02"},
        {"unit_id": "U-040-03"},
        {"folder_id": "F-2026-0702-01-01"},
        {"from": today().isoformat(), "to": today().isoformat()},
    ]
    pages: dict[tuple[str, int], list[str]] = {}
    for newest in (300, 5, 1):
        monkeypatch.setattr("services.documents.search_store._NEWEST", newest)
        for query in ("", "道路占用許可", "占用", "水路", "取消し", "道路 第2", "ない語"):
            for number, chosen in enumerate(filters):
                seen: list[str] = []
                cursor = ""
                for _ in range(12):
                    answer = await clerk.call("ListDocuments", query=query, limit=4, cursor=cursor, **chosen)
                    seen += [d.document_id for d in answer.documents]
                    cursor = answer.next_cursor
                    if not cursor:
                        break
                assert pages.setdefault((query, number), seen) == seen, (newest, query, chosen)
    counts = {key: len(found) for key, found in pages.items()}
    assert {query: counts[query, 0] for query, _ in counts} == {
        "": 25,
        "道路占用許可": 17,
        "占用": 25,
        "水路": 8,
        "取消し": 1,
        "道路 第2": 4,
        "ない語": 0,
    }
    assert [counts["占用", number] for number in range(len(filters))] == [25, 24, 1, 25, 25, 0, 1, 25]
    assert [counts["", number] for number in range(len(filters))] == [25, 24, 1, 25, 25, 0, 1, 25]
