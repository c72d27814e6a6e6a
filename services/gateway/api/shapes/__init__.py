"""What answers look like, for the OpenAPI document and its tests, one module per noun.

Nothing is built from these: `views` makes the dicts.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """Members may be added; these stay."""

    model_config = ConfigDict(title=None)


class FieldError(Shape):
    """One wrong field."""

    field: str
    problem: str = Field(description="Upper-case word for programs, e.g. REQUIRED.")
    detail: str = Field(description="Sentence for people.")


class Problem(Shape):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What to do next.")
    reason: str = Field(description="The service's ErrorReason, or the gateway's own.")
    errors: list[FieldError]
    trace_id: str = Field(description="32 hex digits; quote it when asking for help.")
