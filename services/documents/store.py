# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL of documents, their parts and viewers; one function per statement.

Who may see a document is said once, in visible_to: "viewers ∩ my principals ≠ ∅ now". Every read,
list and search of this service contains it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from psycopg import AsyncCursor
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from chassis.db import Connection
from kanketsu.event.v1 import envelope_pb2
from services.documents import textkey
from services.documents.cases.domain import Lease, Seat
from services.documents.domain import (
    BREAK_GLASS,
    REASONS,
    Document,
    Fields,
    State,
)
from services.documents.manifest import AnnotationEntry
from services.documents.view_classes import OWN_REASONS, broad_principal, wider_than_receipts

LIVE = "v.valid_from <= now() AND (v.valid_to IS NULL OR v.valid_to > now())"


def visible_to(principals: str, only: str = "") -> str:
    """The predicate (I5, AC-01) for the reader with these principals, an SQL expression. `d` is the documents row.

    `only` asks for less: for certain rights `v`. OFFSET 0: asked of each row by index; as a join the planner might read all that a large unit sees to show one page.
    """
    return (
        "EXISTS (SELECT FROM viewers AS v WHERE v.document_id = d.document_id"
        f" AND v.principal = ANY({principals}) AND {LIVE}{only} OFFSET 0)"
    )


def why_visible_to(principals: str) -> str:
    """The reasons that hold now, in the order of REASONS."""
    return (
        "ARRAY(SELECT v.reason FROM viewers AS v WHERE v.document_id = d.document_id"
        f" AND v.principal = ANY({principals}) AND {LIVE}"
        f" ORDER BY array_position(ARRAY[{', '.join(repr(reason) for reason in REASONS)}], v.reason))"
    )


# For the one reader of a statement.
VISIBLE = visible_to("%(principals)s")
WHY_VISIBLE = why_visible_to("%(principals)s")
# Who only looks at it by 緊急閲覧 works with it no more than who does not see it (AC-08).
_WORKABLE = visible_to("%(principals)s", f" AND v.reason <> '{BREAK_GLASS}'")
# The columns of a ReadContext.
CONTEXT = f"{WHY_VISIBLE}, d.unit_id, d.class_code, d.personal_information"

_CONTENT = [f.name for f in fields(Fields) if f.name != "receipt_ids"]
_OWN = [f.name for f in fields(Document) if f.name != "content"]
_COLUMNS = [*_OWN, *_CONTENT]
# NULL in the table, "" in Python, and the other way round.
_D_COLUMNS = ", ".join(
    {"document_id": "d.document_id::text", "case_id": "coalesce(d.case_id::text, '')"}.get(name, f"d.{name}")
    for name in _COLUMNS
)
_RECEIPTS = "ARRAY(SELECT r.receipt_id::text FROM document_receipts AS r WHERE r.document_id = d.document_id)"


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """An attachment as shown."""

    attachment_id: str
    file_name: str
    content_type: str
    size: int
    sha256: str
    added_after_decision: bool
    added_at: dt.datetime
    added_by: str
    locked_until: dt.datetime | None
    # "decided" or "completed" for an approval sheet (鑑), "" for what people attach.
    sheet: str


@dataclass(frozen=True, slots=True)
class FormerOwner:
    """旧所管: a unit whose it was, from when to when (RT-10)."""

    unit_id: str
    owned_from: dt.datetime
    owned_to: dt.datetime


@dataclass(frozen=True, slots=True)
class View:
    """A document with everything that is shown with it."""

    document: Document
    folder_name: str
    class_name: str
    matter: str
    attachments: Sequence[AttachmentRow]
    annotations: Sequence[AnnotationEntry]
    former_owners: Sequence[FormerOwner]
    content_locked: bool
    # 閲覧区分 of the receipts and whom each names, while the text may be edited.
    receipt_classes: Sequence[tuple[int, Sequence[str]]] = ()
    # Why this reader may see it; empty where nobody asked as a reader.
    reasons: Sequence[str] = ()

    @property
    def wider_than_receipts(self) -> bool:
        """Will it be for people whom what came was not for? The drafter is told before it circulates (AC-02)."""
        content = self.document.content
        return wider_than_receipts(content.view_class, content.designated, self.receipt_classes)

    @property
    def context(self) -> ReadContext:
        """Of this reading."""
        content = self.document.content
        return ReadContext(self.reasons, self.document.unit_id, content.class_code, content.personal_information)


async def one(cursor: AsyncCursor[TupleRow]) -> TupleRow:
    """The row of a statement that always has one."""
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("a row that has to be there is not")
    return row


def _document(row: Sequence[Any], receipt_ids: Sequence[str]) -> Document:
    own = dict(zip(_OWN, row, strict=False))
    own["state"] = State(own["state"])
    content = dict(zip(_CONTENT, row[len(_OWN) :], strict=False))
    content |= {"designated": tuple(content["designated"]), "receipt_ids": tuple(receipt_ids)}
    return Document(content=Fields(**content), **own)


# ---------------------------------------------------------------- reading

_ATTACHMENTS_JSON = (
    "(SELECT json_agg(json_build_array(a.attachment_id, a.file_name, a.content_type, a.size, a.sha256,"
    " a.added_after_decision, a.added_at, a.added_by, (SELECT max(o.applied_until) FROM object_locks AS o"
    " WHERE o.object_key = a.object_key AND o.version_id = a.version_id AND o.applied_until IS NOT NULL), a.sheet)"
    " ORDER BY a.position) FROM attachments AS a"
    " WHERE a.document_id = d.document_id AND a.removed_revision IS NULL)"
)
_ANNOTATIONS_JSON = (
    "(SELECT json_agg(json_build_array(n.annotation_id, n.text, n.staff_id, n.added_at) ORDER BY n.annotation_id)"
    " FROM annotations AS n WHERE n.document_id = d.document_id)"
)
_FORMER_JSON = (
    "(SELECT json_agg(json_build_array(w.unit_id, w.owned_from, w.owned_to) ORDER BY w.owned_to)"
    " FROM former_owners AS w WHERE w.kind = 'document' AND w.object_id = d.document_id::text)"
)
# Of its receipts, while somebody may still choose another class for it.
_RECEIPT_CLASSES_JSON = (
    "CASE WHEN d.state IN (1, 3) THEN (SELECT json_agg(json_build_array(r.view_class, r.designated))"
    " FROM document_receipts AS x JOIN receipts AS r ON r.receipt_id = x.receipt_id"
    " WHERE x.document_id = d.document_id) END"
)
_LOCKED = "EXISTS (SELECT FROM content_locks AS l WHERE l.document_id = d.document_id AND l.applied_at IS NOT NULL)"
_VIEW = (
    f"{_D_COLUMNS}, {_RECEIPTS}, coalesce(f.name, ''),"
    " CASE WHEN c.class_code IS NULL THEN '' ELSE c.large || '-' || c.middle || '-' || c.small END,"
    f" coalesce(c.matter, ''), {_ATTACHMENTS_JSON}, {_ANNOTATIONS_JSON}, {_FORMER_JSON}, {_LOCKED},"
    f" {_RECEIPT_CLASSES_JSON}"
)
_FILED = " LEFT JOIN folders AS f ON f.folder_id = d.folder_id LEFT JOIN classes AS c ON c.class_code = d.class_code"
# A table of JSON, because its assumed size does not depend on what is asked: one plan serves every number of readers.
# OFFSET 0: each question is answered by itself, by index; as a join the planner would read whole tables for them.
_VIEWS = (
    f"SELECT q.place, one.* FROM jsonb_to_recordset(%(asked)s) AS q (place integer, document_id uuid, principals text[])"
    f" CROSS JOIN LATERAL (SELECT {_VIEW}, {why_visible_to('q.principals')} FROM documents AS d{_FILED}"
    f" WHERE d.document_id = q.document_id AND {visible_to('q.principals')} OFFSET 0) AS one"
)
_OWN_VIEW = f"SELECT {_VIEW} FROM documents AS d{_FILED} WHERE d.document_id = %s"


async def views(conn: Connection, asked: Sequence[tuple[str, Sequence[str]]]) -> list[View | None]:
    """For each (document, the reader's principals): the document if this reader may see it now. One statement."""
    questions = [
        {"place": place, "document_id": document_id, "principals": list(principals)}
        for place, (document_id, principals) in enumerate(asked)
    ]
    cursor = await conn.execute(_VIEWS, {"asked": Jsonb(questions)}, binary=True)
    found = {row[0]: _view(row[1:-1], row[-1]) for row in await cursor.fetchall()}
    return [found.get(place) for place in range(len(asked))]


async def own_view(conn: Connection, document_id: str) -> View:
    """The document for the answer to the write that has just locked and checked it."""
    cursor = await conn.execute(_OWN_VIEW, (document_id,), binary=True)
    row = await one(cursor)
    return _view(row)


def _view(row: Sequence[Any], reasons: Sequence[str] = ()) -> View:
    receipt_ids, folder_name, class_name, matter, attachments, annotations, former, locked, came = row[len(_COLUMNS) :]
    return View(
        document=_document(row, receipt_ids),
        folder_name=folder_name,
        class_name=class_name,
        matter=matter,
        attachments=[_attachment(a) for a in attachments or ()],
        annotations=[
            AnnotationEntry(annotation_id=n[0], text=n[1], staff_id=n[2], added_at=n[3]) for n in annotations or ()
        ],
        former_owners=[
            FormerOwner(w[0], dt.datetime.fromisoformat(w[1]), dt.datetime.fromisoformat(w[2])) for w in former or ()
        ],
        content_locked=locked,
        receipt_classes=[(one[0], one[1]) for one in came or ()],
        reasons=reasons,
    )


def _attachment(a: Sequence[Any]) -> AttachmentRow:
    locked = dt.datetime.fromisoformat(a[8]) if a[8] else None
    return AttachmentRow(a[0], a[1], a[2], a[3], a[4], a[5], dt.datetime.fromisoformat(a[6]), a[7], locked, a[9])


class ReadContext(NamedTuple):
    """What decides on the rights of a reader (AC-15), and what the record of the reading says of it (SC-07)."""

    # Why the reader may see it: what is nearest to the reader's work first.
    reasons: Sequence[str]
    unit: str
    class_code: str
    personal_information: int

    @property
    def only_looks(self) -> bool:
        """By 緊急閲覧 alone: nothing is taken out or along (AC-08)."""
        return all(reason == BREAK_GLASS for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """Where the manifest is."""

    item_id: str
    manifest_digest: str
    object_key: str
    version_id: str
    wrapped_key: bytes
    version_digest: str
    context: ReadContext


async def stored_manifest(conn: Connection, document_id: str, principals: Sequence[str]) -> StoredManifest | None:
    """The manifest of a completed document that may be seen."""
    cursor = await conn.execute(
        "SELECT m.item_id::text, m.manifest_digest, m.object_key, m.version_id, k.wrapped, d.version_digest,"
        f" {CONTEXT}"
        " FROM documents AS d JOIN manifests AS m ON m.document_id = d.document_id"
        " JOIN document_keys AS k ON k.document_id = d.document_id"
        f" WHERE d.document_id = %(document_id)s AND {VISIBLE}",
        {"document_id": document_id, "principals": list(principals)},
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return StoredManifest(row[0], row[1], row[2], row[3], bytes(row[4]), row[5], ReadContext(*row[6:]))


@dataclass(frozen=True, slots=True)
class Version:
    """A revision as it was submitted."""

    revision: int
    version_digest: str
    frozen_at: dt.datetime
    # Canonical: its sha256 is the digest.
    content: bytes


async def versions(
    conn: Connection, document_id: str, principals: Sequence[str], limit: int
) -> tuple[ReadContext, list[Version]] | None:
    """The latest versions that circulated, newest first, of a document that may be seen; None of any other (AP-30)."""
    cursor = await conn.execute(
        f"SELECT {CONTEXT}, r.revision, r.version_digest, r.frozen_at, r.content"
        " FROM documents AS d LEFT JOIN revisions AS r ON r.document_id = d.document_id"
        f" WHERE d.document_id = %(document_id)s AND {VISIBLE} ORDER BY r.revision DESC LIMIT %(limit)s",
        {"document_id": document_id, "principals": list(principals), "limit": limit},
    )
    rows = await cursor.fetchall()
    if not rows:
        return None
    # A draft that never circulated has one row without a version.
    return ReadContext(*rows[0][:4]), [Version(*row[4:]) for row in rows if row[4] is not None]


@dataclass(frozen=True, slots=True)
class ViewerRow:
    """A right."""

    principal: str
    reason: str
    valid_from: dt.datetime
    valid_to: dt.datetime | None
    step_id: str
    # Of the document: it decides on rights beyond looking (AC-15).
    personal_information: int


async def viewers(
    conn: Connection, document_id: str, principals: Sequence[str]
) -> tuple[ReadContext, str, list[ViewerRow]] | None:
    """Who may see it now and why, and the version digest; None when the reader may not (AC-10). One statement."""
    cursor = await conn.execute(
        f"SELECT {CONTEXT}, d.version_digest,"
        " w.principal, w.reason, w.valid_from, w.valid_to, w.step_id, d.personal_information"
        " FROM documents AS d"
        f" JOIN viewers AS w ON w.document_id = d.document_id AND {LIVE.replace('v.', 'w.')}"
        f" WHERE d.document_id = %(document_id)s AND {VISIBLE} ORDER BY w.viewer_id",
        {"document_id": document_id, "principals": list(principals)},
    )
    rows = await cursor.fetchall()
    return (ReadContext(*rows[0][:4]), rows[0][4], [ViewerRow(*row[5:]) for row in rows]) if rows else None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """An event of the document."""

    version: int
    action: str
    occurred_at: dt.datetime
    staff_id: str
    post_id: str
    unit_id: str
    detail: Mapping[str, str]


async def history(
    conn: Connection, document_id: str, principals: Sequence[str]
) -> tuple[ReadContext, str, list[HistoryRow]] | None:
    """Every event, oldest first, and the version digest; None when the reader may not see the document (LC-11)."""
    cursor = await conn.execute(
        f"SELECT {CONTEXT}, d.version_digest, h.version, h.action, h.occurred_at, h.staff_id, h.post_id, h.unit_id, h.detail"
        " FROM documents AS d JOIN history AS h ON h.document_id = d.document_id"
        f" WHERE d.document_id = %(document_id)s AND {VISIBLE} ORDER BY h.version, h.event_id",
        {"document_id": document_id, "principals": list(principals)},
    )
    rows = await cursor.fetchall()
    return (ReadContext(*rows[0][:4]), rows[0][4], [HistoryRow(*row[5:]) for row in rows]) if rows else None


# ---------------------------------------------------------------- documents


async def lock(conn: Connection, document_id: str, principals: Sequence[str]) -> Document | None:
    """The document, locked until the end of the transaction, if these principals may see it and work with it."""
    cursor = await conn.execute(
        f"SELECT {_D_COLUMNS}, {_RECEIPTS} FROM documents AS d"
        f" WHERE d.document_id = %(document_id)s AND {_WORKABLE} FOR UPDATE OF d",
        {"document_id": document_id, "principals": list(principals)},
    )
    row = await cursor.fetchone()
    return None if row is None else _document(row, row[-1])


async def lock_any(conn: Connection, document_id: str) -> Document | None:
    """The document, locked, for work that no person asked for."""
    cursor = await conn.execute(
        f"SELECT {_D_COLUMNS}, {_RECEIPTS} FROM documents AS d WHERE d.document_id = %s FOR UPDATE OF d", (document_id,)
    )
    row = await cursor.fetchone()
    return None if row is None else _document(row, row[-1])


async def insert(conn: Connection, document: Document, wrapped_key: bytes) -> None:
    """A new document and its wrapped key."""
    names = ", ".join(_COLUMNS)
    marks = ", ".join(f"%({name})s" for name in _COLUMNS)
    await conn.execute(f"INSERT INTO documents ({names}) VALUES ({marks})".encode(), _values(document))
    await conn.execute(
        "INSERT INTO document_keys (document_id, wrapped) VALUES (%s, %s)", (document.document_id, wrapped_key)
    )


async def save(conn: Connection, document: Document, before: Document) -> None:
    """Write the columns that changed. The row is locked by this transaction, so nobody was in between."""
    old, new = _values(before), _values(document)
    changed = [name for name in _COLUMNS if old[name] != new[name]]
    cursor = await conn.execute(
        f"UPDATE documents SET {', '.join(f'{name} = %({name})s' for name in changed)}"
        " WHERE document_id = %(document_id)s AND version = %(before)s".encode(),
        {name: new[name] for name in changed} | {"document_id": document.document_id, "before": before.version},
    )
    if cursor.rowcount != 1:
        raise LookupError("the locked row is not there")


def _values(document: Document) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(document, name) for name in _OWN}
    values |= {name: getattr(document.content, name) for name in _CONTENT}
    values["state"] = int(document.state)
    values["case_id"] = document.case_id or None
    values["designated"] = list(document.content.designated)
    return values


async def delete(conn: Connection, document_id: str, now: dt.datetime) -> None:
    """A draft that never circulated, with everything that belongs to it. Its rights end; its history stays."""
    await conn.execute(
        "INSERT INTO object_discards (object_key, version_id, discarded_at)"
        " SELECT a.object_key, a.version_id, %s FROM attachments AS a WHERE a.document_id = %s",
        (now, document_id),
    )
    for table in ("attachments", "document_receipts", "document_texts", "document_keys", "citations", "documents"):
        await conn.execute(f"DELETE FROM {table} WHERE document_id = %s".encode(), (document_id,))
    await end_rights(conn, document_id)


async def set_receipts(conn: Connection, document_id: str, receipt_ids: Sequence[str]) -> None:
    """Link to exactly these receipts (LC-03)."""
    await conn.execute(
        "DELETE FROM document_receipts WHERE document_id = %s AND receipt_id <> ALL(%s::uuid[])",
        (document_id, list(receipt_ids)),
    )
    await conn.execute(
        "INSERT INTO document_receipts (document_id, receipt_id) SELECT %s, unnest(%s::uuid[]) ON CONFLICT DO NOTHING",
        (document_id, list(receipt_ids)),
    )


async def index_text(conn: Connection, document: Document) -> None:
    """What search finds it by: its texts, its numbers, and the names of its attachments."""
    cursor = await conn.execute(
        "SELECT a.file_name FROM attachments AS a"
        " WHERE a.document_id = %s AND a.removed_revision IS NULL AND a.sheet = ''",
        (document.document_id,),
    )
    names = [str(row[0]) for row in await cursor.fetchall()]
    content = document.content
    broad = broad_principal(document.unit_id, content.view_class)
    key = textkey.fold(
        "\n".join(
            (
                content.title,
                content.subtitle,
                content.counterparty,
                document.draft_number,
                document.dispatch_number,
                *names,
                content.body,
            )
        )
    )
    await conn.execute(
        "INSERT INTO document_texts (document_id, search, key) VALUES (%s, array_to_tsvector(%s::text[]), %s)"
        " ON CONFLICT (document_id) DO UPDATE SET search = excluded.search, key = excluded.key",
        (document.document_id, textkey.lexemes(key, [document.unit_id, *([broad] if broad else [])]), key),
    )


# ---------------------------------------------------------------- rights


async def grant(conn: Connection, document_id: str, principal: str, reason: str, since: dt.datetime) -> None:
    """One right more. It begins no later than now by the database's clock, the one that rights are asked by."""
    await conn.execute(
        "INSERT INTO viewers (document_id, principal, reason, valid_from) VALUES (%s, %s, %s, least(%s, now()))",
        (document_id, principal, reason, since),
    )


async def end_rights(conn: Connection, document_id: str, reasons: Sequence[str] = ()) -> None:
    """End the live rights of these reasons, or all; the rows stay."""
    await conn.execute(
        "UPDATE viewers SET valid_to = greatest(now(), valid_from) WHERE document_id = %(document_id)s"
        " AND valid_to IS NULL AND (%(reasons)s::text[] = '{}' OR reason = ANY(%(reasons)s))",
        {"document_id": document_id, "reasons": list(reasons)},
    )


async def replace_owner_rights(
    conn: Connection, document_id: str, wanted: Sequence[tuple[str, str]], now: dt.datetime
) -> None:
    """The rights of the owner unit's people become exactly these (principal, reason); what is no longer there ends now."""
    cursor = await conn.execute(
        "SELECT v.viewer_id, v.principal, v.reason FROM viewers AS v WHERE v.document_id = %s AND v.valid_to IS NULL"
        " AND v.reason = ANY(%s)",
        (document_id, list(OWN_REASONS)),
    )
    live = {(row[1], row[2]): row[0] for row in await cursor.fetchall()}
    await _end(conn, [viewer_id for key, viewer_id in live.items() if key not in wanted])
    for principal, reason in wanted:
        if (principal, reason) not in live:
            await grant(conn, document_id, principal, reason, now)


async def _end(conn: Connection, viewer_ids: Sequence[int]) -> None:
    if viewer_ids:
        await conn.execute(
            "UPDATE viewers SET valid_to = greatest(now(), valid_from) WHERE viewer_id = ANY(%s)", (list(viewer_ids),)
        )


_LEASES = """
WITH wanted AS (
    SELECT n.step_id, n.principal, n.reason, min(n.since) AS since
    FROM jsonb_to_recordset(%(leases)s) AS n (step_id text, principal text, reason text, since timestamptz)
    GROUP BY n.step_id, n.principal, n.reason
), live AS (
    SELECT v.viewer_id, v.step_id, v.principal, v.reason FROM viewers AS v
    WHERE v.document_id = %(document_id)s AND v.case_id = %(case_id)s AND v.valid_to IS NULL
), ended AS (
    UPDATE viewers AS v SET valid_to = greatest(now(), v.valid_from)
    FROM live AS l LEFT JOIN wanted AS w USING (step_id, principal, reason)
    WHERE v.viewer_id = l.viewer_id AND w.step_id IS NULL
)
-- It begins no later than now by the database's clock, the one that rights are asked by.
INSERT INTO viewers (document_id, principal, reason, valid_from, case_id, step_id)
SELECT %(document_id)s, w.principal, w.reason, least(w.since, now()), %(case_id)s, w.step_id
FROM wanted AS w LEFT JOIN live AS l USING (step_id, principal, reason)
WHERE l.viewer_id IS NULL
"""


async def replace_leases(conn: Connection, document_id: str, case_id: str, leases: Sequence[Lease]) -> None:
    """The rights from the steps of one case become exactly these; what is no longer there ends now. One statement."""
    wanted = [
        {
            "step_id": lease.step_id,
            "principal": lease.principal,
            "reason": lease.reason,
            "since": lease.since.isoformat(),
        }
        for lease in leases
    ]
    await conn.execute(_LEASES, {"document_id": document_id, "case_id": case_id, "leases": Jsonb(wanted)})


# ---------------------------------------------------------------- parts


async def insert_annotation(conn: Connection, document_id: str, entry: AnnotationEntry) -> None:
    """A 追記."""
    await conn.execute(
        "INSERT INTO annotations (annotation_id, document_id, text, staff_id, added_at) VALUES (%s, %s, %s, %s, %s)",
        (entry.annotation_id, document_id, entry.text, entry.staff_id, entry.added_at),
    )


async def freeze(conn: Connection, document: Document, version_digest: str, content: bytes, now: dt.datetime) -> None:
    """The revision as submitted."""
    await conn.execute(
        "INSERT INTO revisions (document_id, revision, version_digest, content, frozen_at) VALUES (%s, %s, %s, %s, %s)",
        (document.document_id, document.revision, version_digest, content, now),
    )


async def frozen(conn: Connection, document_id: str, revision: int) -> tuple[str, bytes] | None:
    """Digest and canonical bytes of a revision that was submitted."""
    cursor = await conn.execute(
        "SELECT r.version_digest, r.content FROM revisions AS r WHERE r.document_id = %s AND r.revision = %s",
        (document_id, revision),
    )
    row = await cursor.fetchone()
    return None if row is None else (str(row[0]), bytes(row[1]))


async def append_history(
    conn: Connection,
    document_id: str,
    envelopes: Sequence[envelope_pb2.Envelope],
    occurred_at: dt.datetime,
    version: int | None = None,
    kept: Mapping[str, str] | None = None,
) -> None:
    """One line per event; `version` where the event is not one of the document's own, `kept` what only this table says."""
    for envelope in envelopes:
        await conn.execute(
            "INSERT INTO history (event_id, document_id, version, action, occurred_at, staff_id, post_id, unit_id, detail)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                envelope.event_id,
                document_id,
                envelope.aggregate_version if version is None else version,
                envelope.action,
                occurred_at,
                envelope.actor.staff_id,
                envelope.actor.post_id,
                envelope.actor.unit_id,
                Jsonb(dict(envelope.detail) | dict(kept or {})),
            ),
        )


async def insert_manifest(
    conn: Connection, document_id: str, item_id: str, manifest_digest: str, object_key: str, version_id: str
) -> None:
    """Where the manifest is."""
    await conn.execute(
        "INSERT INTO manifests (document_id, item_id, manifest_digest, object_key, version_id) VALUES (%s, %s, %s, %s, %s)",
        (document_id, item_id, manifest_digest, object_key, version_id),
    )


async def wrapped_key(conn: Connection, document_id: str) -> bytes:
    """The wrapped content key."""
    cursor = await conn.execute("SELECT k.wrapped FROM document_keys AS k WHERE k.document_id = %s", (document_id,))
    row = await one(cursor)
    return bytes(row[0])


# ---------------------------------------------------------------- cases


async def keep_snapshot(
    conn: Connection,
    case_id: str,
    document_id: str,
    case_version: int,
    state: str,
    reason: str,
    decisions: Sequence[Mapping[str, str]],
    seats: Sequence[Seat],
) -> bool:
    """Keep the snapshot; False when a newer one is here already."""
    cursor = await conn.execute(
        "INSERT INTO cases (case_id, document_id, case_version, state, reason, decisions, seats)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (case_id) DO UPDATE SET case_version = excluded.case_version, state = excluded.state,"
        " reason = excluded.reason, decisions = excluded.decisions, seats = excluded.seats"
        " WHERE cases.case_version < excluded.case_version",
        (
            case_id,
            document_id,
            case_version,
            state,
            reason,
            Jsonb([dict(d) for d in decisions]),
            Jsonb([asdict(seat) for seat in seats]),
        ),
    )
    return cursor.rowcount == 1


async def decisions_of(conn: Connection, case_id: str) -> list[dict[str, str]]:
    """Every act of a case, as last announced."""
    cursor = await conn.execute("SELECT c.decisions FROM cases AS c WHERE c.case_id = %s", (case_id,))
    row = await cursor.fetchone()
    return [] if row is None else list(row[0])


async def earlier_cases(conn: Connection, document_id: str, case_id: str) -> list[dict[str, Any]]:
    """Circulations of the document before this one, oldest first, with every act; none of a case that never circulated."""
    cursor = await conn.execute(
        "SELECT c.case_id::text, c.state, c.reason, c.decisions FROM cases AS c"
        # Ids are in the order in which they were made.
        " WHERE c.document_id = %s AND c.case_id <> %s AND c.state <> 'refused' ORDER BY c.case_id",
        (document_id, case_id),
    )
    return [dict(zip(("case_id", "state", "reason", "decisions"), row, strict=True)) for row in await cursor.fetchall()]


async def seats_of(conn: Connection, case_id: str) -> list[Seat]:
    """The 決裁欄 of a decided case, as last announced."""
    cursor = await conn.execute("SELECT c.seats FROM cases AS c WHERE c.case_id = %s", (case_id,))
    row = await cursor.fetchone()
    return [] if row is None else [Seat(**seat) for seat in row[0]]


def parse_json(content: bytes) -> dict[str, object]:
    """A frozen version as values again."""
    return dict(json.loads(content))
