"""What usually follows in the classes of the file plan (次にすること)."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape
from services.gateway.api.shapes.filing import DocumentClass


class PlannedFollowUp(Shape):
    """A line of a list."""

    follow_up_id: str
    after_kind: str = Field(description="receipt or draft: what was done")
    after_words: str = Field(description="words of the title of that; empty for any")
    kind: str = Field(description="receipt or draft: what comes next")
    title: str = Field(description="{年度} stands for the fiscal year of the day")
    next_class_code: str
    body_template_id: str | None


class FollowUpList(Shape):
    """In the order in which they are offered."""

    class_code: str
    follow_ups: list[PlannedFollowUp]
    edited_by: str | None = Field(description="null while it is as the files of the plan have it")
    edited_at: str | None
    version: int


class FollowUpClass(DocumentClass):
    """A class with the size of its list."""

    follow_ups: int
    edited_by: str | None
    edited_at: str | None


class FollowUpClassList(Shape):
    items: list[FollowUpClass]
    next_cursor: str | None
