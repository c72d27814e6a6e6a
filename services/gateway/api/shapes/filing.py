"""The file plan and its folders."""

from __future__ import annotations

from services.gateway.api.shapes import Shape


class DocumentClass(Shape):
    id: str
    class_code: str
    large: str
    middle: str
    small: str
    unit_id: str | None
    matter: str | None
    retention: str
    basis: str
    disclosure: str
    personal_information: str
    paper_only: bool
    view_class: str


class ClassList(Shape):
    items: list[DocumentClass]
    next_cursor: str | None


class Folder(Shape):
    id: str
    folder_id: str
    unit_id: str
    fiscal_year: int
    class_code: str
    name: str
    retention: str


class FolderList(Shape):
    items: list[Folder]
    next_cursor: str | None
