"""Templates of routes."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


class TemplateStep(Shape):
    kind: str = Field(description="approve, concur or review")
    post_id: str
    after: str = Field(description="rank of the own line, or drafter: before all of it")


class RouteTemplate(Shape):
    """Seats that are added to a proposal (AP-54)."""

    id: str
    route_template_id: str
    scope: str = Field(description="personal, unit or city")
    unit_id: str | None
    name: str
    steps: list[TemplateStep]
    saved_by: str
    saved_at: str | None
    version: int


class RouteTemplateList(Shape):
    items: list[RouteTemplate]
    next_cursor: str | None
