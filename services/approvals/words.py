"""Japanese words of this service: ranks, classes, bodies, amounts, as findings and explanations say them."""

from __future__ import annotations

from collections.abc import Sequence

RANKS = {
    "member": "係員",
    "chief": "担当主査",
    "deputy_head": "室長補佐",
    "head": "室長",
    "deputy_director": "次長",
    "director": "部長",
    "vice_mayor": "副市長",
    "body_head": "執行機関の長",
}
BODIES = {
    "mayor": "市長",
    "education": "教育委員会",
    "fire": "消防長",
    "water": "公営企業管理者（上下水道）",
    "boatrace": "公営企業管理者（競艇）",
    "hospital": "病院事業管理者",
    "council": "議会",
    "election": "選挙管理委員会",
    "audit_commission": "監査委員",
    "equity": "公平委員会",
    "agriculture": "農業委員会",
    "assessment": "固定資産評価審査委員会",
}


def deciding(decision_class: str) -> str:
    """「室長決裁」, 「執行機関の長の決裁」."""
    return "執行機関の長の決裁" if decision_class == "body_head" else f"{RANKS[decision_class]}決裁"


def yen(amount: int) -> str:
    """「1,000,000円」."""
    return f"{amount:,}円"


def span(low: int | None, high: int | None) -> str:
    """An inclusive range of yen: 「500,001円以上5,000,000円以下」."""
    if not low and high is None:
        return "金額にかかわらず"
    return (f"{yen(low)}以上" if low else "") + (f"{yen(high)}以下" if high is not None else "")


def some(names: Sequence[str]) -> str:
    """「環境政策室」, 「環境政策室、税務室 ほか3所属」."""
    return "、".join(names[:2]) + (f" ほか{len(names) - 2}所属" if len(names) > 2 else "")


NOTICES = {
    "rejected": "否決",
    "withdrawn": "取下げ",
    "sent_back": "差戻し",
    "decided": "決裁済み",
    "substitute": "代決の依頼",
    "urgent_turn": "至急の未処理",
    "turn": "未処理",
    "post_view": "後閲",
    "circulation": "供覧",
    "reminder": "期限の到来",
    "escalation": "滞留",
    "break_glass": "所属の文書の緊急閲覧",
    "break_glass_ended": "緊急閲覧の終了",
    "change_set_refused": "人事異動・組織改編を反映できず",
}
