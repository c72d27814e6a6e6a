"""Receipts 収受."""

from __future__ import annotations

from services.gateway.api.shapes import Shape


class Receipt(Shape):
    """収受. In lists `sender_name` is empty."""

    id: str
    receipt_id: str
    receipt_number: str
    title: str
    sender_kind: str
    sender_name: str
    sender_reference: str
    received_on: str | None
    arrived_on: str | None
    medium: str
    unit_id: str
    due_on: str | None
    class_code: str | None
    registered_at: str | None
    registered_by: str
    document_ids: list[str]
    backdated_reason: str
    view_class: str
    designated: list[str]
    version: int


class ReceiptList(Shape):
    items: list[Receipt]
    next_cursor: str | None
