"""Templates of bodies 例文."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


class BodyTemplate(Shape):
    """例文; the words {件名} {相手方} {年度} {日付} are filled in at use."""

    id: str
    body_template_id: str
    scope: str = Field(description="personal, unit or city")
    unit_id: str | None
    name: str
    body: str
    saved_by: str
    saved_at: str | None
    version: int


class BodyTemplateList(Shape):
    items: list[BodyTemplate]
    next_cursor: str | None


class FilledBody(Shape):
    body: str
