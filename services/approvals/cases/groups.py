"""When a parallel group is complete: all of it, any one, or n (AP-08). Pure.

A step with `need` 0 has to act itself. Steps with a need share it: so many of them have to act, and the others are
let go. Somebody passed over for absence does not count as having acted, but is not waited for either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

# Acted on, by the holder or by an upper seat.
_ANSWERED = frozenset({"approved", "concurred", "dissented", "decided", "pulled_up", "substituted"})
PASSED = _ANSWERED | {"postview_due"}
_WAITS = frozenset({"waiting", "active", "held"})


class Seat(Protocol):
    """What a step has to say for this."""

    @property
    def state(self) -> str:
        """A StepState."""

    @property
    def need(self) -> int:
        """How many of those that share it have to act; 0 for all."""


S = TypeVar("S", bound=Seat)


def complete(group: Sequence[Seat]) -> bool:
    """Whether the next group may begin."""
    # Who was let go is not waited for again, also when a seat beside them is taken back, passed over or moved on.
    sharing = [step for step in group if step.need and step.state != "cancelled"]
    if any(step.state not in PASSED for step in group if not step.need):
        return False
    answered = sum(step.state in _ANSWERED for step in sharing)
    return answered >= max((step.need for step in sharing), default=0) or all(s.state in PASSED for s in sharing)


def let_go(group: Sequence[S]) -> list[S]:
    """Steps of a complete group that are not waited for any more; nobody need act on them."""
    return [step for step in group if step.state in _WAITS] if complete(group) else []
