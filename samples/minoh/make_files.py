"""Makes the attachments of the sample city, samples/minoh/files/.

    python -m samples.minoh.make_files [--mincho FILE.ttf] [--gothic FILE.ttf] [--into FOLDER]

The results are committed; run this only after a change here or in office.yaml, which
holds the words of the Office files. It needs the IPAex fonts (Debian packages
fonts-ipaexfont-mincho and -gothic); used glyphs are embedded. The minutes
(minutes-2022-08-16.txt) are a real public record and are not made here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import yaml
from PIL import Image, ImageDraw

from samples.minoh.paper import GOTHIC, Map, Paper, letter, register_fonts, scan, sheet

DEBIAN_FONTS = Path("/usr/share/fonts/opentype")


def application_form(applicant: str, kana: str, address: str, phone: str, day: str, seal: str) -> Paper:
    """様式第1号: the form a resident fills in for the septic tank subsidy."""
    paper = Paper("浄化槽設置整備事業補助金交付申請書")
    paper.text(22, 22, "様式第1号（第5条関係）", 9)
    paper.right(34, day)
    paper.text(22, 46, "箕面市長　様", 12)
    for number, (label, value) in enumerate(
        (("住　　所", address), ("フリガナ", kana), ("氏　　名", applicant), ("電話番号", phone))
    ):
        paper.text(104, 58 + number * 7, label, 10)
        paper.text(126, 58 + number * 7, value, 10)
    paper.seal(186, 71, seal)
    paper.centred(98, "合併処理浄化槽設置整備事業補助金交付申請書", 15)
    paper.paragraph(
        22,
        112,
        "　箕面市合併処理浄化槽設置整備事業補助金の交付を受けたいので、箕面市合併処理浄化槽"
        "設置整備事業補助金交付要綱第5条の規定により、関係書類を添えて申請します。",
        44,
    )
    paper.table(
        22,
        130,
        (42, 124),
        (
            ("設置場所", "箕面市止々呂美地区　申請者宅地内（別添位置図のとおり）"),
            ("建築物の用途", "専用住宅（延べ床面積　118.42平方メートル）"),
            ("設置の区分", "既設単独処理浄化槽からの転換"),
            ("浄化槽の種類", "窒素・りん除去型（BOD除去率90％以上、放流水BOD20mg/L以下）"),
            ("人槽区分", "5人槽"),
            ("設置に要する費用", "金　1,056,000　円（消費税及び地方消費税を含む。）"),
            ("補助金交付申請額", "金　　332,000　円"),
            ("着工予定年月日", "令和8年12月14日"),
            ("完了予定年月日", "令和9年2月19日"),
            ("施工業者", "有限会社北摂住設　浄化槽設備士　第00-123号"),
        ),
    )
    paper.text(22, 232, "添付書類", 10.5, GOTHIC)
    for number, line in enumerate(
        (
            "1　浄化槽設置届出書又は建築確認申請書の写し",
            "2　設置場所の位置図及び配置図",
            "3　見積書の写し",
            "4　浄化槽設備士免状の写し",
            "5　市税の納付状況を確認することへの同意書",
        )
    ):
        paper.text(26, 239 + number * 6, line, 10)
    return paper


def application_johkaso() -> bytes:
    return application_form(
        "髙﨑　邦夫", "タカサキ　クニオ", "箕面市止々呂美○番地の7", "072-000-0147", "令和8年11月2日", "髙﨑"
    ).bytes()


def application_johkaso_2() -> bytes:
    return application_form(
        "葛\U000e0100西　千代子",
        "カサイ　チヨコ",
        "箕面市下止々呂美○番地",
        "072-000-0362",
        "令和8年11月20日",
        "葛西",
    ).bytes()


def map_johkaso() -> bytes:
    plan = Map(1000, 720, "設置場所位置図")
    plan.river([(0, 560), (260, 520), (520, 560), (780, 500), (1000, 540)])
    plan.road([(0, 300), (400, 320), (700, 260), (1000, 280)], 34)
    plan.road([(420, 320), (460, 720)], 22)
    plan.road([(700, 260), (690, 0)], 22)
    for box in (
        (80, 130, 220, 250),
        (260, 150, 380, 260),
        (520, 120, 650, 220),
        (760, 90, 900, 210),
        (120, 370, 280, 470),
        (520, 370, 640, 470),
        (700, 340, 860, 440),
    ):
        plan.block(box)
    plan.block((520, 370, 640, 470), (250, 220, 150))
    plan.mark(580, 420, "1")
    plan.label(660, 470, "申請地（専用住宅）", 24, (160, 20, 20))
    plan.label(60, 545, "余野川", 22, (40, 90, 150))
    plan.label(150, 268, "府道茨木能勢線", 20)
    return plan.bytes()


def request_disclosure_scan() -> bytes:
    paper = Paper("行政文書開示請求書")
    paper.text(22, 22, "様式第1号（第2条関係）", 9)
    paper.centred(36, "行政文書開示請求書", 17)
    paper.right(48, "令和8年11月9日")
    paper.text(22, 58, "（実施機関）　箕面市長　様", 11)
    for number, line in enumerate(
        (
            "郵便番号　562-0000",
            "住　　所　箕面市桜○丁目○番○号",
            "氏　　名　宮﨑　隆一",
            "電話番号　072-000-0233",
        )
    ):
        paper.text(112, 70 + number * 7, line, 10.5)
    paper.paragraph(22, 104, "　箕面市情報公開条例第5条の規定により、次のとおり行政文書の開示を請求します。", 44)
    paper.table(
        22,
        114,
        (46, 120),
        (
            (
                "請求する\n行政文書の件名\n又は内容",
                "令和4年度第2回箕面市個人情報保護制度運営審議会の\n議事録及び委員名簿\n"
                "（文書管理・電子決裁システムの導入に係るもの）",
            ),
            ("開示の方法", "□ 閲覧　　□ 視聴　　■ 写しの交付（窓口）"),
            ("請求者の区分", "■ 市内に住所を有する者　□ その他"),
            ("備考", ""),
        ),
        height=12,
    )
    paper.text(22, 196, "※以下の欄は記入しないでください。", 9)
    paper.table(
        22,
        200,
        (46, 120),
        (("受付所属", "総務部総務課"), ("決定期限", "令和8年11月24日"), ("担当者", "田渕")),
    )
    paper.receipt_stamp(168, 252, "箕面市総務課", "8.11.09")
    return scan(paper.bytes(), 9, 0.7)


def bills() -> bytes:
    paper = Paper("令和8年第4回箕面市議会定例会提出議案一覧")
    paper.centred(30, "令和8年第4回箕面市議会定例会　提出議案一覧", 15)
    paper.right(42, "総務部総務課")
    paper.table(
        22,
        50,
        (28, 108, 30),
        (
            ("議案番号", "件　　名", "所　管"),
            ("第98号議案", "箕面市手数料条例の一部を改正する条例制定の件", "総務部"),
            ("第99号議案", "令和8年度箕面市一般会計補正予算（第6号）", "総務部"),
            ("第100号議案", "令和8年度箕面市特別会計国民健康保険事業費補正予算（第2号）", "健康福祉部"),
            ("第101号議案", "市道路線の認定及び廃止の件", "みどりまち"),
        ),
        height=10,
        size=9,
    )
    y = paper.paragraph(
        22,
        116,
        "第98号議案　提案理由\n　戸籍法の改正に伴い、電子的に交付する証明書に係る手数料の額を定めるため、"
        "本案を提出するものである。\n\n第99号議案　提案理由\n　既定の歳入歳出予算の総額に"
        "歳入歳出それぞれ312,480千円を追加し、"
        "総額をそれぞれ61,904,117千円とするものである。",
        44,
    )
    paper.text(22, y + 8, "（注）本一覧は見本であり、実在の議案ではない。", 9)
    return paper.bytes()


def water_application_scan() -> bytes:
    paper = Paper("給水装置工事申込書")
    paper.centred(28, "給水装置工事申込書（兼設計審査申請書）", 15)
    paper.right(40, "令和8年11月12日")
    paper.text(22, 50, "箕面市公営企業管理者　様", 11)
    paper.table(
        22,
        60,
        (40, 126),
        (
            ("申込者（施主）", "宮﨑　正太郎"),
            ("設置場所", "箕面市粟生外院○丁目地内"),
            ("工事の種別", "■新設　□改造　□増設　□撤去"),
            ("指定事業者", "有限会社齊藤設備工業所（指定番号　第0214号）"),
            ("主任技術者", "齊藤　勝"),
            ("給水管口径", "20ミリメートル（分岐：配水管　DIP100）"),
            ("メーター口径", "20ミリメートル"),
            ("建物の用途", "専用住宅（2階建）"),
        ),
        height=11,
    )
    paper.text(22, 162, "配管略図", 11, GOTHIC)
    paper.canvas.setLineWidth(1.5)
    top = 842 - 480
    paper.canvas.line(80, top - 60, 500, top - 60)
    paper.canvas.line(260, top - 60, 260, top - 200)
    paper.canvas.rect(180, top - 320, 200, 120)
    paper.text(30, 188, "配水管　DIP100", 9)
    paper.text(96, 214, "量水器20mm", 9)
    paper.text(84, 262, "建　物", 11)
    paper.seal(150, 66, "宮﨑")
    paper.receipt_stamp(172, 272, "水道工務室", "8.11.12")
    return scan(paper.bytes(), 12, -0.5)


def specification_ct() -> bytes:
    paper = Paper("全身用X線CT診断装置　仕様書")
    paper.centred(40, "全身用X線CT診断装置　仕様書", 18)
    paper.centred(54, "箕面市立病院", 12)
    sections = (
        (
            "第1　総則",
            "1　本仕様書は、箕面市立病院が購入する全身用X線CT診断装置（以下「装置」という。）に適用する。\n"
            "2　納入場所は、箕面市立病院中央放射線部CT検査室とする。\n3　納入期限は、令和9年3月31日とする。",
        ),
        (
            "第2　性能",
            "1　ガントリ開口径は、700ミリメートル以上であること。\n2　X線管の陽極熱容量は、"
            "7メガヒートユニット以上相当であること。\n"
            "3　検出器列数は、80列以上であること。\n4　被ばく線量の低減機能（逐次近似又は深層学習に"
            "よる再構成）を有すること。",
        ),
        (
            "第3　据付け",
            "1　既設装置の搬出及び処分を含む。\n2　休診日に作業を行い、検査の中断は5日以内とすること。",
        ),
        (
            "第4　保守",
            "1　引渡しの日から1年間は無償とする。\n2　障害の連絡を受けてから2時間以内に対応を開始すること。",
        ),
    )
    y = 78.0
    for heading, body in sections:
        paper.text(22, y, heading, 12, GOTHIC)
        y = paper.paragraph(26, y + 9, body, 42) + 6
    paper.next_page()
    paper.text(22, 30, "別表　構成品", 12, GOTHIC)
    paper.table(
        22,
        36,
        (20, 106, 40),
        (
            ("番号", "品　　目", "数　量"),
            ("1", "ガントリ・寝台", "一式"),
            ("2", "操作卓", "1台"),
            ("3", "三次元画像処理装置", "1台"),
            ("4", "造影剤自動注入器", "1台"),
            ("5", "医用画像管理システムとの接続", "一式"),
        ),
    )
    return paper.bytes()


def medical_request_scan() -> bytes:
    paper = Paper("診療情報の提供について（依頼）")
    paper.right(28, "翠丘発第118号")
    paper.right(35, "令和8年11月11日")
    paper.text(22, 48, "箕面市立病院　医事室　御中", 11)
    for number, line in enumerate(("医療法人北摂翠会　翠丘クリニック", "院長　神谷　孝太郎")):
        paper.text(110, 62 + number * 7, line, 11)
    paper.seal(186, 68, "神谷")
    paper.centred(90, "診療情報の提供について（依頼）", 14)
    paper.paragraph(
        22,
        106,
        "　下記の患者について、当院で診療を継続するにあたり必要となりますので、貴院における"
        "診療情報を提供くださいますようお願いします。なお、患者本人の同意を得ています。",
        44,
    )
    paper.table(
        22,
        130,
        (40, 126),
        (
            ("患者氏名", "邊見　ヨシ"),
            ("生年月日", "昭和○年○月○日"),
            ("必要な情報", "入院期間中の経過、検査結果、退院時処方"),
            ("使用の目的", "継続診療のため"),
        ),
        height=11,
    )
    paper.receipt_stamp(160, 220, "市立病院", "8.11.13")
    return scan(paper.bytes(), 13, 0.4)


def map_safety() -> bytes:
    plan = Map(1100, 800, "通学路点検箇所図（抜粋）")
    plan.river([(0, 690), (300, 640), (700, 700), (1100, 650)])
    for points in (
        [(0, 220), (1100, 260)],
        [(0, 480), (1100, 520)],
        [(240, 80), (220, 800)],
        [(620, 60), (640, 800)],
        [(900, 80), (880, 800)],
    ):
        plan.road([(x, y) for x, y in points], 28)
    for box in (
        (300, 310, 520, 430),
        (720, 320, 820, 440),
        (60, 290, 180, 420),
        (300, 110, 560, 200),
        (700, 110, 840, 210),
        (960, 320, 1060, 450),
    ):
        plan.block(box)
    plan.block((300, 310, 520, 430), (205, 226, 195))
    plan.label(350, 355, "小学校", 28)
    for number, (x, y) in enumerate(((235, 230), (632, 246), (890, 255), (228, 488), (640, 505)), start=1):
        plan.mark(x, y, str(number))
    return plan.bytes()


def inspection_scan() -> bytes:
    paper = Paper("消防用設備等点検結果報告書")
    paper.centred(28, "消防用設備等（特殊消防用設備等）点検結果報告書", 14)
    paper.right(40, "令和8年11月16日")
    paper.text(22, 50, "箕面市長　様", 11)
    paper.text(116, 60, "株式会社吉村防災", 11)
    paper.table(
        22,
        76,
        (46, 120),
        (
            ("防火対象物", "箕面市役所　本館及び別館"),
            ("点検の種別", "機器点検・総合点検"),
            ("点検年月日", "令和8年11月7日"),
            ("消火器具", "良"),
            ("屋内消火栓設備", "良"),
            ("自動火災報知設備", "良"),
            ("ガス漏れ火災警報設備", "良"),
            ("誘導灯", "不良　別館3階2か所（バッテリー）"),
            ("点検者", "消防設備点検資格者　第1種　桒名　忠"),
        ),
        height=11,
    )
    paper.seal(176, 64, "吉村")
    paper.receipt_stamp(164, 226, "箕面市総務課", "8.11.17")
    return scan(paper.bytes(), 17, -0.8)


def inquiry_prefecture() -> bytes:
    paper = Paper("令和8年度生活環境に係る調査について（照会）")
    paper.right(28, "環管第1873号")
    paper.right(35, "令和8年11月13日")
    paper.text(22, 50, "府内各市町村　環境保全担当課長　様", 11)
    paper.text(104, 64, "大阪府環境農林水産部環境管理室長", 11)
    paper.centred(86, "令和8年度生活環境に係る調査について（照会）", 14)
    y = paper.paragraph(
        22,
        102,
        "　平素から本府環境行政の推進にご協力いただき厚くお礼申し上げます。\n　標記調査について、下記により"
        "ご回答くださいますようお願いします。",
        44,
    )
    paper.centred(y + 8, "記", 11)
    paper.paragraph(
        26,
        y + 20,
        "1　調査事項　騒音、振動及び悪臭に係る苦情の件数並びに処理の状況\n"
        "2　対象期間　令和7年4月1日から令和8年3月31日まで\n"
        "3　回答期限　令和8年12月18日（金）\n4　回答方法　LGWAN電子メール（別添様式による。）",
        44,
    )
    return paper.bytes()


def plan_environment() -> bytes:
    paper = Paper("第4次箕面市環境基本計画（素案）")
    paper.centred(90, "第4次箕面市環境基本計画", 26, GOTHIC)
    paper.centred(106, "（素　案）", 18)
    paper.centred(230, "令和8年11月", 14)
    paper.centred(242, "箕　面　市", 18)
    chapters = (
        (
            "第1章　計画の基本的事項",
            "　本計画は、箕面市環境保全条例第8条の規定に基づき、本市の環境の保全及び創造に関する施策を"
            "総合的かつ計画的に"
            "推進するために策定するものです。\n　計画期間は、令和9年度から令和18年度までの10年間とします。"
            "社会情勢の変化等を踏まえ、おおむね5年後に見直しを行います。",
        ),
        (
            "第2章　めざす環境像",
            "　「山なみの緑と水辺を次の世代へ」\n　本市は市域の約6割を山間・山麓部が占め、明治の森箕面国定公園を"
            "はじめとする豊かな自然に恵まれています。"
            "この自然と共生しながら、脱炭素で快適に暮らせるまちをめざします。",
        ),
        (
            "第3章　基本目標と施策",
            "　基本目標1　脱炭素のまち\n　基本目標2　資源が循環するまち\n　基本目標3　自然と共生するまち\n"
            "　基本目標4　安全で快適なまち\n"
            "　生活排水対策として、下水道の整備区域外における合併処理浄化槽への転換を引き続き促進します。",
        ),
        (
            "第4章　計画の推進",
            "　毎年度、環境審議会に進捗状況を報告し、その結果を市ホームページで公表します。",
        ),
    )
    for number, (heading, body) in enumerate(chapters, start=1):
        paper.next_page()
        paper.text(22, 34, heading, 16, GOTHIC)
        y = paper.paragraph(22, 50, body, 44)
        if number == 3:
            paper.text(22, y + 10, "図　市域からの温室効果ガス排出量（千トン-CO2）", 10, GOTHIC)
            paper.image(22, y + 16, 160, emissions_chart())
        paper.centred(285, f"- {number} -", 9)
    return paper.bytes()


def emissions_chart() -> Image.Image:
    plan = Map(1000, 460, "")
    plan.draw.rectangle((0, 0, 1000, 460), fill=(255, 255, 255))
    for number, (year, amount) in enumerate(
        (
            ("平成25", 668),
            ("平成30", 566),
            ("令和2", 511),
            ("令和4", 498),
            ("令和6", 471),
            ("令和12目標", 334),
            ("令和18目標", 234),
        )
    ):
        left = 60 + number * 132
        plan.draw.rectangle(
            (left, 400 - amount // 2, left + 80, 400), fill=(0, 80, 150) if number < 5 else (150, 180, 210)
        )
        plan.label(left + 14, 400 - amount // 2 - 30, str(amount), 24)
        plan.label(left - 10, 412, year, 20)
    ImageDraw.Draw(plan.image).line((40, 400, 980, 400), fill=(0, 0, 0), width=2)
    return plan.image


def map_playground() -> bytes:
    plan = Map(1000, 700, "遊具配置図（さくら公園）")
    plan.block((80, 120, 920, 620), (214, 232, 204))
    plan.road([(80, 560), (500, 500), (920, 560)], 24)
    for number, (x, y, name) in enumerate(
        (
            (220, 240, "複合遊具（更新）"),
            (480, 220, "ぶらんこ 4連（更新）"),
            (740, 260, "すべり台（撤去）"),
            (300, 400, "砂場"),
        ),
        start=1,
    ):
        plan.block((x - 60, y - 40, x + 60, y + 40), (250, 235, 200))
        plan.mark(x, y, str(number))
        plan.label(x - 60, y + 48, name, 22)
    return plan.bytes()


def map_occupancy() -> bytes:
    plan = Map(1000, 640, "占用位置図　市道箕面今宮線")
    plan.road([(0, 320), (1000, 340)], 90)
    plan.road([(520, 330), (540, 640)], 50)
    for box in (
        (80, 80, 300, 240),
        (380, 90, 620, 240),
        (700, 90, 930, 250),
        (80, 430, 420, 590),
        (640, 440, 930, 590),
    ):
        plan.block(box)
    plan.draw.line((260, 345, 700, 352), fill=(204, 35, 35), width=8)
    plan.label(360, 366, "ガス管　φ100　L＝42.5m", 24, (160, 20, 20))
    return plan.bytes()


def sign_scan() -> bytes:
    """A photograph page: the leaning sign board, drawn, then scanned."""
    plan = Map(900, 620, "")
    plan.draw.rectangle((0, 0, 900, 340), fill=(176, 206, 226))
    plan.draw.polygon(
        [(0, 340), (180, 150), (380, 320), (600, 120), (900, 330), (900, 400), (0, 400)], fill=(92, 132, 88)
    )
    plan.draw.rectangle((0, 380, 900, 620), fill=(168, 160, 148))
    plan.draw.polygon([(330, 190), (640, 160), (652, 330), (344, 362)], fill=(236, 232, 214), outline=(90, 70, 50))
    plan.draw.line((380, 358, 366, 560), fill=(90, 70, 50), width=16)
    plan.draw.line((610, 334, 622, 560), fill=(90, 70, 50), width=16)
    plan.label(392, 220, "箕面大滝", 44, (120, 120, 120))
    plan.label(398, 284, "Minoh Falls 1.2km", 26, (150, 150, 150))
    paper = Paper("案内板現況写真")
    paper.text(22, 26, "案内板現況写真（令和8年11月18日撮影）", 13, GOTHIC)
    paper.image(25, 36, 160, plan.image)
    paper.paragraph(
        25,
        160,
        "1号板　大滝パーキング前\n・支柱が約6度傾いている。\n・盤面の退色により文字が読みにくい。",
        40,
    )
    return scan(paper.bytes(), 18, 0.3)


DRAWN: dict[str, Callable[[], bytes]] = {
    "application-johkaso.pdf": application_johkaso,
    "application-johkaso-2.pdf": application_johkaso_2,
    "map-johkaso.png": map_johkaso,
    "request-disclosure-scan.pdf": request_disclosure_scan,
    "bills.pdf": bills,
    "water-application-scan.pdf": water_application_scan,
    "specification-ct.pdf": specification_ct,
    "medical-request-scan.pdf": medical_request_scan,
    "map-safety.png": map_safety,
    "inspection-scan.pdf": inspection_scan,
    "inquiry-prefecture.pdf": inquiry_prefecture,
    "plan-environment.pdf": plan_environment,
    "map-playground.png": map_playground,
    "map-occupancy.png": map_occupancy,
    "sign-scan.pdf": sign_scan,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mincho", type=Path, default=DEBIAN_FONTS / "ipaexfont-mincho/ipaexm.ttf")
    parser.add_argument("--gothic", type=Path, default=DEBIAN_FONTS / "ipaexfont-gothic/ipaexg.ttf")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent / "files")
    options = parser.parse_args()
    register_fonts(options.mincho, options.gothic)
    options.into.mkdir(parents=True, exist_ok=True)
    office = yaml.safe_load((Path(__file__).parent / "office.yaml").read_text(encoding="utf-8"))
    contents = {name: draw() for name, draw in DRAWN.items()}
    contents |= {name: letter(**words) for name, words in office["letters"].items()}
    contents |= {name: sheet(**cells) for name, cells in office["sheets"].items()}
    for name, content in sorted(contents.items()):
        (options.into / name).write_bytes(content)
        print(f"{name} {len(content):,}")


if __name__ == "__main__":
    main()
