"""閲覧区分 on the forms: what may be chosen, and what each class means in the words of the staff (AC-02)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.gateway.actions import organisation
from services.gateway.pages import choices, vocabulary
from services.gateway.pages.desk import Desk

# From the widest.
HINTS: Final[dict[str, str]] = {
    "city": "全職員が見られます。例規・通知の分類で、個人情報が「無」のものに限ります。",
    "department": "同じ部の全職員が見られます。市が認めた分類に限ります。",
    "unit": "課（室）の全員が見られます。通常はこれを選びます。",
    "section": "起案する係の職員と所属長だけが見られます。",
    "designated": "起案者、所属の文書管理責任者、指定した人だけが見られます。人事、懲戒、虐待、DVなどに選びます。",
}
RECEIPT_HINTS: Final[dict[str, str]] = HINTS | {
    "section": "担当する係の職員と所属長だけが見られます。",
    "designated": "収受した人、所属の文書管理責任者、指定した人だけが見られます。人事、懲戒、虐待、DVなどに選びます。",
}


def of_document(desk: Desk, unit_id: str, allowed: Iterable[str], current: str = "") -> list[tuple[str, str, str]]:
    """What a draft of the unit may choose; `allowed` are the widest of the classes that the person may file under."""
    widest = {"city", "department"} & set(allowed)
    offered = {*widest, *(["department"] if widest else []), *_narrow(desk, [unit_id]), current}
    return [(name, vocabulary.VIEW_CLASSES[name], hint) for name, hint in HINTS.items() if name in offered]


def of_receipt(desk: Desk) -> list[tuple[str, str, str]]:
    """What a receipt of one of the person's units may choose; never more than paper has."""
    offered = _narrow(desk, desk.unit_ids)
    return [(name, vocabulary.VIEW_CLASSES[name], hint) for name, hint in RECEIPT_HINTS.items() if name in offered]


def admits(widest: str, chosen: str) -> bool:
    """May a document of this 閲覧区分 be filed under a class whose widest is `widest`?"""
    from_widest = list(HINTS)
    return from_widest.index(chosen) >= from_widest.index(widest)


async def colleagues(desk: Desk, unit_id: str) -> choices.Choices:
    """Whom somebody may name for 指定者のみ: the others of the unit."""
    if not unit_id:
        return []
    staff = await organisation.staff(desk.clients, desk.caller, unit_id=unit_id)
    return [one for one in choices.staff(staff.body["items"]) if one[0] != desk.caller.staff.staff_id]


def _narrow(desk: Desk, unit_ids: Iterable[str]) -> set[str]:
    """係内 only where one of the units is a 係: the person's principals say so."""
    of_section = any(f"section:{unit_id}" in desk.caller.identity.principals for unit_id in unit_ids)
    return {"unit", "designated", *(["section"] if of_section else [])}
