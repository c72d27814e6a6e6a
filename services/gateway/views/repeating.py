"""What a document was drafted from, and what comes next."""

from __future__ import annotations

from kanketsu.documents.v1 import repeating_service_pb2 as pb
from services.gateway.views import View


def related(message: pb.ListRelatedResponse) -> View:
    """引用元, what was drafted from it, and 次にすること."""
    return {
        "source_ids": list(message.source_ids),
        "repeated_ids": list(message.repeated_ids),
        "follow_ups": [
            {
                "follow_up_id": one.follow_up_id,
                "kind": one.kind,
                "title": one.title,
                "class_code": one.class_code,
                "folder_id": one.folder_id or None,
                "body_template_id": one.body_template_id or None,
            }
            for one in message.follow_ups
        ],
    }
