"""The words people read for the names machines use: states, actions, steps, reasons.

Words follow domain.md sections 2, 3, 4 and 13 (UI-04: no invented words). A name that is missing here is
shown as it is, never hidden.
"""

from __future__ import annotations

from typing import Final

# Document states (domain.md section 3): name -> (word, tone of the chip).
STATES: Final[dict[str, tuple[str, str]]] = {
    "drafting": ("作成中", "neutral"),
    "circulating": ("回議中", "progress"),
    "sent_back": ("差戻し中", "attention"),
    "withdrawn": ("取下げ", "stopped"),
    "rejected": ("否決", "stopped"),
    "decided": ("決裁済", "decided"),
    "enforced": ("施行済", "decided"),
    "completed": ("完結", "done"),
}

# Step states (section 4.1): name -> what stands in the 判窓.
STEP_STATES: Final[dict[str, str]] = {
    "waiting": "未着",
    "active": "処理待ち",
    "approved": "承認",
    "decided": "決裁",
    "concurred": "同意",
    "dissented": "不同意",
    "held": "保留",
    "sent_back": "差戻し",
    "rejected": "否認",
    "pulled_up": "引上げ",
    "substituted": "代決",
    "postview_due": "後閲待ち",
    "postviewed": "後閲",
    "struck": "対象外",
    "informed": "供覧済",
    "cancelled": "取消",
}

STEP_KINDS: Final[dict[str, str]] = {
    "approve": "回議",
    "decide": "決裁",
    "concur": "合議",
    "review": "審査",
    "inform": "供覧",
}

# Acts of people on a step or a case (section 4.2).
ACTIONS: Final[dict[str, str]] = {
    "submit": "回議開始",
    "approve": "承認",
    "decide": "決裁",
    "substitute": "代決",
    "concur": "同意",
    "dissent": "不同意",
    "hold": "保留",
    "send_back": "差戻し",
    "reject": "否認",
    "pull_up": "引上げ",
    "recall": "引戻し",
    "withdraw": "取下げ",
    "post_view": "後閲",
    "inform": "供覧",
}

# Acts that need a reason or an opinion before they are accepted.
ACTIONS_WITH_REASON: Final = frozenset({"send_back", "reject", "hold", "dissent", "pull_up", "substitute"})

INBOX_KINDS: Final[dict[str, str]] = {
    "decision": "回議",
    "concurrence": "合議",
    "circulation": "供覧",
    "post_view": "後閲",
}

DECISION_CLASSES: Final[dict[str, str]] = {
    "head": "室長決裁",
    "deputy_director": "次長決裁",
    "director": "部長決裁",
    "vice_mayor": "副市長決裁",
    "body_head": "執行機関の長の決裁",
}

DISCLOSURES: Final[dict[str, str]] = {"open": "公開", "partial": "部分公開", "closed": "非公開"}

PERSONAL_INFORMATION: Final[dict[str, str]] = {"none": "無", "personal": "有", "sensitive": "有（要配慮）"}

RETENTIONS: Final[dict[str, str]] = {
    "under_1": "1年未満",
    "1": "1年",
    "3": "3年",
    "5": "5年",
    "7": "7年",
    "10": "10年",
    "20": "20年",
    "30": "30年",
    "perpetual": "永年",
    "perpetual_use": "常用",
}

SENDER_KINDS: Final[dict[str, str]] = {
    "citizen": "住民",
    "company": "事業者・団体",
    "government": "国・府・他の市町村",
    "internal": "庁内",
    "other": "その他",
}

MEDIA: Final[dict[str, str]] = {
    "post": "郵送",
    "counter": "窓口",
    "lgwan": "LGWAN",
    "mail": "メール",
    "e_application": "電子申請",
}

DISPATCH_METHODS: Final[dict[str, str]] = {
    "post": "郵送",
    "counter": "窓口交付",
    "mail": "メール",
    "lgwan": "LGWAN",
    "internal": "庁内",
}

ABSENCE_REASONS: Final[dict[str, str]] = {
    "business_trip": "出張",
    "leave": "休暇",
    "sick": "病気",
    "training": "研修",
    "other": "その他",
}

VIEW_REASONS: Final[dict[str, str]] = {
    "owner_unit": "文書の所属",
    "route_step": "回議で処理する番",
    "acted": "回議で処理した（完結まで）",
    "circulation": "供覧先",
    "grant": "個別の許可",
}

OUTCOMES: Final[dict[str, tuple[str, str]]] = {
    "granted": ("許可", "neutral"),
    "denied": ("拒否", "attention"),
    "failed": ("失敗", "attention"),
}

# Names of what is recorded, as the history of a document and the audit log show them.
RECORDED_ACTIONS: Final[dict[str, str]] = {
    "session.login": "ログイン",
    "session.logout": "ログアウト",
    "session.refused": "ログインを拒否",
    "receipt.registered": "収受を登録",
    "receipt.viewed": "収受を閲覧",
    "receipt.listed": "収受簿を表示",
    "document.drafted": "起案",
    "document.edited": "内容を編集",
    "document.deleted": "下書きを削除",
    "document.submitted": "回議を開始",
    "document.viewed": "文書を閲覧",
    "document.listed": "文書の一覧を表示",
    "document.searched": "文書を検索",
    "document.sent_back": "差戻し",
    "document.withdrawn": "取下げ",
    "document.rejected": "否決",
    "document.decided": "決裁",
    "document.locked": "内容を固定",
    "document.enforced": "施行",
    "document.completed": "完結",
    "document.annotated": "追記",
    "attachment.added": "添付を追加",
    "attachment.removed": "添付を削除",
    "attachment.viewed": "添付を表示",
    "attachment.downloaded": "添付をダウンロード",
    "viewers.listed": "閲覧できる人を確認",
    "history.viewed": "処理経過を確認",
    "manifest.read": "完結記録を取得",
    "case.opened": "案件を開始",
    "case.viewed": "回議の状況を閲覧",
    "case.decided": "決裁",
    "case.closed": "案件を終了",
    "inbox.listed": "未処理の一覧を表示",
    "step.activated": "処理の番になった",
    "step.closed": "処理を登録",
    "absence.registered": "不在を登録",
    "absence.ended": "不在を終了",
    "directory.listed": "組織・職員を表示",
    "audit.read": "監査ログを閲覧",
    "audit.listed": "監査ログを表示",
}
