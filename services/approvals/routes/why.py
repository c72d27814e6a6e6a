"""Why a case has this decider, and what would make it another: なぜこの決裁者か. Pure, by the functions that choose.

`explain` gives the facts of it, `reasons` and `changes` say them to staff in Japanese.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.approvals import words
from services.approvals.organisation.domain import DECISION_CLASSES, Seat, Unit, post_label
from services.approvals.routes.domain import (
    ExceptionKind,
    Facts,
    Line,
    Rule,
    by_distance,
    choose_rule,
    decision_class_of,
    left_out,
)


@dataclass(frozen=True)
class Band:
    """Amounts from `low` to `high` (None: without end), and the nearest rules for them: one is right."""

    low: int
    high: int | None
    rules: tuple[Rule, ...]

    def holds(self, amount: int) -> bool:
        """Whether the amount lies in it."""
        return self.low <= amount and (self.high is None or amount <= self.high)


def bands(rules: Sequence[Rule], line: Line, matter: str) -> list[Band]:
    """All amounts from 0 up, split where the rule changes (AP-02)."""
    edges = {0}
    for rule in rules:
        if rule.matter == matter:
            edges |= {rule.amount_min or 0} | ({rule.amount_max + 1} if rule.amount_max is not None else set())
    found: list[Band] = []
    starts = sorted(edges)
    for low, following in zip(starts, [*starts[1:], None], strict=True):
        nearest = next(iter(by_distance(rules, line, matter, low)), ())
        high = None if following is None else following - 1
        if found and found[-1].rules == nearest:
            found[-1] = Band(found[-1].low, high, nearest)
        else:
            found.append(Band(low, high, nearest))
    return found


class Cause(enum.StrEnum):
    """What would have to be otherwise."""

    AMOUNT_ABOVE = "amount_above"
    AMOUNT_BELOW = "amount_below"
    # 専決の例外 (AP-03).
    EXCEPTION = "exception"
    NO_EXCEPTION = "no_exception"
    # The drafter's own choice of a higher class (AP-02).
    NO_WISH = "no_wish"


@dataclass(frozen=True)
class Change:
    """One thing that would change the decider or whom is asked, and to what."""

    cause: Cause
    # Yen: more than this, or at most this; None where it is not about the amount.
    amount: int | None
    # "" where no rule would hold.
    decision_class: str
    # None where no rule would hold, or the rule stays the same.
    rule: Rule | None


@dataclass(frozen=True)
class Ruling:
    """上位者裁定 (AP-20): a post above the decider of the rules decides, because somebody did not consent."""

    post_id: str
    # 「環境部長」
    post: str
    # Who did not consent: 「財政経営室長」.
    dissenters: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Why the decider of these facts is who it is."""

    facts: Facts
    # The rule, and farther ones that fit as well: of an ancestor, or of the whole body.
    rule: Rule
    beaten: tuple[Rule, ...]
    # The class after the drafter's wish, before an exception raised it.
    wished_class: str
    decision_class: str
    # None when nobody holds such a post; no route is made then.
    decider: Seat | None
    # The head of the executive body (AP-05).
    body_head: Seat | None
    changes: tuple[Change, ...]
    # Optional seats that are not asked because nobody holds them (AP-06).
    missing: tuple[Seat, ...] = ()
    # What became of it in the course of the case; None while the decider of the rules decides.
    ruling: Ruling | None = None


def explain(rules: Sequence[Rule], line: Line, facts: Facts) -> Explanation:
    """Why these facts lead to this decider. NO_RULE and INVALID_FIELDS as a route would be refused."""
    rule = choose_rule(rules, line, facts)
    decision_class = decision_class_of(rule, line, facts)
    farther = by_distance(rules, line, facts.matter, facts.amount)[1:]
    drafter_rank = next((seat.rank for seat in line.seats if seat.post_id == facts.drafter_post), "")
    return Explanation(
        facts=facts,
        rule=rule,
        beaten=tuple(one for group in farther for one in group),
        wished_class=facts.wished_class or rule.decision_class,
        decision_class=decision_class,
        decider=line.seat(decision_class),
        body_head=line.seat("body_head"),
        changes=tuple(_changes(rules, line, facts, rule, decision_class)),
        missing=left_out(rule, line, decision_class, drafter_rank),
    )


def _changes(rules: Sequence[Rule], line: Line, facts: Facts, rule: Rule, decision_class: str) -> Iterator[Change]:
    if facts.amount is not None:
        for band in bands(rules, line, facts.matter):
            if band.holds(facts.amount):
                continue
            above = band.low > facts.amount
            amount = band.low - 1 if above else band.high
            cause = Cause.AMOUNT_ABOVE if above else Cause.AMOUNT_BELOW
            if len(band.rules) != 1:
                yield Change(cause, amount, "", None)
                continue
            other = _class_under(band.rules[0], line, facts)
            if other != decision_class or _asked(band.rules[0]) != _asked(rule):
                yield Change(cause, amount, other, band.rules[0])
    without = replace(facts, exceptional=False)
    if facts.exceptional:
        lower = decision_class_of(rule, line, without)
        if lower != decision_class:
            yield Change(Cause.NO_EXCEPTION, None, lower, None)
    else:
        higher = decision_class_of(rule, line, replace(facts, exceptional=True))
        if higher != decision_class:
            yield Change(Cause.EXCEPTION, None, higher, None)
    if facts.wished_class not in ("", rule.decision_class):
        unwished = decision_class_of(rule, line, replace(facts, wished_class=""))
        if unwished != decision_class:
            yield Change(Cause.NO_WISH, None, unwished, None)


def _class_under(rule: Rule, line: Line, facts: Facts) -> str:
    """The class under another rule: a wish below it would be dropped."""
    order = DECISION_CLASSES.index
    keeps = facts.wished_class and order(facts.wished_class) >= order(rule.decision_class)
    return decision_class_of(rule, line, facts if keeps else replace(facts, wished_class=""))


def _asked(rule: Rule) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(rule.concurrence_posts), frozenset(rule.review_posts)


# --- in words -----------------------------------------------------------------------------------

EXCEPTIONS = {
    ExceptionKind.COUNCIL: "議会関係",
    ExceptionKind.IMPORTANT: "重要",
    ExceptionKind.UNUSUAL: "異例",
    ExceptionKind.PRECEDENT: "先例",
    ExceptionKind.DISPUTE: "紛議",
}


def reasons(found: Explanation, units: Mapping[str, Unit]) -> list[str]:
    """Why it is this decider, sentence by sentence; `units`: the unit and its ancestors."""
    facts, rule = found.facts, found.rule
    amount = "" if facts.amount is None else f"、金額{words.yen(facts.amount)}"
    said = [
        f"所属「{_name(facts.unit_id, units)}」の事項「{facts.matter}」{amount}には、{_named(rule)}が当てはまります。"
    ]
    bounded = rule.amount_min is not None or rule.amount_max is not None
    limits = f"{words.span(rule.amount_min, rule.amount_max)}を" if bounded else "金額にかかわらず"
    said.append(f"この定めは、{limits}{words.deciding(rule.decision_class)}としています。")
    for other in found.beaten:
        holder = f"「{_name(rule.unit_id, units)}」"
        farther = f"「{_name(other.unit_id, units)}」" if other.unit_id else "執行機関全体"
        said.append(f"{holder}の定めが、{farther}の{_named(other)}に優先します。")
    if found.wished_class != rule.decision_class:
        said.append(f"起案者が、上位の{words.deciding(found.wished_class)}を選んでいます。")
    if facts.exceptional:
        said.append(_exception(found))
    body = words.BODIES.get(rule.body, rule.body)
    head = f"、その長の職は「{_label(found.body_head)}」" if found.body_head is not None else ""
    said.append(f"執行機関は{body}{head}です。")
    if found.decider is not None and found.ruling is None:
        said.append(f"よって、「{_label(found.decider)}」が決裁します。")
    if found.decider is not None and found.ruling is not None:
        dissenters = "".join(f"「{one}」" for one in found.ruling.dissenters)
        said.append(f"よって、この案件の決裁者は「{_label(found.decider)}」でした。")
        said.append(
            f"{dissenters}の不同意により合議が調わなかったので、上位者裁定として、上位の「{found.ruling.post}」が決裁します。"
        )
    said.extend(f"「{_label(seat)}」は空席のため、回議しません。" for seat in found.missing)
    return said


def changes(found: Explanation) -> list[str]:
    """What would change it: 「金額が1,000,000円を超えると、部長決裁（R-SH-004）」."""
    return [_change(one, found) for one in found.changes]


def _change(change: Change, found: Explanation) -> str:
    amount = words.yen(change.amount) if change.amount is not None else ""
    when = {
        Cause.AMOUNT_ABOVE: f"金額が{amount}を超えると",
        Cause.AMOUNT_BELOW: f"金額が{amount}以下なら",
        Cause.EXCEPTION: f"{'・'.join(EXCEPTIONS.values())}に当たるときは",
        Cause.NO_EXCEPTION: "専決の例外に当たらなければ",
        Cause.NO_WISH: "上位の決裁を選ばなければ",
    }[change.cause]
    if not change.decision_class:
        return f"{when}、決裁を定める規程がありません。"
    asked = ""
    if change.rule is not None and _asked(change.rule) != _asked(found.rule):
        asked = "、合議・審査の相手も変わります"
    rule = f"（{change.rule.rule_id}）" if change.rule is not None else ""
    return f"{when}、{words.deciding(change.decision_class)}{rule}{asked}。"


def _exception(found: Explanation) -> str:
    facts = found.facts
    kind = f"「{EXCEPTIONS[facts.exception]}」に当たる案件として" if facts.exception else ""
    reason = f"（理由：{facts.exception_reason}）" if facts.exception_reason else ""
    if found.decision_class == found.wished_class:
        return f"{kind}上位の決裁を求めていますが、これより上位の職はありません{reason}。"
    raised = f"{words.deciding(found.wished_class)}が{words.deciding(found.decision_class)}になります"
    return f"{kind}専決の例外により上位の決裁を求めているので、{raised}{reason}。"


def _named(rule: Rule) -> str:
    return f"{rule.rule_id}（{rule.basis}）"


def _name(unit_id: str, units: Mapping[str, Unit]) -> str:
    return units[unit_id].name if unit_id in units else unit_id


def _label(seat: Seat) -> str:
    return post_label(seat.unit_name, seat.title)
