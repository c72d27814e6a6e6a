"""引用起案: what of a document comes over into a new draft, of the same or of what usually follows it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from chassis.wareki import WarekiError, format_fiscal_year, parse_fiscal_year
from services.documents.domain import Class, Document, Fields, Folder, State, day_of, view_class_for
from services.documents.follow_ups.domain import FollowUp
from services.documents.retention import fiscal_year
from services.documents.view_classes import UNIT

# A document has come to an end that something may follow.
DONE = frozenset({State.DECIDED, State.ENFORCED, State.COMPLETED})
_YEAR = re.compile(r"(?<![0-9０-９])(?:(?:昭和|平成|令和)(?:元|[0-9０-９]{1,2})|[0-9０-９]{4})年度")
_WIDE = str.maketrans("0123456789,", "０１２３４５６７８９，")


def years_moved(text: str, years: int) -> str:
    """The text with every fiscal year it names moved on by so many: 令和7年度 → 令和8年度, 2025年度 → 2026年度.

    Written as it was, with wide digits where it had them; a year that never was (平成32年度) stays.
    """

    def moved(found: re.Match[str]) -> str:
        written = found.group()
        try:
            year = parse_fiscal_year(written) + years
        except WarekiError:
            return written
        named = f"{year}年度" if written[0].isdecimal() else format_fiscal_year(year)
        return named.translate(_WIDE) if re.search("[０-９]", written) else named

    return _YEAR.sub(moved, text)


def blanked(text: str, known: str, label: str) -> str:
    """The text without what is known of the old case, however it is spaced there: 髙﨑 邦夫 and 髙﨑　邦夫 → 〔相手方〕."""
    written = [re.escape(character) for character in known if not character.isspace()]
    return re.sub(r"\s*".join(written), f"〔{label}〕", text) if written else text


def _without_amount(text: str, amount: int | None) -> str:
    """金332,000円 and ￥３３２０００ → 金〔金額〕円 and ￥〔金額〕; the same digits without 円 or ￥ are something else."""
    if not amount:
        return text
    forms = [form for one in (f"{amount:,}", str(amount)) for form in (one, one.translate(_WIDE))]
    written = "|".join(re.escape(form) for form in forms)
    before, after = r"(?<![0-9０-９,，])", r"(?![0-9０-９,，])"
    return re.sub(rf"{before}(?:{written})(?=\s*円)|(?<=[¥￥])(?:{written}){after}", "〔金額〕", text)


def drafted_in(document: Document) -> int:
    """The fiscal year of its 起案."""
    return fiscal_year(day_of(document.submitted_at or document.created_at))


def repeated(source: Document, year: int, *, with_counterparty: bool) -> Fields:
    """What comes over into a draft of this fiscal year; the years of the title keep their distance to it.

    Not the amount, the days, the receipts and 至急: they are of the old case. Names only when asked for (NB-12). The 伺い文
    comes with a blank where it has what does not come; what else it says of a person nobody can know, so the page says it.
    """
    content, years = source.content, year - drafted_in(source)
    body = _without_amount(content.body, content.amount)
    if not with_counterparty:
        body = blanked(blanked(body, content.counterparty, "相手方"), content.enforcement_addressee, "宛先")
    return Fields(
        title=years_moved(content.title, years),
        subtitle=years_moved(content.subtitle, years),
        body=body,
        class_code=content.class_code,
        decision_class=content.decision_class,
        disclosure=content.disclosure,
        personal_information=content.personal_information,
        # Not wider than the source; whom it is for is chosen anew (AC-02).
        view_class=content.view_class,
        enforcement_required=content.enforcement_required,
        enforcement_method=content.enforcement_method,
        counterparty=content.counterparty if with_counterparty else "",
        enforcement_addressee=content.enforcement_addressee if with_counterparty else "",
    )


def following(content: Fields, next_: FollowUp, year: int) -> Fields:
    """The draft of what follows: of another matter, so what the class gives by default is not that of the source."""
    same = next_.next_class_code == content.class_code
    return replace(
        content,
        title=next_.titled(year),
        subtitle="",
        class_code=next_.next_class_code,
        disclosure=content.disclosure if same else 0,
        personal_information=content.personal_information if same else 0,
    )


def filed(
    content: Fields, unit_id: str, class_: Class | None, folder: Folder | None, *, in_section: bool = False
) -> Fields:
    """In the folder of this year. A class of another unit's own does not come over; 閲覧区分 as far as it may be (AC-02)."""
    if class_ is None or class_.unit_id not in ("", unit_id):
        return replace(content, class_code="", folder_id="")
    return replace(
        content,
        folder_id=folder.folder_id if folder is not None else "",
        view_class=view_class_for(content, class_, content.view_class or UNIT, in_section=in_section),
    )
