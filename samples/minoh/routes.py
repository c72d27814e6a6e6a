"""The route that the decision rules give for a document, built a second time.

Written from the rules alone (AP-02, AP-06, AP-08, AP-15), without looking at the
approvals service, so that the samples and the service can contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from samples.minoh.city import City, Row, in_force

LINE = ["chief", "deputy_head", "head", "deputy_director", "director", "vice_mayor", "body_head"]
DECISION_CLASSES = ["head", "deputy_director", "director", "vice_mayor", "body_head"]


class NoRoute(Exception):
    """No rule covers the document, or a post that the route needs does not exist or is vacant."""


@dataclass(frozen=True)
class Step:
    """One seat. Steps of one group act in parallel; groups run in ascending order."""

    group: int
    kind: str  # approve, concur, review, decide
    post_id: str
    staff_id: str
    absent: bool


def find_rule(city: City, unit_id: str, matter: str, amount: int | None, on: date) -> Row:
    """The rule in force for a matter: a rule of the unit or its nearest ancestor beats one of the body."""
    lineage = city.lineage(unit_id)
    unit = city.unit(unit_id)
    body = unit["body"] if unit else ""
    candidates: list[tuple[int, Row]] = []
    for rule in city.decision_rules:
        if rule["body"] != body or rule["matter"] != matter or not in_force(rule, on):
            continue
        if rule["unit_id"] and rule["unit_id"] not in lineage:
            continue
        if not amount_fits(rule, amount):
            continue
        distance = lineage.index(rule["unit_id"]) if rule["unit_id"] else len(lineage)
        candidates.append((distance, rule))
    if not candidates:
        raise NoRoute(f"no rule for {matter} ({amount} yen) in {unit_id}")
    nearest = min(distance for distance, _ in candidates)
    best = [rule for distance, rule in candidates if distance == nearest]
    if len(best) > 1:
        raise NoRoute(f"{len(best)} rules for {matter} ({amount} yen) in {unit_id}")
    return best[0]


def amount_fits(rule: Row, amount: int | None) -> bool:
    """Bounds are yen, inclusive; a rule without bounds fits any amount, also none."""
    if not rule["amount_min"] and not rule["amount_max"]:
        return True
    if amount is None:
        return False
    above = not rule["amount_min"] or amount >= int(rule["amount_min"])
    below = not rule["amount_max"] or amount <= int(rule["amount_max"])
    return above and below


def find_post(city: City, unit_id: str, rank: str, on: date) -> str | None:
    """The post of a rank in the unit, else in the nearest ancestor that has one.

    Where a unit has several (two vice mayors), the one that covers the unit's line.
    """
    lineage = city.lineage(unit_id)
    for ancestor in lineage:
        posts = [p for p in city.posts if p["unit_id"] == ancestor and p["rank"] == rank and in_force(p, on)]
        if len(posts) > 1:
            posts = [p for p in posts if set(p["covers"].split(";")) & set(lineage)]
        if len(posts) > 1:
            raise NoRoute(f"{len(posts)} posts of rank {rank} for {unit_id}")
        if posts:
            return posts[0]["post_id"]
    return None


def is_absent(city: City, staff_id: str, at: datetime) -> bool:
    return any(
        row["staff_id"] == staff_id
        and datetime.fromisoformat(row["from_at"]) <= at < datetime.fromisoformat(row["to_at"])
        for row in city.absences
    )


def build_route(city: City, document: dict[str, Any], at: datetime) -> tuple[Row, list[Step]]:
    """The rule and the steps, in order, for a document drafted at a moment. Raises NoRoute."""
    on = at.date()
    unit_id: str = document["unit_id"]
    matter = next(c["matter"] for c in city.classes if c["class_code"] == document["class_code"])
    rule = find_rule(city, unit_id, matter, document.get("amount"), on)
    decider_rank: str = document["decision_class"]
    if DECISION_CLASSES.index(decider_rank) < DECISION_CLASSES.index(rule["decision_class"]):
        raise NoRoute(f"{decider_rank} is below {rule['decision_class']} of {rule['rule_id']} (AP-02)")
    drafter_ranks = [p["rank"] for p in city.posts_of(document["drafter"], on) if p["unit_id"] == unit_id]
    if not drafter_ranks:
        raise NoRoute(f"{document['drafter']} has no post in {unit_id}")
    drafted_from = max((LINE.index(r) for r in drafter_ranks if r in LINE), default=-1)

    seats: list[tuple[str, list[str]]] = []
    reviews = [post for post in rule["review_posts"].split(";") if post]
    concurrences = [post for post in rule["concurrence_posts"].split(";") if post]
    for rank in LINE[: LINE.index(decider_rank) + 1]:
        deciding = rank == decider_rank
        if reviews and (deciding or LINE.index(rank) > LINE.index("director")):
            seats.extend(("review", [post]) for post in reviews)
            reviews = []
        post = find_post(city, unit_id, rank, on)
        if deciding and post is None:
            raise NoRoute(f"{unit_id} has no post of rank {rank} to decide")
        if post and LINE.index(rank) > drafted_from:
            seats.append(("decide" if deciding else "approve", [post]))
        if concurrences and rank == rule["concurrence_after"]:
            seats.append(("concur", concurrences))

    steps: list[Step] = []
    for group, (kind, posts) in enumerate(seats, start=1):
        for post in posts:
            staff_id = city.holder(post, on)
            if staff_id is None:
                raise NoRoute(f"{post} has no holder on {on}")
            skipped = kind != "decide" and is_absent(city, staff_id, at)
            steps.append(Step(group, kind, post, staff_id, skipped))
    return rule, steps


def replay(steps: list[Step], drafter: str, acts: list[dict[str, str]]) -> str:
    """The state the acts lead to: circulating, sent_back, withdrawn or decided.

    ValueError, naming the act, when somebody acts who could not have acted then.
    """
    state = "circulating"
    acted: set[str] = {step.post_id for step in steps if step.absent}
    viewed: set[str] = set()
    kinds_for = {
        "approve": ("approve", "review"),
        "concur": ("concur",),
        "dissent": ("concur",),
        "decide": ("decide",),
    }
    for number, act in enumerate(acts, start=1):
        actor, action = act["actor"], act["action"]
        where = f"act {number} ({action} by {actor})"
        if action in ("dissent", "hold", "send_back", "withdraw") and not act.get("comment"):
            raise ValueError(f"{where}: a comment is mandatory")
        if action == "post_view":
            due = [s for s in steps if s.absent and s.staff_id == actor and s.post_id not in viewed]
            if state != "decided" or not due:
                raise ValueError(f"{where}: no 後閲 is due")
            viewed.add(due[0].post_id)
            continue
        if state != "circulating":
            raise ValueError(f"{where}: the case is {state}")
        if action == "withdraw":
            if actor != drafter:
                raise ValueError(f"{where}: only the drafter withdraws")
            state = "withdrawn"
            continue
        waiting = [step for step in steps if step.post_id not in acted]
        active = [step for step in waiting if step.group == waiting[0].group]
        mine = next((step for step in active if step.staff_id == actor), None)
        if mine is None:
            raise ValueError(f"{where}: waits for {[step.staff_id for step in active]}")
        if action == "hold":
            continue
        if action == "send_back":
            state = "sent_back"
            continue
        if mine.kind not in kinds_for.get(action, ()):
            raise ValueError(f"{where}: not possible on a step of kind {mine.kind}")
        acted.add(mine.post_id)
        if mine.kind == "decide":
            state = "decided"
    return state
