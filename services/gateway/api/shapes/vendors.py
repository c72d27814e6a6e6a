"""What answers and bodies about accounts of vendors look like, for the OpenAPI document and its tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.api.inputs import Body, Moment, ShortText, Text
from services.gateway.api.shapes import Shape


class MaintenanceWindow(Shape):
    """保守時間枠 `[opens_at, closes_at)`: open only when another person has confirmed it (AC-09)."""

    id: str
    window_id: str
    vendor_id: str
    opens_at: str
    closes_at: str
    reason: str
    ticket: str
    state: Literal["requested", "confirmed", "open", "over"]
    requested_by: str
    requested_at: str | None
    confirmed_by: str | None
    confirmed_at: str | None
    ended_by: str | None
    ended_at: str | None
    allowed_actions: list[Literal["confirm", "end"]]
    version: int


class Vendor(Shape):
    """An account of a vendor: no staff, shut outside its open window."""

    id: str
    vendor_id: str = Field(description="as it stands in the log")
    login: str
    full_name: str
    company: str
    registered_by: str
    registered_at: str | None
    windows: list[MaintenanceWindow] = Field(description="the latest first, at most 20")


class VendorList(Shape):
    items: list[Vendor]
    next_cursor: str | None
    max_hours: int = Field(description="the longest a window may be")


class VendorIn(Body):
    """An account that stays shut."""

    number: Annotated[Text, Field(max_length=64)]
    login: ShortText
    full_name: ShortText
    company: ShortText


class WindowIn(Body):
    """From when to when, why, and the number of the work."""

    opens_at: Moment
    closes_at: Moment
    reason: ShortText
    ticket: ShortText
