"""The main job again with script switched off: every act is a plain form or a plain link."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.conftest import City
from tests.e2e import journey


def test_the_main_job_needs_no_script(visit, title) -> None:
    clerk = visit("clerk", script=False)
    journey.receive(clerk)
    journey.draft(clerk, title)
    journey.attach(clerk, journey.FILES / "application-johkaso.pdf", journey.FILES / "minutes-2022-08-16.txt")
    journey.look_at_route(clerk)
    journey.circulate(clerk)
    document = journey.address(clerk)
    # Typed as Japanese letters begin: with a full-width space, kept (NM-01).
    assert journey.BODY.split("\n")[0] in clerk.get_by_role("main").inner_text()
    for role, button, sentence in (
        ("chief", "承認する", "承認を登録しました。"),
        ("deputy", "承認する", "承認を登録しました。"),
        ("head", "決裁する", "決裁を登録しました。"),
    ):
        approver = visit(role, script=False)
        journey.open_from_inbox(approver, title)
        journey.act(approver, button, sentence)
    clerk.goto(document)
    journey.reload_until(clerk, "次は施行の登録です。")
    journey.follow(clerk, "追記する")
    journey.box(clerk, "追記の内容").fill("申請者へ電話で交付決定の予定を連絡した。")
    journey.press(clerk, "追記を登録する")
    journey.told(clerk, "追記を登録しました。")
    journey.enforce(clerk, "渡邉 浩")
    journey.complete(clerk)
    expect(clerk.get_by_role("main")).to_contain_text("申請者へ電話で交付決定の予定を連絡した。")


def test_the_menu_opens_on_a_narrow_window_without_script(visit) -> None:
    page = visit("clerk", script=False, viewport={"width": 400, "height": 800})
    menu = page.get_by_role("navigation", name="主なメニュー")
    expect(menu).to_be_hidden()
    page.get_by_role("link", name="メニュー", exact=True).click()
    expect(menu).to_be_visible()
    menu.get_by_role("link", name="組織・職員").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("組織・職員")
    expect(menu).to_be_hidden()


def test_the_acting_post_is_chosen_without_script(visit) -> None:
    """AP-44: 兼務者 choose, and see, the post they act from."""
    page = visit("hattori.mayumi", script=False)
    choice = page.get_by_label("処理する職")
    posts = choice.get_by_role("option").all_text_contents()
    assert len(posts) > 1
    choice.select_option(label=posts[1])
    journey.press(page, "切替")
    journey.told(page, "処理する職を切り替えました。")
    expect(page.get_by_role("banner")).to_contain_text(posts[1])


def test_an_exceptional_matter_goes_to_a_higher_decider(city: City, visit) -> None:
    """AP-03: 重要・異例・先例 are not decided by 専決."""
    document = city.draft()["id"]
    page = visit("clerk", f"/documents/{document}/route", script=False)
    last = page.get_by_role("region", name="回議の順序").get_by_role("row").last
    expect(last).to_contain_text("室長")
    page.get_by_text("上位の決裁を求める・ひな形を使う").click()
    page.get_by_label("専決の例外").select_option("先例")
    journey.press(page, "ルートを作り直す")
    expect(page.get_by_role("alert")).to_contain_text(
        "例外とする理由：専決の例外とするときは、その理由を入力してください。"
    )
    page.get_by_label("例外とする理由").fill("今後の交付の先例になるため")
    journey.press(page, "ルートを作り直す")
    expect(page.get_by_text("「先例」に当たる案件として")).to_be_visible()
    expect(last).to_contain_text(re.compile("部長|次長"))
    journey.press(page, "回議を開始する")
    journey.told(page, "回議を開始しました。")


def test_a_text_is_filled_in_on_demand_and_enter_saves(visit, title) -> None:
    """FL-06: an 例文 with what the form knows; Enter in a field is the button at the end, as without the 例文."""
    clerk = visit("clerk", "/documents/new", script=False)
    journey.box(clerk, "件名").fill(title)
    journey.box(clerk, "相手方").fill("髙﨑 邦夫")
    journey.press(clerk, "例文を伺い文に入れる")
    expect(clerk.get_by_role("alert")).to_contain_text("例文を選んでください。")
    clerk.get_by_label("例文").select_option(label="補助金の交付決定")
    journey.press(clerk, "例文を伺い文に入れる")
    expect(journey.box(clerk, "件名")).to_have_value(title)
    expect(journey.box(clerk, "伺い文")).to_have_value(re.compile("標記の件について、髙﨑 邦夫から別添のとおり"))
    journey.box(clerk, "件名").press("Enter")
    journey.told(clerk, "保存しました。")
    expect(clerk.get_by_role("heading", level=1)).to_have_text("添付")
