"""引用起案, 例文 and 次にすること on the pages and for programs: what is shown to whom (AC-03, FL-06)."""

from __future__ import annotations

import re

import pytest

from chassis import clock
from deploy.walkthrough.client import Person, Refused

pytestmark = pytest.mark.system

LOGINS = {"clerk": "katsuragi.takuya", "colleague": "nakamura.aya", "stranger": "yabuuchi.sho"}
TITLE = "令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）"


@pytest.fixture(scope="module")
def people(city):
    """Logged in with a browser."""
    found = {name: Person(city.url, name) for name in LOGINS}
    for name, login in LOGINS.items():
        found[name].log_in(login)
    yield found
    for person in found.values():
        person.http.close()


def send(person, page, path, **fields):
    """Send a form of a page as the browser does, following to where it leads."""
    html = person.http.get(page).text
    guard = dict(re.findall(r'name="(csrf_token|request_key)" value="([^"]+)"', html))
    return person.http.post(path, data=guard | fields, follow_redirects=True)


def circulating(person):
    """A document that its unit may see."""
    document = person.post(
        "/documents",
        {
            "title": TITLE,
            "body": "下記のとおり交付を決定してよろしいか伺います。",
            "folder_id": "F-2026-0403-02-01",
            "class_code": "0403-02-01",
            "decision_class": "head",
            "counterparty": "髙﨑 邦夫",
            "amount": 332_000,
        },
    )["id"]
    person.submit(document)
    return document


def test_a_case_is_repeated_from_its_page(people):
    """FL-06: open for editing at once; each side names the other to those who may see it (AC-03)."""
    source = circulating(people["clerk"])
    page = f"/documents/{source}"
    made = send(people["colleague"], page, f"{page}/repeat", with_counterparty="yes")
    assert "引用して下書きを作りました" in made.text
    assert 'value="髙﨑 邦夫"' in made.text
    draft = re.search(r"/documents/([0-9a-f-]{36})/edit", str(made.url))[1]
    assert f'href="/documents/{source}"' in people["colleague"].http.get(f"/documents/{draft}").text
    assert f'href="/documents/{draft}"' in people["colleague"].http.get(page).text
    # The draft is its drafter's alone.
    assert draft not in people["clerk"].http.get(page).text
    assert people["clerk"].get(f"/documents/{source}/related")["repeated_ids"] == []
    found = people["colleague"].get(f"/documents/{draft}/related")
    assert found == {"source_ids": [source], "repeated_ids": [], "follow_ups": []}


def test_what_may_not_be_seen_is_not_repeated(people):
    """AC-03: the same 404 as for what does not exist."""
    source = circulating(people["clerk"])
    for document in (source, "01a21ee2-7c56-75da-923b-000000000000"):
        with pytest.raises(Refused) as caught:
            people["stranger"].post(f"/documents/{document}/repeat", {})
        assert (caught.value.status, caught.value.reason) == (404, "NOT_FOUND")
        assert send(people["stranger"], "/", f"/documents/{document}/repeat").status_code == 404


def test_a_receipt_leads_to_what_usually_follows(people):
    """FL-06: title, folder, 例文 and 相手方 are there; nothing of it was typed."""
    clerk, today = people["clerk"], clock.today().isoformat()
    receipt = clerk.post(
        "/receipts",
        {
            "title": "浄化槽設置整備事業補助金交付申請書",
            "sender_kind": "citizen",
            "sender_name": "髙﨑 邦夫",
            "received_on": today,
            "arrived_on": today,
            "medium": "post",
            "class_code": "0403-02-01",
        },
    )["id"]
    (offered,) = clerk.get(f"/receipts/{receipt}/related")["follow_ups"]
    link = f"/documents/new?receipt={receipt}&amp;follow_up={offered['follow_up_id']}"
    assert link in clerk.http.get(f"/receipts/{receipt}").text
    form = clerk.http.get(link.replace("&amp;", "&")).text
    assert f'value="{TITLE}"' in form
    assert '<option value="F-2026-0403-02-01" selected>' in form
    assert "髙﨑 邦夫から別添のとおり交付申請がありました。" in form
    # A row that is not offered changes nothing.
    plain = clerk.http.get(f"/documents/new?receipt={receipt}&follow_up=N-1102-01-01-1").text
    assert "浄化槽設置整備事業補助金交付申請書について（伺い）" in plain


def test_a_text_is_kept_used_and_let_go(people):
    """FL-06, NB-12: a clerk's own; the city's belongs to the records office."""
    clerk, page = people["clerk"], "/body-templates"
    wrong = send(clerk, page, page, name="照会の例文", body="{氏名}様")
    assert wrong.status_code == 422
    assert "件名、相手方、年度、日付だけです。" in wrong.text
    kept = send(clerk, page, page, name="照会の例文", body="{件名}を照会してよろしいか伺います。")
    assert "例文を保存しました" in kept.text
    template = next(one for one in clerk.items(page) if one["name"] == "照会の例文")
    path = f"{page}/{template['id']}"
    assert "例文を変更する" in clerk.http.get(path).text
    body = {"name": "照会の例文", "body": "{件名}を{日付}付けで照会してよろしいか伺います。"}
    assert clerk.post(path, body, etag='"1"')["version"] == 2
    filled = clerk.post(f"{path}/fill", {"title": "水質について"})["body"]
    assert filled.startswith("水質についてを令和")
    form = {"title": "水質について", "body": "前書き", "next": "example", "body_template_id": template["id"]}
    drawn = send(clerk, "/documents/new", "/documents", **form)
    assert f"前書き\n\n{filled}" in drawn.text
    with pytest.raises(Refused) as caught:
        clerk.post(page, body | {"scope": "city"})
    assert (caught.value.status, caught.value.reason) == (403, "NOT_PERMITTED")
    with pytest.raises(Refused) as caught:
        people["colleague"].post(f"{path}/fill", {})
    assert caught.value.status == 404
    gone = send(clerk, page, f"{path}/retire", version="2")
    assert "例文をやめました" in gone.text
    assert template["id"] not in [one["id"] for one in clerk.items(page)]
