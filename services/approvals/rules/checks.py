"""What is wrong with a 専決規程 on a day: gaps, overlaps, matters nobody may decide, rules that point nowhere.

Pure, and by the same functions that choose a rule for a draft: what is found here is what a drafter would meet.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.approvals import words
from services.approvals.changes.domain import UnitRow
from services.approvals.organisation.domain import Seat, post_label
from services.approvals.routes.domain import Line, Rule, by_distance
from services.approvals.routes.why import Band, bands

# Who drafts (起案): a unit without any of them has no drafts of its own. A 次長 or 部長 drafts in none.
_DRAFTING_RANKS = ("member", "chief", "deputy_head", "head")

# The file plan as far as rules are concerned: (unit, matter) of each class, the unit "" where it is for all of them.
FilePlan = Collection[tuple[str, str]]


class Problem(enum.StrEnum):
    """What a finding is about."""

    # An amount for which no rule holds, although rules of the matter hold for the unit.
    GAP = "gap"
    # A unit that has the matter, and no rule for it at all.
    NO_RULE = "no_rule"
    # Two rules that are equally near.
    OVERLAP = "overlap"
    # No post of the rank that decides stands above the unit (AP-01).
    NO_DECIDER = "no_decider"
    # A named unit that does not exist on the day, or belongs to another body.
    UNKNOWN_UNIT = "unknown_unit"
    # A named post that does not exist on the day.
    UNKNOWN_POST = "unknown_post"
    # A deciding or named post that nobody holds on the day.
    VACANT = "vacant"
    # A rule that no draft of any unit would ever be decided by.
    UNREACHABLE = "unreachable"


# With one of these a version cannot be activated. A vacancy passes, an idle rule harms nobody, and a matter may be meant for
# some units only.
BLOCKING = frozenset(set(Problem) - {Problem.NO_RULE, Problem.VACANT, Problem.UNREACHABLE})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in words for staff."""

    problem: Problem
    matter: str
    rule_ids: tuple[str, ...]
    unit_ids: tuple[str, ...]
    text: str

    @property
    def blocking(self) -> bool:
        """Whether it forbids activation."""
        return self.problem in BLOCKING


@dataclass(frozen=True)
class Organisation:
    """Units in the order of 事務分掌規則 and all posts with their holders, as of a day."""

    units: tuple[UnitRow, ...]
    seats: tuple[Seat, ...]

    @cached_property
    def unit(self) -> dict[str, UnitRow]:
        """Units by id."""
        return {unit.unit_id: unit for unit in self.units}

    @cached_property
    def seat(self) -> dict[str, Seat]:
        """Posts by id."""
        return {seat.post_id: seat for seat in self.seats}

    @cached_property
    def _seats_of(self) -> dict[str, list[Seat]]:
        found: dict[str, list[Seat]] = defaultdict(list)
        for seat in self.seats:
            found[seat.unit_id].append(seat)
        return found

    def drafting(self, body: str) -> list[UnitRow]:
        """Units of the body in which somebody drafts."""
        return [
            unit
            for unit in self.units
            if unit.body == body and any(seat.rank in _DRAFTING_RANKS for seat in self._seats_of[unit.unit_id])
        ]

    def line(self, unit_id: str) -> Line:
        """The unit with its ancestors, as a route is made from them."""
        units: list[str] = []
        while unit_id in self.unit and unit_id not in units:
            units.append(unit_id)
            unit_id = self.unit[unit_id].parent_id
        seats = [seat for unit in units for seat in self._seats_of[unit] if seat.rank != "member"]
        return Line(tuple(units), self.unit[units[0]].body, tuple(seats))


def check(rules: Sequence[Rule], organisation: Organisation, plan: FilePlan = ()) -> list[Finding]:
    """Everything wrong with these rules in this organisation, blocking findings first, then by matter.

    Units have the matters of their classes in the file plan; without one, every unit all that the rules of its body name.
    """
    found = [*_named(rules, organisation), *_decided(rules, organisation, frozenset(plan))]
    order = list(Problem)
    return sorted(found, key=lambda one: (not one.blocking, one.matter, order.index(one.problem), one.rule_ids))


def _named(rules: Sequence[Rule], organisation: Organisation) -> Iterator[Finding]:
    """Units and posts that rules name."""
    for rule in rules:
        unit = organisation.unit.get(rule.unit_id)
        if rule.unit_id and unit is None:
            yield _about(Problem.UNKNOWN_UNIT, rule, f"所属{rule.unit_id}は、この日に存在しません。")
        elif unit is not None and unit.body != rule.body:
            yield _about(Problem.UNKNOWN_UNIT, rule, f"所属「{unit.name}」は、別の執行機関の所属です。")
        for post in dict.fromkeys((*rule.concurrence_posts, *rule.review_posts)):
            seat = organisation.seat.get(post)
            what = "合議先" if post in rule.concurrence_posts else "審査"
            if seat is None:
                yield _about(Problem.UNKNOWN_POST, rule, f"{what}の職{post}は、この日に存在しません。")
            elif not seat.holders:
                yield _about(Problem.VACANT, rule, f"{what}の「{_label(seat)}」が空席です。")


# What is wrong, how it is said, and which rules it is about.
_Wrong = tuple[Problem, str, tuple[str, ...]]


def _decided(rules: Sequence[Rule], organisation: Organisation, plan: frozenset[tuple[str, str]]) -> Iterator[Finding]:
    """Each matter in each unit that drafts: one rule and one decider for every amount, and for none."""
    lines = {
        body: [(unit, organisation.line(unit.unit_id)) for unit in organisation.drafting(body)]
        for body in {rule.body for rule in rules}
    }
    by_matter: dict[tuple[str, str], list[Rule]] = {(body, matter): [] for body in lines for _, matter in plan}
    for rule in rules:
        by_matter.setdefault((rule.body, rule.matter), []).append(rule)
    reached: set[str] = set()
    for (body, matter), group in sorted(by_matter.items()):
        wrong: dict[_Wrong, list[UnitRow]] = defaultdict(list)
        for unit, line in lines[body]:
            if not any(not rule.unit_id or rule.unit_id in line.units for rule in group):
                if not plan or {("", matter), (unit.unit_id, matter)} & plan:
                    text = f"「{matter}」（{words.BODIES[body]}）の定めがない所属があります。"
                    wrong[Problem.NO_RULE, text, ()].append(unit)
                continue
            for band in (*bands(group, line, matter), *_without_amount(group, line, matter)):
                reached |= {rule.rule_id for rule in band.rules}
                found = _wrong_with(band, line, matter, group)
                if found is not None and unit not in wrong[found]:
                    wrong[found].append(unit)
        for (problem, text, rule_ids), units in wrong.items():
            names = words.some([unit.name for unit in units])
            yield Finding(problem, matter, rule_ids, tuple(unit.unit_id for unit in units), f"{text}起案：{names}")
    for rule in rules:
        if rule.rule_id not in reached:
            yield _about(Problem.UNREACHABLE, rule, "どの所属のどの金額でも選ばれません。")


def _without_amount(group: Sequence[Rule], line: Line, matter: str) -> list[Band]:
    """A draft that names no amount; a matter in which every rule asks for one is no gap."""
    return [Band(0, None, nearest) for nearest in by_distance(group, line, matter, None)[:1]]


def _wrong_with(band: Band, line: Line, matter: str, group: Sequence[Rule]) -> _Wrong | None:
    span = words.span(band.low, band.high)
    ids = tuple(rule.rule_id for rule in band.rules)
    if not ids:
        every = tuple(rule.rule_id for rule in group)
        return Problem.GAP, f"「{matter}」（{span}）に当てはまる定めがありません。", every
    if len(ids) > 1:
        return Problem.OVERLAP, f"「{matter}」（{span}）に、{'と'.join(ids)}が等しく当てはまります。", ids
    decision_class = band.rules[0].decision_class
    decider = line.seat(decision_class)
    what = f"{ids[0]}「{matter}」（{words.deciding(decision_class)}）："
    if decider is None:
        return Problem.NO_DECIDER, f"{what}上に{words.RANKS[decision_class]}の職がありません。", ids
    if not decider.holders:
        return Problem.VACANT, f"{what}決裁する「{_label(decider)}」が空席です。", ids
    return None


def _about(problem: Problem, rule: Rule, text: str) -> Finding:
    units = (rule.unit_id,) if rule.unit_id else ()
    return Finding(problem, rule.matter, (rule.rule_id,), units, f"{rule.rule_id}「{rule.matter}」：{text}")


def _label(seat: Seat) -> str:
    return post_label(seat.unit_name, seat.title)
