"""Templates of bodies 例文."""

from __future__ import annotations

from kanketsu.documents.v1 import body_templates_service_pb2 as pb
from services.gateway.views import View, moment


def body_template(message: pb.BodyTemplate) -> View:
    """A template of bodies (例文) in the version that counts."""
    return {
        "id": message.body_template_id,
        "body_template_id": message.body_template_id,
        "scope": message.scope,
        "unit_id": message.unit_id or None,
        "name": message.name,
        "body": message.body,
        "saved_by": message.saved_by,
        "saved_at": moment(message, "saved_at"),
        "version": message.version,
    }
