"""人事異動・組織改編 through the pages and the API: a file compared, a draft, another person's review, undone."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from chassis import clock
from deploy.local import database
from deploy.local.stack import ROOT
from deploy.walkthrough.client import Person, Refused
from tests.conftest import City, access_record
from tests.patience import until

pytestmark = pytest.mark.system

AUTHOR, REVIEWER = "miyake.hideki", "miyazaki.sakura"
HEADER = ["staff_id", "name", "kana", "login", "email", "post_id", "kind"]
YEAR = clock.today().year + 1


def personnel(city: City, on: str) -> list[list[str]]:
    """The whole staff of the city on a day, as their system would export it. Login and e-mail are of the samples."""
    text = (ROOT / "samples" / "minoh" / "organisation" / "staff.csv").read_text(encoding="utf-8")
    contact = {row["staff_id"]: (row["login"], row["email"]) for row in csv.DictReader(text.splitlines())}
    rows: list[list[str]] = []
    cursor = ""
    for _ in range(20):
        page = city.person(AUTHOR).get("/staff", on=on, cursor=cursor)
        for one in page["items"]:
            who = [one["staff_id"], one["name"], one["kana"], *contact[one["staff_id"]]]
            rows += [[*who, post["post_id"], post["kind"]] for post in one["posts"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    return rows


def as_csv(rows: list[list[str]], header: list[str] = HEADER) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue()


@pytest.fixture
def browsers(city: City) -> Iterator[dict[str, Person]]:
    """Two of the records office and a clerk, logged in as in a browser."""
    people = {login: Person(city.stack.url, login) for login in (AUTHOR, REVIEWER, "katsuragi.takuya")}
    for login, person in people.items():
        person.log_in(login)
    yield people
    for person in people.values():
        person.http.close()


def page(person: Person, path: str, status: int = 200) -> str:
    answer = person.http.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, path
    return re.sub(r"\s+", " ", answer.text)


def send(person: Person, at: str, path: str, fields: dict[str, str], file: str = "") -> tuple[int, str]:
    """Fill in the form of a page and send it; the page that follows."""
    shown = page(person, at)
    hidden = dict(re.findall(r'name="(csrf_token|request_key)" value="([^"]*)"', shown))
    version = re.search(r'name="version" value="(\d+)"', shown)
    if version:
        hidden["version"] = version[1]
    files = {"file": ("人事データ.csv", file.encode(), "text/csv")} if file else None
    answer = person.http.post(path, data=hidden | fields, files=files, headers={"Accept": "text/html"})
    status = answer.status_code
    if status == 303:
        at = answer.headers["location"]
        return status, f"{at}\n{page(person, at)}"
    return status, re.sub(r"\s+", " ", answer.text)


def filled(year: int, **more: str) -> dict[str, str]:
    day = {"effective_on_year": str(year), "effective_on_month": "4", "effective_on_day": "1"}
    return day | {"source": "personnel", "title": ""} | more


def test_a_personnel_file_becomes_a_reviewed_set_and_is_undone(city: City, browsers: dict[str, Person]) -> None:
    author, reviewer, clerk = browsers.values()
    rows = personnel(city, f"{YEAR}-04-01")
    assert len(rows) > 200
    spoiled = as_csv([*rows[:3], [*rows[3][:5], "P-999", "main"], *rows[4:]])
    for do in ("compare", "draft"):
        status, shown = send(author, "/changes", "/changes", filled(YEAR, do=do, title="異動"), spoiled)
        assert status == 422
        assert all(words in shown for words in ("直す必要のある行", "P-999", "その日にない職です。", ">5<"))
    # 室長 and 室長補佐 of 環境政策室 change places; one clerk leaves.
    swapped = {"P-040-03-01": "P-040-03-02", "P-040-03-02": "P-040-03-01"}
    moved = as_csv([[*row[:5], swapped.get(row[5], row[5]), row[6]] for row in rows if row[0] != "S0071"])
    status, shown = send(author, "/changes", "/changes", filled(YEAR, do="compare"), moved)
    assert (status, "採用・転入 0人、退職・転出 1人、異動 2人" in shown) == (200, True)
    assert "環境政策室 室長補佐" in shown.replace("　", " ")
    status, _ = send(author, "/changes", "/changes", filled(YEAR, do="draft"), moved)
    assert status == 422, "a plan has a name"
    status, shown = send(author, "/changes", "/changes", filled(YEAR, do="draft", title="４月１日付け人事異動"), moved)
    assert (status, "案を作成しました。" in shown) == (303, True)
    assert "確認した</button>" not in shown, "not by the author"
    address = shown.split("?")[0]

    status, shown = send(reviewer, address, f"{address}/review", {})
    assert (status, "確認を登録しました。" in shown, "宮﨑 さくら" in shown) == (303, True, True)
    page(clerk, address, 403)
    page(clerk, "/changes", 403)
    # The organisation of that day is as it was, for everybody.
    held = city.person("clerk").get("/tenures", post="P-040-03-01", on=f"{YEAR}-04-01")["items"]
    assert [one["staff_id"] for one in held] == ["S0068"]
    shown = page(author, "/changes")
    assert "確認済（実施日待ち）" in shown

    status, shown = send(reviewer, address, f"{address}/undo", {"reason": " "})
    assert (status, "取りやめる理由を入力してください。" in shown) == (422, True)
    status, shown = send(reviewer, address, f"{address}/undo", {"reason": "内示の前に見直すため"})
    assert (status, "内示の前に見直すため" in shown, "取りやめる</button>" in shown) == (303, True, False)


def test_units_are_merged_by_a_list_of_changes(city: City, browsers: dict[str, Person]) -> None:
    """AP-41: the successor is named, and a set that does not fit says where."""
    author = browsers[AUTHOR]
    header = ["kind", "unit_id", "post_id", "successor"]
    rows = [["unit_ends", "U-050-02", "", "U-050-01"], ["post_ends", "", "P-050-02-01", "P-050-01-01"]]
    kept = len(city.person(AUTHOR).get("/change-sets")["items"])
    # Compared only: without a title, and with one.
    for title in ("", "商工観光室を箕面営業室に統合"):
        fields = filled(YEAR + 1, do="compare", source="changes", title=title)
        status, shown = send(author, "/changes", "/changes", fields, as_csv(rows, header))
        expected = ("まだ何も変えていません", "その日にない所属に置かれた職です。", "箕面営業室", "残りすべて")
        assert (status, [one for one in expected if one not in shown]) == (200, [])
    assert len(city.person(AUTHOR).get("/change-sets")["items"]) == kept, "nothing is kept"
    fields = filled(YEAR + 1, do="draft", source="changes", title="商工観光室を箕面営業室に統合")
    status, shown = send(author, "/changes", "/changes", fields, as_csv(rows, header))
    assert (status, "その日にない所属に置かれた職です。" in shown) == (303, True)
    for text, words in (
        (as_csv(rows, ["種類", *header[1:]]), "1行目の項目名が決められたものと違います。"),
        (as_csv([["unit_ends"]], header), "項目の数が1行目と違います。"),
        (as_csv([["unit_explodes", "U", "", ""]], header), "登録されていないか、選べない値です。"),
    ):
        status, shown = send(author, "/changes", "/changes", fields, text)
        assert (status, words in shown) == (422, True), words


def test_change_sets_over_the_api(city: City) -> None:
    """Draft, stale, own review, findings, review by another, undo."""
    author, reviewer = city.person(AUTHOR), city.person(REVIEWER)
    body = {
        "title": "担当室の組織改編",
        "effective_on": f"{YEAR + 2}-04-01",
        "changes": [
            {"kind": "post_ends", "post_id": "P-040-03-02", "successor": "P-040-03-01"},
            {"kind": "appointment_begins", "staff_id": "S0069", "post_id": "P-040-03-05", "appointment": "main"},
        ],
    }
    previewed = author.post("/change-sets/preview", {name: body[name] for name in ("effective_on", "changes")})
    assert (previewed["findings"], previewed["preview"]["moves"][0]["staff_id"]) == ([], "S0069")
    assert body["title"] not in {one["title"] for one in author.get("/change-sets")["items"]}, "nothing is kept"
    made = author.post("/change-sets", body)
    assert (made["state"], made["change_count"]) == ("draft", 2)
    path = f"/change-sets/{made['id']}"
    whole = author.get(path)
    assert [one["kind"] for one in whole["changes"]] == ["post_ends", "appointment_begins"]
    assert whole["preview"]["moves"][0]["staff_id"] == "S0069"
    assert whole["findings"] == []
    for person, etag, reason in ((author, '"1"', "OWN_CHANGES"), (reviewer, '"9"', "STALE_VERSION")):
        with pytest.raises(Refused) as caught:
            person.post(f"{path}/review", {}, etag=etag)
        assert caught.value.reason == reason
    assert reviewer.post(f"{path}/review", {}, etag='"1"')["state"] == "reviewed"
    assert author.post(f"{path}/undo", {"reason": "議決を待つため"}, etag='"2"')["state"] == "undone"
    assert path.rsplit("/", 1)[1] in {one["id"] for one in author.get("/change-sets")["items"]}
    bad = author.post("/change-sets", body | {"changes": [{"kind": "unit_ends", "unit_id": "U-999"}]})
    with pytest.raises(Refused) as caught:
        reviewer.post(f"/change-sets/{bad['id']}/review", {}, etag='"1"')
    assert (caught.value.reason, caught.value.problem["errors"][0]["field"]) == ("CHANGES_REFUSED", "changes.1")
    # AP-02: what the rules of the day name is told of, on the page too.
    ends = author.post("/change-sets", body | {"changes": [{"kind": "post_ends", "post_id": "P-020-04-01"}]})
    told = "R-SH-007「契約締結」：合議先の職P-020-04-01は、この日に存在しません。"
    references = author.get(f"/change-sets/{ends['id']}")["preview"]["references"]
    assert {"kind": "rule", "about": "契約締結", "text": told} in references
    assert told in page(author, f"/changes/{ends['id']}")
    for method in ("/change-sets", "/stranded-steps"):
        with pytest.raises(Refused) as caught:
            city.person("clerk").get(method)
        assert (caught.value.status, caught.value.reason) == (403, "NOT_PERMITTED")


def test_personnel_over_the_api(city: City) -> None:
    author = city.person(AUTHOR)
    rows = personnel(city, f"{YEAR + 3}-04-01")
    body = {"effective_on": f"{YEAR + 3}-04-01", "content": as_csv(rows[:-1])}
    compared = author.post("/personnel/compare", body)
    assert (compared["bad_lines"], [one["kind"] for one in compared["moves"]]) == ([], ["leaves"])
    made = author.post("/personnel/import", body | {"title": "退職"})
    assert (made["state"], made["change_count"]) == ("draft", 1)
    compared = author.post("/personnel/compare", body | {"content": as_csv([*rows, ["S1"]])})
    assert compared["bad_lines"] == [{"line": len(rows) + 2, "problem": "WRONG_CELLS", "about": "1"}]
    with pytest.raises(Refused) as caught:
        author.post("/personnel/import", body | {"title": "退職", "content": as_csv([*rows, ["S1"]])})
    assert caught.value.problem["errors"][0]["detail"] == "項目の数が1行目と違います。"


def test_the_staff_of_a_day_is_taken_out_edited_and_compared(city: City, browsers: dict[str, Person]) -> None:
    """The whole circle: the file of a day changes nothing, and one edited line is the only difference."""
    day = f"{YEAR + 3}-04-01"
    answer = browsers[AUTHOR].http.get("/changes/personnel.csv", params={"on": f"令和{YEAR + 3 - 2018}年4月1日"})
    assert answer.headers["content-disposition"] == f'attachment; filename="staff-{day}.csv"'
    office = city.person(AUTHOR)
    taken = office.http.get("/api/v1/personnel/export", params={"on": day})
    assert (taken.content, taken.headers["content-type"]) == (answer.content, "text/csv; charset=utf-8")
    content = answer.content.decode()
    compared = office.post("/personnel/compare", {"effective_on": day, "content": content})
    assert compared == {"bad_lines": [], "moves": [], "vacant": []}
    line = next(one for one in content.splitlines() if one.startswith("S0072,"))
    edited = content.replace(line, line.replace("葛󠄀城 拓也", "葛󠄀城 卓也"))
    fields = filled(YEAR + 3, do="compare")
    status, shown = send(browsers[AUTHOR], "/changes", "/changes", fields, edited)
    assert (status, "氏名等の変更 1人、空席になる職 0" in shown, "葛󠄀城 卓也" in shown) == (200, True, True)
    people = {one.split(",")[0] for one in content.splitlines()[1:]}
    until(lambda: entry_of(city, taken.headers["x-access-record"]))
    entry = entry_of(city, taken.headers["x-access-record"])
    assert (entry["object_type"], json.loads(entry["leaf"])["query"]["count"]) == ("staff", len(people))
    assert "葛" not in str(entry)
    assert "日付" in page(browsers[AUTHOR], "/changes/personnel.csv?on=昨日", 422)
    page(browsers["katsuragi.takuya"], "/changes/personnel.csv", 403)
    with pytest.raises(Refused) as caught:
        city.person("clerk").get("/personnel/export", on=day)
    assert caught.value.reason == "NOT_PERMITTED"


def entry_of(city: City, record: str) -> dict[str, Any]:
    """The entry of the log that a record is; empty until it is there."""
    entries = city.person("auditor").items("/audit/entries", action="directory.exported")
    return next((one for one in entries if access_record(one) == record), {})


def test_an_appointment_is_entered_late_and_applied_by_the_review(city: City, browsers: dict[str, Person]) -> None:
    """AC-06, AP-19: through the pages, with a reason; and taken back in the same way."""
    author, reviewer = browsers[AUTHOR], browsers[REVIEWER]
    day = clock.today() - dt.timedelta(days=30)
    header = ["kind", "staff_id", "post_id", "appointment"]
    reason = "発令の通知が遅れたため"
    for row in (
        ["appointment_begins", "S0077", "P-040-04-03", "acting"],
        ["appointment_ends", "S0077", "P-040-04-03", ""],
    ):
        fields = {
            "effective_on_year": str(day.year),
            "effective_on_month": str(day.month),
            "effective_on_day": str(day.day),
            "source": "changes",
            "title": "事務取扱の発令",
            "do": "draft",
        }
        status, shown = send(author, "/changes", "/changes", fields, as_csv([row], header))
        assert (status, "遡及の理由：必ず入力してください。" in shown) == (422, True)
        status, shown = send(author, "/changes", "/changes", fields | {"late_reason": reason}, as_csv([row], header))
        assert (status, reason in shown) == (303, True)
        address = shown.split("?")[0]
        assert "確認すると、すぐに" in page(reviewer, address)
        status, shown = send(reviewer, address, f"{address}/review", {})
        assert (status, "確認し、反映しました。" in shown, "取りやめる</button>" in shown) == (303, True, False)
        held = city.person("clerk").get("/tenures", staff="S0077", on=day.isoformat())["items"]
        assert ("P-040-04-03" in {one["post_id"] for one in held}) is (row[0] == "appointment_begins")
    unit = [["unit_ends", "U-050-02"]]
    status, shown = send(
        author, "/changes", "/changes", fields | {"late_reason": reason}, as_csv(unit, ["kind", "unit_id"])
    )
    assert (status, "所属の新設・変更・廃止は、明日以降の日にしてください。" in shown) == (422, True)


def test_the_history_of_a_post_and_the_list_of_the_records_office(city: City, browsers: dict[str, Person]) -> None:
    clerk = browsers["katsuragi.takuya"]
    shown = page(clerk, "/tenures?post=P-050-04-01")
    assert "観光推進室 室長" in shown.replace("　", " ")
    assert "令和8年3月31日" in shown, "the last day, not the day after"
    assert "どちらか一方だけ" in page(clerk, "/tenures?post=P-050-04-01&staff=S0001", 422)
    assert "該当する履歴はありません。" in page(clerk, "/tenures?staff=S9999")
    assert "宛先のない回議はありません。" in page(browsers[AUTHOR], "/stranded")
    page(clerk, "/stranded", 403)
    assert city.person(AUTHOR).get("/stranded-steps") == {"items": [], "next_cursor": None}
    _, case_id = city.circulating()
    case = city.person("clerk").get(f"/cases/{case_id}")
    with pytest.raises(Refused) as caught:
        city.person(AUTHOR).post(
            f"/cases/{case_id}/steps/{case['steps'][0]['step_id']}/reassign",
            {"post_id": "P-040-03-01", "reason": "理由"},
            etag=f'"{case["version"]}"',
        )
    assert caught.value.reason == "STEP_ADDRESSED"


def test_the_records_office_gives_a_stranded_step_an_addressee(city: City, browsers: dict[str, Person]) -> None:
    """AP-41: listed by number, reassigned with a reason, and the route goes on to its end."""
    document_id, case_id = city.circulating()
    with psycopg.connect(city.stack.database_url(database.SUPERUSER), autocommit=True) as conn:
        conn.execute("SET search_path = approvals")
        # A move by the service itself would stand in step_moves.
        conn.execute("SET session_replication_role = replica")
        # As if 室長補佐 had been a post of 観光推進室, which is gone without a successor.
        conn.execute(
            "UPDATE steps SET post_id = 'P-050-04-01' WHERE case_id = %s AND post_id = 'P-040-03-02'",
            (case_id,),
        )
    number = city.person("clerk").get(f"/cases/{case_id}")["draft_number"]
    office = browsers[AUTHOR]
    shown = page(office, "/stranded")
    row = re.search(rf'<tr><th scope="row" class="cell-tight">{number}</th>.*?</tr>', shown)
    assert row
    assert all(words in row[0] for words in ("環境政策室", "観光推進室", "未着", "令和8年4月1日"))
    step = re.search(rf'<option value="({case_id}/[^"]*)"', shown)
    assert step
    assert "浄化槽" not in shown, "never the title"
    fields = {"step": step[1], "post_id": "P-040-03-02", "reason": ""}
    status, again = send(office, "/stranded", "/stranded", fields)
    assert (status, "宛先を変える理由を入力してください。" in again) == (422, True)
    status, again = send(office, "/stranded", "/stranded", fields | {"reason": "室の統合により"})
    assert (status, "宛先を変更しました。" in again, number in again) == (303, True, False)
    (move,) = city.person("clerk").get(f"/cases/{case_id}")["moves"]
    assert (move["from_post"], move["to_post"]) == ("観光推進室長", "環境政策室長補佐")
    assert (move["reason"], bool(move["moved_by_name"])) == ("室の統合により", True)
    for address in (f"/documents/{document_id}", f"/documents/{document_id}/history"):
        shown = page(city.person("clerk"), address)
        assert "室の統合により" in shown
        assert "観光推進室長から環境政策室長補佐へ" in shown
    city.act("chief", case_id, "approve")
    city.act("deputy", case_id, "approve")
    city.act("head", case_id, "decide")
    # documents has followed: the deputy saw it while it was their turn, by the lease of the new post.
    assert city.person("deputy").get(f"/cases/{case_id}")["state"] == "decided"


def test_the_order_of_substitutes_is_planned_and_warned_of(city: City, browsers: dict[str, Person]) -> None:
    """AP-13, AP-14: a list of changes with ranks; the page shows the order before and after, and what to look at."""
    author = browsers[AUTHOR]
    header = ["kind", "post_id", "place", "substitute_post_id", "matter"]
    rows = [
        ["substitute_ends", "P-040-03-01", "1", "", ""],
        ["substitute_begins", "P-040-03-01", "1", "P-040-03-03", "占用許可"],
        ["substitute_ends", "P-050-02-01", "1", "", ""],
        ["substitute_ends", "P-050-02-01", "2", "", ""],
    ]
    fields = filled(YEAR + 3, do="draft", source="changes", title="代決順位の見直し")
    status, shown = send(author, "/changes", "/changes", fields, as_csv(rows, header))
    words = (
        "第1順位 環境政策室 室長補佐（山﨑 由紀子）",
        "環境政策室 室長（占用許可）",
        "代決順位のこの順位が空きます。",
    )
    assert (status, [one for one in (*words, "代決できる人がいなくなります。") if one not in shown]) == (303, [])
    status, shown = send(author, "/changes", "/changes", fields, as_csv([[*rows[0][:2], "一", "", ""]], header))
    assert (status, "書き方が正しくありません。" in shown) == (422, True)
    # Nothing of it counts before its day: who has which rank, for everybody.
    for day in ({"on": clock.today().isoformat()}, {}):
        found = city.person("clerk").get("/substitutes", post="P-040-03-01", **day)["items"]
        assert [(one["place"], one["post"]["title"], one["matter"]) for one in found] == [
            (1, "室長補佐", None),
            (2, "担当主査", None),
        ]
    shown = page(browsers["katsuragi.takuya"], "/tenures?post=P-040-03-01")
    assert all(one in shown for one in ("代決順位", "第2順位", "担当主査"))


def test_a_split_shows_how_much_goes_to_whom(city: City, browsers: dict[str, Person]) -> None:
    """RT-10: by class, by folder and all the rest, counted by documents; who may not plan sees no number."""
    author = browsers[AUTHOR]
    header = ["kind", "unit_id", "parent_id", "body", "name", "kana", "symbol", "class_code", "folder_id", "successor"]
    new = ["unit_begins", "U-040-91", "U-040", "mayor", "補助金課", "ホジョキンカ", "箕補", "", "", ""]
    shares = [
        ["unit_shares", "U-040-03", "", "", "", "", "", "0403-02-01", "", "U-040-91"],
        ["unit_shares", "U-040-03", "", "", "", "", "", "", "F-2025-0403-03-01", "U-040-91"],
    ]
    gone = ["unit_ends", "U-040-03", "", "", "", "", "", "", "", "U-040-04"]
    fields = filled(YEAR + 4, do="draft", source="changes", title="環境政策室の分割")
    status, shown = send(author, "/changes", "/changes", fields, as_csv([new, *shares, gone], header))
    words = ("分類 0403-02-01", "簿冊 F-2025-0403-03-01", "残りすべて", "補助金課", "環境政策室")
    assert (status, [one for one in words if one not in shown]) == (303, [])
    address = shown.split("?")[0]
    owned = city.person(AUTHOR).get(address.replace("/changes/", "/change-sets/"))["preview"]["owned"]
    assert [(one["class_code"], one["folder_id"], one["successor"]) for one in owned] == [
        ("0403-02-01", None, "U-040-91"),
        (None, "F-2025-0403-03-01", "U-040-91"),
        (None, None, "U-040-04"),
    ]
    assert (owned[0]["folders"], owned[1]["folders"]) == (3, 1)
    assert owned[2]["folders"] > 10
    without = [*gone[:-1], ""]
    status, shown = send(author, "/changes", "/changes", fields, as_csv([new, *shares, without], header))
    assert "残りすべての引継先が要ります" in shown
    # Where no successor is named it is the records office, by its name.
    alone = ["unit_ends", "U-050-02", "", "", "", "", "", "", "", ""]
    status, shown = send(author, "/changes", "/changes", fields, as_csv([alone], header))
    assert "残りすべて" in shown
    assert ">総務課<" in shown


def test_the_notice_of_a_refused_set_leads_to_it(city: City, browsers: dict[str, Person]) -> None:
    """AC-14: by kind and id. The row is written as midnight writes it, years before the day comes."""
    author = browsers[AUTHOR]
    fields = filled(YEAR + 5, do="draft", source="changes", title="兼務の整理")
    rows = as_csv([["role_begins", "S0071", "records_manager"]], ["kind", "staff_id", "role"])
    status, shown = send(author, "/changes", "/changes", fields, rows)
    address = shown.split("?")[0]
    assert status == 303
    with psycopg.connect(city.stack.database_url("approvals_owner"), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO approvals.notices (staff_id, kind, change_set_id, post_id, created_at, live)"
            " SELECT author, 'change_set_refused', change_set_id, '', now(), true FROM approvals.change_sets"
            " WHERE change_set_id = %s",
            (address.rsplit("/", 1)[1],),
        )
    told = city.person(AUTHOR).get("/notices")["items"][0]
    assert (told["kind"], told["change_set_id"], told["document_id"]) == (
        "change_set_refused",
        address.rsplit("/", 1)[1],
        "",
    )
    shown = page(author, "/notices")
    assert f'href="{address}">人事異動・組織改編の案</a>' in shown
    assert "人事異動・組織改編を反映できず" in shown
    assert "兼務の整理" not in shown
    page(author, address)
