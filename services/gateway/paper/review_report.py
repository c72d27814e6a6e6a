"""点検報告書: a review as the council may see it. Counts, rules and results; no name, no staff number, no document."""

from __future__ import annotations

import datetime as dt

from chassis import clock, wareki
from services.gateway import paper
from services.gateway.actions import reviews
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.pages import vocabulary
from services.gateway.pages.chart import round_up
from services.gateway.views import View


async def pdf(clients: Clients, caller: Caller, review_id: str, tenant_name: str) -> tuple[bytes, str, str]:
    """The report as PDF, the name of its file, and the access record that it was made."""
    whole, record = await reviews.review(clients, caller, review_id, purpose="report")
    now = clock.now()
    return (
        await paper.render("review_report", report_of(whole, tenant_name, now), now),
        f"review-{whole['month']}",
        record,
    )


def report_of(whole: View, tenant_name: str, now: dt.datetime) -> View:
    """What the paper says, from a review with its counts."""
    month = wareki.format_date(dt.date.fromisoformat(f"{whole['month']}-01")).removesuffix("1日")
    found = {one["rule"]: one for one in whole["rule_counts"]}
    missing = set(whole["not_examined"])
    denied = sum(one["count"] for one in whole["actions"] if one["outcome"] == "denied")
    total = sum(one["count"] for one in whole["actions"])
    signed = whole["state"] == "signed"
    incidents = sum(one["incident"] for one in found.values())
    gaps = found["gap"]["found"]
    complete, outside = whole["completeness"], whole["outside"]
    thresholds = whole["rules"]["thresholds"]
    texts = [
        {"word": word, "sentence": sentence.format(**thresholds)} for word, sentence in vocabulary.REVIEW_RULES.values()
    ]
    return {
        "title": f"監査ログ点検報告書（{month}分）",
        "tenant": tenant_name,
        "facts": [
            ["対象", f"{month}1日から末日までの、文書管理・電子決裁システムの全記録"],
            ["点検の開始", _moment(whole["opened_at"])],
            ["点検の確定", _moment(whole["signed_at"]) if signed else "未確定"],
            ["作成", wareki.format_moment(now)],
        ],
        "introduction": (
            "本市は、システムへの閲覧、操作及び拒否を全件記録し、その記録をだれも（管理者を含む。）消したり"
            "書き換えたりできない方法で保存しています。この報告書は、その記録を月ごとに点検した結果です。"
            "個人情報の保護のため、職員と文書は件数でのみ示します。点検の結果は、個々の記録とともに保存しています。"
        ),
        "chart": {
            "alt": f"{month}の日ごとの利用と拒否の件数。数値は末尾の表と同じ。",
            "top": round_up(max((one["accesses"] for one in whole["days"]), default=0)),
            "days": [
                {"label": str(int(one["day"][8:])), "accesses": one["accesses"], "denied": one["denied"]}
                | {"closed": one["closed"]}
                for one in whole["days"]
            ],
        },
        "actions": [
            *_actions(whole["actions"]),
            ["計", total - denied - _count(whole["actions"], "failed"), denied, _count(whole["actions"], "failed")],
        ],
        "findings_text": (
            f"定めた規則により、{whole['findings']}件を指摘しました。指摘は、確かめるべきことを示すもので、不正を意味しません。"
            f"このうち事案と判断したものは{incidents}件、未回答は{whole['open_findings']}件です。"
            f"閲覧などの拒否は{denied}件でした。"
        ),
        "rules": [
            [word, "照合なし", "―", "―", "―", "―"]
            if rule in missing
            else [word, *(found[rule][key] for key in ("found", "recorded", "explained", "incident", "open"))]
            for rule, (word, _) in vocabulary.REVIEW_RULES.items()
        ],
        "rule_texts": texts,
        "completeness_text": completeness_text(complete, gaps),
        "compared": _compared(complete, whole["days"]),
        "alarms": [_alarm(one) for one in complete["alarms"]],
        "integrity_text": (
            "点検は、電子署名されたログの状態（下記）までの記録について行いました。記録が1件でも変更、削除、追加"
            "又は入替えされると「全体の値」が変わるため、この署名を保存している人は、だれでもそれを確かめられます。"
        ),
        "coverage": [
            {
                "name": f"{wareki.format_fiscal_year(one['log_year'])}のログ（{one['origin']}）",
                "size": f"{one['size']:,}",
                "root": one["root"],
                "checkpoint": one["checkpoint"].strip(),
            }
            for one in whole["coverage"]
        ],
        "outside_text": outside_text(outside),
        "outside": _outside(outside),
        "check_text": check_text(outside["last_check"]),
        "signed": signed,
        "sign_line": f"監査ログ管理者が{_moment(whole['signed_at'])}に確定しました。" if signed else "",
        "opinions": [one["text"] for one in whole["notes"] if one["action"] == "review.signed"],
        "remarks": [
            {"at": _moment(one["at"]), "text": one["text"]}
            for one in whole["notes"]
            if one["action"] == "review.remarked"
        ],
        "days": [
            [f"{int(one['day'][8:])}日{'（閉庁日）' if one['closed'] else ''}", one["accesses"], one["denied"]]
            for one in whole["days"]
        ],
    }


def completeness_text(complete: View, gaps: int) -> str:
    """Whether the month's records are all there: comparisons, missing numbers, alarms. `gaps`: findings of that rule."""
    agreed, disagreed, missing = (len(complete[name]) for name in ("agreed", "disagreed", "not_compared"))
    said = (
        "記録した件数、画面に返した件数、保存先から読み出した件数を、互いに知らない三か所で数え、毎日照合しています。"
        f"この月は{agreed + disagreed}日照合し、{agreed}日で一致しました。"
    )
    if disagreed:
        said += f"一致しなかった日は{disagreed}日です（{_days(complete['disagreed'])}）。"
    if missing:
        said += f"照合しなかった日は{missing}日です（{_days(complete['not_compared'])}）。"
    said += (
        "点検の時点で、送信元ごとの通し番号に欠けはなく、届いていない記録はありません。"
        if not gaps
        else f"点検の時点で、記録の欠落又は送信元の異常終了に当たるものが{gaps}件あり、前の表のとおり扱いました。"
    )
    alarms = complete["alarms"]
    standing = sum(one["until"] is None for one in alarms)
    if not alarms:
        return f"{said}この月に出た警報はありません。"
    return f"{said}警報は{len(alarms)}件で、{f'{standing}件が続いています。' if standing else 'すべて解消しました。'}"


def _days(days: list[str]) -> str:
    return "、".join(f"{int(day[8:])}日" for day in days)


def _compared(complete: View, days: list[View]) -> list[View]:
    """Each day of the month with its mark."""
    marks = {day: mark for name, mark in _MARKS for day in complete[name]}
    return [{"label": str(int(one["day"][8:])), "mark": marks.get(one["day"], "")} for one in days]


_MARKS = (("agreed", "○"), ("disagreed", "×"), ("not_compared", "－"))


def _alarm(one: View) -> list[str | int]:
    word = str(vocabulary.ALARMS.get(one["kind"], (one["kind"], ""))[0])
    how = vocabulary.ALARM_ENDS.get(one["kind"], "")
    return [
        word,
        str(vocabulary.SERVICES.get(one["service"], one["service"] or "全体")),
        one["numbers"] or "―",
        _short(one["since"]),
        f"{_short(one['until'])}\n{how}" if one["until"] else "続いている",
    ]


def outside_text(outside: View) -> str:
    """Who outside vouches for the month, or that nobody does."""
    said = "ログの状態は、署名した目録（checkpoint）として残します。市の外の人がその控えを持てば、市も、気づかれずに過去の記録を作り直すことはできません。"
    if outside["witnesses"]:
        said += "証人（ほかの市など）は、本市のログが前に見たものの続きであることを確かめてから連署します。証人に記録の内容は伝わりません。"
    else:
        said += "この月の目録に連署した証人はありません。"
    if outside["timestamps"]:
        return f"{said}時刻印は、時刻認証局が、その時刻より前に目録があったことを証明するものです。"
    return f"{said}時刻認証局の時刻印は受けていません。"


def _outside(outside: View) -> list[list[str | int]]:
    """Kind, how many, the size of the last one, when."""
    rows = [["署名した目録（各時の最初のもの）", outside["checkpoints"], outside["size"], outside["last_at"]]]
    rows += [[f"連署　{one['name']}", one["checkpoints"], one["size"], one["last_at"]] for one in outside["witnesses"]]
    if outside["timestamps"]:
        rows.append(["時刻印", outside["timestamps"], outside["stamped_size"], outside["stamped_at"]])
    return [[word, count, size or "―", _moment(at) if at else "―"] for word, count, size, at in rows]


def check_text(check: View | None) -> str:
    """The last time the whole log was compared with its copies and its signature."""
    if check is None:
        return "ログの全件を写し及び署名と照合した検査の記録は、この月以後にありません。"
    result = (
        "食い違いはありませんでした"
        if not check["findings"]
        else f"食い違いが{check['findings']:,}件ありました。監査ログの画面の警報を確かめてください"
    )
    return (
        f"最後の検査：{_moment(check['at'])}に、{check['origin']} の全{check['leaves']:,}件を写し及び署名と照合し、{result}。"
        "市の外で行われた検証は、ログには記録されません。"
    )


def _actions(actions: list[View]) -> list[list[str | int]]:
    rows: dict[str, list[str | int]] = {}
    for one in actions:
        word = str(vocabulary.RECORDED_ACTIONS.get(one["action"], one["action"]))
        row = rows.setdefault(one["action"], [word, 0, 0, 0])
        row[1 + ("granted", "denied", "failed").index(one["outcome"])] = one["count"]
    return list(rows.values())


def _count(actions: list[View], outcome: str) -> int:
    return sum(one["count"] for one in actions if one["outcome"] == outcome)


def _short(text: str) -> str:
    return wareki.format_moment_short(dt.datetime.fromisoformat(text))


def _moment(text: str) -> str:
    return wareki.format_moment(dt.datetime.fromisoformat(text))
