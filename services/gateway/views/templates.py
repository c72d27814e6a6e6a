"""Templates of routes."""

from __future__ import annotations

from kanketsu.approvals.v1 import route_templates_service_pb2 as pb
from services.gateway.views import View, moment


def route_template(message: pb.RouteTemplate) -> View:
    """A template of a route in the version that counts."""
    return {
        "id": message.route_template_id,
        "route_template_id": message.route_template_id,
        "scope": message.scope,
        "unit_id": message.unit_id or None,
        "name": message.name,
        "steps": [{"kind": one.kind, "post_id": one.post_id, "after": one.after} for one in message.steps],
        "saved_by": message.saved_by,
        "saved_at": moment(message, "saved_at"),
        "version": message.version,
    }
