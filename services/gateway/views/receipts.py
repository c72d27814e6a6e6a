"""Receipts 収受."""

from __future__ import annotations

from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.gateway.views import VIEW_CLASSES, View, moment


def receipt(message: pb.Receipt) -> View:
    """A receipt 収受. In lists the sender's name is empty."""
    return {
        "id": message.receipt_id,
        "receipt_id": message.receipt_id,
        "receipt_number": message.receipt_number,
        "title": message.title,
        "sender_kind": message.sender_kind,
        "sender_name": message.sender_name,
        "sender_reference": message.sender_reference,
        "received_on": message.received_on or None,
        "arrived_on": message.arrived_on or None,
        "medium": message.medium,
        "unit_id": message.unit_id,
        "due_on": message.due_on or None,
        "class_code": message.class_code or None,
        "registered_at": moment(message, "registered_at"),
        "registered_by": message.registered_by,
        "document_ids": list(message.document_ids),
        "backdated_reason": message.backdated_reason,
        "view_class": VIEW_CLASSES[message.view_class],
        "designated": list(message.designated),
        "version": message.version,
    }
