"""Circulations before a 差戻し as people find them: what was written, and which reading each act rests on."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.conftest import City
from tests.e2e.conftest import findings
from tests.patience import until

DECIDER = "P-140-03-02"
REASON = "集計表に9月分がありません。追加してください。"


def test_the_course_tells_why_it_was_sent_back_and_what_each_act_rests_on(city: City, visit, title, picture) -> None:
    """AP-53: the reason stays after the next circulation; AP-31: each act names its reading, provable by an audit officer."""
    drafter, document, case_id = city.submitted("logten-01", title=title)
    head = city.holder(DECIDER)
    city.act(head, case_id, "send_back", REASON)
    until(lambda: city.person(drafter).document(document)[0]["state"] == "sent_back")
    again = city.person(drafter).submit(document)["case_id"]
    city.act(head, again, "decide", "了承します。")
    until(lambda: city.person(drafter).document(document)[0]["state"] == "decided")
    listed = city.person(drafter).get(f"/documents/{document}/cases")["items"]
    assert [one["case_id"] for one in listed] == [again, case_id]

    officer = visit(drafter, f"/documents/{document}/history")
    course = officer.get_by_role("region", name="処理経過")
    expect(course).to_contain_text(REASON)
    expect(course.get_by_role("row").filter(has_text=REASON)).to_contain_text("差戻し")
    assert course.get_by_role("row").filter(has_text="差戻し").count() == 1, "one row for the act and what followed"
    reading = course.get_by_role("group").filter(has_text="閲覧記録")
    assert reading.count() == 2
    reading.last.get_by_text("閲覧記録").click()
    assert findings(officer) == []
    picture(officer, "course")
    record = listed[0]["decisions"][0]["access_record"]
    expect(reading.last).to_contain_text(record)
    # The record reaches the log in moments.
    until(lambda: list(city.person(drafter).items(f"/audit/entries?access_record={record}")))
    reading.last.get_by_role("link", name="この記録の証明を開く").click()
    expect(officer.get_by_role("main")).to_contain_text(record)
    expect(officer.get_by_role("main")).to_contain_text("この記録が改ざんされていないことの証明")

    colleague = visit(head, f"/documents/{document}")
    reading = colleague.get_by_role("main").get_by_role("group").filter(has_text="閲覧記録").first
    reading.get_by_text("閲覧記録").click()
    expect(reading).to_contain_text(record)
    expect(reading.get_by_role("link")).to_have_count(0)
    picture(colleague, "sheet")
