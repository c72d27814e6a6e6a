"""What answers and bodies about 緊急閲覧 look like, for the OpenAPI document and its tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.api.inputs import Body, Text
from services.gateway.api.shapes import Shape


class BreakGlass(Shape):
    """緊急閲覧: a request and what became of it. Whether there is such a document is not said (AC-03)."""

    id: str
    break_glass_id: str
    named: str = Field(description="id or number of the document, as it was asked for")
    reason: str
    hours: int
    state: Literal["requested", "open", "lapsed", "over"]
    requested_by: str
    requested_as: Literal["system_admin", "records_officer", "audit_officer"]
    requested_at: str | None
    consented_by: str | None
    consented_at: str | None
    ends_at: str | None = Field(description="until when it waits for consent; after that, until when it is open")
    ended_by: str | None
    ended_at: str | None
    allowed_actions: list[Literal["consent", "end"]]
    version: int


class BreakGlassList(Shape):
    items: list[BreakGlass] = Field(description="the latest first, at most 100")
    next_cursor: str | None
    max_hours: int = Field(description="the longest one may be")


class BreakGlassIn(Body):
    """Which document, why, and for how long."""

    named: Annotated[Text, Field(max_length=200, description="id, 起案番号 or 文書番号")]
    reason: Annotated[Text, Field(max_length=2000)]
    hours: Annotated[int, Field(ge=1, le=24)]
