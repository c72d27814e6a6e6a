"""What people and programs are told when something is refused: a title, and a detail that says what to do next.

Data only. One row per (service, reason); `""` as service is what all of them say. Japanese first, English second.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Sentence(NamedTuple):
    """A refusal in both languages."""

    title: str
    detail: str
    title_en: str
    detail_en: str


REFUSALS: Final[dict[tuple[str, str], Sentence]] = {
    # --- said by every service -------------------------------------------------------------------
    ("", "NOT_FOUND"): Sentence(
        "見つかりません",
        "存在しないか、あなたの職では閲覧できないものです。番号やリンクを確かめ、必要なときは担当の所属に問い合わせてください。",
        "Not found",
        "It does not exist, or your post may not see it. Check the number or link, or ask the unit in charge.",
    ),
    ("", "INVALID_FIELDS"): Sentence(
        "入力内容を確認してください",
        "受け付けられない項目があります。各項目の説明に従って直し、もう一度送ってください。",
        "Some fields are wrong",
        "Correct the fields listed in errors and send again.",
    ),
    ("", "STALE_VERSION"): Sentence(
        "ほかの人が先に変更しました",
        "表示してから今までの間に内容が変わりました。最新の内容を開き直し、変更を確かめてからもう一度操作してください。",
        "Changed by somebody else",
        "It changed after you read it. Read it again, check what changed, and repeat with the new ETag.",
    ),
    ("", "REQUEST_ID_REUSED"): Sentence(
        "同じ受付番号が別の内容に使われています",
        "Idempotency-Key は操作ごとに新しい値にしてください。前の操作をやり直すときは、前と同じ内容を送ってください。",
        "Idempotency-Key reused",
        "Use a new Idempotency-Key for a new request; repeat the old request unchanged to get its old answer.",
    ),
    ("", "NOT_PERMITTED"): Sentence(
        "この操作はできません",
        "あなたの職や役割には、この操作が認められていません。操作できる人に依頼するか、処理する職を切り替えてください。",
        "Not permitted",
        "Your post or role may not do this. Ask somebody who may, or act from another of your posts.",
    ),
    ("", "NOT_RECORDED"): Sentence(
        "記録できないため、表示できません",
        "閲覧や操作の記録を書き込めなかったので、何も表示せず、何も変更していません。しばらくしてからもう一度お試しください。",
        "Not served because it cannot be recorded",
        "The access record could not be written, so nothing was served or changed. Try again shortly.",
    ),
    ("", "INVALID_CURSOR"): Sentence(
        "続きを表示できません",
        "一覧の続きの位置が正しくありません。一覧の最初から開き直してください。",
        "Invalid cursor",
        "Use next_cursor exactly as received, with the same filters, or start from the beginning.",
    ),
    ("", "READ_RECEIPT_INVALID"): Sentence(
        "文書を開いた証明を確認できません",
        "文書を開いた証明（read_receipt）がないか、古いか、正しくありません。文書を開き直してから、もう一度操作してください。",
        "Read receipt invalid",
        "The read receipt is missing, forged or expired. Read the document again and use the new receipt.",
    ),
    ("", "UNAVAILABLE"): Sentence(
        "一時的に利用できません",
        "必要な機能が応答していません。何も変更していません。しばらくしてからもう一度お試しください。",
        "Temporarily unavailable",
        "A part of the system does not answer. Nothing was changed. Try again shortly.",
    ),
    ("", "DEADLINE_EXCEEDED"): Sentence(
        "時間内に終わりませんでした",
        "処理が時間内に終わりませんでした。登録されたかどうかを開き直して確かめ、必要ならもう一度操作してください。",
        "Took too long",
        "The time allowed is over. Repeat with the same Idempotency-Key: it happens at most once.",
    ),
    ("", "INTERNAL"): Sentence(
        "内部の誤りが起きました",
        "システムの誤りです。下の番号（trace_id）を添えて、システムの担当者に知らせてください。",
        "Internal error",
        "This is our fault. Tell the operators the trace_id.",
    ),
    # --- documents -------------------------------------------------------------------------------
    ("documents", "WRONG_STATE"): Sentence(
        "今の状態ではこの操作はできません",
        "文書の状態が変わったか、この段階ではできない操作です。文書を開き直し、今の状態でできる操作を確かめてください。",
        "Wrong state",
        "The state of the document does not allow this. Read it again and see what is possible now.",
    ),
    ("documents", "STORE_UNAVAILABLE"): Sentence(
        "ファイルの保管庫が応答していません",
        "添付ファイルを読み書きできませんでした。何も登録していません。しばらくしてからもう一度お試しください。",
        "File store unavailable",
        "Attachments cannot be read or written now. Nothing was registered. Try again shortly.",
    ),
    ("documents", "SHEET_NOT_DRAWN"): Sentence(
        "鑑を作成できないため、完結できません",
        "決裁はそのまま有効で、何も登録していません。しばらくしてからもう一度お試しください。続くときは、運用担当に連絡してください。",
        "Approval sheet not drawn",
        "The decision stands and nothing was registered. Try again shortly; if it goes on, tell the operators.",
    ),
    ("documents", "MEMBERSHIP_UNPROVEN"): Sentence(
        "所属の職員を確かめられませんでした",
        "所属長と所属の職員の確認が古いか、正しくありません。何も登録していません。画面を開き直して、もう一度お試しください。",
        "Membership not attested",
        "The attestation of the unit's members is missing or old. Nothing was registered. Send the request again.",
    ),
    ("documents", "STILL_IN_CHARGE"): Sentence(
        "担当者は今も所属にいます",
        "引き継げるのは、担当者が退職や異動で所属にいなくなった案件と、自分が担当する案件だけです。一覧を開き直してください。",
        "The person in charge belongs to the unit",
        "Only documents of those who left the unit, and one's own, can be given to another. Read the list again.",
    ),
    ("documents", "TOO_LARGE"): Sentence(
        "ファイルが大きすぎます",
        "登録できる大きさを超えています。ファイルを分けるか小さくしてから、もう一度登録してください。",
        "File too large",
        "The file is larger than allowed. Split or shrink it.",
    ),
    ("documents", "DIGEST_MISMATCH"): Sentence(
        "届いたファイルが送ったものと一致しません",
        "途中で内容が変わったため、登録しませんでした。もう一度送ってください。",
        "Digest mismatch",
        "What arrived does not have the announced sha-256. Nothing was kept. Send again.",
    ),
    ("documents", "TRUNCATED"): Sentence(
        "ファイルが最後まで届きませんでした",
        "通信が途中で切れたため、登録しませんでした。もう一度送ってください。",
        "Upload truncated",
        "The stream ended before the announced size. Nothing was kept. Send again.",
    ),
    ("documents", "PAPER_ONLY"): Sentence(
        "この分類には電子ファイルを登録できません",
        "紙で保存する分類です。登録事項だけを入力し、ファイルは添付しないでください。完結のときは、ほかの分類の簿冊を選んでください。",
        "Paper only",
        "This class keeps its content on paper. Register the data without attachments; complete into a folder of another class.",
    ),
    ("documents", "INCOMPLETE"): Sentence(
        "回議を始めるのに必要な項目が足りません",
        "足りない項目を入力してから、回議を始めてください。",
        "Incomplete",
        "Fill in the fields listed in errors before circulation.",
    ),
    ("documents", "IMMUTABLE"): Sentence(
        "完結した文書は変更できません",
        "完結した文書は、だれにも変更できません。訂正が必要なときは、新しい文書を起案してください。",
        "Immutable",
        "A completed document never changes. Draft a new one to correct it.",
    ),
    ("documents", "VIEW_CLASS_NOT_ADMITTED"): Sentence(
        "この簿冊には綴れない閲覧区分です",
        "簿冊の分類では、この文書より狭い閲覧区分しか認められていません。この閲覧区分を認める分類の簿冊を選んでください。"
        "ないときは、文書管理の担当に相談してください。",
        "View class not admitted",
        "The class of the folder admits only a narrower view class. Choose a folder of a class that admits the document's.",
    ),
    ("documents", "WIDER_THAN_RECEIPTS"): Sentence(
        "元の収受より広い閲覧区分です",
        "元の収受を見られない職員にもこの文書が見えるようになります。閲覧区分を収受と同じかそれより狭いものに直してください。"
        "このままでよいときは、「元の収受を見られない職員にも見せることを確かめました」に印を付けて、回議を始めてください。",
        "Wider than a receipt",
        "It would be for people whom one of its receipts is not for. Narrow view_class, or confirm with"
        " wider_than_receipts_confirmed.",
    ),
    ("documents", "RANGE_NOT_SATISFIABLE"): Sentence(
        "求められた範囲はありません",
        "ファイルの大きさを超える範囲です。範囲を指定せずに開き直してください。",
        "Range not satisfiable",
        "The range lies outside the file. Ask again without Range.",
    ),
    ("documents", "CONTENT_DAMAGED"): Sentence(
        "ファイルの内容が壊れています",
        "保管されている内容が登録時と一致しないため、表示しません。すぐにシステムの担当者に知らせてください。",
        "Content damaged",
        "The stored bytes are not what was registered; nothing of them is served. Tell the operators at once.",
    ),
    ("documents", "EVIDENCE_MISSING"): Sentence(
        "事後登録の証拠書類がありません",
        "持回りの事後登録で指定した証拠書類が、まだ添付されていません。登録したものと同じファイルを添付に追加してから、もう一度操作してください。",
        "Evidence missing",
        "Attach the file whose sha-256 was registered with the decision, then repeat.",
    ),
    # --- audit: reviews --------------------------------------------------------------------------
    ("audit", "REVIEW_SIGNED"): Sentence(
        "点検は確定しています",
        "所見を付けて確定した点検には、指摘への記入を追加できません。補足があるときは、点検の画面の「確定後の補足」に書いてください。",
        "Review signed",
        "A signed review takes no more comments on findings. Add a remark to the review instead.",
    ),
    ("audit", "REVIEW_NOT_SIGNED"): Sentence(
        "点検はまだ確定していません",
        "補足は確定した点検に付けるものです。今は、それぞれの指摘に記入してください。",
        "Review not signed",
        "Remarks are for signed reviews. Comment on the findings instead.",
    ),
    ("audit", "REVIEW_OPEN"): Sentence(
        "この月の点検は進行中です",
        "同じ月の点検が確定していません。その点検を確定してから、もう一度始めてください。",
        "A review of this month is open",
        "Sign the open review of this month before you open another.",
    ),
    ("audit", "FINDINGS_OPEN"): Sentence(
        "まだ回答のない指摘があります",
        "確定するには、すべての指摘を「説明がついた」か「事案」と判断してください。未回答の指摘は一覧の「状態」で絞り込めます。",
        "Findings without an answer",
        "Judge every finding as explained or incident before you sign. Filter the findings by state open.",
    ),
    # --- approvals -------------------------------------------------------------------------------
    ("approvals", "VERSION_MOVED"): Sentence(
        "版が変わりました",
        "文書を開いてから今までの間に、文書の版が変わりました。新しい版を開いて内容を確かめてから、処理してください。",
        "The version moved",
        "Another version circulates now. Read that version, then act on it.",
    ),
    ("approvals", "ALREADY_ACTED"): Sentence(
        "すでに処理されています",
        "この段階は、すでに処理が済んでいます。文書を開き直して、今の状況を確かめてください。",
        "Already acted",
        "This step has been acted on already. Read the case again.",
    ),
    ("approvals", "STEP_NOT_ACTIVE"): Sentence(
        "処理の番ではありません",
        "この段階はまだ回ってきていないか、終わっています。文書を開き直して、今の状況を確かめてください。",
        "Step not active",
        "The step was not reached yet, or is closed. Read the case again.",
    ),
    ("approvals", "NOT_YOUR_STEP"): Sentence(
        "あなたの処理する段階ではありません",
        "この段階の職に、今日あなたは就いていません。兼務があるときは、処理する職を切り替えてください。",
        "Not your step",
        "You do not hold the post of this step today. Act from another of your posts if you hold it.",
    ),
    ("approvals", "ACTION_NOT_ALLOWED"): Sentence(
        "この段階ではできない処理です",
        "この段階に認められていない処理です。文書を開き直し、表示された処理から選んでください。",
        "Action not allowed",
        "This action does not exist for this step. See allowed_actions of the step.",
    ),
    ("approvals", "COMMENT_REQUIRED"): Sentence(
        "理由または意見が必要です",
        "この処理には理由または意見が必要です。コメントを書いてから、もう一度処理してください。",
        "Comment required",
        "This action needs a reason or an opinion in comment.",
    ),
    ("approvals", "READ_RECEIPT_MISMATCH"): Sentence(
        "開いた文書と処理する文書が一致しません",
        "処理しようとしている版を、あなたが開いた記録がありません。文書を開き直し、内容を確かめてから処理してください。",
        "Read receipt mismatch",
        "The read receipt is for another version, document or reader. Read the circulating version first.",
    ),
    ("approvals", "CASE_CLOSED"): Sentence(
        "この案件は終わっています",
        "決裁、差戻し、取下げなどで、この案件の処理は終わっています。文書を開き直して、今の状況を確かめてください。",
        "Case closed",
        "The case is decided, sent back or withdrawn. Read the document again.",
    ),
    ("approvals", "NO_RULE"): Sentence(
        "当てはまる専決の定めがありません",
        "この事項・金額・所属に当てはまる決裁の定めがありません。分類と金額を確かめ、文書管理の担当に相談してください。",
        "No decision rule",
        "No decision rule covers this matter, amount and unit. Check class and amount, or ask the records office.",
    ),
    ("approvals", "POST_VACANT"): Sentence(
        "回議の途中の職が空席です",
        "今日その職に就いている人がいないため、回議のルートを作れません。人事または文書管理の担当に相談してください。",
        "Post vacant",
        "A post on the route has no holder today. Ask personnel or the records office.",
    ),
    ("approvals", "TOO_LATE"): Sentence(
        "引戻しはもうできません",
        "次の人がすでに処理したため、引き戻せません。直す必要があるときは、次の人に差戻しを依頼してください。",
        "Too late",
        "The next person has acted already. Ask them to send it back.",
    ),
    ("approvals", "OWN_DRAFT"): Sentence(
        "自分の起案は決裁できません",
        "起案者と決裁者が同じ人です。上位の職の決裁を求めてください。",
        "Own draft",
        "Drafter and decider are the same person. Seek the decision of a higher post.",
    ),
    ("approvals", "ACTED_IN_GROUP"): Sentence(
        "この段階では、すでに処理しています",
        "同じ段階で、別の職としてすでに処理しています。一人が二人分の処理をすることはできません。この職のほかの人（事務取扱・職務代理を含む）"
        "に処理を依頼し、ほかに就いている人がいないときは、人事の担当に相談してください。",
        "Acted in this group already",
        "You have acted from another of your posts in the same group. Another holder of this post has to act.",
    ),
    ("approvals", "UNKNOWN_STAFF"): Sentence(
        "職員として登録されていません",
        "この利用者は、今日の時点で職員として登録されていません。人事または文書管理の担当に問い合わせてください。",
        "Unknown staff",
        "This login is no staff member today. Ask personnel or the records office.",
    ),
    ("approvals", "PLAN_MISMATCH"): Sentence(
        "回議ルートが文書の内容と合いません",
        "ルートを作ったあとで、金額や決裁区分などが変わりました。ルートを作り直してから、回議を始めてください。",
        "Route plan mismatch",
        "The document changed after the route was planned. Plan the route again.",
    ),
    ("approvals", "PLAN_OUTDATED"): Sentence(
        "回議ルートが古くなりました",
        "ルートを作ったあとで、専決規程または組織が変わりました。ルートを作り直してから、回議を始めてください。",
        "Route plan outdated",
        "The decision rules or the organisation changed after the route was planned. Plan the route again.",
    ),
    ("approvals", "NOT_ABSENT"): Sentence(
        "先に決裁する人がいます",
        "代決は、決裁者と、代決の順位が先の人の不在が登録されているときだけできます。不在の登録を確かめてください。",
        "Somebody before is there",
        "A substitute may decide only while the decider and every earlier substitute are recorded as absent.",
    ),
    ("approvals", "DECIDER_VACANT"): Sentence(
        "決裁する職に就いている人がいません",
        "代決は、決裁者が不在のときだけできます。人事の担当に職務代理・事務取扱の発令を依頼するか、"
        "文書管理の担当に宛先の変更を依頼してください。",
        "Deciding post vacant",
        "A substitute stands in for an absence, not for a vacancy. Have somebody appointed to act in the post, or ask the"
        " records office to reassign the step.",
    ),
    ("approvals", "DESIGNATED_ONLY"): Sentence(
        "指定者のみの文書です",
        "閲覧区分が「指定者のみ」の文書を供覧できるのは、その文書の所属の所属長だけです。所属長に供覧を依頼してください。",
        "For designated people only",
        "Only the head of the owning unit shows a document for designated people to more posts. Ask them.",
    ),
    ("approvals", "NO_SUBSTITUTE"): Sentence(
        "代決できる人がいません",
        "代決の順位に定められた人が、全員不在か空席です。決裁者の戻りを待つか、文書管理の担当に相談してください。",
        "No substitute",
        "Nobody on the decider's list of substitutes is there. Wait for the decider or ask the records office.",
    ),
    ("approvals", "OPINIONS_NOT_WEIGHED"): Sentence(
        "不同意の意見があります",
        "合議先の不同意の意見を読み、意見ごとに「読んで判断した」に印を付けてから、決裁してください。",
        "Opinions not weighed",
        "An opinion against it stands. Read each one and name it in acknowledged_opinions.",
    ),
    ("approvals", "BULK_NOT_ALLOWED"): Sentence(
        "一括承認はできない案件です",
        "一括承認ができるのは、市が定めた決裁区分の承認と同意だけです。文書を開き、1件ずつ処理してください。",
        "Not in bulk",
        "Only approve and concur in cases of the classes that the city names. Act on the step itself.",
    ),
    ("approvals", "NOT_CONSECUTIVE"): Sentence(
        "次の欄は同時に処理できません",
        "同時に処理できるのは、すぐ次に続く、あなたが就いている職の欄だけです。文書を開き直し、続く欄を確かめてから処理してください。",
        "Not in one act",
        "One approval also closes only the seats right after it that you hold. Read the case again and name those.",
    ),
    ("approvals", "WALK_AROUND_NOT_ALLOWED"): Sentence(
        "持回りの事後登録はできません",
        "事後登録は、市が認めているときに、至急の案件で、不同意の意見がなく、代決なら代決できる案件に限ります。画面で決裁を受けてください。",
        "No registration afterwards",
        "Only where the city allows it, for urgent cases without a standing dissent. Have it decided in the system.",
    ),
    ("approvals", "NOT_DECIDER"): Sentence(
        "その時に決裁できた人ではありません",
        "入力した日時に、決裁する職に就いていた人か、決裁者の不在中に代決の順位にあって在席していた人を選んでください。",
        "Not a decider then",
        "Name who held the deciding post at that moment, or its first present substitute while the decider was absent.",
    ),
    ("approvals", "REGISTRATION_OVERDUE"): Sentence(
        "事後登録の期限を過ぎています",
        "持回りの決裁を登録できる開庁日数を過ぎました。画面であらためて決裁を受けてください。",
        "Too late to register",
        "The opening days for registering this decision are over. Have it decided in the system.",
    ),
    ("approvals", "RULES_BLOCKED"): Sentence(
        "この版は有効にできません",
        "点検で見つかった、決裁する人のない事項や定めの重なりなどを直し、版を取り込み直してください。",
        "Rules blocked",
        "The check has blocking findings. Correct them and import another version.",
    ),
    ("approvals", "RULES_SETTLED"): Sentence(
        "この版の扱いはもう決まっています",
        "有効になっているか、取りやめられた版です。変えるときは、新しい版を取り込んでください。",
        "Version settled",
        "The version is in force, activated or discarded. Import another version to change the rules.",
    ),
    ("approvals", "RULES_DAY_TAKEN"): Sentence(
        "同じ日に始まる版があります",
        "この執行機関には、同じ日から適用される版がほかにあります。それを取りやめるか、別の日にしてください。",
        "Day taken",
        "Another version of this body begins on the same day. Discard that one or choose another day.",
    ),
    ("approvals", "SAME_PERSON"): Sentence(
        "取り込んだ人は有効にできません",
        "取り込んだ人とは別の文書管理の担当者が、内容を確かめて有効にしてください。",
        "Same person",
        "Another records officer than who imported the version activates it.",
    ),
    ("approvals", "REORGANISING"): Sentence(
        "組織の切替え中です",
        "今日からの人事異動を反映しているところです。何も登録していません。少し待ってから、もう一度操作してください。",
        "The organisation is changing over",
        "The change set of today is being applied. Nothing was changed. Try again shortly.",
    ),
    ("approvals", "ACCOUNT_EXISTS"): Sentence(
        "すでに登録されています",
        "同じ職員番号またはログイン名の職員がいます。その職員の登録を変更してください。退職した職員も含みます。",
        "Exists already",
        "Somebody has this personnel number or login already, perhaps a leaver. Change that account instead.",
    ),
    ("approvals", "POST_OF_PERSONNEL"): Sentence(
        "人事で発令した職は変更できません",
        "この所属で係員以外の職に就いています。人事異動の案または人事データの取込みで変更してください。",
        "A post of personnel",
        "The person holds a post above member in the unit. Change it by a change set or the personnel file.",
    ),
    ("approvals", "NO_PLAIN_POST"): Sentence(
        "係員の職がありません",
        "この所属には係員の職がありません。組織改編の案で職を設けてください。",
        "No plain post",
        "The unit has no post of a plain member. Add one by a change set.",
    ),
    ("approvals", "PLANNED_OTHERWISE"): Sentence(
        "確認済みの異動の案と合いません",
        "確認済みの異動・改編の案が優先します。実施日の後に行うか、案を取りやめて作り直してください。",
        "Planned otherwise",
        "A reviewed change set would no longer fit, and it wins. Try again after its day, or draft it anew.",
    ),
    ("approvals", "CHANGE_SET_STATE"): Sentence(
        "今の状態ではこの操作はできません",
        "この異動・改編の案は、確認が済んだか、取りやめたか、すでに反映されています。案を開き直して、今の状態を確かめてください。",
        "Wrong state of the change set",
        "It was reviewed, undone or applied meanwhile. Read it again.",
    ),
    ("approvals", "OWN_CHANGES"): Sentence(
        "自分が作った案は確認できません",
        "案を作った人とは別の人が確認します。文書管理の担当または管理者のほかの人に依頼してください。",
        "Own change set",
        "Another planner than the author reviews it.",
    ),
    ("approvals", "OWN_WINDOW"): Sentence(
        "自分が申請した保守時間枠は確認できません",
        "申請した人とは別の人が確認します。文書管理の担当またはほかの管理者に依頼してください。",
        "Own window",
        "Another person than who asked for it confirms it.",
    ),
    ("documents", "OWN_BREAK_GLASS"): Sentence(
        "自分が申請した緊急閲覧には同意できません",
        "申請した人とは別の人が同意します。文書管理の担当または監査ログ管理者に依頼してください。",
        "Own break-glass",
        "Another person than who asked for it consents.",
    ),
    ("documents", "SAME_ROLE"): Sentence(
        "申請と同じ役割では同意できません",
        "文書管理の担当からの申請には監査ログ管理者が、監査ログ管理者からの申請には文書管理の担当が同意します。その人に依頼してください。",
        "Same role",
        "It was asked for from this role. Ask somebody of the other one to consent.",
    ),
    ("documents", "BREAK_GLASS_STATE"): Sentence(
        "この緊急閲覧は、もう変更できません",
        "同意済みか、期限が過ぎたか、終わっています。画面を開き直してください。必要なときは、もう一度申請してください。",
        "Not in a state for this",
        "It is open, lapsed or over. Look again; ask for another one if it is needed.",
    ),
    ("approvals", "WINDOW_STATE"): Sentence(
        "この保守時間枠は、もう変更できません",
        "確認済みか、終わっています。画面を開き直してください。必要なときは新しい時間枠を申請してください。",
        "Not in a state for this",
        "The window is confirmed already, or over. Look again; ask for another one if it is needed.",
    ),
    ("approvals", "DAY_BEGUN"): Sentence(
        "実施日になったため、変更できません",
        "実施日の午前零時を過ぎています。人事の発令は、今日からの案か、理由を添えた遡及の案を新しく作ってください。所属の変更は先の日付の案にしてください。",
        "Its day has begun",
        "The day of the change set has begun. Draft people anew for today, or late with a reason; units for a later day.",
    ),
    ("approvals", "CHANGES_REFUSED"): Sentence(
        "案が今の組織と合いません",
        "反映できない変更があります。案の画面に示す箇所を確かめ、直した案を作ってください。",
        "The changes do not fit",
        "Some changes do not fit the organisation of the day. See errors, and draft a corrected set.",
    ),
    ("approvals", "STEP_ADDRESSED"): Sentence(
        "宛先のある回議です",
        "この段階には処理できる人がいるため、宛先を変えられません。一覧を開き直してください。",
        "The step has an addressee",
        "Somebody can act on this step. Only a step without an addressee is reassigned.",
    ),
    # --- audit -----------------------------------------------------------------------------------
    ("documents", "DOWNLOAD_NOT_PERMITTED"): Sentence(
        "この文書は、画面での閲覧だけができます",
        "ファイルのダウンロードは、起案した所属や回議の担当者など、市の定めた人に限られています。PDFや画像は「表示」で見られます。"
        "ファイルが必要なときは、起案した所属に依頼してください。",
        "Only for looking at",
        "You see this document for a reason that does not include taking files out. Use disposition=inline for what a browser"
        " shows, or ask the owner unit.",
    ),
    ("documents", "PRINT_NOT_PERMITTED"): Sentence(
        "この文書は、画面での閲覧だけができます",
        "印刷は、起案した所属や回議の担当者など、市の定めた人に限られています。紙が必要なときは、起案した所属に依頼してください。",
        "Only for looking at",
        "You see this document for a reason that does not include printing it. Ask the owner unit.",
    ),
    ("audit", "NOT_PERMITTED"): Sentence(
        "監査ログは閲覧できません",
        "監査ログを閲覧できるのは、監査の担当者だけです。この操作も記録されました。",
        "Not permitted",
        "Only audit officers read the log. This attempt was recorded.",
    ),
    ("audit", "SEQUENCE_BROKEN"): Sentence(
        "記録の番号が続いていません",
        "記録を受け付けられませんでした。しばらくしてからもう一度お試しください。",
        "Sequence broken",
        "The records of a source must be contiguous. Try again shortly.",
    ),
    ("audit", "NOT_YET_IN_CHECKPOINT"): Sentence(
        "証明をまだ作れません",
        "記録が署名された目録に入るまで数秒かかります。少し待ってからもう一度お試しください。",
        "Not yet in a checkpoint",
        "A signed checkpoint will cover it within seconds. Try again.",
    ),
    ("audit", "WITNESS_UNAVAILABLE"): Sentence(
        "連署できません",
        "前回連署した内容を確認できないため、連署していません。しばらくしてからもう一度送ってください。",
        "Cannot cosign now",
        "What was cosigned last cannot be told for sure, so nothing is cosigned. Submit again shortly.",
    ),
    # --- the gateway itself ----------------------------------------------------------------------
    ("gateway", "SIGN_IN_REQUIRED"): Sentence(
        "ログインしてください",
        "ログインしていないか、時間が過ぎてログアウトされました。もう一度ログインしてください。",
        "Sign in",
        "There is no session or token, or it ended. Sign in again.",
    ),
    ("gateway", "TOKEN_INVALID"): Sentence(
        "アクセストークンを確認できません",
        "トークンの署名、期限、発行者または宛先が正しくありません。新しいトークンを取得してください。",
        "Token invalid",
        "Signature, lifetime, issuer or audience of the token is wrong. Get a new one.",
    ),
    ("gateway", "LOGIN_FAILED"): Sentence(
        "ログインできませんでした",
        "認証の結果を確認できませんでした。はじめからもう一度ログインしてください。",
        "Login failed",
        "The answer of the identity provider could not be verified. Start again.",
    ),
    ("gateway", "LOGIN_UNAVAILABLE"): Sentence(
        "認証サーバが応答していません",
        "今はログインできません。しばらくしてからもう一度お試しください。",
        "Identity provider unavailable",
        "Nobody can sign in now. Try again shortly.",
    ),
    ("gateway", "SESSIONS_UNAVAILABLE"): Sentence(
        "ログインの状態を確認できません",
        "ログインの状態を保管する機能が応答していません。しばらくしてからもう一度お試しください。",
        "Sessions unavailable",
        "The session store does not answer. Try again shortly.",
    ),
    ("gateway", "CROSS_SITE"): Sentence(
        "ほかのサイトからの操作は受け付けません",
        "この操作は、このシステムの画面から行ってください。画面を開き直すと解決することがあります。",
        "Cross-site request refused",
        "Send Origin or Sec-Fetch-Site of this site, and the form's token. Programs use a bearer token.",
    ),
    ("gateway", "NETWORK_NOT_ALLOWED"): Sentence(
        "この端末からは利用できません",
        "許可された庁内ネットワークの端末から利用してください。",
        "Network not allowed",
        "Use a terminal of an allowed network.",
    ),
    ("gateway", "TOO_MANY_REFUSALS"): Sentence(
        "拒否された操作が多すぎます",
        "この端末からの操作が続けて拒否されたため、しばらく受け付けません。少し待ってからやり直してください。",
        "Too many refusals",
        "This address was refused too often. Wait as long as Retry-After says.",
    ),
    ("gateway", "TOO_MANY_STREAMS"): Sentence(
        "開いている画面が多すぎます",
        "新しい通知を受け取る画面が多すぎます。使っていない画面を閉じてから、もう一度お試しください。",
        "Too many open pages",
        "Too many pages of yours follow notices. Close some of them.",
    ),
    ("gateway", "TOO_LARGE"): Sentence(
        "送られた内容が大きすぎます",
        "受け付けられる大きさを超えています。内容を小さくするか分けて、もう一度送ってください。",
        "Body too large",
        "The body is larger than allowed. Make it smaller or split it.",
    ),
    ("gateway", "MALFORMED_BODY"): Sentence(
        "送られた内容を読み取れません",
        "本文が正しい JSON ではありません。文字コードは UTF-8 にしてください。",
        "Malformed body",
        "The body is not valid JSON in UTF-8.",
    ),
    ("gateway", "UNSUPPORTED_MEDIA_TYPE"): Sentence(
        "この形式は受け付けません",
        "Content-Type を application/json にして送ってください。",
        "Unsupported media type",
        "Send application/json.",
    ),
    ("gateway", "METHOD_NOT_ALLOWED"): Sentence(
        "この方法では呼び出せません",
        "このアドレスでは使えないメソッドです。使えるメソッドは Allow に示します。",
        "Method not allowed",
        "See Allow for the methods of this address.",
    ),
    ("gateway", "VERSION_REQUIRED"): Sentence(
        "版の指定が必要です",
        "読み取ったときの ETag を If-Match に入れて送ってください。",
        "If-Match required",
        "Send If-Match with the ETag you read. An asterisk is not enough.",
    ),
    ("gateway", "SCIM_SYNTAX"): Sentence(
        "SCIM のメッセージとして読めません",
        "schemas、Operations などが RFC 7644 の形と違います。連携元の設定を確かめてください。",
        "Not a SCIM message",
        "schemas, Operations or another member is not as RFC 7644 has it. Check the directory's settings.",
    ),
    ("gateway", "SCIM_FILTER"): Sentence(
        "この条件では検索できません",
        "使える条件は「属性 eq 値」を and でつないだものです。属性は /scim/v2/Schemas と運用手引きを見てください。",
        "Filter not supported",
        "Filters are `attribute eq value`, joined by `and`, on the attributes that the documentation lists.",
    ),
    ("gateway", "SCIM_PATH"): Sentence(
        "この属性はありません",
        "変更できる属性は /scim/v2/Schemas に示すものです。連携元の属性の対応付けを直してください。",
        "No such attribute",
        "The attributes that can be written are those of /scim/v2/Schemas. Correct the directory's mapping.",
    ),
    ("gateway", "SCIM_MUTABILITY"): Sentence(
        "この属性は変更できません",
        "職員番号、所属の番号と名称は人事異動・組織改編で変更します。連携元の対応付けから外してください。",
        "Cannot be changed",
        "Personnel numbers, and numbers and names of units, change by change sets. Take them out of the mapping.",
    ),
    ("gateway", "UNITS_BY_PERSONNEL"): Sentence(
        "所属の新設・廃止はできません",
        "所属は組織改編の案で作り、廃止します。連携元では、グループの作成・削除を行わない設定にしてください。",
        "Units are not made here",
        "Units begin and end by change sets. Set the directory to update groups only, not to create or delete them.",
    ),
    ("gateway", "PROOF_PENDING"): Sentence(
        "証明をまだ作れません",
        "完結の記録がログに組み込まれるまで数秒かかります。少し待ってからもう一度お試しください。",
        "Proof pending",
        "The record of completion is not yet in a signed checkpoint. Try again in a few seconds.",
    ),
}

# What is wrong with one field, for people; the word itself is for programs.
FIELD_PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "REQUIRED": ("必ず入力してください。", "Required."),
    "EXCEPTION_WITHOUT_KIND": (
        "専決の例外とするときは、議会関係・重要・異例・先例・紛議のどれに当たるかを選んでください。",
        "Say which exception it is.",
    ),
    "EXCEPTION_WITHOUT_REASON": (
        "専決の例外とするときは、その理由を入力してください。",
        "Say why it is an exception.",
    ),
    "TOO_LONG": ("長すぎます。短くしてください。", "Too long."),
    "TOO_SHORT": ("短すぎます。", "Too short."),
    "TOO_MANY": ("数が多すぎます。減らしてください。", "Too many."),
    "ALREADY_ON_ROUTE": ("回議の途中の職か、すでに選ばれている職です。", "On the route already, or named twice."),
    "ABOVE_DECIDER": (
        "決裁する職より上の職です。上位の決裁が必要なときは、差し戻して決裁区分を改めてください。",
        "Above the decider. Send it back if a higher decision is needed.",
    ),
    "SAME_PERSON": (
        "同じ段階で処理する人の、別の職です。ほかの人の職を選んでください。",
        "Another post of somebody who acts in this group.",
    ),
    "TOO_EARLY": ("先にあるべき日より前です。日付を確かめてください。", "Earlier than it can be."),
    "IN_FUTURE": ("先の日付は入力できません。", "In the future."),
    "RETENTION_ENDED": (
        "保存期間が終わったため、この月の記録は残っていません。",
        "The records were dropped after their retention.",
    ),
    "PAST": ("過ぎた日時は指定できません。", "In the past."),
    "NOT_AFTER_FROM": ("終わりは、始まりより後にしてください。", "Must be after the beginning."),
    "OVERLAPS": ("登録済みの期間と重なっています。", "Overlaps one that is registered."),
    "WINDOW_TOO_LONG": ("定められた時間より長くできません。短くしてください。", "Longer than the city allows."),
    "WINDOW_TOO_NEAR": (
        "同じ保守業者のほかの時間枠と重なるか、間が一時間未満です。",
        "Less than an hour from another window.",
    ),
    "INVALID_DATE": ("日付が正しくありません。", "No such date."),
    "NOT_A_DATE": ("日付が正しくありません。", "No such date."),
    "WRONG_YEAR": ("年度が合いません。その年度の簿冊を選んでください。", "Of another fiscal year."),
    "TOO_WIDE": (
        "この分類で許される区分より広い区分です。より狭い区分を選んでください。",
        "Wider than the class allows.",
    ),
    "WIDER_THAN_PAPER": (
        "「部内」「全庁」は、市が認めた分類の文書だけに使えます。「課（室）内」か、それより狭い区分を選んでください。",
        "Wider than the unit, and the city has not allowed it for this class.",
    ),
    "PERSONAL_INFORMATION": (
        "「全庁」は、個人情報が「無」の文書だけに使えます。より狭い区分を選んでください。",
        "The whole staff only sees what holds no personal information.",
    ),
    "NO_SECTION": (
        "この所属は係ではないため、「係内」は使えません。「課（室）内」か「指定者のみ」を選んでください。",
        "The unit is not a section.",
    ),
    "MISMATCH": ("ほかの項目と合いません。", "Does not fit the other fields."),
    "BELOW_RULE": ("定めより下位の決裁区分は選べません。", "Lower than the rule allows."),
    "OUT_OF_RANGE": ("値が許される範囲にありません。", "Out of range."),
    "GROUP_OUT_OF_RANGE": ("回議の順番が正しくありません。", "The order is out of range."),
    "KIND_NOT_ALLOWED": ("この種類の段階は加えられません。", "A step of this kind cannot be added."),
    "MANDATORY_STEP_MISSING": (
        "規程で定められた段階が抜けています。規程のルートに戻して、やり直してください。",
        "A mandatory step is missing.",
    ),
    "OWN_POST": ("起案する職を回議に加えることはできません。", "The drafter's own post cannot be a step."),
    "POST_TWICE": ("同じ職が二度入っています。どちらかを外してください。", "The same post stands twice."),
    "ORDER_CHANGED": (
        "規程で定められた順番は変えられません。加えた段階のほうを動かしてください。",
        "The order of the proposal cannot be changed.",
    ),
    "DECIDER_NOT_LAST": ("決裁は最後にしてください。", "The decision must come last."),
    "WRONG_HEADER": ("1行目の項目名が決められたものと違います。", "The first line must name the columns."),
    "WRONG_CELLS": ("項目の数が1行目と違います。", "Another number of cells than the first line."),
    "TWICE": ("同じ番号の行が前にあります。", "The same id stands above."),
    "INVALID": ("値が正しくありません。", "Not valid."),
    "MALFORMED": ("書き方が正しくありません。", "Malformed."),
    "UNKNOWN": ("登録されていないか、選べない値です。", "Not known, or not yours to choose."),
    "UNKNOWN_FIELD": ("この項目はありません。", "There is no such field."),
    "WRONG_TYPE": ("値の種類が違います。", "Wrong type."),
    "NOT_ALLOWED": ("指定できない値です。", "Not allowed."),
    "CONTROL_CHARACTER": ("使えない制御文字が含まれています。", "Contains a control character."),
    "INVALID_CHARACTER": ("使えない文字が含まれています。", "Contains a character that cannot be used."),
    "UNKNOWN_PLACEHOLDER": (
        "｛｝の中に書けるのは、件名、相手方、年度、日付だけです。",
        "Braces may hold the title, the counterparty, the fiscal year or the day only, by their Japanese names.",
    ),
    "PRIVATE_USE_CHARACTER": (
        "外字は使えません。標準の文字に置き換えてください。",
        "Contains a private-use character; use a standard one.",
    ),
    # --- of planned changes and of personnel files -----------------------------------------------
    "EXISTS_ALREADY": ("その日にはすでに登録されています。", "Exists already on that day."),
    "DOES_NOT_EXIST": ("その日には登録がありません。", "Does not exist on that day."),
    "UNKNOWN_VALUE": ("選べない値です。", "Not one of the known values."),
    "UNKNOWN_UNIT": ("その日にない所属に置かれた職です。", "The post is in a unit that does not exist on that day."),
    "UNKNOWN_PARENT": ("上位の所属がその日にありません。", "The parent unit does not exist on that day."),
    "UNKNOWN_POST": ("その日にない職です。", "The post does not exist on that day."),
    "UNKNOWN_STAFF": ("その日に在職していない職員です。", "Not a staff member on that day."),
    "UNKNOWN_SUCCESSOR": ("引き継ぐ先がその日にありません。", "The successor does not exist on that day."),
    "UNKNOWN_KIND": (
        "main（本務）・concurrent（兼務）・joint（併任）・deputizing（職務代理）・acting（事務取扱）のどれかにしてください。",
        "One of main, concurrent, joint, deputizing, acting.",
    ),
    "MAIN_TWICE": ("本務の職が二つあります。", "Two main posts."),
    "HELD_TWICE": ("この職に就く人が二人います（職務代理と事務取扱を除く）。", "Two regular holders of one post."),
    "OWN_SUBSTITUTE": ("自分の職を自分の代決者にはできません。", "A post is its own substitute."),
    "SUBSTITUTE_TWICE": ("同じ職が一つの代決順位に二度あります。", "One post has two ranks of one list."),
    # Warnings of a plan (AP-13, AP-14): they refuse nothing.
    "NO_SUBSTITUTE": (
        "代決できる人がいなくなります。代決順位を案に加えてください。",
        "Nobody could stand in; plan a substitute.",
    ),
    "RANK_MISSING": ("代決順位のこの順位が空きます。", "A rank of the list is missing."),
    "SUBSTITUTE_ENDED": (
        "代決者の職が廃止され、この順位がなくなります。引継先の職は自動では入りません。",
        "The post that has this rank ends; its successor does not get it by itself.",
    ),
    "SUBSTITUTE_VACANT": ("代決者の職に就く人がいません。", "Nobody holds the post that has this rank."),
    "UNIT_STAYS": ("この案で廃止される所属ではありません。", "The unit does not end in this set."),
    "UNOWNED": (
        "廃止される所属の文書を引き継ぐ所属がありません。引継先を書くか、文書管理の担当の所属の設定をシステム管理者に依頼してください。",
        "Nobody would own what the unit has. Name a successor, or have the unit of the records office set (KANKETSU_RECORDS_UNIT).",
    ),
    "REST_UNOWNED": (
        "分けて引き継ぐ所属には、残りすべての引継先が要ります。廃止の変更に引継先を書いてください。",
        "Name who takes over all the rest.",
    ),
    "SHARED_TWICE": ("同じ分類・簿冊の引継先が二つあります。", "Given to two units."),
    "LOGIN_TWICE": ("同じログイン名の職員がいます。", "The login belongs to two people."),
    "LOOP": ("所属が自分自身の下にあります。", "The unit is below itself."),
    "CONTRADICTS": (
        "より後の日の登録と合いません。後の日の登録を先に直してください。",
        "Contradicts what holds from a later day on; correct that first.",
    ),
    "TOO_LONG_AGO": ("前年度の4月1日より前の日には遡れません。", "Before the last fiscal year."),
    "UNITS_AHEAD": (
        "所属の新設・変更・廃止は、明日以降の日にしてください。今日や過ぎた日に登録できるのは、職員・職・代決順位だけです。",
        "Units change on a day ahead only.",
    ),
    "DIFFERS_FROM_LINE": (
        "同じ職員番号の前の行と、氏名などが違います。",
        "Differs from an earlier line of the same person.",
    ),
    "REPEATS_LINE": ("前の行と同じ職員・職です。", "Repeats an earlier line."),
    "EMPTY": ("職員の行がありません。", "There is no line."),
    "TOO_LARGE": ("ファイルが大きすぎます（1 MB まで）。", "The file is larger than 1 MB."),
    "NOT_UTF8": ("文字コードを UTF-8 にしてください。", "Not UTF-8."),
    "NOT_CSV": ("CSV として読み取れません。引用符を確かめてください。", "Not valid CSV."),
}
