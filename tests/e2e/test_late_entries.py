"""人事異動・組織改編 on the page (AC-06): the staff of a day taken out, a list compared, an entry of a past day."""

from __future__ import annotations

import datetime as dt

from playwright.sync_api import expect

from tests.conftest import TODAY, City
from tests.e2e import journey
from tests.e2e.conftest import findings

AUTHOR, REVIEWER = "S0018", "S0019"
LIST = """kind,staff_id,post_id,appointment
appointment_begins,S0080,P-050-01-05,acting
"""


def test_a_deputy_is_entered_late(city: City, visit, picture) -> None:
    author = visit(city.login(AUTHOR), "/changes")
    with author.expect_download() as downloading:
        author.get_by_role("button", name="この日の職員をCSVで").click()
    assert downloading.value.suggested_filename == f"staff-{TODAY}.csv"

    day = dt.date.fromisoformat(TODAY) - dt.timedelta(days=7)
    chosen = {"name": "発令.csv", "mimeType": "text/csv", "buffer": LIST.encode()}

    def fill(button: str) -> None:
        for part in ("year", "month", "day"):
            author.locator(f"[name=effective_on_{part}]").fill(str(getattr(day, part)))
        author.get_by_label("変更の一覧").check()
        author.locator("[name=file]").set_input_files(chosen)
        journey.press(author, button)

    fill("照合だけする")
    expect(author.get_by_role("heading", name="照合の結果（まだ何も変えていません）")).to_be_visible()
    assert findings(author) == []
    picture(author, "changes-compared")
    journey.box(author, "名称").fill("事務取扱の発令")
    fill("案を作る")
    expect(author.get_by_role("alert")).to_contain_text("遡及の理由：必ず入力してください。")
    picture(author, "changes-late-refused")
    journey.box(author, "遡及の理由").fill("発令の通知が遅れたため")
    fill("案を作る")
    journey.told(author, "案を作成しました。")
    assert findings(author) == []

    reviewer = visit(city.login(REVIEWER), author.url.removeprefix(city.stack.url).split("?")[0])
    picture(reviewer, "changes-late-review")
    journey.press(reviewer, "確認した")
    journey.told(reviewer, "確認し、反映しました。")
    assert findings(reviewer) == []
    picture(reviewer, "changes-late-applied")
