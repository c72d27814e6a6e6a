"""What a leaf is in the Open Cybersecurity Schema Framework: class, activity, actor, object, outcome. Pure.

Four classes of OCSF 1.3 hold everything that the log says (schema.ocsf.io, `ocsf/ocsf-schema` on GitHub):
3002 Authentication, 3004 Entity Management, 6003 API Activity, 6006 File Hosting Activity. The leaf itself travels in
`unmapped`, so that nothing is lost on the way, and identifiers stay identifiers: no title, no name.
"""

from __future__ import annotations

import json
from enum import Enum, auto
from typing import Any, Final

from services.audit.entry import Leaf, decode, format_time

SCHEMA_VERSION: Final = "1.3.0"
PRODUCT: Final = {"name": "Kanketsu", "vendor_name": "Kanketsu"}

AUTHENTICATION: Final = 3002
ENTITY: Final = 3004
API: Final = 6003
FILE: Final = 6006
OTHER: Final = 99

# The first word of an action: which class it is.
FAMILIES: Final = {
    "session": AUTHENTICATION,
    **dict.fromkeys(("attachment", "audit", "content", "document", "manifest", "sheet"), FILE),
    **dict.fromkeys(
        (
            *(
                "absence",
                "account",
                "body_template",
                "break_glass",
                "case",
                "change_set",
                "class",
                "config",
                "directory",
                "escalation",
                "file_plan",
                "finding",
                "folder",
                "follow_ups",
                "inbox",
                "maintenance",
                "membership",
                "memo",
                "notice",
                "notice_choices",
                "number",
            ),
            *("permission", "presence", "receipt", "review", "route", "rules", "step", "template", "vendor"),
        ),
        ENTITY,
    ),
    **dict.fromkeys(
        (
            *(
                "actor",
                "backup",
                "canary",
                "checkpoint",
                "count",
                "epoch",
                "log",
                "object",
                "outbox",
                "reconciliation",
                "request",
                "source",
            ),
            *("timestamp", "witness"),
        ),
        API,
    ),
}


class Kind(Enum):
    """What an act does, whichever class it belongs to."""

    CREATE = auto()
    READ = auto()
    LIST = auto()
    DOWNLOAD = auto()
    UPDATE = auto()
    DELETE = auto()
    LOCK = auto()
    # None of the class's activities: its name says what it is.
    OTHER = auto()


# The last word of an action: what is done. Words of one act in several families have one meaning.
VERBS: Final = {
    **dict.fromkeys(
        (
            *(
                "appended",
                "attachment_added",
                "begun",
                "created",
                "drawn",
                "imported",
                "issued",
                "loaded",
                "opened",
                "open",
            ),
            *("drafted", "planned", "redrafted", "registered", "requested"),
        ),
        Kind.CREATE,
    ),
    **dict.fromkeys(
        ("presented", "read", "resolved", "versions_viewed", "viewed", "described", "explained"), Kind.READ
    ),
    **dict.fromkeys(("compared", "history_read", "listed", "related_listed", "searched", "viewers_read"), Kind.LIST),
    **dict.fromkeys(("downloaded", "exported", "printed"), Kind.DOWNLOAD),
    **dict.fromkeys(
        (
            *("acted", "activated", "annotated", "assigned", "changed", "circulated", "close", "closed", "commented"),
            *("confirmed", "consented"),
            *(
                "applied",
                "completed",
                "decision_registered",
                "moved",
                "pull_up_asked",
                "seat_added",
                "substitute_asked",
                "taken_back",
            ),
            *("decided", "enforced", "held", "post_viewed", "recalled", "recovered", "rejected", "restored"),
            *("reviewed", "sent_back", "signed", "submitted", "saved", "updated", "withdrawn", "granted", "remarked"),
        ),
        Kind.UPDATE,
    ),
    **dict.fromkeys(
        ("attachment_removed", "deleted", "discarded", "dropped", "ended", "retired", "revoked", "undone"), Kind.DELETE
    ),
    "locked": Kind.LOCK,
    **dict.fromkeys(
        (
            *("alteration_found", "alteration_gone", "announced", "asked", "checked", "denied", "done", "emptied"),
            *("failed", "found", "gap_filled", "gap_found", "heard", "heartbeat", "missing", "misused", "overdue"),
            *("refused", "repeated", "reported", "returned", "silent"),
        ),
        Kind.OTHER,
    ),
}

_CRUD: Final = {
    **{Kind.CREATE: (1, "Create"), Kind.UPDATE: (3, "Update"), Kind.LOCK: (3, "Update"), Kind.DELETE: (4, "Delete")},
    **dict.fromkeys((Kind.READ, Kind.LIST, Kind.DOWNLOAD), (2, "Read")),
}
_ACTIVITIES: Final = {
    ENTITY: _CRUD,
    API: _CRUD,
    FILE: {
        Kind.CREATE: (1, "Upload"),
        Kind.DOWNLOAD: (2, "Download"),
        Kind.UPDATE: (3, "Update"),
        Kind.DELETE: (4, "Delete"),
        Kind.LIST: (9, "Preview"),
        Kind.LOCK: (10, "Lock"),
        Kind.READ: (14, "Open"),
    },
}
# A refused login is a logon that failed.
_SESSIONS: Final = {
    "session.login": (1, "Logon"),
    "session.denied": (1, "Logon"),
    "session.logout": (2, "Logoff"),
}
# What somebody has to look at, whoever did it.
_ALARMS: Final = frozenset({"alteration_found", "gap_found", "missing", "misused", "overdue", "restored", "silent"})

_INFORMATIONAL, _LOW, _HIGH = (1, "Informational"), (2, "Low"), (4, "High")
_REGULAR_FILE, _FOLDER = 1, 2


def classify(action: str) -> tuple[int, int, str]:
    """Class, activity and its name. An action of a family that is not known is an API activity under its own name."""
    if action in _SESSIONS:
        return AUTHENTICATION, *_SESSIONS[action]
    family, _, verb = action.partition(".")
    class_uid = FAMILIES.get(family, API)
    kind = VERBS.get(verb, Kind.OTHER)
    return class_uid, *_ACTIVITIES.get(class_uid, {}).get(kind, (OTHER, action))


def event(entry: bytes, origin: str, leaf_index: int) -> dict[str, Any]:
    """The OCSF event of a leaf. `origin` names the log, `leaf_index` is its place there. EntryError for another thing."""
    leaf = decode(entry)
    class_uid, activity_id, activity_name = classify(leaf.action)
    severity_id, severity = _severity(leaf)
    granted = leaf.outcome == "granted"
    found: dict[str, Any] = {
        "activity_id": activity_id,
        "activity_name": activity_name,
        "actor": _actor(leaf),
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "metadata": _present(
            correlation_uid=leaf.trace_id,
            event_code=leaf.action,
            log_name=origin,
            log_provider=leaf.service,
            original_time=format_time(leaf.time),
            product=PRODUCT,
            uid=leaf.event_id,
            version=SCHEMA_VERSION,
        )
        | {"sequence": leaf_index},
        "severity": severity,
        "severity_id": severity_id,
        "src_endpoint": {"ip": leaf.terminal} if leaf.terminal else {"name": leaf.instance or leaf.service},
        "status": "Success" if granted else "Failure",
        "status_id": 1 if granted else 2,
        "time": int(leaf.time.timestamp() * 1000),
        "type_uid": class_uid * 100 + activity_id,
        "unmapped": json.loads(entry),
    }
    if leaf.reason:
        found["status_code"] = leaf.reason
    if class_uid == FILE:
        found["file"] = _present(
            name=leaf.object_id or leaf.object_type or leaf.action,
            type_id=_REGULAR_FILE if leaf.object_id else _FOLDER,
            uid=leaf.object_id,
            version=leaf.version_digest,
        )
    elif class_uid == ENTITY:
        found["entity"] = _present(name=leaf.object_type or leaf.action, type=leaf.object_type, uid=leaf.object_id)
    elif class_uid == API:
        found["api"] = {"operation": leaf.action, "service": {"name": leaf.service}}
        found["resources"] = [_present(name=leaf.object_type or leaf.action, type=leaf.object_type, uid=leaf.object_id)]
    else:
        found["service"] = {"name": PRODUCT["name"]}
        found["user"] = _user(leaf)
    return found


def line(entry: bytes, origin: str, leaf_index: int) -> bytes:
    """The event as one line of NDJSON, newline included."""
    return json.dumps(event(entry, origin, leaf_index), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def is_own(entry: bytes) -> bool:
    """Whether this is the record of handing leaves to a receiver. Such records alone are no reason to hand over again:
    each handing over would make the next."""
    leaf = decode(entry)
    return (leaf.service, leaf.action, leaf.object_type) == ("audit", "audit.exported", "siem")


def _severity(leaf: Leaf) -> tuple[int, str]:
    if leaf.action.rpartition(".")[2] in _ALARMS or leaf.action == "reconciliation.failed":
        return _HIGH
    return _INFORMATIONAL if leaf.outcome == "granted" else _LOW


def _actor(leaf: Leaf) -> dict[str, Any]:
    session = {"session": {"uid": leaf.session_id}} if leaf.session_id else {}
    return {"user": _user(leaf), **session}


def _user(leaf: Leaf) -> dict[str, Any]:
    groups = {"groups": [{"type": "unit", "uid": leaf.unit_id}]} if leaf.unit_id else {}
    return {"uid": leaf.staff_id or f"service:{leaf.service}", **groups}


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}
