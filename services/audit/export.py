"""Writes a complete log as a folder that needs nothing else: checkpoint, hash tiles, entry bundles, verifier key.

Entries stream through; memory holds one bundle and the tree's edge. The checkpoint is written last, so a folder of
an export that broke off has none and is not mistaken for a log.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from services.audit import tlog
from services.audit.note import VerifierKey, open_checkpoint
from services.audit.tlog import ENTRIES, TILE_WIDTH, Edge, Tile

CHECKPOINT_FILE = "checkpoint"
KEY_FILE = "log.vkey"
# Folders of archived checkpoints, each under its size exactly as it was published, and of their time-stamps.
ARCHIVE = "checkpoints"
TIMESTAMPS = "timestamps"
# Over HTTP, where nothing else lists them: their paths, one a line.
ARCHIVE_LIST = "archive"


def checkpoint_path(size: int) -> str:
    """Where an archived checkpoint lies, in a folder as in the object store."""
    return f"{ARCHIVE}/{size}"


def token_path(size: int) -> str:
    """Where the time-stamp over an archived checkpoint lies."""
    return f"{TIMESTAMPS}/{size}.tsr"


class ExportError(Exception):
    """The folder cannot be written as asked."""


class LogWriter:
    """A log folder in the making. ExportError if the folder exists and is not empty."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ExportError(f"{folder} is not empty")
        self._folder = folder
        self._edge = Edge()
        self._bundle: list[bytes] = []

    @property
    def size(self) -> int:
        """Entries added so far."""
        return self._edge.size + len(self._bundle)

    def add(self, entry: bytes) -> None:
        """Append one entry. TreeError if it is over 65,535 bytes."""
        self._bundle.append(entry)
        if len(self._bundle) == TILE_WIDTH:
            self._write_bundle()

    def add_archived(self, size: int, checkpoint: bytes, token: bytes | None) -> None:
        """An archived checkpoint as it was signed, and the time-stamp over it (DER), if there is one."""
        self._write(checkpoint_path(size), checkpoint)
        if token is not None:
            self._write(token_path(size), token)

    def archive(self, sign: Callable[[int, bytes], bytes]) -> None:
        """Write the checkpoint of what was added so far, as `sign(size, root)` gives it, into the archive."""
        edge = self._edge.copy()
        edge.extend(map(tlog.leaf_hash, self._bundle))
        self._write(checkpoint_path(edge.size), sign(edge.size, edge.root()))

    def finish(self, sign: Callable[[int, bytes], bytes], key: VerifierKey) -> bytes:
        """Write what is partial, the verifier key and the checkpoint that `sign(size, root)` gives; returns it.

        ExportError if that checkpoint is not of exactly these entries: then the folder stays without one.
        """
        if self._bundle:
            self._write_bundle()
        for tile, content in self._edge.partials():
            self._write(tile.path, content)
        signed = sign(self._edge.size, self._edge.root())
        checkpoint = open_checkpoint(signed, key)
        if (checkpoint.size, checkpoint.root) != (self._edge.size, self._edge.root()):
            raise ExportError(
                f"the checkpoint is of {checkpoint.size} entries and does not fit the {self._edge.size} written"
            )
        self._write(KEY_FILE, f"{key.vkey}\n".encode())
        self._write(CHECKPOINT_FILE, signed)
        return signed

    def _write_bundle(self) -> None:
        bundle = Tile(ENTRIES, self._edge.size // TILE_WIDTH, len(self._bundle))
        self._write(bundle.path, tlog.encode_bundle(self._bundle))
        for tile, content in self._edge.extend(map(tlog.leaf_hash, self._bundle)):
            self._write(tile.path, content)
        self._bundle.clear()

    def _write(self, path: str, content: bytes) -> None:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def write_log(folder: Path, entries: Iterable[bytes], sign: Callable[[int, bytes], bytes], key: VerifierKey) -> bytes:
    """A whole log from its entries, in their order; returns the checkpoint. Errors as of LogWriter."""
    writer = LogWriter(folder)
    for entry in entries:
        writer.add(entry)
    return writer.finish(sign, key)
