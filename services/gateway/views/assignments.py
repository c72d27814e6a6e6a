"""Documents that need a 担当者."""

from __future__ import annotations

from kanketsu.documents.v1 import assignments_service_pb2 as pb
from services.gateway.views import STATES, View, moment


def unattended_document(message: pb.UnattendedDocument, title: str | None) -> View:
    """An open document whose 担当者 has left its unit; the title as far as the reader may see it."""
    return {
        "id": message.document_id,
        "document_id": message.document_id,
        "title": title,
        "state": STATES[message.state],
        "draft_number": message.draft_number or None,
        "drafter": message.drafter,
        "assignee": message.assignee,
        "created_at": moment(message, "created_at"),
        "version": message.version,
    }
