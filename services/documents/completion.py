"""What a document is at 完結: everything that its last approval sheet and its manifest say, read once for both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.db import Connection
from chassis.errors import DomainError, Kind
from services.documents import manifest, number_store, plan_store, store
from services.documents.cases.domain import Seat
from services.documents.domain import Document, Folder, Number
from services.documents.manifest import AnnotationEntry, AttachmentEntry
from services.documents.sheets import domain as sheets
from services.documents.sheets.domain import Sheet


@dataclass(frozen=True, kw_only=True)
class Record:
    """A document at 完結, with everything that its sheet and its manifest say."""

    document: Document
    version: Mapping[str, Any]
    numbers: Sequence[Number]
    folder: Folder
    class_name: str
    attachments: Sequence[AttachmentEntry]
    annotations: Sequence[AnnotationEntry]
    decisions: Sequence[Mapping[str, str]]
    seats: Sequence[Seat]
    # Circulations before the one that was decided.
    earlier: Sequence[Mapping[str, Any]]

    def sheet(self) -> dict[str, Any]:
        """What the approval sheet says."""
        return sheets.content(
            Sheet.COMPLETED,
            self.document,
            self.seats,
            self.decisions,
            folder_name=self.folder.name,
            class_name=self.class_name,
            retention=self.folder.retention,
            files=sum(not one.sheet for one in self.attachments),
            annotations=self.annotations,
        )

    def manifest(self, sheet: AttachmentEntry) -> bytes:
        """The manifest, which covers the sheet as a file of the document."""
        return manifest.build(
            self.document,
            version=self.version,
            numbers=self.numbers,
            folder_name=self.folder.name,
            class_name=self.class_name,
            attachments=[*self.attachments, sheet],
            annotations=self.annotations,
            decisions=self.decisions,
            earlier=self.earlier,
            salt=os.urandom(32),
        )


async def record_of(
    conn: Connection, document: Document, folder: Folder, attachments: Sequence[AttachmentEntry]
) -> Record:
    """The record of a document filed like this. SHEET_NOT_DRAWN without the sheet of its decision."""
    kept = await store.frozen(conn, document.document_id, document.frozen_revision)
    class_ = await plan_store.class_of(conn, folder.class_code)
    if kept is None or class_ is None:
        raise LookupError("a decided document has a frozen revision and its folder a class")
    if not any(one.sheet == Sheet.DECIDED for one in attachments):
        raise DomainError(Kind.UNAVAILABLE, "SHEET_NOT_DRAWN", "the decision has no sheet")
    view = await store.own_view(conn, document.document_id)
    return Record(
        document=document,
        version=store.parse_json(kept[1]),
        numbers=await number_store.numbers_of(conn, document.document_id),
        folder=folder,
        class_name="-".join((class_.large, class_.middle, class_.small)),
        attachments=attachments,
        annotations=view.annotations,
        decisions=await store.decisions_of(conn, document.case_id),
        seats=await store.seats_of(conn, document.case_id),
        earlier=await store.earlier_cases(conn, document.document_id, document.case_id),
    )
