"""一括承認 (AP-52): which acts may be done for several cases at once. Off unless the city names decision classes. Pure.

Each case is still an act of its own, with its own receipt and version: what is bulk is only that one person confirms
them together. So it is for 承認 and 同意 of seats on the way; 審査, 仮決裁 and 決裁 are done case by case.
"""

from __future__ import annotations

from chassis.errors import DomainError, Kind
from services.approvals.cases.domain import Action, CityRules
from services.approvals.routes.domain import StepKind

_ACTIONS = {StepKind.APPROVE: Action.APPROVE, StepKind.CONCUR: Action.CONCUR}


def bulk_action(decision_class: str, kind: StepKind, city: CityRules) -> Action | None:
    """The act that may be done in bulk on such a step of such a case; None for none."""
    return _ACTIONS.get(kind) if decision_class in city.bulk else None


def require_bulk(decision_class: str, kind: StepKind, action: Action, city: CityRules) -> None:
    """BULK_NOT_ALLOWED for another class, seat or act."""
    if bulk_action(decision_class, kind, city) is not action:
        about = {"decision_class": decision_class, "step_kind": kind, "action": action}
        raise DomainError(Kind.PRECONDITION, "BULK_NOT_ALLOWED", "case by case only", metadata=about)
