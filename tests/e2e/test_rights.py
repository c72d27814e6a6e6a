"""AC-15 on the pages and the API: who only looks is told so, and taking files out and printing are refused and recorded."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from deploy.walkthrough.client import Refused
from tests.conftest import PLAN, ROOT, City
from tests.e2e.conftest import findings
from tests.patience import until

# 日野 麗奈, 室長 of another 室 of the same 部, whom the drafter may show it to (AC-12).
NEIGHBOUR, NEIGHBOUR_POST = "hino.reina", "P-040-02-01"


def test_whom_it_was_circulated_to_looks_and_no_more(city: City, visit, picture) -> None:
    """AC-15, UI-06: the file opens in the browser; instead of links that are refused stands why there are none."""
    document_id = city.draft()["id"]
    files = [city.attach(document_id)["attachment_id"]]
    sheet = PLAN["files"][1]
    path = ROOT / "deploy" / "walkthrough" / sheet["path"]
    uploaded = city.person("clerk").upload(document_id, path, sheet["name"], sheet["type"])
    files.append(uploaded["attachment_id"])
    case_id = city.person("clerk").submit(document_id)["case_id"]
    case = until(lambda: city.person("clerk").get(f"/cases/{case_id}"))
    city.person("clerk").post(
        f"/cases/{case_id}/circulate", {"post_ids": [NEIGHBOUR_POST], "comment": ""}, etag=f'"{case["version"]}"'
    )
    neighbour = city.person(NEIGHBOUR)
    shown = until(lambda: neighbour.document(document_id))[0]
    assert (shown["may_download"], shown["may_print"]) == (False, False)

    page = visit(NEIGHBOUR, f"/documents/{document_id}")
    main = page.get_by_role("main")
    expect(main).to_contain_text("ファイルのダウンロードはできません。")
    expect(main).to_contain_text("印刷はできません。")
    expect(main).to_contain_text("画面では表示できない形式です")
    expect(main.get_by_role("link", name=re.compile("^ダウンロード"))).to_have_count(0)
    expect(main.get_by_role("link", name="印刷用の画面を開く")).to_have_count(0)
    expect(main.get_by_role("link", name=re.compile("^表示"))).to_have_count(1)
    assert findings(page) == []
    picture(page, "rights")

    for refused in ("print", f"attachments/{files[0]}/download", f"attachments/{files[1]}/view"):
        answer = page.goto(f"{city.stack.url}/documents/{document_id}/{refused}")
        assert answer.status == 403
        expect(page.get_by_role("main")).to_contain_text("この文書は、画面での閲覧だけができます")
    picture(page, "rights-refused")

    content = f"/documents/{document_id}/attachments/{files[0]}/content"
    looked = neighbour.request("GET", content, params={"disposition": "inline"}, headers={"Range": "bytes=0-7"})
    assert (looked.status_code, looked.content[:5]) == (206, b"%PDF-")
    for asked in ({}, {"Range": "bytes=0-7"}):
        with pytest.raises(Refused) as caught:
            neighbour.request("GET", content, headers=asked)
        assert (caught.value.status, caught.value.reason) == (403, "DOWNLOAD_NOT_PERMITTED")

    def denied() -> set[str] | None:
        found = city.person("auditor").get("/audit/entries", document=document_id, outcome="denied")["items"]
        actions = {one["action"] for one in found if one["actor"]["staff_id"] == "S0065"}
        return actions if "document.printed" in actions else None

    until(denied)


def test_the_list_of_viewers_says_who_only_looks(city: City, visit, picture) -> None:
    """AC-10, AC-15: per line, what may be done beyond looking."""
    document_id, case_id = city.circulating()
    city.on_case("clerk", case_id, "circulate", post_ids=[NEIGHBOUR_POST], comment="")
    until(lambda: city.sees(NEIGHBOUR, document_id))
    page = visit("clerk", f"/documents/{document_id}/viewers")
    rows = page.get_by_role("region", name="閲覧できる人と理由").get_by_role("row")
    expect(rows.filter(has_text="供覧先")).to_contain_text("閲覧のみ")
    expect(rows.filter(has_text="文書の所属")).to_contain_text("閲覧・印刷・ダウンロード")
    assert findings(page) == []
    picture(page, "viewers_rights")


def test_who_works_on_it_prints_and_downloads(city: City, visit) -> None:
    """AC-15: the owner unit and the route as before."""
    document_id, _ = city.circulating()
    for role in ("clerk", "chief"):
        main = visit(role, f"/documents/{document_id}").get_by_role("main")
        expect(main.get_by_role("link", name="印刷用の画面を開く")).to_have_count(1)
        expect(main.get_by_role("link", name=re.compile("^ダウンロード"))).to_have_count(1)
