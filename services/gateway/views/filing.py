"""The file plan and its folders."""

from __future__ import annotations

from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.gateway.views import DISCLOSURES, PERSONAL, VIEW_CLASSES, View


def document_class(message: pb.Class) -> View:
    """A row of the file plan."""
    return {
        "id": message.class_code,
        "class_code": message.class_code,
        "large": message.large,
        "middle": message.middle,
        "small": message.small,
        "unit_id": message.unit_id or None,
        "matter": message.matter or None,
        "retention": message.retention,
        "basis": message.basis,
        "disclosure": DISCLOSURES[message.disclosure],
        "personal_information": PERSONAL[message.personal_information],
        "paper_only": message.paper_only,
        "view_class": VIEW_CLASSES[message.view_class],
    }


def folder(message: pb.Folder) -> View:
    """A folder 簿冊."""
    return {
        "id": message.folder_id,
        "folder_id": message.folder_id,
        "unit_id": message.unit_id,
        "fiscal_year": message.fiscal_year,
        "class_code": message.class_code,
        "name": message.name,
        "retention": message.retention,
    }
