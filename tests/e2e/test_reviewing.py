"""The month's review (SC-07) as the audit officer and the head of a unit see it, from opening to sign-off."""

from __future__ import annotations

import datetime as dt

import pypdfium2
import pytest

from chassis import clock
from tests import month
from tests.conftest import City
from tests.e2e.conftest import Visit, findings, login_of
from tests.patience import until


@pytest.fixture(scope="module")
def past(city: City) -> str:
    """A month before the last one (the last is opened by the service itself), full of ordinary and other work."""
    last = clock.today().replace(day=1) - dt.timedelta(days=1)
    day = last.replace(day=1) - dt.timedelta(days=1)
    count = month.append(city.stack, day.year, day.month)
    auditor = city.person("auditor")

    def covered() -> bool:
        """The signed checkpoint has reached what was appended."""
        checkpoint = auditor.http.get("/log/checkpoint").text.splitlines()
        return len(checkpoint) > 2 and int(checkpoint[1]) >= count

    until(covered)
    return day.strftime("%Y-%m")


def test_a_month_is_opened_answered_and_signed(city: City, visit: Visit, past: str, picture) -> None:
    page = visit("auditor", "/reviews")
    page.get_by_label("点検する月").select_option(past)
    page.get_by_role("button", name="点検を始める").click()
    page.get_by_text("点検を始めました。").wait_for()
    assert findings(page) == []
    picture(page, "review")
    review = page.url.split("?")[0]
    page.get_by_role("button", name="職員名簿と照合する").click()
    page.get_by_text("職員名簿と照合しました。").wait_for()
    for word in (
        "大量閲覧",
        "時間外・閉庁日の利用",
        "拒否の直後の閲覧",
        "職員に関する文書の閲覧",
        "使われていない職員番号",
    ):
        assert page.get_by_role("link", name=word, exact=True).count() == 1, word
    page.get_by_text("日ごとの件数（表）").click()
    assert page.get_by_role("region", name="日ごとの件数").get_by_role("row").count() > 28
    picture(page, "review-table")

    # A head is asked about the night work in the own unit.
    page.goto(f"{review}?rule=after_hours#findings")
    page.get_by_role("link", name="番の指摘").first.click()
    assert findings(page) == []
    finding = page.url
    page.get_by_label("確認を依頼する職員").select_option("S0068")
    page.get_by_role("button", name="依頼する", exact=True).click()
    page.get_by_text("指摘に記入しました。").wait_for()
    picture(page, "review-finding")

    head = visit(login_of("head"), "/reviews/assigned")
    assert head.get_by_role("row").count() == 2
    head.get_by_role("link", name="番の指摘").click()
    assert findings(head) == []
    assert head.get_by_label("判断").count() == 0
    head.get_by_label("理由・確認した内容").fill("議会対応のため、超過勤務を命じていました。")
    head.get_by_role("button", name="記入する").click()
    head.get_by_text("指摘に記入しました。").wait_for()
    picture(head, "review-head")
    # Nothing else of the review is there for the head.
    for path in (review, f"{finding.rsplit('/', 1)[0]}/1", "/reviews", "/reviews/rules"):
        answer = head.goto(path if path.startswith("http") else f"{city.stack.url}{path}")
        assert answer is not None
        assert answer.status == 404, path
    assert visit("clerk", "/reviews/assigned").get_by_text("確認の依頼はありません。").count() == 1

    # The sign-off waits for every answer.
    page.goto(review)
    page.get_by_label("点検結果・所見").fill("確認した。")
    page.get_by_role("button", name="点検を確定する").click()
    page.get_by_text("まだ回答のない指摘があります").first.wait_for()
    auditor = city.person("auditor")
    review_id = review.rsplit("/", 1)[1]
    _answer_all(auditor, review_id)
    page.goto(review)
    page.get_by_label("点検結果・所見").fill("時間外の利用は超過勤務命令と一致した。ほかに問題は認められない。")
    page.get_by_role("button", name="点検を確定する").click()
    page.get_by_text("点検を確定しました。").wait_for()
    assert findings(page) == []
    page.get_by_label("確定後の補足").fill("大量閲覧の聴取結果を所属から受領した。")
    page.get_by_role("button", name="補足を追加する").click()
    page.get_by_text("補足を追加しました。").wait_for()
    picture(page, "review-signed")
    page.goto(finding)
    assert page.get_by_role("button", name="記入する").count() == 0

    _report(city, review_id)


def _report(city: City, review_id: str) -> None:
    """The council's paper: for officers, recorded, with the sign-off and without a person."""
    path = f"/api/v1/audit/reviews/{review_id}/report"
    answer = city.person("auditor").http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    said = "".join(
        "".join(page.get_textpage().get_text_range().split()) for page in pypdfium2.PdfDocument(answer.content)
    )
    assert "ほかに問題は認められない" in said
    assert "S0072" not in said
    record = answer.headers["x-access-record"]

    def recorded() -> bool:
        items = city.person("auditor").get("/audit/entries", record=record)["items"]
        return bool(items) and items[0]["action"] == "review.reported"

    until(recorded)
    assert city.person("head").http.get(path).status_code == 404


def _answer_all(auditor, review_id: str) -> None:
    """Judge what is left over the API, as a program would: with the ETag, once each."""
    whole = auditor.http.get(f"/api/v1/audit/reviews/{review_id}")
    etag = whole.headers["etag"]
    open_ones = auditor.http.get(f"/api/v1/audit/reviews/{review_id}/findings?state=open&limit=200").json()["items"]
    assert open_ones
    path = f"/api/v1/audit/reviews/{review_id}/findings"
    assert auditor.http.post(path, json={"number": 1, "comment": "x"}).status_code == 428
    for one in open_ones:
        body = {"number": one["number"], "state": "explained", "comment": "所属に確認し、職務上の利用であった。"}
        answer = auditor.http.post(path, json=body, headers={"if-match": etag})
        assert answer.status_code == 200, answer.text
        stale, etag = etag, answer.headers["etag"]
        assert auditor.http.post(path, json=body, headers={"if-match": stale}).status_code == 412


def test_thresholds_are_explained_and_changed_with_a_reason(visit: Visit, picture) -> None:
    page = visit("auditor", "/reviews/rules")
    assert findings(page) == []
    page.get_by_label("大量閲覧").fill("５０")
    page.get_by_label("適用を始める月").select_option(index=2)
    page.get_by_role("button", name="基準を変更する").click()
    page.get_by_role("link", name="変更の理由を入力してください。").wait_for()
    page.get_by_label("変更の理由").fill("繁忙期の実績に合わせる。")
    page.get_by_role("button", name="基準を変更する").click()
    page.get_by_text("点検の基準を変更しました。").wait_for()
    assert page.get_by_text("1日に50件を超える文書").count() == 1
    picture(page, "review-rules")
