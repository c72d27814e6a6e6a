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
    "decided_conditionally": "条件付決裁",
    "registered": "事後登録",
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
    "provisional": "仮決裁",
}

# Acts of people on a step or a case (section 4.2).
ACTIONS: Final[dict[str, str]] = {
    "submit": "回議開始",
    "approve": "承認",
    "decide": "決裁",
    "decide_conditionally": "条件付決裁",
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
    "restart": "回議のやり直し",
    "confirm": "供覧",
    "replace": "差替え",
    "circulate": "供覧先の追加",
    "ask_substitute": "代決依頼",
    "ask_pull_up": "引上げ依頼",
    "add_seat": "回議先の追加",
    "register_walk_around": "持回りの事後登録",
}

# Acts that need a reason or an opinion before they are accepted.
ACTIONS_WITH_REASON: Final = frozenset({"send_back", "reject", "hold", "dissent", "decide_conditionally", "restart"})

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

# Ranks after which a 合議 may stand, or before the own line.
RANKS: Final[dict[str, str]] = {
    "drafter": "起案",
    "chief": "担当主査",
    "deputy_head": "室長補佐",
    "head": "室長",
    "deputy_director": "次長",
    "director": "部長",
    "vice_mayor": "副市長",
    "body_head": "執行機関の長",
}

# Executive bodies (AP-05).
BODIES: Final[dict[str, str]] = {
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

# 専決の例外 (AP-03).
EXCEPTIONS: Final[dict[str, str]] = {
    "council": "議会関係",
    "important": "重要",
    "unusual": "異例",
    "precedent": "先例",
    "dispute": "紛議",
}

# Where a template puts a seat.
PLACES: Final[dict[str, str]] = {rank: "最初" if rank == "drafter" else f"{word}の後" for rank, word in RANKS.items()}

RULE_VERSION_STATES: Final[dict[str, tuple[str, str]]] = {
    "draft": ("案", "attention"),
    "activated": ("有効", "decided"),
    "discarded": ("取りやめ", "stopped"),
}

RULE_PROBLEMS: Final[dict[str, str]] = {
    "gap": "定めのない金額",
    "no_rule": "定めのない所属",
    "overlap": "定めの重なり",
    "no_decider": "決裁する職がない",
    "unknown_unit": "存在しない所属",
    "unknown_post": "存在しない職",
    "vacant": "空席",
    "unreachable": "使われない定め",
}

# 合議 one after the other (AP-07).
CONCURRENCE_ORDERS: Final[dict[str, str]] = {"units": "所属の順", "listed": "記載の順"}

# Columns of the CSV of a 専決規程.
RULE_COLUMNS: Final[dict[str, str]] = {
    "rule_id": "番号",
    "unit_id": "所属",
    "matter": "事項",
    "amount_min": "金額の下限",
    "amount_max": "金額の上限",
    "decision_class": "決裁区分",
    "concurrence_posts": "合議先",
    "concurrence_after": "合議の位置",
    "review_posts": "審査",
    "basis": "根拠",
    "concurrence_need": "合議の必要数",
    "concurrence_order": "合議の順",
    "provisional": "仮決裁",
}

DISCLOSURES: Final[dict[str, str]] = {"open": "公開", "partial": "部分公開", "closed": "非公開"}

PERSONAL_INFORMATION: Final[dict[str, str]] = {"none": "無", "personal": "有", "sensitive": "有（要配慮）"}

# Whom of the unit a document is for (AC-02).
VIEW_CLASSES: Final[dict[str, str]] = {
    "unit": "課（室）内",
    "designated": "指定者のみ",
    "section": "係内",
    "department": "部内",
    "city": "全庁",
}

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

# The approval sheets that are files of a document.
SHEETS: Final[dict[str, str]] = {"decided": "決裁時の鑑", "completed": "完結時の鑑"}

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
    "drafter": "起案者（引継ぎの後は担当者）",
    "owner_unit": "文書の所属",
    "section": "文書の係と所属長",
    "designated": "指定された人",
    "records_manager": "文書管理責任者",
    "department": "同じ部（部内）",
    "city": "全職員（全庁）",
    "route_step": "回議で処理する番",
    "acted": "回議で処理した（完結まで）",
    "circulation": "供覧先",
    "grant": "個別の許可",
    "break_glass": "緊急閲覧",
}

OUTCOMES: Final[dict[str, tuple[str, str]]] = {
    "granted": ("許可", "neutral"),
    "denied": ("拒否", "attention"),
    "failed": ("失敗", "attention"),
}

# Names of what is recorded, as the history of a document and the audit log show them.
RECORDED_ACTIONS: Final[dict[str, str]] = {
    "actor.resolved": "ログインした職員の確認",
    "session.login": "ログイン",
    "session.logout": "ログアウト",
    "session.denied": "ログインを拒否",
    "request.denied": "操作を拒否",
    "request.repeated": "同じ操作の繰返し",
    "receipt.registered": "収受を登録",
    "receipt.viewed": "収受を閲覧",
    "receipt.listed": "収受簿を表示",
    "receipt.searched": "収受を検索",
    "receipt.related_listed": "次にすることを表示",
    "receipt.presented": "閲覧の証明を提示",
    "document.created": "起案",
    "document.redrafted": "引用起案",
    "document.related_listed": "引用元・次にすることを表示",
    "document.updated": "内容を編集",
    "document.deleted": "下書きを削除",
    "document.attachment_added": "添付を追加",
    "document.attachment_removed": "添付を削除",
    "document.submitted": "回議を開始",
    "document.viewed": "文書を閲覧",
    "document.printed": "文書を印刷",
    "document.exported": "文書を証拠一式として取得",
    "document.listed": "文書の一覧を表示",
    "document.searched": "文書を検索",
    "document.sent_back": "差戻し",
    "document.withdrawn": "取下げ",
    "document.rejected": "否決",
    "document.decided": "決裁",
    "document.decision_registered": "決裁（事後登録）",
    "content.locked": "内容を固定",
    "sheet.drawn": "鑑を作成",
    "document.enforced": "施行",
    "document.completed": "完結",
    "document.annotated": "追記",
    "document.assigned": "引継ぎ",
    "document.moved": "所管替え",
    "folder.moved": "簿冊の所管替え",
    "receipt.moved": "収受の所管替え",
    "document.viewers_read": "閲覧できる人を確認",
    "document.history_read": "処理経過を確認",
    "attachment.read": "添付を閲覧",
    "attachment.downloaded": "添付をダウンロード",
    "manifest.read": "完結の記録を取得",
    "document.versions_viewed": "回議した版を閲覧",
    "number.issued": "番号を付与",
    "class.listed": "分類を表示",
    "folder.listed": "簿冊を表示",
    "folder.created": "簿冊を作成",
    "file_plan.loaded": "分類表を読込み",
    "route.planned": "回議ルートを作成",
    "case.opened": "案件を開始",
    "case.viewed": "回議の状況を閲覧",
    "case.history_read": "すべての回議を閲覧",
    "case.explained": "決裁者の理由を閲覧",
    "case.decided": "案件を決裁",
    "case.decision_registered": "持回りの決裁を事後登録",
    "case.closed": "案件を終了",
    "case.recalled": "引戻し",
    "case.withdrawn": "取下げ",
    "case.taken_back": "差替えのための引取り",
    "case.circulated": "供覧先を追加",
    "case.substitute_asked": "代決を依頼",
    "case.pull_up_asked": "引上げを依頼",
    "case.seat_added": "回議先を追加",
    "inbox.listed": "未処理の一覧を表示",
    "step.activated": "処理の番になる",
    "step.listed": "滞留の一覧を表示",
    "step.acted": "処理を登録",
    "step.closed": "処理を終了",
    "step.held": "保留",
    "step.post_viewed": "後閲",
    "absence.registered": "不在を登録",
    "absence.ended": "不在を取りやめ",
    "absence.listed": "不在の一覧を表示",
    "directory.listed": "組織・職員を表示",
    "presence.listed": "在籍と不在の期間を表示",
    "directory.described": "氏名・名称を表示",
    "directory.loaded": "組織・職員を読込み",
    "notice.listed": "通知の一覧を表示",
    "notice.read": "通知を既読にする",
    "notice.presented": "新しい通知を開いている画面へ送信",
    "notice_choices.viewed": "通知の設定を表示",
    "notice_choices.changed": "通知の設定を変更",
    "escalation.viewed": "滞留の連絡先を表示",
    "escalation.saved": "滞留の連絡先を変更",
    "template.saved": "ルートのひな形を保存",
    "template.retired": "ルートのひな形を廃止",
    "template.listed": "ルートのひな形の一覧を表示",
    "memo.saved": "付箋を保存",
    "memo.deleted": "付箋を削除",
    "memo.viewed": "自分の付箋を表示",
    "body_template.saved": "例文を保存",
    "body_template.retired": "例文を廃止",
    "body_template.listed": "例文の一覧を表示",
    "body_template.read": "例文を使用",
    "follow_ups.read": "次にすることを表示",
    "follow_ups.saved": "次にすることを変更",
    "rules.imported": "専決規程の版を取込み",
    "rules.activated": "専決規程の版を有効化",
    "rules.discarded": "専決規程の版を取りやめ",
    "rules.listed": "専決規程の版の一覧を表示",
    "rules.viewed": "専決規程の版を閲覧",
    "rules.checked": "専決規程を点検",
    "rules.compared": "専決規程の取込みを試行",
    "change_set.drafted": "異動・改編の案を作成",
    "change_set.reviewed": "異動・改編の案を確認",
    "change_set.undone": "異動・改編を取りやめ",
    "change_set.applied": "異動・改編を反映",
    "change_set.refused": "異動・改編を反映できず",
    "change_set.viewed": "異動・改編の案を閲覧",
    "change_set.listed": "異動・改編の一覧を表示",
    "directory.compared": "人事データを照合",
    "directory.exported": "人事データを取り出し",
    "account.begun": "職員のアカウントを開始",
    "account.changed": "職員のアカウントを変更",
    "account.ended": "職員のアカウントを終了",
    "account.viewed": "職員のアカウントを表示",
    "account.listed": "職員のアカウントの一覧を表示",
    "vendor.registered": "保守業者のアカウントを登録",
    "vendor.listed": "保守業者の一覧を表示",
    "maintenance.requested": "保守時間枠を申請",
    "maintenance.confirmed": "保守時間枠を確認",
    "maintenance.ended": "保守時間枠を終了",
    "break_glass.listed": "緊急閲覧の一覧を表示",
    "break_glass.requested": "緊急閲覧を申請",
    "break_glass.consented": "緊急閲覧に同意",
    "break_glass.ended": "緊急閲覧を終了",
    "membership.begun": "所属に加える",
    "membership.ended": "所属から外す",
    "membership.changed": "所属の職員を変更",
    "membership.viewed": "所属の職員を表示",
    "membership.listed": "所属の職員の一覧を表示",
    "step.moved": "回議の宛先を変更",
    "case.listed": "宛先のない回議を表示",
    "audit.read": "監査ログを閲覧",
    "audit.exported": "監査ログを取得",
    "audit.appended": "記録を追加",
    "log.dropped": "保存期間の終わった年度の記録を廃棄",
    "review.opened": "点検を開始",
    "review.compared": "点検で職員名簿と照合",
    "review.listed": "点検の一覧を表示",
    "review.viewed": "点検を閲覧",
    "review.reported": "点検の報告書を作成",
    "review.signed": "点検を確定",
    "review.remarked": "点検に補足",
    "finding.listed": "指摘の一覧を表示",
    "finding.viewed": "指摘を閲覧",
    "finding.assigned": "指摘の確認を依頼",
    "finding.commented": "指摘に記入",
    "config.read": "点検の基準を閲覧",
    "config.changed": "点検の基準を変更",
    "epoch.open": "送信元の開始",
    "epoch.close": "送信元の終了",
    "epoch.heartbeat": "送信元の確認",
    "epoch.recovered": "送信元の再開",
    "source.gap_found": "記録の欠けを発見",
    "source.gap_filled": "記録の欠けが解消",
    "object.gap_found": "処理の記録の欠けを発見",
    "object.gap_filled": "処理の記録の欠けが解消",
    "source.alteration_found": "途中で変えられた記録を発見",
    "source.overdue": "送信元からの連絡が途絶",
    "source.heard": "送信元からの連絡が再開",
    "outbox.overdue": "送れない記録が滞留",
    "outbox.emptied": "滞留が解消",
    "count.reported": "件数を報告",
    "reconciliation.asked": "件数の照合を指示",
    "reconciliation.done": "件数の照合（一致）",
    "reconciliation.failed": "件数の照合（不一致）",
    "canary.announced": "試験閲覧の予告",
    "canary.returned": "試験閲覧の完了",
    "canary.missing": "試験閲覧の記録の欠けを発見",
    "canary.found": "試験閲覧の記録の欠けが解消",
    "canary.misused": "予告のない試験閲覧を発見",
    "canary.silent": "試験閲覧が途絶",
    "canary.heard": "試験閲覧が再開",
    "log.opened": "年度のログの開始",
    "log.checked": "監査ログの検査",
    "log.alteration_found": "監査ログの改変を発見",
    "log.alteration_gone": "監査ログの改変が解消",
    "backup.restored": "バックアップからの復旧",
}

# Kinds of things that are recorded.
OBJECTS: Final[dict[str, str]] = {
    "document": "文書",
    "attachment": "添付",
    "receipt": "収受",
    "case": "案件",
    "step": "処理の段階",
    "class": "分類",
    "folder": "簿冊",
    "session": "ログイン",
    "unit": "所属",
    "post": "職",
    "staff": "職員",
    "absence": "不在",
    "directory": "組織",
    "notice": "通知",
    "notice_choices": "通知の設定",
    "route_template": "ルートのひな形",
    "body_template": "例文",
    "memo": "付箋",
    "rule_version": "専決規程の版",
    "rule_finding": "専決規程の点検",
    "change_set": "異動・改編の案",
    "vendor": "保守業者",
    "maintenance_window": "保守時間枠",
    "break_glass": "緊急閲覧",
    "file_plan": "分類表",
    "content_lock": "内容の固定",
    "entry": "記録",
    "log": "監査ログ",
    "tile": "監査ログ",
    "source": "送信元",
    "siem": "監視システム",
    "epoch": "送信元",
    "review": "点検",
    "review_rules": "点検の基準",
    "alarm": "警報",
    "canary": "試験閲覧",
    "count": "件数",
    "reconciliation": "件数の照合",
}

# Kinds of alarms of the audit log: name -> (what is wrong, what to do).
ALARMS: Final[dict[str, tuple[str, str]]] = {
    "source.gap": ("閲覧の記録が欠けています", "送信元のサービスが動いているか、運用担当に確かめてください。"),
    "object.gap": ("処理の記録が欠けています", "送信元のサービスが動いているか、運用担当に確かめてください。"),
    "source.overdue": ("送信元からの連絡が途絶えています", "そのサービスが動いているか、運用担当に確かめてください。"),
    "source.altered": (
        "閲覧の記録が、送られてから届くまでの間に変えられています",
        "下の番号のどれかが、送信元が書いたものと違います。運用担当と調べ、原因が分かるまで証拠を消さないでください。",
    ),
    "log.altered": (
        "署名した監査ログが、あとから変えられています",
        "下の場所が署名したときと違います。データベースと保存先の証拠を残し、運用担当と調べてください。",
    ),
    "canary.missing": (
        "システムの試験閲覧の記録が、監査ログに届いていません",
        "ほかの閲覧の記録も届いていないおそれがあります。運用担当に確かめてください。",
    ),
    "canary.misused": (
        "試験閲覧の名で、システムの予告していない閲覧がありました",
        "試験閲覧を装った者がいるおそれがあります。運用担当と調べ、原因が分かるまで証拠を消さないでください。",
    ),
    "canary.silent": (
        "システムの試験閲覧が途絶えています",
        "文書と案件を開けるか、運用担当に確かめてください。",
    ),
    "outbox.overdue": (
        "送れない記録が10分以上たまっています",
        "メッセージ基盤が動いているか、運用担当に確かめてください。",
    ),
    "reconciliation.failed": (
        "記録の件数が、見せた件数や保存先で開いた件数と合いません",
        "下の送信元の記録が失われたおそれがあります。運用担当と調べ、原因が分かるまで証拠を消さないでください。",
    ),
}

# How an alarm ends.
ALARM_ENDS: Final[dict[str, str]] = {
    "source.gap": "欠けた記録が届いた",
    "object.gap": "欠けた記録が届いた",
    "source.overdue": "連絡が再開した",
    "outbox.overdue": "滞留がなくなった",
    "log.altered": "検査で食い違いがなくなった",
    "canary.missing": "欠けた記録が届いた",
    "canary.silent": "試験閲覧が再開した",
    "reconciliation.failed": "次の照合で一致した",
}

# Whose records an alarm is about.
SERVICES: Final[dict[str, str]] = {
    "documents": "文書",
    "approvals": "回議・組織",
    "audit": "監査ログ",
    "gateway": "画面・ログイン",
}

# Rules of a review (docs/reviewing.md): name -> (word, what it says, with the thresholds it speaks by).
REVIEW_RULES: Final[dict[str, tuple[str, str]]] = {
    "gap": ("記録の欠落", "送信元の番号か文書の出来事が、ログに届いていません。"),
    "bulk_viewing": ("大量閲覧", "1人が1日に{documents_per_day}件を超える文書を開きました。"),
    "bulk_download": ("大量ダウンロード", "1人が1日に{downloads_per_day}件を超えるファイルを取得しました。"),
    "output_spike": (
        "印刷・出力の急増",
        "1日の印刷・取得が{outputs_per_day}件以上で、その人のほかの開庁日の平均の{outputs_times_mean}倍以上です。",
    ),
    "after_hours": (
        "時間外・閉庁日の利用",
        "閉庁日、または執務時間（{opens_at}～{closes_at}）の前後{overtime_minutes}分を超える時刻に文書を利用しました。",
    ),
    "denied_then_granted": (
        "拒否の直後の閲覧",
        "閲覧や操作を許可されなかった人が、{granted_within_minutes}分以内に同じ文書を閲覧・操作しました。",
    ),
    "denials": ("拒否の多発", "1人が1日に{denials_per_day}回を超えて拒否されました。"),
    "absent": ("不在中の利用", "不在（休暇、休職など）を登録している人の職員番号で、その間に文書が利用されました。"),
    "break_glass": (
        "緊急閲覧",
        "緊急閲覧により文書が表示されました（1人・1件ごとに1件）。申請の理由と、見た範囲が合っているかを、緊急閲覧の画面と記録で確かめてください。",
    ),
    "foreign_document": ("他所属の文書の初めての閲覧", "ほかの所属の文書を、記録のある限りで初めて閲覧しました。"),
    "staff_file": (
        "職員に関する文書の閲覧",
        "職員に関する分類の文書を閲覧しました（所属する課の文書は1人1件にまとめます）。だれについての文書かは記録にないため、"
        "自分や同僚についてのものかは、分類からは分かりません。文書を確かめてください。",
    ),
    "unexplained": ("理由の記録がない閲覧", "案件も、担当も、所属も、閲覧の理由として記録されていません。"),
    "privileged": ("特権操作", "組織・分類表・権限・基準の変更、ログの取得、復元のいずれかが行われました。"),
    "left": (
        "在籍していない職員の利用",
        "利用した日に在籍していない（退職などで職員番号の終わった）職員と、保守業者（vendor: で始まる番号）の利用です。"
        "職員名簿と照合して調べます。保守業者の利用は、保守時間枠の記録と照合してください。",
    ),
    "unused": (
        "使われていない職員番号",
        "{unused_days}日以上ログインのない職員番号です。要否を所属に確かめてください。",
    ),
}

FINDING_STATES: Final[dict[str, tuple[str, str]]] = {
    "open": ("未回答", "attention"),
    "recorded": ("記録で説明済み", "neutral"),
    "explained": ("説明がついた", "done"),
    "incident": ("事案", "urgent"),
}

REVIEW_STATES: Final[dict[str, tuple[str, str]]] = {"open": ("点検中", "progress"), "signed": ("確定", "done")}

THRESHOLDS: Final[dict[str, tuple[str, str]]] = {
    "documents_per_day": ("大量閲覧", "1日にこの件数を超えたら"),
    "downloads_per_day": ("大量ダウンロード", "1日にこの件数を超えたら"),
    "outputs_per_day": ("印刷・出力の急増（件数）", "1日にこの件数以上で"),
    "outputs_times_mean": ("印刷・出力の急増（倍率）", "ほかの開庁日の平均のこの倍以上なら"),
    "opens_at": ("執務の始まり", "例：08:45"),
    "closes_at": ("執務の終わり", "例：17:15"),
    "overtime_minutes": ("通常の時間外（分）", "執務の前後にこの分数までは指摘しない"),
    "granted_within_minutes": ("拒否の直後の閲覧（分）", "拒否からこの分数以内の閲覧なら"),
    "denials_per_day": ("拒否の多発", "1日にこの回数を超えたら"),
    "unused_days": ("使われていない職員番号（日）", "この日数ログインがなければ"),
    "closed_days": ("市の閉庁日", "毎年の日は 12-29、一度だけの日は 2026-11-04。空白で区切る"),
    "staff_file_classes": ("職員に関する分類", "分類番号のはじめの部分。空白で区切る"),
}

# What the last form did, by the word in the address of the page it leads to: (sentence, kind of banner).
NOTICES: Final[dict[str, dict[str, str]]] = {
    word: {"title": sentence, "kind": "success"}
    for word, sentence in {
        "received": "収受を登録しました。",
        "reconciled": "件数を照合しました。",
        "saved": "保存しました。",
        "attached": "添付を追加しました。",
        "removed": "添付を削除しました。",
        "deleted": "下書きを削除しました。",
        "submitted": "回議を開始しました。",
        "approve": "承認を登録しました。",
        "decide": "決裁を登録しました。",
        "decide_conditionally": "条件付決裁を登録しました。",
        "restart": "回議を最初からやり直します。",
        "confirm": "供覧の確認を登録しました。",
        "replace": "差替えのため、手元に戻しました。内容を直して、もう一度回議を始めてください。",
        "circulate": "供覧先を追加しました。",
        "ask_substitute": "代決を依頼しました。",
        "ask_pull_up": "引上げを依頼しました。",
        "add_seat": "回議先を追加しました。その人の処理が済むと、あなたの番に戻ります。",
        "substitute": "代決を登録しました。",
        "register_walk_around": "持回りの決裁を事後登録しました。続けて、証拠書類を添付に追加してください。",
        "concur": "同意を登録しました。",
        "dissent": "不同意を登録しました。",
        "hold": "保留を登録しました。",
        "send_back": "差戻しを登録しました。",
        "reject": "否認を登録しました。",
        "pull_up": "引上げを登録しました。",
        "post_view": "後閲を登録しました。",
        "recall": "引き戻しました。",
        "withdraw": "取り下げました。",
        "enforced": "施行を登録しました。",
        "completed": "完結を登録しました。この文書は以後変更されません。",
        "annotated": "追記を登録しました。",
        "absence": "不在を登録しました。",
        "absence_ended": "不在を取りやめました。",
        "folder": "簿冊を作りました。",
        "notices_read": "既読にしました。",
        "notices_chosen": "通知の設定を保存しました。これから届く通知に使われます。",
        "escalation_saved": "滞留の連絡先を保存しました。",
        "template_saved": "ひな形を保存しました。",
        "template_retired": "ひな形をやめました。",
        "repeated": "引用して下書きを作りました。内容を確かめて、直してください。",
        "body_template_saved": "例文を保存しました。",
        "memo_saved": "付箋を保存しました。",
        "memo_deleted": "付箋を削除しました。",
        "body_template_retired": "例文をやめました。",
        "follow_ups_saved": "次にすることを保存しました。",
        "rules_imported": "案として取り込みました。ほかの担当者が確かめて有効にします。",
        "rules_activated": "有効にしました。適用を始める日から使われます。",
        "rules_discarded": "取りやめました。",
        "post": "処理する職を切り替えました。",
        "review_opened": "点検を始めました。",
        "review_compared": "職員名簿と照合しました。",
        "review_signed": "点検を確定しました。以後は変更できません。",
        "review_remarked": "補足を追加しました。",
        "finding_treated": "指摘に記入しました。",
        "rules_changed": "点検の基準を変更しました。",
        "change_set_drafted": "案を作成しました。別の人が確認すると反映されます（実施日がまだ先なら、その日の午前零時）。",
        "change_set_reviewed": "確認を登録しました。実施日の午前零時に反映されます。",
        "change_set_applied": "確認し、反映しました。",
        "change_set_undone": "取りやめました。",
        "step_reassigned": "宛先を変更しました。",
        "vendor_registered": "アカウントを登録しました。保守時間枠が開くまで使えません。",
        "window_requested": "申請しました。別の人が確認すると、その期間だけ使えるようになります。",
        "window_confirmed": "確認しました。終わりの時刻に自動で使えなくなります。",
        "window_ended": "終了しました。",
        "break_glass_requested": "申請しました。別の役割の別の人が24時間以内に同意すると、見られるようになります。",
        "break_glass_consented": "同意しました。申請した人に文書が表示され、所属長に通知されます。",
        "break_glass_ended": "緊急閲覧を終了しました。",
        "assigned": "引き継ぎました。",
    }.items()
}

# Planned changes of the organisation: states, what becomes of people, and of the open steps of a post.
CHANGE_SET_STATES: Final[dict[str, tuple[str, str]]] = {
    "draft": ("確認待ち", "attention"),
    "reviewed": ("確認済（実施日待ち）", "progress"),
    "applied": ("反映済", "done"),
    "undone": ("取りやめ", "neutral"),
    "refused": ("反映できず", "attention"),
}
# 保守時間枠: states, and what is shown first.
WINDOW_STATES: Final[dict[str, tuple[str, str]]] = {
    "requested": ("確認待ち", "attention"),
    "open": ("利用できる", "progress"),
    "confirmed": ("確認済（開始前）", "progress"),
    "over": ("終了", "done"),
}
WINDOW_ORDER: Final = tuple(WINDOW_STATES)
BREAK_GLASS_STATES: Final[dict[str, tuple[str, str]]] = {
    "requested": ("同意待ち", "attention"),
    "open": ("閲覧中", "progress"),
    "lapsed": ("無効", "neutral"),
    "over": ("終了", "done"),
}
# From which it is asked for.
BREAK_GLASS_ROLES: Final[dict[str, str]] = {
    "system_admin": "システム管理者として",
    "records_officer": "文書管理の担当として",
    "audit_officer": "監査ログ管理者として",
}
MOVES: Final[dict[str, str]] = {
    "joins": "採用・転入",
    "leaves": "退職・転出",
    "moves": "異動",
    "renamed": "氏名等の変更",
}
PROSPECTS: Final[dict[str, str]] = {
    "new_holder": "新しく就く人が処理",
    "successor": "引継先の職へ移る",
    "lower_successor": "引継先の職へ移る（決裁は、下位の職のため移らず、文書管理の担当が宛先を指定）",
    "vacant": "空席（就く人を待つ）",
    "unresolved": "宛先なし（文書管理の担当が指定）",
}
APPOINTMENTS: Final[dict[str, str]] = {
    "main": "本務",
    "concurrent": "兼務",
    "joint": "併任",
    "deputizing": "職務代理",
    "acting": "事務取扱",
}


def post_name(unit_name: str, title: str) -> str:
    """A post with its unit, unless the title says it: 「総務課長事務取扱総務部長」 (AP-19)."""
    return title if title.startswith(unit_name) else f"{unit_name}　{title}"


STRANDED_CAUSES: Final[dict[str, str]] = {
    "post_ended": "職が廃止された",
    "vacant": "職に就いている人がいない",
    "own_draft": "起案者が決裁する職に就いた",
}

# Labels of form fields (UI-02), to say beside which one something is wrong.
FIELDS: Final[dict[str, str]] = {
    "title": "件名",
    "subtitle": "副題",
    "body": "伺い文",
    "folder_id": "簿冊",
    "class_code": "分類",
    "decision_class": "決裁区分",
    "disclosure": "公開区分",
    "personal_information": "個人情報",
    "view_class": "閲覧区分",
    "designated": "指定する人",
    "counterparty": "相手方",
    "amount": "金額",
    "enforcement_required": "施行の有無",
    "enforcement_planned_on": "施行予定日",
    "enforcement_method": "施行方法",
    "enforcement_addressee": "宛先",
    "receipt_ids": "もとになる収受",
    "post_id": "職",
    "sender_kind": "相手方の区分",
    "sender_name": "差出人",
    "sender_reference": "相手方の文書番号・日付",
    "received_on": "収受日",
    "arrived_on": "到達日",
    "backdated_reason": "収受日を今日より前にする理由",
    "medium": "受領方法",
    "unit_id": "所属",
    "due_on": "処理期限",
    "comment": "意見・コメント",
    "enforced_on": "施行日",
    "method": "施行方法",
    "addressee": "宛先",
    "collated_by": "照合者",
    "completed_on": "完結日",
    "text": "追記の内容",
    "post_ids": "供覧先",
    "kind": "求める処理",
    "acknowledged": "不同意の意見",
    "target": "差戻し先",
    "file_name": "ファイル名",
    "from": "不在になる日",
    "to": "不在の最後の日",
    "opens_at": "始まり",
    "closes_at": "終わり",
    "ticket": "作業番号",
    "named": "文書の番号",
    "hours": "見る時間",
    "number": "番号",
    "login": "ログイン名",
    "full_name": "氏名",
    "reason_code": "理由",
    "staff_id": "職員",
    "staff_number": "職員番号",
    "decided_at": "決裁した日",
    "decided_at_time": "決裁した時刻",
    "fiscal_year": "年度",
    "name": "簿冊の名称",
    "replacement": "差替えの程度",
    "route_template_id": "ルートのひな形",
    "body_template_id": "例文",
    "after_kind": "何の後に",
    "after_words": "件名に含むことば",
    "next_kind": "次にすること",
    "next_title": "次の件名",
    "next_class_code": "次の分類",
    "steps": "加える職",
    "exception": "専決の例外",
    "exception_reason": "例外とする理由",
    "valid_from": "適用を始める日",
    "rules_csv": "専決規程（CSV）",
    "month": "点検する月",
    "effective_on": "実施日",
    "late_reason": "遡及の理由",
    "file": "ファイル",
    "step": "回議",
    "on": "基準日",
    "state": "判断",
    "assignee_id": "確認を依頼する職員",
    "assignee": "引き継ぐ職員",
    "assignment_reason": "引き継ぐ理由",
    "documents": "引き継ぐ案件",
    "reason": "変更の理由",
    "effective_from": "適用を始める月",
    **{f"thresholds_{name}": label for name, (label, _) in THRESHOLDS.items()},
}

# What is done, and what usually follows it (次にすること).
FOLLOW_UP_KINDS: Final[dict[str, str]] = {"receipt": "収受", "draft": "起案"}

# Kinds of notices (通知), with the tone of their chip; and the groups a person switches.
NOTICE_KINDS: Final[dict[str, tuple[str, str]]] = {
    "urgent_turn": ("至急の未処理", "urgent"),
    "substitute": ("代決の依頼", "urgent"),
    "turn": ("未処理", "progress"),
    "post_view": ("後閲", "progress"),
    "circulation": ("供覧", "progress"),
    "decided": ("決裁済み", "decided"),
    "sent_back": ("差戻し", "attention"),
    "rejected": ("否決", "attention"),
    "withdrawn": ("取下げ", "neutral"),
    "reminder": ("期限の到来", "attention"),
    "break_glass": ("所属の文書の緊急閲覧", "urgent"),
    "break_glass_ended": ("緊急閲覧の終了", "neutral"),
    "change_set_refused": ("人事異動・組織改編を反映できず", "urgent"),
    "escalation": ("滞留", "attention"),
}
NOTICE_GROUPS: Final[dict[str, str]] = {
    "urgent": "至急の未処理・代決の依頼・緊急閲覧・反映できない人事異動",
    "turn": "未処理・供覧・後閲",
    "result": "決裁・差戻し・否決・取下げ（自分の起案など）",
    "deadline": "期限の到来・滞留",
}

_HOME: Final = ("ホームへ", "/")
# Where an error page leads to, by status; 0 is any other.
WAYS_OUT: Final[dict[int, tuple[tuple[str, str], ...]]] = {
    0: (_HOME,),
    401: (("ログインする", "/login"),),
    404: (_HOME, ("文書を検索する", "/documents")),
}
