"""What a document was drafted from, and what comes next."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


class FollowUp(Shape):
    """次にすること: what the file plan says usually comes next."""

    follow_up_id: str
    kind: str = Field(description="receipt or draft")
    title: str
    class_code: str
    folder_id: str | None = Field(description="of this fiscal year; null for none")
    body_template_id: str | None


class Related(Shape):
    source_ids: list[str] = Field(description="引用元")
    repeated_ids: list[str] = Field(description="drafted from it, newest first")
    follow_ups: list[FollowUp]
