"""FL-06: the sample jobs, each from its receipt (or its old case) to its end, counted press by press.

The counts stand in docs/bpr.md beside the paper procedure; this is what keeps them true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playwright.sync_api import Page, expect

from deploy.local.stack import ROOT
from tests.conftest import City
from tests.e2e import journey
from tests.e2e.hand import Hand
from tests.patience import until

Visit = Callable[..., Page]


def counted(job: str) -> Hand:
    """What docs/bpr.md says of a job: its row of the first table."""
    text = (ROOT / "docs" / "bpr.md").read_text(encoding="utf-8")
    found = re.search(rf"^\| {job} \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, flags=re.M)
    assert found, f"docs/bpr.md has no row of {job}"
    return Hand(*map(int, found.groups()))


def receive(page: Page, title: str, sender: str, kind: str, way: str, class_code: str) -> None:
    """収受, from ホーム."""
    page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="収受").click()
    journey.follow(page, "収受する")
    journey.box(page, "件名").fill(title)
    journey.choose(page, "相手方の区分", kind)
    if sender:
        journey.box(page, "差出人").fill(sender)
    journey.choose(page, "受領方法", way)
    page.get_by_label("分類").select_option(class_code)
    journey.press(page, "収受を登録する")
    journey.told(page, "収受を登録しました。")


def circulate(page: Page, *files: str) -> str:
    """From the saved draft: files, all at once, then the route; the address of the document."""
    journey.choose_files(page, *(journey.FILES / name for name in files))
    journey.press(page, "追加する")
    journey.told(page, "添付を追加しました。")
    journey.follow(page, "回議ルートの確認へ進む")
    journey.circulate(page)
    return journey.address(page)


def by_hand(city: City, page: Page, hand: Hand, document: str, button: str, sentence: str) -> None:
    """One who acts, from ホーム as soon as it waits there."""
    path = document.removeprefix(city.stack.url)
    entry = page.get_by_role("region", name="未処理の一覧").locator(f"a[href='{path}']")
    for _ in range(40):
        if entry.count():
            break
        page.wait_for_timeout(250)
        page.goto(city.stack.url)
    hand.on(page)
    entry.first.click()
    journey.act(page, button, sentence)


def decide(city: City, visit: Visit, hand: Hand, document: str, before: Sequence[str], decider: str) -> None:
    """The decider by hand. Who approves before does the same on the same page, so as many presses are added for each
    (test_subsidy has them all by hand), and it is done by program."""
    document_id = document.rsplit("/", 1)[1]
    for login in before:
        found, _ = until(partial(city.person(login).document, document_id))
        city.act(login, found["case_id"], "approve")
    own = Hand()
    by_hand(city, visit(decider), own, document, "決裁する", "決裁を登録しました。")
    hand.people += own.people * (1 + len(before))
    hand.presses += own.presses * (1 + len(before))
    hand.fields += own.fields * (1 + len(before))


def finish(city: City, page: Page, login: str, document: str, collated_by: str = "") -> None:
    """From ホーム once it is decided and its sheet is drawn: 施行 where there is one, then 完結."""
    document_id = document.rsplit("/", 1)[1]
    until(lambda: any(one["sheet"] for one in city.person(login).document(document_id)[0]["attachments"]))
    page.goto(city.stack.url)
    page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="施行", exact=True).click()
    page.get_by_role("main").locator(f"a[href='{document.removeprefix(city.stack.url)}']").first.click()
    if collated_by:
        journey.enforce(page, collated_by)
    journey.complete(page)


def choose_decision(
    page: Page, decision_class: str, planned_on: str = "", method: str = "", addressee: str = ""
) -> None:
    """What neither the class nor the 例文 can know."""
    journey.choose(page, "決裁区分", decision_class)
    if not planned_on:
        journey.choose(page, "施行の有無", "無")
        return
    page.get_by_role("group", name=re.compile("^施行予定日")).get_by_label("年").fill(planned_on)
    page.get_by_label("施行方法").select_option(label=method)
    journey.box(page, "宛先").fill(addressee)


def fill_in(page: Page, blank: str, words: str) -> None:
    """In the 例文, where it leaves room."""
    body = journey.box(page, "伺い文")
    text = body.input_value()
    assert blank in text
    body.fill(text.replace(blank, words, 1))


def test_subsidy(city: City, visit: Visit) -> None:
    """浄化槽補助金: 収受, 交付決定, 施行, 完結; four people."""
    hand = Hand()
    clerk = hand.on(visit("clerk"))
    receive(clerk, "浄化槽設置整備事業補助金交付申請書", "髙﨑 邦夫", "住民", "郵送", "0403-02-01")
    journey.follow(clerk, "続けて起案する")
    expect(journey.box(clerk, "件名")).to_have_value(journey.TITLE)
    expect(journey.box(clerk, "相手方")).to_have_value("髙﨑 邦夫")
    fill_in(clerk, "交付決定額　　金　　　　　円", "交付決定額　　金332,000円")
    journey.box(clerk, "金額（円）").fill("332000")
    choose_decision(clerk, "室長決裁", "R8.12.1", "郵送", "申請者")
    journey.press(clerk, "保存して添付へ進む")
    document = circulate(clerk, "application-johkaso.pdf", "calculation-johkaso.xlsx", "map-johkaso.png")
    for who in ("chief", "deputy"):
        by_hand(city, visit(who), hand, document, "承認する", "承認を登録しました。")
    by_hand(city, visit("head"), hand, document, "決裁する", "決裁を登録しました。")
    finish(city, clerk, "clerk", document, "渡邉 浩")
    # The class gave what nobody had to choose (FL-01).
    shown = city.person("clerk").document(document.rsplit("/", 1)[1])[0]
    assert (shown["disclosure"], shown["personal_information"], shown["state"]) == ("partial", "personal", "completed")
    assert hand == counted("浄化槽補助金の交付決定")


def test_water(city: City, visit: Visit) -> None:
    """給水装置: 収受, 承認, 施行, 完結; the absent 室長補佐 is passed over and reads afterwards (AP-15)."""
    hand = Hand()
    clerk = hand.on(visit("kinoshita.reina"))
    receive(clerk, "給水装置工事申込書", "有限会社齊藤設備工業所", "事業者・団体", "窓口", "1102-01-01")
    journey.follow(clerk, "続けて起案する")
    fill_in(clerk, "新設／改造／撤去", "新設")
    choose_decision(clerk, "室長決裁", "R8.12.1", "窓口交付", "指定給水装置工事事業者")
    journey.press(clerk, "保存して添付へ進む")
    document = circulate(clerk, "water-application-scan.pdf")
    decide(city, visit, hand, document, ["nakai.haruka"], "takami.hidekazu")
    by_hand(city, visit(city.holder("P-110-02-02")), hand, document, "後閲する", "後閲を登録しました。")
    finish(city, clerk, "kinoshita.reina", document, "中井 春香")
    assert hand == counted("給水装置工事の承認")


def test_information(city: City, visit: Visit) -> None:
    """供覧 of a report within 総務課: 収受, 供覧, 完結; nothing is sent."""
    hand = Hand()
    clerk = hand.on(visit("tabuchi.ryota"))
    receive(clerk, "消防用設備等点検結果報告書（市庁舎本館・別館）", "", "事業者・団体", "郵送", "0201-04-01")
    journey.follow(clerk, "続けて起案する")
    choose_decision(clerk, "室長決裁")
    journey.press(clerk, "保存して添付へ進む")
    document = circulate(clerk, "inspection-scan.pdf")
    decide(city, visit, hand, document, ["miyake.hideki", "morishita.chie"], "hemmi.fumio")
    finish(city, clerk, "tabuchi.ryota", document)
    assert hand == counted("点検結果の供覧")


def test_disclosure_from_an_old_case(city: City, visit: Visit) -> None:
    """開示決定 by 引用起案 from the case before: 起案, 部長決裁, 施行, 完結."""
    old: dict[str, Any] = {
        "title": "行政文書開示請求に対する部分開示決定について（通知）",
        "body": "下記のとおり部分開示を決定し、通知してよろしいか伺います。\n\n記\n\n1　請求のあった行政文書　令和7年度の会議録",
        "class_code": "0201-01-01",
        "folder_id": "F-2026-0201-01-01",
        "decision_class": "director",
        "amount": None,
    }
    source = city.draft("tabuchi.ryota", **old)["id"]
    city.person("tabuchi.ryota").submit(source)
    hand = Hand()
    clerk = hand.on(visit("tabuchi.ryota"))
    clerk.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="検索", exact=True).click()
    journey.box(clerk, "ことば").fill("部分開示決定")
    journey.press(clerk, "検索する")
    clerk.get_by_role("main").locator(f"a[href='/documents/{source}']").first.click()
    journey.press(clerk, "引用して起案する")
    journey.told(clerk, "引用して下書きを作りました。")
    expect(clerk.get_by_label("簿冊")).to_have_value("F-2026-0201-01-01")
    expect(journey.box(clerk, "相手方")).to_have_value("")
    fill_in(clerk, "令和7年度の会議録", "令和8年度の会議録")
    journey.box(clerk, "相手方").fill("宮﨑 隆一")
    clerk.get_by_role("group", name=re.compile("^施行予定日")).get_by_label("年").fill("R8.12.1")
    journey.box(clerk, "宛先").fill("開示請求者")
    journey.press(clerk, "保存して添付へ進む")
    document = circulate(clerk, "request-disclosure-scan.pdf", "notice-disclosure.docx")
    before = ["miyake.hideki", "morishita.chie", "hemmi.fumio", "kubota.rie"]
    decide(city, visit, hand, document, before, "saito.masanori")
    finish(city, clerk, "tabuchi.ryota", document, "三宅 英樹")
    assert hand == counted("部分開示決定（引用起案）")
