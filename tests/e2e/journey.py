"""The main job as people do it, by roles and labels alone: what a page is called and says, never how it is built."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from deploy.local.stack import ROOT
from tests.conftest import PLAN

FILES = ROOT / "samples" / "minoh" / "files"
TITLE = "令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）"
# Other matters of the same room, for pictures.
ORDINARY_DAY = (
    "令和8年度箕面市太陽光発電設備・蓄電池設置費補助金の交付決定について（伺い）",
    "箕面市環境審議会の開催について（通知）",
    "一般廃棄物処理実態調査について（回答）",
    "不法投棄監視カメラの設置場所の変更について（伺い）",
    "地球温暖化対策実行計画（事務事業編）の改定方針について（伺い）",
    "河川水質測定業務の完了検査について（報告）",
    "ごみ減量推進市民会議委員の委嘱について（伺い）",
)
BODY = """　標記の件について、別添のとおり交付申請がありました。
　審査したところ、交付要綱第4条に定める要件を満たしていると認められますので、下記のとおり交付を決定し、別紙（案）により申請者に通知してよろしいか伺います。

記

1　交付決定額　　金332,000円
2　設置場所　　　申請書記載のとおり
3　人槽区分　　　5人槽（窒素・りん除去型）
4　予算科目　　　（款）衛生費（項）保健衛生費（目）環境衛生費（節）負担金、補助及び交付金"""


def box(page: Page, name: str) -> Locator:
    """The text field with this label."""
    return page.get_by_role("textbox", name=re.compile(f"^{re.escape(name)}(必須|任意)?$"))


def choose(page: Page, group: str, option: str) -> None:
    """A radio button of a group."""
    page.get_by_role("group", name=re.compile(f"^{group}")).get_by_role("radio", name=option, exact=True).check()


def press(page: Page, name: str) -> None:
    """A button."""
    page.get_by_role("button", name=name, exact=True).click()


def follow(page: Page, name: str) -> None:
    """A link of the content."""
    page.get_by_role("main").get_by_role("link", name=name).first.click()


def told(page: Page, sentence: str) -> None:
    """The page says that it was done."""
    expect(page.get_by_role("status").filter(has_text=sentence)).to_be_visible()


def receive(page: Page) -> None:
    """収受: the application of a citizen, by post."""
    page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="収受").click()
    follow(page, "収受する")
    box(page, "件名").fill("浄化槽設置整備事業補助金交付申請書")
    choose(page, "相手方の区分", "住民")
    box(page, "差出人").fill("髙﨑 邦夫")
    choose(page, "受領方法", "郵送")
    page.get_by_label("分類").select_option(PLAN["class_code"])
    press(page, "収受を登録する")
    told(page, "収受を登録しました。")


def draft(page: Page, title: str = TITLE) -> None:
    """起案 from the receipt that is open."""
    follow(page, "この収受から起案する")
    expect(box(page, "相手方")).to_have_value("髙﨑 邦夫")
    box(page, "件名").fill(title)
    box(page, "伺い文").fill(BODY)
    page.get_by_label("簿冊").select_option(PLAN["folder_id"])
    choose(page, "決裁区分", "室長決裁")
    choose(page, "公開区分", "部分公開")
    choose(page, "個人情報", "有")
    box(page, "金額（円）").fill("３３２,０００")
    page.get_by_role("group", name=re.compile("^施行予定日")).get_by_label("年").fill("R8.12.1")
    page.get_by_label("施行方法").select_option(label="郵送")
    box(page, "宛先").fill("申請者")
    press(page, "保存して添付へ進む")
    told(page, "保存しました。")


def attach(page: Page, *files: Path) -> None:
    """Each file by itself, as it works without script."""
    for file in files:
        choose_files(page, file)
        press(page, "追加する")
        told(page, "添付を追加しました。")
        expect(page.get_by_role("row").filter(has_text=file.name)).to_be_visible()


def choose_files(page: Page, *files: Path) -> None:
    """In the field for files."""
    page.get_by_label(re.compile("^ファイル(必須)?$")).set_input_files(list(files))


def look_at_route(page: Page) -> None:
    """What the decision rules propose for the sample matter."""
    follow(page, "回議ルートの確認へ進む")
    rows = page.get_by_role("region", name="回議の順序").get_by_role("row")
    expect(rows).to_have_count(5)
    expect(rows.nth(4)).to_contain_text("決裁")


def circulate(page: Page) -> None:
    """回議開始, from the route."""
    press(page, "回議を開始する")
    told(page, "回議を開始しました。")


def open_from_inbox(page: Page, title: str) -> None:
    """What waits for me, opened from ホーム once it has arrived."""
    entry = page.get_by_role("region", name="未処理の一覧").get_by_role("link", name=title, exact=True)
    for _ in range(20):
        page.get_by_role("link", name="ホーム", exact=True).click()
        if entry.count():
            break
        page.wait_for_timeout(250)
    entry.first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def act(page: Page, button: str, sentence: str, comment: str = "") -> None:
    """The form of what waits for me, on the open document."""
    if comment:
        box(page, "意見・コメント").fill(comment)
    press(page, button)
    told(page, sentence)


def enforce(page: Page, collated_by: str) -> None:
    """施行 of the open document."""
    follow(page, "施行を登録する")
    choices = page.get_by_label("照合者").get_by_role("option")
    wanted = choices.filter(has_text=collated_by).first.get_attribute("value")
    page.get_by_label("照合者").select_option(wanted)
    press(page, "施行を登録する")
    told(page, "施行を登録しました。")


def complete(page: Page) -> None:
    """完結 of the open document."""
    follow(page, "完結を登録する")
    press(page, "完結を登録する")
    told(page, "完結を登録しました。")


def address(page: Page) -> str:
    """The open page without what was just done."""
    return page.url.split("?")[0]


def reload_until(page: Page, text: str, *, at: str = "", within: Locator | None = None) -> None:
    """Facts travel between services in moments; the page, or the one `at` an address, shows them when it is opened again."""
    place = within or page.get_by_role("main")
    for _ in range(20):
        page.goto(at or address(page))
        if place.get_by_text(text).count():
            return
        page.wait_for_timeout(250)
    expect(place).to_contain_text(text)
