"""The drafter's own route before circulation: seats added below the decider, left out, moved (AP-54). Pure.

A route is its stages in order, each the seats that act together (AP-08). The page carries it from press to press;
approvals judges every change of it.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from services.gateway.pages import vocabulary
from services.gateway.views import View


@dataclass(frozen=True)
class Seat:
    """What is asked of a post."""

    kind: str
    post_id: str


Stage = tuple[Seat, ...]
Route = tuple[Stage, ...]


def read(carried: Iterable[str]) -> Route:
    """The route that a page carried, by `carried`; what it did not write is left out."""
    parts = [value.split(":", 2) for value in carried]
    numbered = sorted((int(one[0]), one[1], one[2]) for one in parts if len(one) == 3 and one[0].isdecimal())
    stages = itertools.groupby(numbered, key=lambda one: one[0])
    return tuple(tuple(Seat(kind, post_id) for _, kind, post_id in stage) for _, stage in stages)


def carried(route: Route) -> list[str]:
    """A route as values of a form."""
    return [f"{number}:{seat.kind}:{seat.post_id}" for number, stage in enumerate(route, 1) for seat in stage]


def of_plan(steps: Iterable[View]) -> Route:
    """The route of a plan."""
    return tuple(
        tuple(Seat(step["kind"], step["post_id"]) for step in stage)
        for _, stage in itertools.groupby(steps, key=lambda step: step["group"])
    )


def steps(route: Route) -> list[Mapping[str, Any]]:
    """As approvals is asked for it."""
    return [
        {"kind": seat.kind, "post_id": seat.post_id, "group": number}
        for number, stage in enumerate(route, 1)
        for seat in stage
    ]


def without(route: Route, post_id: str) -> Route:
    """Without the post's seat."""
    rest = (tuple(seat for seat in stage if seat.post_id != post_id) for stage in route)
    return tuple(stage for stage in rest if stage)


def moved(route: Route, post_id: str, by: int) -> Route:
    """One place earlier (-1) or later (1): out of a stage of several, else past the neighbouring stage."""
    at = next((n for n, stage in enumerate(route) if any(seat.post_id == post_id for seat in stage)), None)
    if at is None:
        return route
    seat = next(seat for seat in route[at] if seat.post_id == post_id)
    alone = len(route[at]) == 1
    place = at + by if alone else at + max(by, 0)
    rest = without(route, post_id)
    return (*rest[:place], (seat,), *rest[place:]) if place >= 0 else route


def added(route: Route, seat: Seat, place: str) -> Route:
    """With another seat: "after:2" in a stage of its own after the second, "with:2" together with the second; never after the decider."""
    where, _, number = place.partition(":")
    at = int(number) if number.isdecimal() else len(route)
    if where == "with" and 0 < at < len(route):
        return (*route[: at - 1], (*route[at - 1], seat), *route[at:])
    at = min(at, len(route) - 1)
    return (*route[:at], (seat,), *route[at:])


def places(rows: list[View]) -> list[tuple[str, str]]:
    """Where a seat may be added: anywhere before the decider, right before it first."""
    stages = [list(stage) for _, stage in itertools.groupby(rows, key=lambda row: row["order"])][:-1]
    named = [("起案", False), *(("・".join(map(_label, stage)), True) for stage in stages)]
    after = [(f"after:{number}", f"{name}の次") for number, (name, _) in enumerate(named)]
    beside = [(f"with:{number}", f"{name}と同時") for number, (name, real) in enumerate(named) if real]
    return [*reversed(after), *reversed(beside)]


def rows(planned: Iterable[View], basis: str) -> list[View]:
    """The rows of a plan with what the drafter may do with each; `fixed` says why one stays where it is.

    `basis` is that of the rules: a seat with another one was added, and moves past all others but the decider.
    """
    listed = list(planned)
    last = listed[-1]["order"]
    by_rule = {step["order"] for step in listed if step["basis"] == basis}
    return [_row(step, last, by_rule if step["basis"] == basis else set()) for step in listed]


def _row(step: View, last: int, in_its_way: Set[int]) -> View:
    if not step["mandatory"]:
        # The decider stays at the end (AP-01), and the seats of the rules in their order (AP-06).
        up = step["parallel"] or (step["order"] > 2 and step["order"] - 1 not in in_its_way)
        down = step["parallel"] or (step["order"] < last - 1 and step["order"] + 1 not in in_its_way)
        return step | {"fixed": "", "up": up, "down": down}
    if step["kind"] == "decide":
        return step | {"fixed": "決裁者は外せません"}
    return step | {"fixed": f"規程で定められた{vocabulary.STEP_KINDS[step['kind']]}のため外せません"}


def _label(step: View) -> str:
    return vocabulary.post_name(step["unit_name"], step["post_title"])


def found(
    query: str, posts: Iterable[View], units: Mapping[str, str], names: Mapping[str, str], most: int
) -> tuple[list[tuple[str, str]], bool]:
    """Posts whose unit, title or holder contains every word of the query, as choices; whether there are more than `most`."""
    words = unicodedata.normalize("NFKC", query).split()
    hits: list[tuple[str, str]] = []
    for post in posts:
        holders = "・".join(names[f"staff:{staff_id}"] for staff_id in post["holder_staff_ids"])
        label = f"{units.get(post['unit_id'], '')}　{post['title']}　{holders}"
        text = "".join(unicodedata.normalize("NFKC", label).split())
        if words and all(word in text for word in words):
            hits.append((post["post_id"], label))
    return hits[:most], len(hits) > most
