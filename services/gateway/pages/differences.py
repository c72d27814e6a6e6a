"""What a 差替え changed, as a person reads it: field by field, with the text that went and the text that came. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from difflib import SequenceMatcher
from typing import Any, Final

from chassis import wareki
from services.gateway.pages import vocabulary
from services.gateway.views import View

# (kind, text): "same", "removed", "added".
Piece = tuple[str, str]

# Longer texts are compared line by line: within a line readers find a word by themselves.
LETTERS_COMPARED: Final = 2_000

_YES_NO: Final = {"True": "有", "False": "無"}


def _word(words: Mapping[str, Any]) -> Callable[[str], str]:
    return lambda value: words.get(value, value)


def _day(value: str) -> str:
    return wareki.format_date(date.fromisoformat(value)) if value else ""


def _yen(value: str) -> str:
    return f"{int(value):,}円" if value else ""


# Fields in the order of the form, with what makes their value readable.
_FIELDS: Final[Mapping[str, Callable[[str], str]]] = {
    "title": str,
    "subtitle": str,
    "body": str,
    "class_code": str,
    "folder_id": str,
    "decision_class": _word(vocabulary.DECISION_CLASSES),
    "disclosure": _word(vocabulary.DISCLOSURES),
    "personal_information": _word(vocabulary.PERSONAL_INFORMATION),
    "view_class": _word(vocabulary.VIEW_CLASSES),
    "counterparty": str,
    "amount": _yen,
    "enforcement_required": _word(_YES_NO),
    "enforcement_planned_on": _day,
    "enforcement_method": _word(vocabulary.DISPATCH_METHODS),
    "enforcement_addressee": str,
    "urgent": _word(_YES_NO),
}
_LABELS: Final = vocabulary.FIELDS | {"urgent": "至急"}


def between(before: View, after: View) -> list[View]:
    """Every field and file that is not the same: {label, pieces}, in the order of the form, files last."""
    rows: list[View] = []
    for name, readable in _FIELDS.items():
        old, new = str(before["fields"].get(name, "")), str(after["fields"].get(name, ""))
        if old != new:
            rows.append({"label": _LABELS[name], "pieces": pieces(readable(old), readable(new))})
    old_files = {one["attachment_id"]: one["file_name"] for one in before["attachments"]}
    new_files = {one["attachment_id"]: one["file_name"] for one in after["attachments"]}
    changed = [("removed", name) for file_id, name in old_files.items() if file_id not in new_files]
    changed += [("added", name) for file_id, name in new_files.items() if file_id not in old_files]
    rows.extend({"label": "添付", "pieces": [one]} for one in changed)
    return rows


def pieces(old: str, new: str) -> list[Piece]:
    """The texts as one, letter by letter, or line by line where they are long."""
    if len(old) + len(new) <= LETTERS_COMPARED:
        return list(_compared(old, new))
    return list(_compared(old.splitlines(keepends=True), new.splitlines(keepends=True)))


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield "same", "".join(old[i1:i2])
            continue
        if i1 < i2:
            yield "removed", "".join(old[i1:i2])
        if j1 < j2:
            yield "added", "".join(new[j1:j2])
