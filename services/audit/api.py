# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The audit service's RPCs: checks who asks, reads, records the reading, answers. Never a title: there is none here."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import grpc

from chassis import clock, db, recorder
from chassis.db import Pool
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.identity import Identity, KeyVerifier
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of
from kanketsu.audit.v1 import audit_service_pb2 as pb
from kanketsu.audit.v1.audit_service_pb2_grpc import AuditServiceServicer
from services.audit import commands, policy, source_store, store, tlog, tree_store
from services.audit.commands import DirectBatch, LogKeys
from services.audit.completeness import commands as completeness
from services.audit.completeness import store as completeness_store
from services.audit.completeness.watcher import SETTLE
from services.audit.cosignatures import commands as cosignatures
from services.audit.entry import RECORD_PATTERN, EntryError, decode
from services.audit.intake import OUTCOME_OF, actor_of, chain_after, leaves_of_batch
from services.audit.quorum import Policy
from services.audit.siem.lines import export_pages
from services.audit.store import Found, Position
from services.audit.timestamps import store as timestamp_store
from services.audit.tlog import ENTRIES, TreeError

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_SOURCES = 500
MAX_MISSING = 20
MAX_AGGREGATES = 100
MAX_ALARMS = 50

Context = grpc.aio.ServicerContext[Any, Any]


class Api(AuditServiceServicer):
    """kanketsu.audit.v1.AuditService."""

    def __init__(
        self,
        pool: Pool,
        keys: LogKeys,
        records: Recorder,
        receipts: KeyVerifier,
        appended: Callable[[], None],
        cosigning: Policy = Policy(),  # noqa: B008 - frozen
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._records = records
        self._receipts = receipts
        self._appended = appended
        self._cosigning = cosigning

    async def AppendRecords(self, request: pb.AppendRecordsRequest, context: Context) -> pb.AppendRecordsResponse:
        """Records of a source without a database, in the log when this returns."""
        batch = request.batch
        policy.require_direct_source(batch.service)
        if not batch.records or not batch.epoch:
            raise invalid(FieldViolation("batch", "REQUIRED"))
        try:
            leaves = leaves_of_batch(batch)
        except EntryError as error:
            raise commands.malformed("batch.records", error) from error
        if [leaf.seq for leaf in leaves] != list(range(leaves[0].seq, leaves[0].seq + len(leaves))):
            raise DomainError(Kind.PRECONDITION, "SEQUENCE_BROKEN", "the numbers within the batch are not contiguous")
        direct = DirectBatch(batch.epoch, leaves, batch.chain, lambda before: chain_after(batch, before))
        last_index, chain = await commands.append_direct(self._pool, self._keys, direct, clock.now())
        self._appended()
        return pb.AppendRecordsResponse(last_index=last_index, chain=chain)

    async def ListEntries(self, request: pb.ListEntriesRequest, context: Context) -> pb.ListEntriesResponse:
        """Entries by actor, document, unit, action, outcome and time, newest first (SC-06)."""
        reader = identity()
        policy.require_officer(reader)
        filters = _filters(request)
        found, cursor = await self._page(filters, request.cursor, request.limit)
        record = await self._record_list(reader, filters, found)
        return pb.ListEntriesResponse(entries=map(_entry, found), next_cursor=cursor, access_record=record)

    async def ListDocumentEntries(
        self, request: pb.ListDocumentEntriesRequest, context: Context
    ) -> pb.ListDocumentEntriesResponse:
        """Who did what with one document, newest first."""
        reader = identity()
        if not request.document_id:
            raise invalid(FieldViolation("document_id", "REQUIRED"))
        policy.require_history_reader(reader, request.document_id, self._receipt(request.read_receipt), clock.now())
        filters = {"document_id": request.document_id}
        found, cursor = await self._page(filters, request.cursor, request.limit)
        record = await self._record_list(reader, filters, found)
        return pb.ListDocumentEntriesResponse(entries=map(_entry, found), next_cursor=cursor, access_record=record)

    async def GetEntry(self, request: pb.GetEntryRequest, context: Context) -> pb.GetEntryResponse:
        """One entry of a year's log. Without a proof in the second before a checkpoint covers it."""
        reader = identity()
        policy.require_officer(reader)
        async with db.connection(self._pool) as conn:
            log = await _log(conn, request.log_year)
            found = await store.entry_at(conn, log.log_year, request.index)
            if found is None:
                raise not_found()
            proof = await self._proof(conn, log, found.leaf_index)
        entry = _entry(found)
        record = await self._record_entry(reader, entry)
        return pb.GetEntryResponse(entry=entry, proof=proof, access_record=record, verifier_key=log.verifier_key)

    async def FindProof(self, request: pb.FindProofRequest, context: Context) -> pb.FindProofResponse:
        """The proof of a document's newest event with this action, or of one access record, whatever year has it.

        NOT_FOUND also for a record that is not the reader's own: it is the same as one that does not exist.
        """
        reader = identity()
        if bool(request.document_id) == bool(request.record):
            raise invalid(FieldViolation("document_id", "REQUIRED"))
        if request.document_id:
            policy.require_reader_of(reader, request.document_id, self._receipt(request.read_receipt), clock.now())
        async with db.connection(self._pool) as conn:
            if request.document_id:
                action = request.action or "document.completed"
                found = await store.last_event_of_document(conn, request.document_id, action)
            else:
                found = await _record_of(conn, reader, request.record)
            if found is None:
                raise not_found()
            log = await _log(conn, found.log_year)
            proof = await self._proof(conn, log, found.leaf_index)
            stamped = await timestamp_store.first_stamped(conn, log.log_year, found.leaf_index)
            early = await _proof_in(conn, log, found.leaf_index, *stamped[:2]) if stamped else None
        if proof is None:
            raise DomainError(Kind.UNAVAILABLE, "NOT_YET_IN_CHECKPOINT", "a checkpoint will cover it within seconds")
        record = await self._record_entry(reader, _entry(found))
        return pb.FindProofResponse(
            leaf=found.leaf,
            proof=proof,
            verifier_key=log.verifier_key,
            access_record=record,
            log_year=log.log_year,
            stamped=early,
            timestamp=stamped[2] if stamped else b"",
        )

    async def ListSources(self, request: pb.ListSourcesRequest, context: Context) -> pb.ListSourcesResponse:
        """What arrived of each source and what is missing; objects whose events are not all here."""
        reader = identity()
        policy.require_officer(reader)
        answer = pb.ListSourcesResponse()
        async with db.connection(self._pool) as conn:
            for source in await source_store.list_sources(conn, MAX_SOURCES):
                whole = source.seen == source.last_seq
                answer.sources.add(
                    source=f"{source.service}.{source.instance}",
                    epoch=source.epoch,
                    last_seq=source.last_seq,
                    missing=[] if whole else await source_store.missing_numbers(conn, source.epoch, MAX_MISSING),
                    opened_at=recorder.timestamp(source.opened_at),
                    last_seen_at=recorder.timestamp(source.last_seen_at),
                    state=source.state,
                )
            for object_type, object_id in await source_store.aggregates_with_gaps(conn, MAX_AGGREGATES):
                missing = await source_store.missing_versions(conn, object_type, object_id, MAX_MISSING)
                if missing:
                    answer.gaps.add(aggregate=object_type, aggregate_id=object_id, missing=missing)
            answer.alarms.extend(map(_alarm, await completeness_store.newest_alarms(conn, MAX_ALARMS)))
            last = _reconciliation(await completeness_store.last_reconciliation(conn))
            if last is not None:
                answer.reconciliation.CopyFrom(last)
        answer.access_record = await self._records.record(
            Access(
                actor=reader,
                action="audit.read",
                object_type="source",
                query_digest=digest_of("sources"),
                result_count=len(answer.sources),
                result_digest=digest_of(*(source.epoch for source in answer.sources)),
            )
        )
        return answer

    async def Reconcile(self, request: pb.ReconcileRequest, context: Context) -> pb.ReconcileResponse:
        """Now, for audit officers. Asked again it compares again: what was counted is not counted twice."""
        reader = identity()
        policy.require_officer(reader)
        await self._records.record(Access(actor=reader, action="reconciliation.asked", object_type="log"))
        await completeness.reconcile(self._pool, SETTLE, clock.now())
        self._appended()
        async with db.connection(self._pool) as conn:
            last = await completeness_store.last_reconciliation(conn)
        return pb.ReconcileResponse(reconciliation=_reconciliation(last))

    async def ReadEntries(
        self, request: pb.ReadEntriesRequest, context: Context
    ) -> AsyncIterator[pb.ReadEntriesResponse]:
        """Every entry of a time as OCSF events, oldest first, in pieces: memory holds one page."""
        reader = identity()
        policy.require_officer(reader)
        since, until = (
            getattr(request, name).ToDatetime(tzinfo=dt.UTC) if request.HasField(name) else None
            for name in ("from", "to")
        )
        record = await self._records.record(
            Access(
                actor=reader,
                action="audit.exported",
                object_type="log",
                query_digest=digest_of("ocsf", f"from={since}", f"to={until}"),
                detail={"format": "ocsf"},
            )
        )
        yield pb.ReadEntriesResponse(access_record=record)
        async with db.connection(self._pool) as conn:
            async for page in export_pages(conn, since, until):
                yield pb.ReadEntriesResponse(lines=page)

    async def ListLogs(self, request: pb.ListLogsRequest, context: Context) -> pb.ListLogsResponse:
        """The logs that have a checkpoint; names and sizes alone, so it is not an access."""
        async with db.connection(self._pool) as conn:
            logs = await tree_store.all_logs(conn)
        return pb.ListLogsResponse(
            logs=[
                pb.LogSummary(log_year=log.log_year, origin=log.origin, size=log.checkpoint_size, closed=log.closed)
                for log in logs
                if log.checkpoint
            ]
        )

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.GetCheckpointResponse:
        """A year's largest checkpoint that has the cosignatures it needs, empty before the first; and the key.

        Hashes alone, so it is not an access.
        """
        async with db.connection(self._pool) as conn:
            log = await _log(conn, request.log_year)
            published = await cosignatures.published(conn, log, self._cosigning)
        return pb.GetCheckpointResponse(checkpoint=published[1] if published else b"", verifier_key=log.verifier_key)

    async def GetTile(self, request: pb.GetTileRequest, context: Context) -> pb.GetTileResponse:
        """A tile or entry bundle that the year's checkpoint covers. Entry bundles are recorded as exported."""
        try:
            tile = tlog.parse_tile_path(f"tile/{request.path}")
        except TreeError:
            raise not_found() from None
        async with db.connection(self._pool) as conn:
            log = await _log(conn, request.log_year)
            if tile.width > tlog.width_at(log.checkpoint_size, tile.level, tile.index):
                raise not_found()
            if tile.level != ENTRIES:
                hashes = await tree_store.read_tiles(conn, log, [tile])
                return pb.GetTileResponse(tile=hashes[tile.level, tile.index])
            entries = await tree_store.bundle_entries(conn, log.log_year, tile)
        if len(entries) != tile.width:
            # The year's retention has ended (SC-03) and its entries were dropped: no bundle, rather than part of one.
            raise not_found()
        await self._records.record(
            Access(
                actor=identity(),
                action="audit.exported",
                object_type="tile",
                object_id=request.path,
                query_digest=digest_of(request.path),
                result_count=len(entries),
                detail={"log_year": str(log.log_year)} if request.log_year else {},
            )
        )
        return pb.GetTileResponse(tile=tlog.encode_bundle(entries))

    # --- parts of the above

    async def _page(self, filters: Mapping[str, object], cursor: str, limit: int) -> tuple[list[Found], str]:
        """One page and the cursor of the next, "" at the end."""
        if not 0 <= limit <= MAX_LIMIT:
            raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))
        before = _read_cursor(cursor) if cursor else None
        size = limit or DEFAULT_LIMIT
        async with db.connection(self._pool) as conn:
            found = await store.find_entries(conn, filters, before, size + 1)
        return found[:size], _cursor(found[size - 1]) if len(found) > size else ""

    async def _proof(self, conn: db.Connection, log: tree_store.Log, index: int) -> pb.InclusionProof | None:
        """In the published checkpoint with its cosignatures, else in the last that was signed; None if neither reaches
        so far yet."""
        published = await cosignatures.published(conn, log, self._cosigning)
        if published is not None and index < published[0]:
            return await _proof_in(conn, log, index, *published)
        if index < log.checkpoint_size:
            return await _proof_in(conn, log, index, log.checkpoint_size, log.checkpoint)
        return None

    def _receipt(self, token: str) -> Mapping[str, object] | None:
        """The claims of a read receipt that documents signed; None without one."""
        if not token:
            return None
        try:
            return self._receipts.claims(token)
        except DomainError as error:
            raise DomainError(Kind.DENIED, "READ_RECEIPT_INVALID", error.message) from error

    async def _record_list(self, reader: Identity, filters: Mapping[str, object], found: Sequence[Found]) -> str:
        document_id = str(filters.get("document_id", ""))
        return await self._records.record(
            Access(
                actor=reader,
                action="audit.read",
                object_type="log",
                query_digest=digest_of(*(f"{name}={value}" for name, value in sorted(filters.items()))),
                result_count=len(found),
                result_digest=digest_of(*(f"{entry.log_year}/{entry.leaf_index}" for entry in found)),
                detail={"document_id": document_id} if document_id else {},
            )
        )

    async def _record_entry(self, reader: Identity, entry: pb.Entry) -> str:
        document_id = entry.object_id if entry.object_type == "document" else entry.detail.get("document_id", "")
        return await self._records.record(
            Access(
                actor=reader,
                action="audit.read",
                object_type="entry",
                object_id=str(entry.index),
                detail={"log_year": str(entry.log_year)} | ({"document_id": document_id} if document_id else {}),
            )
        )


async def _log(conn: db.Connection, log_year: int) -> tree_store.Log:
    """The log of a fiscal year, 0 for the one that is written now; NOT_FOUND without it."""
    log = await tree_store.log_of(conn, log_year) if log_year else await tree_store.current_log(conn)
    if log is None:
        raise not_found()
    return log


async def _proof_in(conn: db.Connection, log: tree_store.Log, index: int, size: int, note: bytes) -> pb.InclusionProof:
    """In this checkpoint of the log, which may have grown since."""
    ranges = tlog.inclusion_ranges(index, size)
    tiles = await tree_store.read_tiles(conn, log, tlog.tiles_for(ranges, log.size))
    return pb.InclusionProof(index=index, tree_size=size, hashes=tlog.prove(ranges, tiles), checkpoint=note.decode())


async def _record_of(conn: db.Connection, reader: Identity, access_record: str) -> Found | None:
    """The access record "<source>/<epoch>/<seq>" if it is for this reader."""
    match = RECORD_PATTERN.fullmatch(access_record)
    if match is None:
        return None
    found = await store.find_entries(conn, {"epoch": match["epoch"], "seq": int(match["seq"])}, None, 1)
    if not found:
        return None
    leaf = decode(found[0].leaf)
    is_named = match["source"] == f"{leaf.service}.{leaf.instance}"
    return found[0] if is_named and policy.may_prove(reader, leaf.staff_id) else None


def _entry(found: Found) -> pb.Entry:
    return shown(found.log_year, found.leaf_index, found.leaf)


def shown(log_year: int, index: int, entry: bytes) -> pb.Entry:
    """A leaf as readers of the log see it."""
    leaf = decode(entry)
    return pb.Entry(
        index=index,
        event_id=leaf.event_id,
        occurred_at=recorder.timestamp(leaf.time),
        source=f"{leaf.service}.{leaf.instance}" if leaf.instance else leaf.service,
        epoch=leaf.epoch,
        seq=leaf.seq,
        actor=actor_of(leaf),
        action=leaf.action,
        object_type=leaf.object_type,
        object_id=leaf.object_id,
        version_digest=leaf.version_digest,
        outcome=OUTCOME_OF[leaf.outcome],
        reason=leaf.reason,
        trace_id=leaf.trace_id,
        detail=leaf.detail,
        leaf=entry,
        log_year=log_year,
    )


def _alarm(one: completeness_store.Standing) -> pb.Alarm:
    return pb.Alarm(
        kind=one.kind,
        subject=one.subject,
        first=one.first_number,
        last=one.last_number,
        since=recorder.timestamp(one.since),
        until=recorder.timestamp(one.until) if one.until else None,
    )


def _reconciliation(last: completeness_store.Reconciled) -> pb.Reconciliation | None:
    if last.done_at is None:
        return None
    return pb.Reconciliation(done_at=recorder.timestamp(last.done_at), agreed=bool(last.agreed))


def _filters(request: pb.ListEntriesRequest) -> dict[str, object]:
    """The request's filters under the names of the store; INVALID_FIELDS names the wrong ones."""
    wrong: list[FieldViolation] = []
    filters: dict[str, object] = {
        name: value
        for name, value in (
            ("staff_id", request.actor),
            ("document_id", request.document_id),
            ("action", request.action),
            ("unit_id", request.unit_id),
            ("outcome", request.outcome),
        )
        if value
    }
    if request.outcome and request.outcome not in OUTCOME_OF:
        wrong.append(FieldViolation("outcome", "INVALID"))
    for name in ("from", "to"):
        if request.HasField(name):
            filters[f"{name}_time"] = getattr(request, name).ToDatetime(tzinfo=dt.UTC)
    if request.access_record:
        match = RECORD_PATTERN.fullmatch(request.access_record)
        if match is None:
            wrong.append(FieldViolation("access_record", "MALFORMED"))
        else:
            filters |= {"epoch": match["epoch"], "seq": int(match["seq"])}
    if wrong:
        raise invalid(*wrong)
    return filters


def _cursor(found: Found) -> str:
    """Opaque; names the last entry shown and grants nothing."""
    text = f"{decode(found.leaf).time.isoformat()}|{found.log_year}|{found.leaf_index}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str) -> Position:
    try:
        time, log_year, index = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").split("|")
        position = Position(dt.datetime.fromisoformat(time), int(log_year), int(index))
    except (ValueError, binascii.Error) as error:
        raise DomainError(Kind.INVALID, "INVALID_CURSOR", "not a cursor of this list") from error
    if position.occurred_at.tzinfo is None or not (0 <= position.log_year < 2**31 and 0 <= position.leaf_index < 2**63):
        raise DomainError(Kind.INVALID, "INVALID_CURSOR", "not a cursor of this list")
    return position
