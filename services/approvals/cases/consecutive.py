"""兼務・事務取扱 in seats that follow each other (AP-43 ⚙): one 承認 also closes those right after it. Pure.

It is one act of one person on one version, and stands on record once for each post. It reaches as far as the own line
runs from seat to single seat: 合議, 審査 and 仮決裁 are asked something else, and a 決裁 against a 不同意 needs more than
the first act gave. Who holds those seats is for `policy`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from services.approvals.cases import acts
from services.approvals.cases.domain import Act, Action, Case, CityRules, Hall, Signature, Step, StepState
from services.approvals.cases.turns import Outcome
from services.approvals.routes.domain import StepKind

_ACTIONS = {StepKind.APPROVE: Action.APPROVE, StepKind.DECIDE: Action.DECIDE}


def action_on(seat: Step) -> Action:
    """What the act does on a seat that it closes too."""
    return _ACTIONS[seat.kind]


def seats_after(case: Case, step: Step, hall: Hall, city: CityRules) -> tuple[Step, ...]:
    """The seats that an 承認 of this one could close too, in order, whoever holds them.

    A seat that would be passed over for absence is, as on any route (AP-11).
    """
    if not city.consecutive_seats or step.kind is not StepKind.APPROVE:
        return ()
    line = sorted(case.line, key=lambda seat: seat.group)
    groups = [list(group) for number, group in itertools.groupby(line, lambda seat: seat.group) if number >= step.group]
    if len(groups[0]) > 1:
        return ()
    single = itertools.takewhile(lambda group: len(group) == 1, groups[1:])
    return tuple(itertools.takewhile(lambda seat: _follows(case, seat, hall), (group[0] for group in single)))


def _follows(case: Case, seat: Step, hall: Hall) -> bool:
    if seat.state is not StepState.WAITING or seat.kind not in _ACTIONS:
        return False
    return not case.opinions if seat.kind is StepKind.DECIDE else seat.post_id not in hall.absent


def act(
    case: Case,
    step_id: str,
    first: Act,
    also: Sequence[tuple[Step, Signature]],
    hall: Hall,
    city: CityRules,
    new_id: Callable[[], str],
) -> tuple[Outcome, ...]:
    """One act on a seat and on those of `also` right after it: an outcome for each, in order.

    Each decision names its own post, and the version and the access record of the one reading. What was said is said
    once, with the first. The reasons of `acts.act`.
    """
    outcomes = [acts.act(case, step_id, first, hall, city)]
    for seat, by in also:
        own = replace(first, decision_id=new_id(), action=action_on(seat), by=by, comment="")
        outcomes.append(acts.act(outcomes[-1][0], seat.step_id, own, hall, city))
    return tuple(outcomes)
