"""次にすること of the file plan, for programs (FL-06): the contract of its two addresses, and who may use them."""

from __future__ import annotations

import pytest

from chassis import clock
from deploy.walkthrough.client import Person, Refused

pytestmark = pytest.mark.system

LOGINS = {"clerk": "katsuragi.takuya", "officer": "miyake.hideki", "manager": "takahashi.seiji"}
CLASS = "0403-02-02"
ADDRESS = f"/classes/{CLASS}/follow-ups"
LINE = {
    "after_kind": "receipt",
    "after_words": "交付申請",
    "kind": "draft",
    "title": "{年度}太陽光発電設備設置補助金の交付決定について（伺い）",
    "next_class_code": CLASS,
}


@pytest.fixture(scope="module")
def people(city):
    """With tokens."""
    found = {name: Person(city.url, name) for name in LOGINS}
    for name, login in LOGINS.items():
        found[name].log_in(login)
    yield found
    for person in found.values():
        person.http.close()


def read(person):
    """The list and its ETag."""
    answer = person.request("GET", ADDRESS)
    return answer.json(), answer.headers["etag"]


def save(person, etag, *lines):
    """Answer of a save."""
    headers = {"If-Match": etag} if etag else {}
    return person.request("POST", ADDRESS, json={"follow_ups": lines}, headers=headers)


def test_fl_06_the_list_is_edited_and_offered_at_once(people):
    """Read, save with the ETag, read again; a clerk is offered it upon the next look at the receipt."""
    clerk, officer = people["clerk"], people["officer"]
    today = clock.today().isoformat()
    arrival = {"title": "太陽光発電設備設置補助金交付申請書", "sender_kind": "citizen", "medium": "post"}
    arrival |= {"received_on": today, "arrived_on": today, "class_code": CLASS}
    receipt = clerk.post("/receipts", arrival)["id"]
    before, etag = read(officer)
    assert etag == f'"{before["version"]}"'
    answer = save(officer, etag, *before["follow_ups"], LINE)
    made = answer.json()
    assert answer.headers["etag"] == f'"{before["version"] + 1}"'
    assert read(officer) == (made, answer.headers["etag"])
    line = made["follow_ups"][-1]
    assert line == LINE | {"follow_up_id": line["follow_up_id"], "body_template_id": None}
    assert line["follow_up_id"] in {
        one["follow_up_id"] for one in clerk.get(f"/receipts/{receipt}/related")["follow_ups"]
    }
    listed = {one["class_code"]: one for one in officer.get("/follow-ups")["items"]}
    assert (listed[CLASS]["follow_ups"], listed[CLASS]["edited_by"]) == (len(made["follow_ups"]), made["edited_by"])
    save(officer, answer.headers["etag"], *before["follow_ups"])
    assert line["follow_up_id"] not in str(clerk.get(f"/receipts/{receipt}/related")["follow_ups"])


def test_fl_06_the_version_is_asked_for_and_an_old_one_refused(people):
    officer = people["officer"]
    _, etag = read(officer)
    for given, status, reason in (
        ("", 428, "VERSION_REQUIRED"),
        ("*", 428, "VERSION_REQUIRED"),
        ('"999"', 412, "STALE_VERSION"),
    ):
        with pytest.raises(Refused) as caught:
            save(officer, given, LINE)
        assert (caught.value.status, caught.value.reason) == (status, reason)
    assert read(officer)[1] == etag


def test_fl_06_what_is_wrong_is_said_by_line(people):
    officer = people["officer"]
    _, etag = read(officer)
    with pytest.raises(Refused) as caught:
        save(officer, etag, LINE, LINE | {"title": "", "next_class_code": "9999"})
    assert (caught.value.status, caught.value.reason) == (422, "INVALID_FIELDS")
    assert "follow_ups.1.title: 必ず入力してください。" in str(caught.value)
    assert "follow_ups.1.next_class_code: 登録されていないか、選べない値です。" in str(caught.value)
    with pytest.raises(Refused) as caught:
        save(officer, etag, LINE | {"after_kind": "通知"})
    assert caught.value.status == 422
    assert read(officer)[1] == etag


def test_fl_06_it_is_the_records_office_alone_that_edits(people):
    """Pages and API; a class that does not exist is one more 404 to the office, and the same 403 to others."""
    for name in ("clerk", "manager"):
        person = people[name]
        for asked in (
            lambda person=person: person.get("/follow-ups"),
            lambda person=person: person.get(ADDRESS),
            lambda person=person: person.get("/classes/9999/follow-ups"),
            lambda person=person: save(person, '"1"', LINE),
        ):
            with pytest.raises(Refused) as caught:
                asked()
            assert (caught.value.status, caught.value.reason) == (403, "NOT_PERMITTED")
        for page in ("/classes", ADDRESS):
            assert person.http.get(page).status_code == 403
        assert 'href="/classes"' not in person.http.get("/").text
    assert 'href="/classes"' in people["officer"].http.get("/").text
    with pytest.raises(Refused) as caught:
        people["officer"].get("/classes/9999/follow-ups")
    assert (caught.value.status, caught.value.reason) == (404, "NOT_FOUND")
    assert people["officer"].http.get("/classes/9999/follow-ups").status_code == 404
