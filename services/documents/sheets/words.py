"""The words of the approval sheet for the names machines use. The pages of the gateway use the same; a test compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DECISION_CLASSES: Final[Mapping[str, str]] = {
    "head": "室長決裁",
    "deputy_director": "次長決裁",
    "director": "部長決裁",
    "vice_mayor": "副市長決裁",
    "body_head": "執行機関の長の決裁",
}

# As in Disclosure, PersonalInformation and ViewClass.
DISCLOSURES: Final = ("", "公開", "部分公開", "非公開")
PERSONAL_INFORMATION: Final = ("", "無", "有", "有（要配慮）")
VIEW_CLASSES: Final = ("", "課（室）内", "指定者のみ", "係内", "部内", "全庁")

DISPATCH_METHODS: Final[Mapping[str, str]] = {
    "post": "郵送",
    "counter": "窓口交付",
    "mail": "メール",
    "lgwan": "LGWAN",
    "internal": "庁内",
}

# What a seal says of the state that a step ended in.
SEALS: Final[Mapping[str, str]] = {
    "submitted": "起案",
    "approved": "承認",
    "decided": "決裁",
    "decided_conditionally": "条件付決裁",
    "concurred": "同意",
    "dissented": "不同意",
    "substituted": "代決",
}

# What somebody did who wrote something with it.
ACTS: Final[Mapping[str, str]] = {
    "approve": "承認",
    "decide": "決裁",
    "decide_conditionally": "条件付決裁",
    "substitute": "代決",
    "concur": "同意",
    "dissent": "不同意",
    "hold": "保留",
    "send_back": "差戻し",
    "pull_up": "引上げ",
    "recall": "引戻し",
    "post_view": "後閲",
    "restart": "回議のやり直し",
    "confirm": "供覧",
    "replace": "差替え",
    "circulate": "供覧先の追加",
    "ask_substitute": "代決依頼",
    "ask_pull_up": "引上げ依頼",
    "add_seat": "回議先の追加",
    "register_walk_around": "持回りの事後登録",
}


def retention(kept: str) -> str:
    """保存期間."""
    return {"perpetual": "永年", "perpetual_use": "常用", "under_1": "1年未満"}.get(kept, f"{kept}年")
