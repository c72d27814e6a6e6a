"""Archived checkpoints and their time-stamps: each is a row, and a copy under lock that is made before the row is committed.

So a run that was killed in between leaves a copy without a row, and so does a database that was put back. Such copies are
newer than the newest row, and the rows are made for them. Any other copy without a row is one that somebody put there, or
one whose row somebody took away: the daily check names it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping

from chassis.db import Connection
from services.audit import tree_store
from services.audit.commands import LogDamaged, require_continuation
from services.audit.export import ARCHIVE
from services.audit.note import NoteError, VerifierKey, open_checkpoint
from services.audit.timestamps import store
from services.audit.tlog import TreeError
from services.audit.tree_store import Log
from services.audit.vault import Vault

_PATH = re.compile(
    r"checkpoints/(?P<checkpoint>[1-9][0-9]{0,17})|timestamps/(?P<token>[1-9][0-9]{0,17})\.tsr", re.ASCII
)


def size_in(path: str) -> int:
    """The size whose checkpoint or token lies under this path; 0 for anything else."""
    match = _PATH.fullmatch(path)
    return int(match["checkpoint"] or match["token"]) if match else 0


def newer(copies: Mapping[str, dt.datetime], rows: Iterable[int]) -> list[str]:
    """The copies of sizes beyond the newest row, ascending: those that a row may still be made for."""
    newest = max(rows, default=0)
    return sorted((path for path in copies if size_in(path) > newest), key=size_in)


async def catch_up(conn: Connection, vault: Vault, log: Log) -> int:
    """Make the rows of archived checkpoints that lie in the object store and are newer than the newest row; how many.

    Only of what the log signed and its tree continues. Crash in between: done again. StoreError.
    """
    made = 0
    copies = await vault.kept_in(log.log_year, ARCHIVE)
    for path in newer(copies, [size for size, _ in await store.sizes_of(conn, log.log_year)]):
        note = await vault.kept(log.log_year, path)
        if note is not None and await continues(conn, log, size_in(path), note):
            made += await tree_store.insert_archived(conn, log.log_year, size_in(path), note, copies[path])
    return made


async def continues(conn: Connection, log: Log, size: int, note: bytes) -> bool:
    """Whether this is the log's own checkpoint of exactly its first `size` leaves."""
    try:
        checkpoint = open_checkpoint(note, VerifierKey.parse(log.verifier_key))
        await require_continuation(conn, log, checkpoint)
    except (NoteError, TreeError, LogDamaged):
        return False
    return checkpoint.size == size
