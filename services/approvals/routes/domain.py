"""Decision rules and organisation as of a day give a route: who approves, concurs, reviews and decides.

Pure. Conditions that make a route impossible raise DomainError with their own reason:
NO_RULE, POST_VACANT, OWN_DRAFT, or INVALID_FIELDS for a wish that the rules do not allow.
"""

from __future__ import annotations

import datetime as dt
import enum
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis.errors import DomainError, FieldViolation, Kind
from services.approvals.organisation.domain import DECISION_CLASSES, LINE, Seat, post_label

# A route longer than this is a mistake, not a route.
MAX_STEPS = 40
MAX_REASON = 500
# Where a rule puts the 合議 besides after a rank: before the own line (AP-07).
BEFORE_LINE = "drafter"
# In which order it is asked; "" asks all of it at the same time.
IN_UNIT_ORDER = "units"
# The most concerned first, as the rule lists them.
AS_LISTED = "listed"
# Below 室長 the drafter may leave a seat of the own line out (AP-54: mandatory ones never).
_OPTIONAL_RANKS = ("chief", "deputy_head")


class StepKind(enum.StrEnum):
    """What a seat on a route does."""

    # 承認
    APPROVE = "approve"
    # 決裁: exactly one per case (AP-01)
    DECIDE = "decide"
    # 合議
    CONCUR = "concur"
    # 審査
    REVIEW = "review"
    # 供覧
    INFORM = "inform"
    # 仮決裁: the decider approves before the 合議, and decides after it
    PROVISIONAL = "provisional"


class ExceptionKind(enum.StrEnum):
    """Why a matter is not for 専決 (AP-03)."""

    # 議会関係
    COUNCIL = "council"
    # 重要
    IMPORTANT = "important"
    # 異例
    UNUSUAL = "unusual"
    # 先例
    PRECEDENT = "precedent"
    # 紛議
    DISPUTE = "dispute"


@dataclass(frozen=True)
class Facts:
    """What a route is made from. Nothing here says what the document is about in words (AC-14)."""

    document_id: str
    unit_id: str
    drafter: str
    drafter_post: str
    matter: str
    # Yen; None where the matter has none.
    amount: int | None
    # One of DECISION_CLASSES; "" takes the rule's.
    wished_class: str
    # The next higher decider is sought (AP-03).
    exceptional: bool
    # Which exception, and why. Plans of before may have None and "": only a higher decider was asked for.
    exception: ExceptionKind | None = None
    exception_reason: str = ""


@dataclass(frozen=True)
class Rule:
    """One line of the 専決規程; bounds are yen, inclusive."""

    rule_id: str
    body: str
    # "" for the whole body.
    unit_id: str
    matter: str
    amount_min: int | None
    amount_max: int | None
    decision_class: str
    concurrence_posts: tuple[str, ...]
    concurrence_after: str
    review_posts: tuple[str, ...]
    basis: str
    # How many of the 合議 have to answer; 0 for all (AP-08).
    concurrence_need: int = 0
    # "" for together; else one after the other: IN_UNIT_ORDER or AS_LISTED (AP-07).
    concurrence_order: str = ""
    # 仮決裁 before the 合議, 本決裁 after it.
    provisional: bool = False
    # The version it stands in; the same rule of another version is the same rule.
    rule_version_id: str = field(default="", compare=False)

    def fits(self, amount: int | None) -> bool:
        """A rule without bounds fits any amount, also none."""
        if self.amount_min is None and self.amount_max is None:
            return True
        if amount is None:
            return False
        return (self.amount_min is None or self.amount_min <= amount) and (
            self.amount_max is None or amount <= self.amount_max
        )


@dataclass(frozen=True)
class Line:
    """A unit with its ancestors, nearest first, their body, and their posts above member on the day."""

    units: tuple[str, ...]
    body: str
    seats: tuple[Seat, ...]

    def seat(self, rank: str) -> Seat | None:
        """The post of a rank in the unit, else in the nearest ancestor that has one (AP-06).

        Several in one unit: the one that covers the unit or an ancestor (two 副市長), else the first by id.
        """
        for unit_id in self.units:
            seats = [seat for seat in self.seats if seat.unit_id == unit_id and seat.rank == rank]
            if seats:
                covering = [seat for seat in seats if set(seat.covers) & set(self.units)]
                return min(covering or seats, key=lambda seat: seat.post_id)
        return None


@dataclass(frozen=True)
class PlannedStep:
    """One seat of a route. Steps of a group act in parallel; groups run in ascending order (AP-08)."""

    kind: StepKind
    post_id: str
    group: int
    mandatory: bool
    # The rule or reason that put it here.
    basis: str
    # How many of the group's steps that share this number have to act; 0: this one itself (AP-08).
    need: int = 0


@dataclass(frozen=True)
class Route:
    """A route and why it is this one."""

    steps: tuple[PlannedStep, ...]
    decision_class: str
    rule_id: str
    basis: str
    # Posts of the own line above the decider, struck through on the sheet (AP-04).
    struck: tuple[str, ...]
    # The version of the 専決規程 that the rule stands in.
    rule_version_id: str = ""


@dataclass(frozen=True)
class Plan:
    """A route as stored for the drafter: what it was made from and what came out."""

    route_plan_id: str
    facts: Facts
    route: Route
    planned_at: dt.datetime
    # Id and version of the template that was used.
    template: tuple[str, int] | None = None

    def belongs_to(self, facts: Facts) -> bool:
        """Whether these facts of a submitted document are the ones the route was made from.

        The class may be the one wished or the one the rules made of it.
        """
        mine = self.facts
        return (
            (mine.document_id, mine.unit_id, mine.drafter, mine.matter, mine.amount)
            == (facts.document_id, facts.unit_id, facts.drafter, facts.matter, facts.amount)
        ) and facts.wished_class in (mine.wished_class, self.route.decision_class)


def by_distance(rules: Sequence[Rule], line: Line, matter: str, amount: int | None) -> list[tuple[Rule, ...]]:
    """Rules that fit, those of the nearest unit first, those of the whole body last; equally near ones together."""
    found: dict[int, list[Rule]] = {}
    for rule in rules:
        if rule.body != line.body or rule.matter != matter or not rule.fits(amount):
            continue
        if not rule.unit_id:
            found.setdefault(len(line.units), []).append(rule)
        elif rule.unit_id in line.units:
            found.setdefault(line.units.index(rule.unit_id), []).append(rule)
    return [tuple(found[distance]) for distance in sorted(found)]


def choose_rule(rules: Sequence[Rule], line: Line, facts: Facts) -> Rule:
    """The rule for the matter and amount: one of the unit or its nearest ancestor beats one of the body (AP-02).

    FAILED_PRECONDITION NO_RULE when none fits, and when two fit equally: nobody may guess who decides.
    """
    ranked = by_distance(rules, line, facts.matter, facts.amount)
    best = ranked[0] if ranked else ()
    if len(best) != 1:
        raise DomainError(
            Kind.PRECONDITION,
            "NO_RULE",
            f"{len(best)} decision rules cover this",
            metadata={
                "matter": facts.matter,
                "amount": "" if facts.amount is None else str(facts.amount),
                "unit_id": facts.unit_id,
                "rules": ",".join(sorted(rule.rule_id for rule in best)),
            },
        )
    return best[0]


def decision_class_of(rule: Rule, line: Line, facts: Facts) -> str:
    """The class that decides: the rule's, a higher one that was wished (AP-02), one more if exceptional (AP-03)."""
    wished = facts.wished_class or rule.decision_class
    if DECISION_CLASSES.index(wished) < DECISION_CLASSES.index(rule.decision_class):
        raise DomainError(
            Kind.INVALID,
            "INVALID_FIELDS",
            f"{wished} is below {rule.decision_class} of {rule.rule_id}",
            [FieldViolation("decision_class", "BELOW_RULE")],
            {"lowest": rule.decision_class, "rule_id": rule.rule_id},
        )
    if not facts.exceptional:
        return wished
    higher = DECISION_CLASSES[DECISION_CLASSES.index(wished) + 1 :]
    # Already at the top of the body: there is nobody higher to seek.
    return next((rank for rank in higher if line.seat(rank) is not None), wished)


def build(
    rules: Sequence[Rule],
    line: Line,
    drafter_rank: str,
    facts: Facts,
    named: Mapping[str, Seat],
    head_decides_own_draft: bool = False,
) -> Route:
    """The route of the rules. `named` holds the posts that rules name, as of the day.

    Who drafts does not decide, but for a 室長 in a 課長起案 of their own post, where the city has it so (AP-43).

    Own line first, lower to higher (AP-06); what the drafter could leave out and nobody holds is not asked (`left_out`);
    合議 after `concurrence_after` or before the own line, together, in the order of the units or as the rule lists it
    (AP-07, AP-08); with 仮決裁 the decider is asked before the 合議 and decides after it; 審査 one after the other before
    the first step above 部長 or before the decider. A post is asked once: where
    it stands on the own line already, that seat becomes mandatory instead.
    """
    rule = choose_rule(rules, line, facts)
    decision_class = decision_class_of(rule, line, facts)
    decider = line.seat(decision_class)
    if decider is None:
        raise _vacant("", decision_class, "no post of this rank above the unit")
    drafted_from = LINE.index(drafter_rank) if drafter_rank in LINE else -1
    # 課長起案 (AP-43 ⚙).
    decides_own = head_decides_own_draft and drafter_rank == "head" and decider.post_id == facts.drafter_post
    if LINE.index(decision_class) <= drafted_from and not decides_own:
        raise _own_draft(decider)

    ranks = LINE[: LINE.index(decision_class) + 1]
    missing = left_out(rule, line, decision_class, drafter_rank)
    above = [seat for rank in ranks if LINE.index(rank) > drafted_from and (seat := line.seat(rank)) is not None]
    own = [seat for seat in above if seat not in missing]
    on_line = {seat.post_id for seat in own} | ({decider.post_id} if decides_own else set())
    concurring = [post for post in rule.concurrence_posts if post not in on_line]
    reviewing = [post for post in rule.review_posts if post not in on_line]
    asked_anyway = (set(rule.concurrence_posts) | set(rule.review_posts)) & on_line

    known = {seat.post_id: seat for seat in line.seats} | dict(named)
    after = rule.decision_class if rule.provisional else rule.concurrence_after
    groups: list[list[PlannedStep]] = []

    def add(kind: StepKind, posts: Sequence[str], mandatory: bool, need: int = 0) -> None:
        groups.append([PlannedStep(kind, post, len(groups) + 1, mandatory, rule.basis, need) for post in posts])

    def concur() -> None:
        if rule.concurrence_order:
            listed = rule.concurrence_order == AS_LISTED
            for post in concurring if listed else sorted(concurring, key=lambda post: _place(known, post)):
                add(StepKind.CONCUR, [post], True)
        elif concurring:
            need = rule.concurrence_need
            add(StepKind.CONCUR, concurring, True, need if need < len(concurring) else 0)
        concurring.clear()

    if after == BEFORE_LINE:
        concur()

    # A rank without a post above the unit is passed over (AP-06); 合議 stands where its seat would be.
    seats = {seat.rank: seat for seat in own}
    for rank in ranks:
        above_director = LINE.index(rank) > LINE.index("director")
        if rank == decision_class:
            if rule.provisional and concurring:
                add(StepKind.PROVISIONAL, [decider.post_id], True)
            concur()
        if reviewing and (above_director or rank == decision_class):
            for post in reviewing:
                add(StepKind.REVIEW, [post], True)
            reviewing = []
        seat = seats.get(rank)
        if seat is not None and rank != decision_class:
            mandatory = rank not in _OPTIONAL_RANKS or seat.post_id in asked_anyway
            add(StepKind.APPROVE, [seat.post_id], mandatory)
        if rank == after:
            concur()
    add(StepKind.DECIDE, [decider.post_id], True)

    steps = tuple(step for group in groups for step in group)
    require_holders(steps, known)
    if not decides_own:
        _require_other_decider(steps, known, facts.drafter)
    struck = tuple(
        seat.post_id
        for rank in LINE[LINE.index(decision_class) + 1 :]
        if (seat := line.seat(rank)) is not None and seat.post_id not in {step.post_id for step in steps}
    )
    return Route(steps, decision_class, rule.rule_id, rule.basis, struck, rule.rule_version_id)


def left_out(rule: Rule, line: Line, decision_class: str, drafter_rank: str) -> tuple[Seat, ...]:
    """Optional seats of the own line that nobody holds: the drafter could only leave them out, so the route does (AP-06)."""
    drafted_from = LINE.index(drafter_rank) if drafter_rank in LINE else -1
    asked_anyway = {*rule.concurrence_posts, *rule.review_posts}
    seats = (
        line.seat(rank) for rank in _OPTIONAL_RANKS if drafted_from < LINE.index(rank) < LINE.index(decision_class)
    )
    return tuple(seat for seat in seats if seat and not seat.holders and seat.post_id not in asked_anyway)


def _place(known: Mapping[str, Seat], post_id: str) -> tuple[int, str]:
    """The place of a post's unit in 事務分掌規則."""
    seat = known.get(post_id)
    return (seat.unit_order if seat is not None else 0, post_id)


def adjust(route: Route, wished: Sequence[PlannedStep], known: Mapping[str, Seat], facts: Facts) -> Route:
    """The drafter's own steps in place of the proposal (AP-54).

    Optional seats may go and seats below the decider may come; mandatory ones stay. What stays keeps its order: the
    own line goes from lower to higher (AP-06), the 合議 where the rule puts it (AP-07), and the decider stays alone at
    the end (AP-01). INVALID_FIELDS on "adjusted" says what is wrong.
    """
    if len(wished) > MAX_STEPS:
        raise _bad_adjustment("TOO_MANY")
    by_seat = {(step.kind, step.post_id): step for step in route.steps}
    chosen: list[PlannedStep] = []
    for step in wished:
        proposed = by_seat.get((step.kind, step.post_id))
        if proposed is not None:
            chosen.append(replace(proposed, group=step.group))
        elif problem := addition_problem(step.kind, step.post_id, facts.drafter_post):
            raise _bad_adjustment(problem, step.post_id)
        elif step.post_id in route.struck:
            # Struck through, not asked (AP-04): a higher decider is wished for by its class.
            raise _bad_adjustment("ABOVE_DECIDER", step.post_id)
        else:
            chosen.append(replace(step, mandatory=False, basis=step.basis or "起案者の追加", need=0))
    # The decider of a 仮決裁 stands there and at the end.
    posts = [step.post_id for step in chosen if step.kind is not StepKind.PROVISIONAL]
    if len(set(posts)) != len(posts):
        raise _bad_adjustment("POST_TWICE")
    groups = {(step.kind, step.post_id): step.group for step in chosen}
    for step in route.steps:
        if step.mandatory and (step.kind, step.post_id) not in groups:
            raise _bad_adjustment("MANDATORY_STEP_MISSING", step.post_id)
    kept = [step for step in route.steps if (step.kind, step.post_id) in groups]
    for earlier, later in itertools.pairwise(kept):
        order = groups[later.kind, later.post_id] - groups[earlier.kind, earlier.post_id]
        if order < 0 or (order == 0 and earlier.group != later.group):
            raise _bad_adjustment("ORDER_CHANGED", later.post_id)
    last = max(step.group for step in chosen)
    if [step.kind for step in chosen if step.group == last] != [StepKind.DECIDE]:
        raise _bad_adjustment("DECIDER_NOT_LAST")
    numbers = {group: number for number, group in enumerate(sorted({step.group for step in chosen}), start=1)}
    ordered = sorted(chosen, key=lambda step: step.group)
    steps = tuple(replace(step, group=numbers[step.group]) for step in ordered)
    require_holders(steps, known)
    return replace(route, steps=steps)


def addition_problem(kind: StepKind, post_id: str, drafter_post: str) -> str:
    """What speaks against a seat that the rules did not ask for, on any route; "" for nothing (AP-54)."""
    if kind not in (StepKind.APPROVE, StepKind.CONCUR, StepKind.REVIEW):
        return "KIND_NOT_ALLOWED"
    return "OWN_POST" if post_id == drafter_post else ""


def require_holders(steps: Sequence[PlannedStep], known: Mapping[str, Seat]) -> None:
    """FAILED_PRECONDITION POST_VACANT for the first post that does not exist or nobody holds on the day."""
    for step in steps:
        seat = known.get(step.post_id)
        if seat is None or not seat.rank:
            raise _vacant(step.post_id, "", "no such post on this day")
        if not seat.holders:
            raise _vacant(step.post_id, seat.rank, "nobody holds it", post_label(seat.unit_name, seat.title))


def _require_other_decider(steps: Sequence[PlannedStep], known: Mapping[str, Seat], drafter: str) -> None:
    decider = known[steps[-1].post_id]
    if decider.held_by(drafter) is not None:
        raise _own_draft(decider)


def _own_draft(decider: Seat) -> DomainError:
    """AP-43: drafter and decider are two people."""
    return DomainError(
        Kind.PRECONDITION,
        "OWN_DRAFT",
        "the drafter would decide",
        metadata={"post_id": decider.post_id, "post": post_label(decider.unit_name, decider.title)},
    )


def _vacant(post_id: str, rank: str, message: str, label: str = "") -> DomainError:
    return DomainError(
        Kind.PRECONDITION, "POST_VACANT", message, metadata={"post_id": post_id, "rank": rank, "post": label}
    )


def _bad_adjustment(problem: str, post_id: str = "") -> DomainError:
    return DomainError(
        Kind.INVALID,
        "INVALID_FIELDS",
        f"adjusted: {problem} {post_id}".strip(),
        [FieldViolation("adjusted", problem)],
        {"post_id": post_id},
    )
