"""What usually follows in the classes of the file plan (次にすること)."""

from __future__ import annotations

from kanketsu.documents.v1 import follow_ups_service_pb2 as pb
from services.gateway.views import View, moment
from services.gateway.views.filing import document_class


def follow_up_class(message: pb.FollowUpClass) -> View:
    """A class, how much its list holds, and who edited it last."""
    return document_class(message.file_plan_class) | {
        "follow_ups": message.follow_ups,
        "edited_by": message.edited_by or None,
        "edited_at": moment(message, "edited_at"),
    }


def follow_up_list(message: pb.FollowUpList) -> View:
    """The list of one class, in its order."""
    return {
        "class_code": message.class_code,
        "follow_ups": [
            {
                "follow_up_id": one.follow_up_id,
                "after_kind": one.after_kind,
                "after_words": one.after_words,
                "kind": one.kind,
                "title": one.title,
                "next_class_code": one.next_class_code,
                "body_template_id": one.body_template_id or None,
            }
            for one in message.follow_ups
        ],
        "edited_by": message.edited_by or None,
        "edited_at": moment(message, "edited_at"),
        "version": message.version,
    }
