"""What an approval sheet (鑑) says: the 決裁欄 with the boxes staff know, and the document on one page of A4.

Pure: a document with its filing, its seats and the acts on its case in, plain data for `sheet.typ` out. The sheet of the decision is settled
in the transaction of the decision and drawn afterwards, so it says what was so at the decision.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chassis.wareki import JST, format_date, format_date_short
from services.documents.cases.domain import Seat
from services.documents.domain import Document, Fact, day_of
from services.documents.manifest import AnnotationEntry
from services.documents.sheets import words
from services.documents.textrules import shortened

# More than a page of A4 holds beside nothing else; the drawing cuts where the page ends.
BODY_GIVEN: Final = 4000
NOTES_SHOWN, NOTE_GIVEN = 3, 120
NOTHING: Final = "―"
# Of a case that was submitted before documents were told what people write.
WORDS_ELSEWHERE: Final = "（本文は、この文書の「処理と意見」にあります。）"


class Sheet(enum.StrEnum):
    """On which occasion a sheet is drawn; each once."""

    DECIDED = "decided"
    COMPLETED = "completed"

    @property
    def file_name(self) -> str:
        """Of the file that it becomes."""
        return f"鑑（{_OCCASIONS[self]}）.pdf"


_OCCASIONS: Final = {Sheet.DECIDED: "決裁時", Sheet.COMPLETED: "完結時"}


def content(
    sheet: Sheet,
    document: Document,
    seats: Sequence[Seat],
    acts: Sequence[Mapping[str, str]],
    *,
    folder_name: str,
    class_name: str,
    retention: str,
    files: int,
    annotations: Sequence[AnnotationEntry] = (),
) -> dict[str, Any]:
    """The data of `sheet.typ`. `acts` as the case announced them, with their words; `retention` is that of the folder; `files` counts the attachments people added."""
    fields = document.content
    drafter = next((seat for seat in seats if seat.kind == "draft"), None)
    amount = NOTHING if fields.amount is None else f"{fields.amount:,}円"
    shown = annotations[:NOTES_SHOWN]
    registered = [_registered(seat) for seat in seats if seat.registered_at]
    notes = [{"label": f"追記 {_day(note.added_at)}", "text": shortened(note.text, NOTE_GIVEN)} for note in shown]
    if len(annotations) > len(shown):
        notes.append({"label": "追記", "text": f"ほか{len(annotations) - len(shown)}件"})
    if added := "、".join(_addition(seat) for seat in seats if seat.added_by_name):
        notes.insert(0, {"label": "追加", "text": added})
    return {
        "heading": "起案用紙",
        "occasion": f"{_OCCASIONS[sheet]}の鑑",
        "draft_number": document.draft_number,
        "unit": drafter.unit_name if drafter is not None else document.unit_id,
        "urgent": fields.urgent,
        "rows": [
            _row(
                ("起案番号", document.draft_number),
                ("起案日", _date(document.submitted_at)),
                ("決裁日", _date(document.decided_at)),
            ),
            _row(
                ("施行番号", document.dispatch_number),
                ("施行日", _date(document.enforced_on)),
                ("完結日", _date(document.completed_on)),
            ),
            _row(
                ("決裁区分", words.DECISION_CLASSES.get(fields.decision_class, fields.decision_class)),
                ("起案者", f"{drafter.unit_name}　{drafter.staff_name}" if drafter is not None else document.drafter),
            ),
        ],
        # As on paper: the decider at the left, above him what is struck through, the drafter at the right.
        "seats": [_box(seat) for seat in reversed(seats) if not _beside(seat)],
        "concurrences": [_box(seat) for seat in seats if _beside(seat)],
        "opinions": [_opinion(act) for act in acts if act["comment_digest"]],
        "subject": "\n".join(filter(None, (fields.title, fields.subtitle))),
        "facts": [
            ["分類", class_name or NOTHING],
            ["簿冊", folder_name or NOTHING],
            ["保存期間", _retention(document, retention)],
            ["公開区分", words.DISCLOSURES[fields.disclosure] or NOTHING],
            ["個人情報", words.PERSONAL_INFORMATION[fields.personal_information] or NOTHING],
            ["閲覧区分", words.VIEW_CLASSES[fields.view_class] or NOTHING],
            ["金額", amount],
            ["相手方", fields.counterparty or NOTHING],
            ["施行", _enforcement(document)],
            ["宛先", document.enforced_addressee or fields.enforcement_addressee or NOTHING],
            ["添付", f"{files}件" if files else "なし"],
        ],
        "notes": [*registered, *notes],
        "body": fields.body[:BODY_GIVEN],
        "cut": len(fields.body) > BODY_GIVEN,
        "rest": "（以下略。全文は、この文書の伺い文にあります。）",
        "foot": f"文書 {document.document_id}　版の値 {document.version_digest}",
    }


def drawn(document_id: str, attachment_id: str, sheet: Sheet, sha256: str) -> Fact:
    """SheetDrawn."""
    values = {"document_id": document_id, "attachment_id": attachment_id, "sheet": str(sheet), "sha256": sha256}
    return Fact("SheetDrawn", "sheet.drawn", values, values)


# Nobody was asked, or not any more.
_STRUCK = frozenset({"struck", "cancelled"})


def _row(*cells: tuple[str, str]) -> dict[str, Any]:
    return {"cells": [[label, value or NOTHING] for label, value in cells]}


def _beside(seat: Seat) -> bool:
    """合議 and 審査 are not of the own line."""
    return seat.kind in ("concur", "review")


def _post(unit_name: str, title: str) -> str:
    """With its unit, unless the title says it: 「総務課長事務取扱総務部長」 (AP-19)."""
    return title if title.startswith(unit_name) else f"{unit_name}　{title}"


def _addition(seat: Seat) -> str:
    """Which seat was added while the case circulated, and by whom (AP-54)."""
    return f"{_post(seat.unit_name, seat.post_title)}（{seat.added_by_post_title}　{seat.added_by_name}が追加）"


def _box(seat: Seat) -> dict[str, Any]:
    """One 判窓: struck through above the decider (AP-04) and where others' answers were enough (AP-08), AP-16 「代」 and 「後閲」 with both names, AP-50 「事後登録」, AP-52 「一括」."""
    post = [seat.post_title]
    if seat.kind == "draft":
        post = ["起案者", seat.post_title] if seat.post_title else ["起案者"]
    elif seat.kind == "provisional":
        post = ["仮決裁", seat.post_title]
    elif _beside(seat) and seat.unit_name and seat.unit_name not in seat.post_title:
        post = [seat.unit_name, seat.post_title]
    if seat.added_by_name:
        post[-1] += "（追加）"
    box: dict[str, Any] = {"post": post, "stamps": [], "names": [], "word": "", "struck": seat.state in _STRUCK}
    if box["struck"]:
        return box
    instead = bool(seat.acted_for_name)
    if seat.registered_at:
        box["stamps"].append(_seal(words.SEALS[seat.registered_as], seat.acted_at, seat.acted_for_name))
        box["names"].append({"mark": "事後登録", "name": seat.registered_by_name})
        if seat.registered_as == "substituted":
            box["names"].append({"mark": "代", "name": seat.acted_for_name})
    elif instead:
        act, mark = ("代決", "代") if seat.kind == "decide" else ("引上げ", "引上げ")
        box["stamps"].append(_seal(act, seat.acted_at, seat.acted_for_name))
        box["names"].append({"mark": mark, "name": seat.acted_for_name})
    elif seat.state in words.SEALS:
        box["stamps"].append(_seal(words.SEALS[seat.state], seat.acted_at, seat.staff_name))
    if seat.post_viewed_at:
        box["stamps"].append(_seal("後閲", seat.post_viewed_at, seat.staff_name))
    box["names"].append(
        {"mark": "後閲" if seat.post_view else "一括" if seat.bulk else "", "name": seat.staff_name or NOTHING}
    )
    if not box["stamps"]:
        box["word"] = "後閲" if seat.post_view else ""
    return box


def _opinion(act: Mapping[str, str]) -> dict[str, str]:
    """What somebody wrote with their act (AP-53), on this version or, where it still counts, on the one before (AP-30)."""
    word = words.ACTS.get(act["action"], act["action"])
    return {
        "who": f"{_post(act['unit_name'], act['post_title'])}　{act['staff_name']}",
        "act": f"{word}（差替え前の版）" if act.get("carried_from") else word,
        "when": _moment(act["acted_at"]),
        "text": act.get("comment", WORDS_ELSEWHERE),
    }


def _registered(seat: Seat) -> dict[str, str]:
    """AP-50: who decided outside the system and when, and who registered it."""
    decided = f"{seat.acted_for_post_title}　{seat.acted_for_name}が{_moment(seat.acted_at)}に{words.SEALS[seat.registered_as]}"
    text = f"持回りにより{decided}、{seat.registered_by_name}が{_moment(seat.registered_at)}に登録"
    return {"label": "事後登録", "text": text}


def _seal(act: str, moment: str, name: str) -> dict[str, str]:
    """The surname is what stands before the space; never cut by length, names carry variation selectors (NM-02)."""
    return {"act": act, "day": _short(moment), "name": name.replace("\u3000", " ").split(" ")[0]}


def _retention(document: Document, kept: str) -> str:
    word = words.retention(kept) if kept else NOTHING
    return f"{word}（満了 {_date(document.retention_until)}）" if document.retention_until else word


def _enforcement(document: Document) -> str:
    fields = document.content
    if document.enforced_on is not None:
        return f"有（{words.DISPATCH_METHODS.get(document.enforced_method, document.enforced_method)}）"
    if fields.enforcement_required:
        return f"有（予定 {_date(fields.enforcement_planned_on)}）"
    return "無"


def _date(when: dt.date | dt.datetime | None) -> str:
    if isinstance(when, dt.datetime):
        when = day_of(when)
    return format_date(when) if when is not None else ""


def _day(moment: str) -> str:
    return format_date_short(day_of(dt.datetime.fromisoformat(moment)))


def _moment(moment: str) -> str:
    return f"{_day(moment)} {dt.datetime.fromisoformat(moment).astimezone(JST):%H:%M}"


def _short(moment: str) -> str:
    return _day(moment) if moment else ""
