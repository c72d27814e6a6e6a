"""Is a closed year's log whole in the bucket with object lock? Everything in it against the checkpoint that closed it.

Reads the copies alone, so it holds for a year whose entries the database has no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from services.audit import tlog
from services.audit.note import NoteError, VerifierKey, open_checkpoint
from services.audit.tlog import ENTRIES, TILE_WIDTH, Edge, Tile, TreeError
from services.audit.tree_store import Log
from services.audit.vault import FINAL, Vault

# Objects on their way at one time.
STEP = 16


async def problems(vault: Vault, log: Log) -> AsyncIterator[str]:
    """What is missing or wrong, one sentence each and each at its place; nothing when the log is whole.

    StoreUnavailable if the object store does not answer. Memory does not grow with the log.
    """
    year = log.log_year
    final = await vault.kept(year, FINAL)
    if final is None:
        yield f"{FINAL} is missing"
        return
    try:
        checkpoint = open_checkpoint(final, VerifierKey.parse(log.verifier_key))
    except NoteError as error:
        yield f"{FINAL}: {error}"
        return
    if final != log.checkpoint:
        yield f"{FINAL} is not the checkpoint that the database has"
    edge = Edge()
    for first in range(0, (checkpoint.size + TILE_WIDTH - 1) // TILE_WIDTH, STEP):
        bundles = [
            Tile(ENTRIES, index, tlog.width_at(checkpoint.size, ENTRIES, index))
            for index in range(first, min(first + STEP, (checkpoint.size + TILE_WIDTH - 1) // TILE_WIDTH))
        ]
        contents = await asyncio.gather(*(vault.kept(year, bundle.path) for bundle in bundles))
        full: list[tuple[Tile, bytes]] = []
        for bundle, content in zip(bundles, contents, strict=True):
            hashes, problem = _hashes(bundle, content)
            if problem:
                yield problem
            full += edge.extend(hashes)
        async for problem in _tiles(vault, year, full):
            yield problem
    async for problem in _tiles(vault, year, edge.partials()):
        yield problem
    if edge.root() != checkpoint.root:
        yield f"the {checkpoint.size} leaves do not lead to the root of {FINAL}"


def _hashes(bundle: Tile, content: bytes | None) -> tuple[list[bytes], str]:
    """The leaf hashes of a bundle, zeros where it has none, so that what follows is still checked in its place."""
    problem = ""
    entries: list[bytes] = []
    if content is None:
        problem = f"{bundle.path} is missing"
    else:
        try:
            entries = tlog.decode_bundle(content)
        except TreeError as error:
            problem = f"{bundle.path}: {error}"
    if not problem and len(entries) != bundle.width:
        problem = f"{bundle.path} has {len(entries)} leaves, not {bundle.width}"
    hashes = [tlog.leaf_hash(entry) for entry in entries[: bundle.width]]
    return hashes + [bytes(tlog.HASH_SIZE)] * (bundle.width - len(hashes)), problem


async def _tiles(vault: Vault, year: int, expected: list[tuple[Tile, bytes]]) -> AsyncIterator[str]:
    """Hash tiles that are not what the leaves below them give."""
    for first in range(0, len(expected), STEP):
        some = expected[first : first + STEP]
        contents = await asyncio.gather(*(vault.kept(year, tile.path) for tile, _ in some))
        for (tile, hashes), content in zip(some, contents, strict=True):
            if content is None:
                yield f"{tile.path} is missing"
            elif content != hashes:
                yield f"{tile.path} is not what the leaves below it give"
