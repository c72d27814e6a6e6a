"""Does the service still hold what it signed? Every leaf, column, tile, archived checkpoint and time-stamp, and every
copy, against each other and the checkpoint.

What an administrator of the database or of the object store changed after it was signed is found here, and named. An
outsider needs none of this: `verify` asks for the key alone. This is for the city that wants to know first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from chassis.db import Connection
from services.audit import archive, store, tlog, tree_store
from services.audit.entry import EntryError, decode
from services.audit.export import ARCHIVE, TIMESTAMPS, checkpoint_path, token_path
from services.audit.note import NoteError, VerifierKey, open_checkpoint
from services.audit.retention import copies
from services.audit.retention import store as retention_store
from services.audit.timestamps import store as archive_store
from services.audit.tlog import ENTRIES, TILE_WIDTH, Edge, Tile
from services.audit.tree_store import Log
from services.audit.vault import FINAL, Vault

Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and how many findings were reported."""

    origin: str
    leaves: int
    findings: int


async def check(conn: Connection, vault: Vault, log_year: int, report: Report, rest: float = 0.0) -> Checked:
    """One year's log up to its last checkpoint, a bundle at a time; memory does not grow with it. After each bundle
    others have `rest` times as long as it took.

    `report(place, problem)` hears every finding. StoreUnavailable if the object store does not answer. The log may grow
    meanwhile: what is not under the checkpoint read at the beginning is left out.
    """
    log = await tree_store.log_of(conn, log_year)
    if log is None:
        raise LookupError(f"there is no log of {log_year}")
    if await retention_store.dropped(conn, log_year) is not None:
        return await _check_copies(vault, log, report)
    run = _Run(conn, vault, log, report)
    await run.checkpoint()
    for index in range((log.checkpoint_size + TILE_WIDTH - 1) // TILE_WIDTH):
        began = time.monotonic()
        await run.bundle(index)
        await asyncio.sleep(rest * (time.monotonic() - began))
    run.root()
    await run.archive(rest)
    return Checked(log.origin, log.checkpoint_size, run.findings)


async def _check_copies(vault: Vault, log: Log, report: Report) -> Checked:
    """Of a year whose entries were dropped (SC-03) there are the copies, and the checkpoint that closed it."""
    findings = 0
    async for problem in copies.problems(vault, log):
        findings += 1
        report("copies in the object store", problem)
    return Checked(log.origin, log.checkpoint_size, findings)


class _Run:
    def __init__(self, conn: Connection, vault: Vault, log: Log, report: Report) -> None:
        self._conn = conn
        self._vault = vault
        self._log = log
        self._report = report
        self._edge = Edge()
        self._root = b""
        self.findings = 0

    def _find(self, place: str, problem: str) -> None:
        self.findings += 1
        self._report(place, problem)

    async def checkpoint(self) -> None:
        """The database's checkpoint is signed; of a closed log the same one is kept."""
        log = self._log
        try:
            opened = open_checkpoint(log.checkpoint, VerifierKey.parse(log.verifier_key))
        except NoteError as error:
            self._find("checkpoint in the database", str(error))
            return
        self._root = opened.root
        if opened.size != log.checkpoint_size:
            self._find("checkpoint in the database", f"is of {opened.size} leaves, not of {log.checkpoint_size}")
        if log.final_kept:
            self._compare(FINAL, await self._vault.kept(log.log_year, FINAL), log.checkpoint)

    async def bundle(self, index: int) -> None:
        """A bundle's leaves and what repeats them, the tile over them, the tiles that they fill, and the copies."""
        year, first = self._log.log_year, index * TILE_WIDTH
        width = tlog.width_at(self._log.checkpoint_size, ENTRIES, index)
        rows = await store.stored_entries(self._conn, year, first, width)
        if [row.leaf_index for row in rows] != list(range(first, first + width)):
            there = {row.leaf_index for row in rows}
            for gone in (leaf for leaf in range(first, first + width) if leaf not in there):
                self._find(f"leaf {gone}", "is gone from the database")
        for row in rows:
            self._columns(row)
        hashes = [tlog.leaf_hash(row.leaf) for row in rows]
        tile = Tile(0, index, width)
        stored = (await tree_store.read_tiles(self._conn, self._log, [tile])).get((0, index), b"")
        for row, found in zip(rows, hashes, strict=True):
            at = (row.leaf_index - first) * tlog.HASH_SIZE
            if stored[at : at + tlog.HASH_SIZE] != found:
                self._find(f"leaf {row.leaf_index}", f"is not what {tile.path} in the database was made from")
        if width == TILE_WIDTH:
            bundle = Tile(ENTRIES, index)
            encoded = tlog.encode_bundle(row.leaf for row in rows)
            self._compare(bundle.path, await self._vault.kept(year, bundle.path), encoded)
            self._compare(tile.path, await self._vault.kept(year, tile.path), b"".join(hashes))
        # Gaps are filled with zeros, so that what follows is still checked in its place.
        by_index = {row.leaf_index: found for row, found in zip(rows, hashes, strict=True)}
        for full, content in self._edge.extend(by_index.get(first + n, bytes(tlog.HASH_SIZE)) for n in range(width)):
            if full.level > 0:
                held = (await tree_store.read_tiles(self._conn, self._log, [full])).get((full.level, full.index))
                if held != content:
                    self._find(f"{full.path} in the database", "is not the roots of the tiles below it")
                self._compare(full.path, await self._vault.kept(year, full.path), content)

    def root(self) -> None:
        """All leaves together lead to the signed root."""
        if self._root and self._edge.root() != self._root:
            self._find("checkpoint in the database", f"its root is not that of the {self._edge.size} leaves")

    async def archive(self, rest: float) -> None:
        """Archived checkpoints and their time-stamps: each row with its copy, and each copy with its row."""
        year = self._log.log_year
        rows = await archive_store.sizes_of(self._conn, year)
        for size, is_stamped in rows:
            began = time.monotonic()
            await self._archived(size, is_stamped)
            await asyncio.sleep(rest * (time.monotonic() - began))
        sizes, stamped = [size for size, _ in rows], [size for size, is_stamped in rows if is_stamped]
        checkpoints = await self._vault.kept_in(year, ARCHIVE)
        tokens = await self._vault.kept_in(year, TIMESTAMPS)
        known = {checkpoint_path(size) for size in sizes} | {token_path(size) for size in stamped}
        # Newer than every row: of a run that was killed, or of before a restore, if the log signed it.
        known.update(archive.newer(tokens, stamped))
        log = await tree_store.log_of(self._conn, year) or self._log
        for path in archive.newer(checkpoints, sizes):
            note = await self._vault.kept(year, path) or b""
            if await archive.continues(self._conn, log, archive.size_in(path), note):
                known.add(path)
        for path in sorted({*checkpoints, *tokens} - known):
            self._find(f"{path} in the object store", "is not in the database")

    async def _archived(self, size: int, is_stamped: bool) -> None:
        year, path = self._log.log_year, checkpoint_path(size)
        note = await archive_store.archived_at(self._conn, year, size) or b""
        try:
            signed = open_checkpoint(note, VerifierKey.parse(self._log.verifier_key)).size
        except NoteError as error:
            self._find(f"{path} in the database", str(error))
        else:
            if signed != size:
                self._find(f"{path} in the database", f"is of {signed} leaves")
        self._compare(path, await self._vault.kept(year, path), note)
        if is_stamped:
            path = token_path(size)
            token = await archive_store.token_at(self._conn, year, size) or b""
            self._compare(path, await self._vault.kept(year, path), token)

    def _columns(self, row: store.StoredEntry) -> None:
        """What repeats the leaf, to find it, says the same; or a search would pass over it."""
        if tlog.leaf_hash(row.leaf) != row.leaf_hash:
            self._find(f"leaf {row.leaf_index}", "leaf_hash in the database is not its hash")
        try:
            expected = store.columns_of(decode(row.leaf))
        except EntryError as error:
            self._find(f"leaf {row.leaf_index}", str(error))
            return
        wrong = [
            name for name, value, there in zip(store.LEAF_COLUMNS, expected, row.columns, strict=True) if value != there
        ]
        if wrong:
            self._find(f"leaf {row.leaf_index}", f"columns that repeat it say something else: {', '.join(wrong)}")

    def _compare(self, path: str, kept: bytes | None, expected: bytes) -> None:
        if kept is None:
            self._find(f"{path} in the object store", "is missing")
        elif kept != expected:
            self._find(f"{path} in the object store", "is not what the database holds")
