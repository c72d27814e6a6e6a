"""What a refusal tells besides its sentence: who, from which post, and what stands against it.

Data only, by (service, reason). Only reasons that are told to who sees the case stand here, and of posts and who holds
them everybody knows; no other metadata of a refusal reaches a person. Japanese first, English second.
"""

from __future__ import annotations

from typing import Final

from services.gateway.sentences import Sentence

# Put before the detail when every fact that it names is known.
TOLD: Final[dict[tuple[str, str], tuple[str, str]]] = {
    # AP-32: who was first.
    ("approvals", "STALE_VERSION"): (
        "直近に処理したのは、{post}の{acted_by}さんです。",
        "{acted_by} ({post}) acted last. ",
    ),
    ("approvals", "ALREADY_ACTED"): (
        "{post}の{acted_by}さんが処理しました。",
        "{acted_by} ({post}) has acted. ",
    ),
    ("approvals", "TOO_LATE"): (
        "直近に処理したのは、{post}の{acted_by}さんです。",
        "{acted_by} ({post}) acted last. ",
    ),
    ("approvals", "NOT_YOUR_STEP"): (
        "処理するのは、{post}の{holder}さんです。",
        "It is the turn of {holder} ({post}). ",
    ),
    ("approvals", "ACTED_IN_GROUP"): (
        "あなたは{post}として処理しました。",
        "You acted as {post}. ",
    ),
    # AP-13: the decider, or a substitute of an earlier rank.
    ("approvals", "NOT_ABSENT"): (
        "{post}の{holder}さんは、不在として登録されていません。",
        "{holder} ({post}) is not recorded as absent. ",
    ),
    ("approvals", "POST_VACANT"): (
        "空席の職は「{post}」です。",
        "It is {post}. ",
    ),
}

# In place of the general sentence, by what the service says stands against it ("why").
BECAUSE: Final[dict[tuple[str, str, str], Sentence]] = {
    ("approvals", "ACTION_NOT_ALLOWED", "exceptional"): Sentence(
        "重要・異例の案件は代決できません",
        "専決の例外に当たる案件は、決裁者本人が決裁します。決裁者の戻りを待ってください。",
        "No substitution in an exceptional case",
        "Only the decider decides an exceptional case (AP-12). Wait for them.",
    ),
    ("approvals", "ACTION_NOT_ALLOWED", "dissent"): Sentence(
        "不同意の意見がある案件は代決できません",
        "不同意の意見は、決裁者本人が読んで判断します。決裁者の戻りを待つか、合議先に意見の引戻しを相談してください。",
        "No substitution against a dissent",
        "An opinion against it stands, and the decider has to weigh it (AP-20). Wait for them.",
    ),
    ("approvals", "ACTION_NOT_ALLOWED", "held"): Sentence(
        "すでに保留しています",
        "この段階は保留中です。承認や差戻しなど、保留の次の処理を選んでください。",
        "Held already",
        "The step is held. Choose what follows.",
    ),
    ("approvals", "ACTION_NOT_ALLOWED", "nothing_carried"): Sentence(
        "やり直す承認がありません",
        "回議のやり直しは、軽微な差替えの前の承認や同意が残っている案件でできます。直す必要があるときは、差戻しを選んでください。",
        "Nothing to act on again",
        "No act on an earlier version still counts. Send it back if it needs changes.",
    ),
    ("approvals", "ACTION_NOT_ALLOWED", "drafter_only"): Sentence(
        "差戻しの相手は起案者だけです",
        "途中の段階への差戻しは、市の設定で認められていません。差戻し先を起案者にしてください。",
        "Back to the drafter only",
        "The city does not allow sending back to an earlier seat. Leave target_step_id out.",
    ),
    ("approvals", "WALK_AROUND_NOT_ALLOWED", "not_set"): Sentence(
        "持回りの事後登録はありません",
        "市の設定で認められていません。画面で決裁を受けてください。",
        "No registration afterwards",
        "The city has none. Have it decided in the system.",
    ),
    ("approvals", "WALK_AROUND_NOT_ALLOWED", "not_urgent"): Sentence(
        "至急の案件ではありません",
        "持回りの事後登録は、至急として回議した案件に限ります。画面で決裁を受けてください。",
        "Not urgent",
        "Only urgent cases are registered afterwards. Have it decided in the system.",
    ),
    ("approvals", "WALK_AROUND_NOT_ALLOWED", "dissent"): Sentence(
        "不同意の意見がある案件は事後登録できません",
        "不同意の意見は、決裁者本人が読んで判断します。画面で決裁を受けてください。",
        "A dissent stands",
        "The decider weighs an opinion against it themselves (AP-20). Have it decided in the system.",
    ),
    ("approvals", "WALK_AROUND_NOT_ALLOWED", "exceptional"): Sentence(
        "重要・異例の案件は代決できません",
        "専決の例外に当たる案件を決裁できるのは、決裁者本人だけです。決裁した人を確かめてください。",
        "No substitution in an exceptional case",
        "Only the decider decides an exceptional case (AP-12). Check who decided.",
    ),
    ("approvals", "READ_RECEIPT_INVALID", "expired"): Sentence(
        "文書を開いてから時間がたちすぎました",
        "処理するには、12時間以内に文書を開いている必要があります。文書を開き直してから、もう一度操作してください。",
        "Read receipt expired",
        "The document was read more than 12 hours ago. Read it again and use the new receipt.",
    ),
    ("approvals", "NOT_PERMITTED", "outside_department"): Sentence(
        "部の外への供覧は、所属長が行います",
        "選んだ職に、部の外の職が含まれています。所属長に依頼するか、部の中の職だけを選んでください。",
        "Outside the department",
        "Only a head shows it outside the department (AC-12). Ask them, or choose posts of the department.",
    ),
}
