"""証拠一式の確かめ方: two pages for whoever checks the evidence of a completed document, as PDF and as the same text.

Written for an expert of the other side who does not know this system. The commands are run by the tests as they stand here.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from chassis import wareki
from services.gateway import paper

TITLE: Final = "証拠一式の確かめ方"

# The folder after unpacking: file, what it is, what it shows, what it does not show.
FILES: Final = (
    (
        "manifest.json",
        "完結記録。登録事項、番号、決裁の経過、添付の値",
        "完結の時に保存された内容",
        "書かれた内容が事実であること",
    ),
    (
        "files/",
        "添付ファイルと、決裁時・完結時の鑑。番号は完結記録に並ぶ順",
        "完結記録にあるファイルと同じであること",
        "作成者、作成日",
    ),
    (
        "decisions.json",
        "決裁の経過と意見の本文",
        "完結記録にある処理・意見と同じであること",
        "完結後の処理（後閲など）",
    ),
    ("leaf.json", "ログの記録「この文書が完結した」そのもの", "完結記録の値が記録されたこと", "ほかの記録がないこと"),
    (
        "completed.tlog-proof",
        "記録から目録までの値（c2sp.org/tlog-proof）",
        "記録がログにあり変わっていないこと",
        "記録の時刻が正しいこと",
    ),
    (
        "checkpoint",
        "目録。ログの名、件数、全体の値、署名、あれば証人の連署",
        "市（と証人）がこのログに署名したこと",
        "署名した日時（連署にはある）",
    ),
    ("log.vkey", "目録の署名を確かめる検証鍵", "―", "市の鍵であること（別の方法で受け取る）"),
    (
        "stamped.*",
        "時刻印のある目録、その証明、時刻印（RFC 3161）。後日発行分だけ",
        "その時刻より前に記録があったこと",
        "―",
    ),
    ("verify.py", "下の手順を行うプログラム。Python 3.11 以上だけで動く", "―", "―"),
)

BY_PROGRAM: Final = (
    "書庫を新しいフォルダに展開し、その場所で次を実行します。ほかのソフトもネットワークも要りません。",
    "python3 -I verify.py",
    "すべて「正しい」と出れば（終了コード 0）、上の表の「示すこと」が、時刻印と連署を除いて確かめられました。"
    "「一致しない」が一つでもあれば、書庫は作られた時のものではありません。「確かめていない」は、下の手順で補います。"
    "連署は、証人から受け取った鍵を witnesses.vkey に1行ずつ書いて置くと、verify.py が確かめます。",
)

# Each: what it checks, the command, and what must come out.
BY_HAND: Final = (
    ("完結記録の値", "sha256sum manifest.json", "leaf.json の detail.manifest_digest と同じ"),
    ("添付の値", "sha256sum files/*", "manifest.json の attachments[].sha256 と同じ"),
    ("記録の値", "(printf '\\0'; cat leaf.json) | sha256sum", "木の葉。ここから全体の値まで、次のとおりつなぐ"),
    (
        "署名",
        "(printf '\\60\\52\\60\\5\\6\\3\\53\\145\\160\\3\\41\\0'; cut -d+ -f3- log.vkey | base64 -d | tail -c 32) > key.der\n"
        "head -n 3 checkpoint > text; sed -n 5p checkpoint | cut -d' ' -f3 | base64 -d | tail -c 64 > sig\n"
        "openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile sig",
        "Signature Verified Successfully",
    ),
    (
        "時刻印",
        "openssl ts -verify -data stamped.checkpoint -in stamped.tsr -CAfile 認証局の証明書.pem\n"
        "openssl ts -reply -in stamped.tsr -text",
        "Verification: OK。2行目で時刻が読める",
    ),
)
CLIMB: Final = (
    "記録の値から全体の値まで: completed.tlog-proof の3行目からの値（base64）を上から使います。番号を i（2行目）、件数から1を引いた数を n"
    "（checkpoint の2行目）とし、i が奇数か i と n が等しいときは sha256(0x01・その値・手元の値)、それ以外は sha256(0x01・手元の値・その値) を"
    "新しい手元の値とします。i と n が等しく i が偶数だったときは、i が奇数になるか 0 になるまで i と n を2で割り（端数切捨て）ます。そのあと i と n を"
    "2で割り、次の値へ進みます。最後が checkpoint の3行目と同じなら、記録はログにあります（RFC 9162 2.1.3.2）。"
)
KEY: Final = (
    "この書庫を作り直せる人は、鍵も入れ替えられます。検証鍵は、書庫とは別の方法で受け取って log.vkey と見比べてください。",
    "・市の監査ログ管理者に、書面で求めてください（電話で読み合わせてもかまいません）。",
    "・市のほかにも、目録の控えを持つ人がいます。議会、監査委員、checkpoint に連署した証人（ほかの市など）に尋ねられます。",
    "・証人の鍵は証人から、時刻認証局の証明書はその認証局から受け取ってください。",
)
LIMITS: Final = (
    "ログは、記録の順序と、あとから消したり書き換えたりしていないことを示します。書かれた内容が事実であること、端末を操作したのが"
    "ログインした本人であること、記録されなかった出来事がないことは示しません。",
    "署名の鍵を持つ人がログの全部を作り直せば、別の署名済みの目録を作れます。それを見つけられるのは、前の目録の控え、証人の連署、時刻印です。"
    "連署も時刻印もない場合は、市のほかの人が持つ目録の控えと比べてください。",
    "一致しないときは、書庫をそのまま保存し、市の監査ログ管理者へ連絡してください。市は、同じ記録の証明をもう一度発行できます。",
)


def facts(tenant: str, number: str, origin: str, index: int, size: int, made_at: dt.datetime) -> list[list[str]]:
    """What this evidence is about."""
    return [
        ["発行", f"{tenant}　{wareki.format_moment(made_at)}"],
        ["文書番号", number],
        ["ログの記録", f"{origin} の {index} 番目（全 {size} 件の目録による）"],
    ]


def as_text(about: list[list[str]]) -> bytes:
    """The guide as plain text, UTF-8."""
    lines = [TITLE, ""]
    lines += [f"{name}: {value}" for name, value in about]
    lines += ["", "1 入っているもの"]
    for name, what, shows, hides in FILES:
        lines += [f"  {name}", f"      {what}", f"      示すこと: {shows}", f"      示さないこと: {hides}"]
    lines += ["", "2 検証鍵は別の方法で受け取る", *(f"  {one}" for one in KEY)]
    lines += ["", "3 プログラムで確かめる", *(f"  {one}" for one in BY_PROGRAM)]
    lines += ["", "4 手で確かめる"]
    for name, command, result in BY_HAND:
        lines += [f"  {name}", *(f"      {line}" for line in command.split("\n")), f"      → {result}"]
    lines += [f"  {CLIMB}", "", "5 示さないこと、一致しないとき", *(f"  {one}" for one in LIMITS), ""]
    return "\n".join(lines).encode()


async def as_pdf(tenant: str, about: list[list[str]], made_at: dt.datetime) -> bytes:
    """The guide as two A4 pages."""
    data: dict[str, Any] = {
        "title": TITLE,
        "tenant": tenant,
        "facts": about,
        "files": FILES,
        "key": KEY,
        "program": BY_PROGRAM,
        "hand": BY_HAND,
        "climb": CLIMB,
        "limits": LIMITS,
    }
    return await paper.render("evidence_guide", data, made_at)
