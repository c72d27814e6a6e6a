"""A template: seats to ask beside those of the rules, kept by a person, a unit or the city (AP-54). Pure.

It only adds, below the decider; what the rules ask for stays. A version never changes.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.organisation.domain import LINE, Seat
from services.approvals.routes.domain import BEFORE_LINE, PlannedStep, Route, StepKind

MAX_NAME = 60
MAX_SEATS = 20
KINDS = (StepKind.APPROVE, StepKind.CONCUR, StepKind.REVIEW)
PLACES = (BEFORE_LINE, *LINE)


class Scope(enum.StrEnum):
    """Whose template it is."""

    PERSONAL = "personal"
    UNIT = "unit"
    CITY = "city"


@dataclass(frozen=True)
class Extra:
    """One seat more, after the seat of the own line of a rank or the next lower one, or before all of them."""

    kind: StepKind
    post_id: str
    after: str


@dataclass(frozen=True)
class Template:
    """One version of a template."""

    route_template_id: str
    version: int
    scope: Scope
    # Staff id, unit id, or "" for the city.
    owner: str
    name: str
    extras: tuple[Extra, ...]
    saved_by: str
    saved_at: dt.datetime
    retired: bool = False


def checked(name: str, extras: Sequence[Extra]) -> None:
    """INVALID_FIELDS for a template that says nothing, too much, or a post twice."""
    problems: list[FieldViolation] = []
    if not name.strip():
        problems.append(FieldViolation("name", "REQUIRED"))
    elif len(name) > MAX_NAME:
        problems.append(FieldViolation("name", "TOO_LONG"))
    elif not name.isprintable():
        problems.append(FieldViolation("name", "CONTROL_CHARACTER"))
    posts = [extra.post_id for extra in extras]
    if not extras:
        problems.append(FieldViolation("steps", "REQUIRED"))
    elif len(extras) > MAX_SEATS:
        problems.append(FieldViolation("steps", "TOO_MANY"))
    elif len(set(posts)) != len(posts):
        problems.append(FieldViolation("steps", "POST_TWICE"))
    elif any(extra.kind not in KINDS for extra in extras):
        problems.append(FieldViolation("steps", "KIND_NOT_ALLOWED"))
    elif not all(posts) or any(extra.after not in PLACES for extra in extras):
        problems.append(FieldViolation("steps", "UNKNOWN"))
    if problems:
        raise invalid(*problems)


def next_version(
    old: Template, expected: int, name: str, extras: Sequence[Extra], by: str, now: dt.datetime
) -> Template:
    """The template as somebody wants it from now on. STALE_VERSION."""
    _require_current(old, expected)
    checked(name, extras)
    return replace(old, version=old.version + 1, name=name, extras=tuple(extras), saved_by=by, saved_at=now)


def retire(old: Template, expected: int, by: str, now: dt.datetime) -> Template:
    """Offered no more. STALE_VERSION."""
    _require_current(old, expected)
    return replace(old, version=old.version + 1, saved_by=by, saved_at=now, retired=True)


def applied(route: Route, template: Template, known: Mapping[str, Seat], drafter_post: str) -> list[PlannedStep]:
    """The proposal with the seats of the template, as a wish of the drafter; who is asked anyway is not asked twice.

    Neighbours of the same kind and place act in parallel, as a group of their own.
    """
    asked = {step.post_id for step in route.steps} | {drafter_post}
    # Room for a group of each seat behind every group of the proposal.
    room = len(template.extras) + 1
    steps = [replace(step, group=step.group * room) for step in route.steps]
    group = 0
    before: Extra | None = None
    for number, extra in enumerate(template.extras, start=1):
        if before is None or (before.kind, before.after) != (extra.kind, extra.after):
            group = _place(route, extra, known) * room + number
        before = extra
        if extra.post_id not in asked:
            steps.append(PlannedStep(extra.kind, extra.post_id, group, False, f"ひな形「{template.name}」"))
    return steps


def _place(route: Route, extra: Extra, known: Mapping[str, Seat]) -> int:
    """The group of the proposal behind which the seat comes; 0 for before all of it."""
    if extra.after == BEFORE_LINE:
        return 0
    highest = LINE.index(extra.after)
    below = [
        step.group
        for step in route.steps
        if step.kind is StepKind.APPROVE and LINE.index(known[step.post_id].rank) <= highest
    ]
    return max(below, default=0)


def _require_current(template: Template, expected: int) -> None:
    if template.version != expected:
        raise DomainError(
            Kind.CONFLICT,
            "STALE_VERSION",
            f"the template is at {template.version}",
            metadata={"version": str(template.version)},
        )
