"""Canonical texts whose sha256 stands in the log: a frozen version, and the manifest of a completed document.

RFC 8785 JSON, so that anybody can compute the digest again. The 32-byte salt keeps a digest from
telling anything about a short text; it is in the manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import rfc8785

from services.documents.domain import Document, Fields, Number
from services.documents.view_classes import UNIT

VERSION_FORMAT = "kanketsu.version.v1"
MANIFEST_FORMAT = "kanketsu.manifest.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentEntry:
    """An attachment as it stands in a version: name as given, digest of the plain bytes."""

    attachment_id: str
    file_name: str
    content_type: str
    size: int
    sha256: str
    added_after_decision: bool = False
    added_at: str = ""
    added_by: str = ""
    # "decided" or "completed" for an approval sheet (鑑), "" for what people attach.
    sheet: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationEntry:
    """A 追記."""

    annotation_id: str
    text: str
    staff_id: str
    added_at: str


def digest(canonical: bytes) -> str:
    """hex sha256."""
    return hashlib.sha256(canonical).hexdigest()


def version_content(
    document_id: str, revision: int, content: Fields, attachments: Sequence[AttachmentEntry], salt: bytes
) -> bytes:
    """The canonical bytes of one frozen version; their sha256 is the version digest."""
    return rfc8785.dumps(
        {
            "format": VERSION_FORMAT,
            "document_id": document_id,
            "revision": revision,
            "fields": _fields(content),
            "attachments": [
                {
                    "attachment_id": a.attachment_id,
                    "file_name": a.file_name,
                    "content_type": a.content_type,
                    "size": a.size,
                    "sha256": a.sha256,
                }
                for a in attachments
            ],
            "salt": salt.hex(),
        }
    )


def build(
    document: Document,
    *,
    version: Mapping[str, Any],
    numbers: Sequence[Number],
    folder_name: str,
    class_name: str,
    attachments: Sequence[AttachmentEntry],
    annotations: Sequence[AnnotationEntry],
    decisions: Sequence[Mapping[str, str]],
    earlier: Sequence[Mapping[str, Any]],
    salt: bytes,
) -> bytes:
    """The manifest: what was decided, by whom, how it was sent and filed, and the digest of every file.

    `version` is the frozen version as parsed from its canonical bytes: written back canonically it
    gives the decided digest again, so the manifest proves by itself what was decided (I4).
    """
    return rfc8785.dumps(
        {
            "format": MANIFEST_FORMAT,
            "document_id": document.document_id,
            "version": dict(version),
            "version_digest": document.version_digest,
            "unit_id": document.unit_id,
            "drafter": document.drafter,
            "drafter_post": document.drafter_post,
            # Who carried on after 引継ぎ (AP-42); a manifest without one is as it always was.
            **({"assignee": document.assignee} if document.assignee else {}),
            "numbers": [
                {
                    "register": n.register,
                    "symbol": n.symbol,
                    "fiscal_year": n.fiscal_year,
                    "number": n.number,
                    "written": n.written,
                }
                for n in numbers
            ],
            "created_at": document.created_at.isoformat(),
            "submitted_at": document.submitted_at.isoformat() if document.submitted_at else "",
            "decided_at": document.decided_at.isoformat() if document.decided_at else "",
            "decided_by": document.decided_by,
            "case_id": document.case_id,
            # What was written is in the sheet, which is one of the attachments; here its digest says which words they were.
            "decisions": [{name: act[name] for name in act if name != "comment"} for act in decisions],
            # Of circulations that were sent back or taken back; what was written then is on no sheet, so it is here (AP-53).
            # A manifest of a document that circulated once is as it always was.
            **({"earlier_cases": [dict(case) for case in earlier]} if earlier else {}),
            "enforcement": {
                "enforced_on": document.enforced_on.isoformat() if document.enforced_on else "",
                "method": document.enforced_method,
                "addressee": document.enforced_addressee,
                "collated_by": document.collated_by,
            },
            "attachments": [asdict(a) for a in attachments],
            "annotations": [asdict(a) for a in annotations],
            "filing": {
                "folder_id": document.content.folder_id,
                "folder_name": folder_name,
                "class_code": document.content.class_code,
                "class_name": class_name,
                "completed_on": document.completed_on.isoformat() if document.completed_on else "",
                "fiscal_year": document.fiscal_year or 0,
                "retention": document.retention,
                "retention_from": document.retention_from.isoformat() if document.retention_from else "",
                "retention_until": document.retention_until.isoformat() if document.retention_until else "",
            },
            "salt": salt.hex(),
        }
    )


def _fields(content: Fields) -> dict[str, Any]:
    values = asdict(content)
    planned = content.enforcement_planned_on
    values["enforcement_planned_on"] = planned.isoformat() if planned else ""
    # JSON numbers beyond 2**53 are not exact everywhere, so yen travel as text.
    values["amount"] = "" if content.amount is None else str(content.amount)
    values["receipt_ids"] = list(content.receipt_ids)
    # Came later. A version for the whole 課 says nothing of it and keeps the digest it always had.
    if content.view_class > UNIT:
        values |= {"view_class": int(content.view_class), "designated": list(content.designated)}
    else:
        del values["view_class"], values["designated"]
    return values
