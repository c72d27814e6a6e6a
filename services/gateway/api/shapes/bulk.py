"""What became of acts confirmed together 一括承認."""

from __future__ import annotations

from services.gateway.api.shapes import Problem, Shape
from services.gateway.api.shapes.cases import Case


class BulkApproval(Shape):
    """What became of one act of 一括承認: the case as it is now, or the refusal."""

    case_id: str
    step_id: str
    action: str
    case: Case | None
    problem: Problem | None


class BulkApprovals(Shape):
    items: list[BulkApproval]
