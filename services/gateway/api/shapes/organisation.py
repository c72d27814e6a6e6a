"""The organisation: oneself, units, posts, staff, absences."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


class HeldPost(Shape):
    id: str
    post_id: str
    unit_id: str
    title: str
    unit_name: str
    kind: str = Field(description="main, concurrent (兼務), joint (併任), deputizing (職務代理) or acting (事務取扱)")
    rank: str
    signs_as: str = Field(description="As what one acts from it: 総務課長事務取扱総務部長 (AP-19), else the title.")


class OwnUnit(Shape):
    id: str
    unit_id: str
    name: str


class Me(Shape):
    id: str
    staff_id: str
    name: str
    kana: str
    posts: list[HeldPost]
    units: list[OwnUnit]
    roles: list[str]
    acting_post: HeldPost | None


class Unit(Shape):
    id: str
    unit_id: str
    parent_id: str | None
    body: str
    name: str
    kana: str
    symbol: str
    valid_from: str | None
    valid_to: str | None


class UnitList(Shape):
    items: list[Unit]
    next_cursor: str | None


class Post(Shape):
    id: str
    post_id: str
    unit_id: str
    title: str
    rank: str
    holder_staff_ids: list[str]


class PostList(Shape):
    items: list[Post]
    next_cursor: str | None


class StaffMember(Shape):
    id: str
    staff_id: str
    name: str
    kana: str
    posts: list[HeldPost]
    absent: bool


class StaffList(Shape):
    items: list[StaffMember]
    next_cursor: str | None


class Absence(Shape):
    id: str
    absence_id: str
    staff_id: str
    since: str | None = Field(alias="from")
    until: str | None = Field(alias="to")
    reason_code: str
    registered_by: str


class AbsenceList(Shape):
    items: list[Absence]
    next_cursor: str | None
