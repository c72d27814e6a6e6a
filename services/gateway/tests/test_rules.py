"""専決規程 through the API and the pages: import with a dry run, findings, activation by another person (AP-02)."""

from __future__ import annotations

import datetime as dt
import re
import time

import pytest

from chassis import clock
from deploy.walkthrough.client import Person, Refused

pytestmark = pytest.mark.system

# The two records officers of the sample city, and a clerk.
LOGINS = {"officer": "miyake.hideki", "colleague": "miyazaki.sakura", "clerk": "katsuragi.takuya"}
LATER = clock.today() + dt.timedelta(days=300)


@pytest.fixture(scope="module")
def people(city):
    """Logged in with a browser."""
    found = {name: Person(city.url, name) for name in LOGINS}
    for name, login in LOGINS.items():
        found[name].log_in(login)
    yield found
    for person in found.values():
        person.http.close()


def csv_of(person, body):
    """The file of what holds today, and its version."""
    versions = person.items("/decision-rules/versions", body=body)
    current = next(one["id"] for one in versions if one["state"] == "activated")
    return person.get(f"/decision-rules/versions/{current}")["rules_csv"], current


def send(person, page, path, **fields):
    """Send a form of a page as the browser does, following to where it leads."""
    html = person.http.get(page).text
    guard = dict(re.findall(r'name="(csrf_token|request_key)" value="([^"]+)"', html))
    return person.http.post(path, data=guard | fields, follow_redirects=True)


def day_fields(day):
    return {"valid_from_year": str(day.year), "valid_from_month": str(day.month), "valid_from_day": str(day.day)}


def test_a_program_imports_and_another_officer_activates(people):
    officer, colleague = people["officer"], people["colleague"]
    text, current = csv_of(officer, "hospital")
    text = text.replace("会議開催", "会議の開催")
    wish = {"body": "hospital", "title": "令和9年改正", "valid_from": LATER.isoformat(), "rules_csv": text}
    dry = officer.post("/decision-rules/dry-run", wish)
    assert dry["flaws"] == []
    assert dry["compared_with"] == current
    assert [one["after"]["matter"] for one in dry["difference"]["changed"]] == ["会議の開催"]
    # AP-02: the file plan, which documents keeps, still has the matter for everybody.
    lacking = [one for one in dry["findings"] if one["problem"] == "no_rule"]
    assert [(one["matter"], one["blocking"]) for one in lacking] == [("会議開催", False)]
    assert "「会議開催」（病院事業管理者）の定めがない所属があります。" in lacking[0]["text"]
    made = officer.post("/decision-rules/versions", wish)
    path = f"/decision-rules/versions/{made['id']}"
    assert colleague.get(path)["rules_csv"] == text
    with pytest.raises(Refused) as caught:
        officer.post(f"{path}/activate", etag='"1"')
    assert (caught.value.status, caught.value.reason) == (403, "SAME_PERSON")
    with pytest.raises(Refused) as caught:
        colleague.post(f"{path}/activate")
    assert caught.value.status == 428
    active = colleague.post(f"{path}/activate", etag='"1"')
    assert (active["state"], active["version"]) == ("activated", 2)
    assert colleague.post(f"{path}/discard", etag='"2"')["state"] == "discarded"


def test_what_cannot_be_read_is_named_by_line_and_column(people):
    officer = people["officer"]
    text, _ = csv_of(officer, "equity")
    broken = text.replace(",head,", ",boss,", 1)
    wish = {"body": "equity", "title": "改正", "valid_from": LATER.isoformat(), "rules_csv": broken}
    dry = officer.post("/decision-rules/dry-run", wish)
    assert [(one["column"], one["problem"]) for one in dry["flaws"]] == [("decision_class", "UNKNOWN")]
    answer = send(officer, "/rules/new", "/rules", body="equity", title="改正", rules_csv=broken, **day_fields(LATER))
    assert answer.status_code == 422
    assert re.search(r"\d+行目決裁区分：登録されていないか、選べない値です。", answer.text)


def test_the_pages_lead_from_the_rules_in_force_to_a_new_version(people):
    """In the browser: begin from what holds, look at the difference, import, have it activated, take it back."""
    officer, colleague = people["officer"], people["colleague"]
    listed = officer.http.get("/rules")
    assert "問題は見つかりませんでした。" in listed.text
    assert 'href="/rules"' in officer.http.get("/").text
    text, current = csv_of(officer, "council")
    form = officer.http.get(f"/rules/new?based_on={current}").text
    assert text.splitlines()[1] in form
    fields = {
        "body": "council",
        "title": "令和9年の改正",
        "rules_csv": text + "R-新,,傍聴,,,head,,,,議会事務局規程,,,\n",
    }
    fields |= day_fields(LATER)
    dry = send(officer, "/rules/new", "/rules", next="dry_run", **fields)
    assert "加わる定め（1件）" in dry.text
    assert "傍聴" in dry.text
    made = send(officer, "/rules/new", "/rules", **fields)
    assert "案として取り込みました" in made.text
    page = made.url.path
    assert "取り込んだ人とは別の担当者" in made.text
    refused = send(officer, page, f"{page}/activate", version="1")
    assert "取り込んだ人は有効にできません" in refused.text
    assert "有効にしました" in send(colleague, page, f"{page}/activate", version="1").text
    assert "取りやめました" in send(colleague, page, f"{page}/discard", version="2").text


def test_findings_forbid_activation_and_are_said_in_words(people):
    """AP-01: a matter that nobody may decide."""
    officer, colleague = people["officer"], people["colleague"]
    text, _ = csv_of(officer, "fire")
    text = text.replace("予算要求,,,deputy_director", "予算要求,,,director")
    wish = {"body": "fire", "title": "改正", "valid_from": LATER.isoformat(), "rules_csv": text}
    made = officer.post("/decision-rules/versions", wish)
    assert [one["problem"] for one in made["findings"]] == ["no_decider"]
    page = f"/rules/{made['id']}"
    shown = colleague.http.get(page).text
    assert "R-SB-015「予算要求」（部長決裁）：上に部長の職がありません。" in shown
    assert "確かめて有効にする" not in shown
    with pytest.raises(Refused) as caught:
        colleague.post(f"/decision-rules/versions/{made['id']}/activate", etag='"1"')
    assert (caught.value.status, caught.value.reason) == (409, "RULES_BLOCKED")
    assert "取りやめました" in send(officer, page, f"{page}/discard", version="1").text


def test_a_clerk_neither_reads_nor_finds_them(people):
    clerk = people["clerk"]
    assert clerk.http.get("/rules").status_code == 403
    assert 'href="/rules"' not in clerk.http.get("/").text
    for path in ("/decision-rules/versions", "/decision-rules/findings"):
        with pytest.raises(Refused) as caught:
            clerk.get(path)
        assert caught.value.status == 403
    assert people["officer"].get("/decision-rules/findings", on="2025-04-01", body="fire")["items"] == []


SUBSIDY = {
    "title": "合併処理浄化槽設置整備事業補助金の交付決定について（伺い）",
    "body": "交付を決定してよろしいか伺います。",
    "folder_id": "F-2026-0403-02-01",
    "class_code": "0403-02-01",
    "decision_class": "head",
    "disclosure": "partial",
    "personal_information": "personal",
    "amount": 332_000,
    "enforcement": {"required": False},
}


def test_a_route_and_a_case_say_why_they_have_this_decider(people):
    """AP-02, AP-03: on the page before 回議開始, on the case's own page, and for programs."""
    clerk = people["clerk"]
    document = clerk.post("/documents", SUBSIDY)["id"]
    page = f"/documents/{document}/route"
    shown = clerk.http.get(page).text
    assert "よって、「環境政策室長」が決裁します。" in shown
    assert "金額が1,000,000円を超えると、部長決裁（R-SH-004）" in shown
    unreasoned = send(clerk, page, page, exception="precedent")
    assert unreasoned.status_code == 422
    assert "例外とする理由：専決の例外とするときは、その理由を入力してください。" in unreasoned.text
    raised = send(clerk, page, page, exception="precedent", exception_reason="今後の交付の先例になるため")
    assert "室長決裁が次長決裁になります（理由：今後の交付の先例になるため）" in raised.text
    plan = re.search(r'name="route_plan_id" value="([^"]+)"', raised.text)[1]
    sent = send(clerk, page, f"/documents/{document}/submit", route_plan_id=plan, version="1")
    assert "回議を開始しました" in sent.text
    case_id = clerk.document(document)[0]["case_id"]
    for _ in range(100):
        shown = clerk.http.get(f"/documents/{document}")
        if f'href="/documents/{document}/decider"' in shown.text:
            break
        time.sleep(0.05)
    assert "理由：今後の交付の先例になるため" in clerk.http.get(f"/documents/{document}/decider").text
    found = clerk.get(f"/cases/{case_id}/decider")
    assert (found["exception"], found["rule_class"], found["decision_class"]) == (
        "precedent",
        "head",
        "deputy_director",
    )
    with pytest.raises(Refused) as caught:
        people["officer"].get(f"/cases/{case_id}/decider")
    assert caught.value.status == 404


def test_the_own_line_stays_in_its_order(people):
    """AP-06: 担当主査 before 室長補佐, for programs and on the page, which says so and shows the route as it was."""
    clerk = people["clerk"]
    document = clerk.post("/documents", SUBSIDY | {"title": "順番の試験について（伺い）"})["id"]
    page = f"/documents/{document}/route"
    seats = [("approve", "P-040-03-02"), ("approve", "P-040-03-03"), ("decide", "P-040-03-01")]
    steps = [{"kind": kind, "post_id": post, "group": group} for group, (kind, post) in enumerate(seats, start=1)]
    with pytest.raises(Refused) as caught:
        clerk.post(page, {"steps": steps})
    assert caught.value.status == 422
    assert [(one["field"], one["problem"]) for one in caught.value.problem["errors"]] == [("steps", "ORDER_CHANGED")]
    shown = clerk.http.get(page).text
    assert "上へ" not in shown
    carried = re.findall(r'<input type="hidden" name="step" value="([^"]+)"', shown)[:3]
    refused = send(clerk, page, page, step=carried, change="down:P-040-03-03")
    assert refused.status_code == 422
    assert "規程で定められた順番は変えられません。加えた段階のほうを動かしてください。" in refused.text
    assert re.findall(r'name="step" value="([^"]+)"', refused.text)[:3] == carried


def test_a_template_is_kept_and_used_on_the_page(people):
    """AP-54: a clerk's own; a unit's and the city's belong to others."""
    clerk = people["clerk"]
    page = "/route-templates"
    empty = send(clerk, page, page, name="")
    assert empty.status_code == 422
    assert "加える職を選んでください。" in empty.text
    kept = send(clerk, page, page, name="総務課長へ合議", post_id_1="P-020-01-01", kind_1="concur", after_1="head")
    assert "ひな形を保存しました" in kept.text
    assert "室長の後：合議" in kept.text
    template = next(one for one in clerk.items("/route-templates") if one["name"] == "総務課長へ合議")
    document = clerk.post("/documents", SUBSIDY | {"title": "ひな形の試験について（伺い）"})["id"]
    route = f"/documents/{document}/route"
    assert template["id"] in clerk.http.get(route).text
    used = send(clerk, route, route, route_template_id=template["id"])
    assert "ひな形「総務課長へ合議」" in used.text
    plan = clerk.post(f"/documents/{document}/route", {"route_template_id": template["id"]})
    assert "P-020-01-01" in [step["post_id"] for step in plan["steps"]]
    edited = clerk.http.get(f"{page}/{template['id']}").text
    assert "ひな形を変更する" in edited
    body = {"name": "総務課長へ合議", "steps": [{"kind": "review", "post_id": "P-020-02-01", "after": "drafter"}]}
    assert clerk.post(f"/route-templates/{template['id']}", body, etag='"1"')["version"] == 2
    with pytest.raises(Refused) as caught:
        clerk.post("/route-templates", body | {"scope": "city"})
    assert (caught.value.status, caught.value.reason) == (403, "NOT_PERMITTED")
    gone = send(clerk, page, f"{page}/{template['id']}/retire", version="2")
    assert "ひな形をやめました" in gone.text
    assert template["id"] not in [one["id"] for one in clerk.items("/route-templates")]
