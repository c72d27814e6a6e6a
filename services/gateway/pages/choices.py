"""What selects offer: classes and folders grouped as people think of them, states, staff, years. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from chassis import wareki
from services.gateway.pages import vocabulary
from services.gateway.views import View

Choices = list[tuple[str, str]]
Groups = list[tuple[str, Choices]]


def class_name(one: View) -> str:
    """環境－補助金－浄化槽."""
    return "－".join(part for part in (one["large"], one["middle"], one["small"]) if part)


def classes(items: Iterable[View]) -> Groups:
    """Classes by 大分類, with the retention that comes with them."""
    groups: dict[str, Choices] = {}
    for one in items:
        retention = vocabulary.RETENTIONS.get(one["retention"], one["retention"])
        paper = "・紙で保存" if one["paper_only"] else ""
        groups.setdefault(one["large"], []).append((one["class_code"], f"{class_name(one)}（{retention}{paper}）"))
    return list(groups.items())


def folders(items: Iterable[View], classes: Iterable[View] = ()) -> Groups:
    """Folders by fiscal year, the latest first; with their classes, what admits less than 課（室）内 says so (AC-02)."""
    narrow = {one["class_code"]: one["view_class"] for one in classes if one["view_class"] in ("section", "designated")}
    groups: dict[int, Choices] = {}
    for one in items:
        retention = vocabulary.RETENTIONS.get(one["retention"], one["retention"])
        widest = narrow.get(one["class_code"]) if narrow else None
        limit = f"・閲覧区分は「{vocabulary.VIEW_CLASSES[widest]}」まで" if widest else ""
        groups.setdefault(one["fiscal_year"], []).append((one["folder_id"], f"{one['name']}（{retention}{limit}）"))
    return [(wareki.format_fiscal_year(year), groups[year]) for year in sorted(groups, reverse=True)]


def body_templates(items: Iterable[View]) -> Groups:
    """例文 by whose they are."""
    whose = {"personal": "自分", "unit": "所属", "city": "全庁"}
    groups: dict[str, Choices] = {}
    for one in items:
        groups.setdefault(whose[one["scope"]], []).append((one["body_template_id"], one["name"]))
    return list(groups.items())


def states() -> Choices:
    """Document states."""
    return [(name, word) for name, (word, _) in vocabulary.STATES.items()]


def staff(items: Iterable[View]) -> Choices:
    """Staff with their post."""
    return [
        (one["staff_id"], f"{one['name']}（{one['posts'][0]['title']}）" if one["posts"] else one["name"])
        for one in items
    ]


def people(staff_ids: Iterable[str], names: Mapping[str, str], *, first: str) -> Choices:
    """Staff by id with their names, oneself first."""
    ordered = sorted(staff_ids, key=lambda staff_id: (staff_id != first, staff_id))
    return [(one, f"{names[f'staff:{one}']}（自分）" if one == first else names[f"staff:{one}"]) for one in ordered]


def units_near(items: Iterable[View], unit_id: str, *, only: bool = False) -> dict[str, str]:
    """Names by id of the unit and, unless `only` it is wanted, of its parent and what stands beside it."""
    listed = list(items)
    parent = next((one["parent_id"] for one in listed if one["unit_id"] == unit_id), None)
    return {
        one["unit_id"]: one["name"]
        for one in listed
        if one["unit_id"] == unit_id or (not only and parent and parent in (one["unit_id"], one["parent_id"]))
    }


def posts(items: Iterable[View], units: dict[str, str], names: dict[str, str]) -> Groups:
    """Held posts of these units, by unit, with who holds them."""
    groups: dict[str, Choices] = {name: [] for name in units.values()}
    for one in items:
        if one["unit_id"] in units:
            holders = "・".join(names[f"staff:{staff_id}"] for staff_id in one["holder_staff_ids"])
            groups[units[one["unit_id"]]].append((one["post_id"], f"{one['title']}　{holders}"))
    return [(name, members) for name, members in groups.items() if members]


def post_groups(units: Iterable[View], posts: Iterable[View]) -> Groups:
    """Posts that may stand on a route, by unit in its order."""
    by_unit: dict[str, Choices] = {}
    for post in posts:
        if post["rank"] != "member":
            by_unit.setdefault(post["unit_id"], []).append((post["post_id"], post["title"]))
    return [(unit["name"], by_unit[unit["unit_id"]]) for unit in units if unit["unit_id"] in by_unit]


def years(today: date, *, before: int = 8, after: int = 1) -> list[tuple[int, str]]:
    """Fiscal years around today, the current one first among equals of a select (UI-08)."""
    current = wareki.fiscal_year(today)
    return [(year, wareki.format_fiscal_year(year)) for year in range(current + after, current - before - 1, -1)]
