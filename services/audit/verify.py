"""The offline verifier: reads a log as a stranger would, from a folder or a URL, and believes only the key.

Recomputes every leaf hash, every tile and the root; checks the signature, an older checkpoint, and that the numbers of
every source are complete. Needs no database and no service. Memory does not grow with the log, only with its sources.
"""

import http.client
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from services.audit import entry as leaf_format
from services.audit import note, tlog
from services.audit.domain import Numbers
from services.audit.entry import EntryError
from services.audit.export import CHECKPOINT_FILE
from services.audit.note import Checkpoint, NoteError, VerifierKey
from services.audit.tlog import ENTRIES, HASH_SIZE, TILE_WIDTH, Edge, Tile, TreeError

TIMEOUT_SECONDS = 30.0
_ENDINGS = ("epoch.close", "epoch.recovered")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where: a path of the log, "leaf 785", or a source."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


class Unreachable(Exception):
    """The log cannot be read at all, so nothing can be said about it."""


# --- where a log is read from -----------------------------------------------------------------------------------


class LogFiles(Protocol):
    """A log's files by their path."""

    def read(self, path: str, limit: int) -> bytes | None:
        """The file, None if there is none; at most one byte over `limit`. Unreachable if that cannot be told."""

    def strays(self) -> Iterator[str]:
        """Every path under tile/, where that can be listed."""


class LogFolder:
    """A log in a folder."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise Unreachable(f"{folder} is not a folder")
        self._folder = folder

    def read(self, path: str, limit: int) -> bytes | None:
        try:
            with (self._folder / path).open("rb") as file:
                return file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise Unreachable(str(error)) from error

    def strays(self) -> Iterator[str]:
        for file in self._folder.joinpath("tile").rglob("*"):
            if not file.is_dir():
                yield file.relative_to(self._folder).as_posix()


class LogSite:
    """A log under a URL prefix. One connection, kept; redirects are not followed, the format has none."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"not a URL of a log: {url}")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        self._prefix = parts.path.rstrip("/")

    def read(self, path: str, limit: int) -> bytes | None:
        for last_try in (False, True):
            try:
                self._connection.request("GET", f"{self._prefix}/{path}")
                response = self._connection.getresponse()
                content = response.read(limit + 1)
                if len(content) > limit or response.status not in (200, 404):
                    self._connection.close()
                break
            except (OSError, http.client.HTTPException) as error:
                # A server may close an idle connection at any time: once more on a new one.
                self._connection.close()
                if last_try:
                    raise Unreachable(f"{path}: {error!r}") from error
        if response.status == 404:
            return None
        if response.status != 200:
            raise Unreachable(f"{path}: status {response.status}")
        return content

    def strays(self) -> Iterator[str]:
        yield from ()


def open_log(location: str) -> LogFiles:
    """A folder or, if it has a scheme, a URL. Unreachable if it is neither."""
    return LogSite(location) if "://" in location else LogFolder(Path(location))


# --- the verification -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Source:
    """One source and epoch, as its leaves show it."""

    name: str
    numbers: Numbers = field(default_factory=Numbers)
    # Number of the record that ended the epoch, 0 while it is open.
    ended_at: int = 0


@dataclass(slots=True)
class Summary:
    """What was verified."""

    checkpoint: Checkpoint | None = None
    findings: int = 0
    sources: int = 0
    open_sources: int = 0


class Verification:
    """One run over one log. Findings go to `report` as they are found."""

    def __init__(
        self,
        files: LogFiles,
        key: VerifierKey,
        report: Callable[[Finding], None],
        *,
        since: bytes | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._files = files
        self._key = key
        self._report = report
        self._since_note = since
        self._progress = progress
        self._since: Checkpoint | None = None
        self._checkpoint = Checkpoint(key.name, 0, tlog.EMPTY_ROOT)
        self._edge = Edge()
        self._sources: dict[str, _Source] = {}
        self._summary = Summary()

    def run(self) -> Summary:
        """The whole verification. Unreachable if the log cannot be read on; everything else is a finding."""
        checkpoint = self._open_checkpoint()
        if checkpoint is None:
            return self._summary
        self._checkpoint = self._summary.checkpoint = checkpoint
        self._open_since()
        for index in range((checkpoint.size + TILE_WIDTH - 1) // TILE_WIDTH):
            self._verify_bundle(index)
            if self._progress is not None:
                self._progress(self._edge.size, checkpoint.size)
        for tile, content in self._edge.partials():
            if tile.level > 0:
                self._compare_tile(tile, content)
        if self._edge.root() != checkpoint.root:
            self._find(CHECKPOINT_FILE, f"its root is not that of the {checkpoint.size} leaves")
        self._verify_sources()
        self._verify_strays()
        return self._summary

    def _find(self, place: str, problem: str) -> None:
        self._summary.findings += 1
        self._report(Finding(place, problem))

    # --- checkpoints

    def _open_checkpoint(self) -> Checkpoint | None:
        signed = self._files.read(CHECKPOINT_FILE, note.MAX_NOTE_BYTES)
        if signed is None:
            self._find(CHECKPOINT_FILE, "missing")
            return None
        try:
            return note.open_checkpoint(signed, self._key)
        except NoteError as error:
            self._find(CHECKPOINT_FILE, str(error))
        try:
            # Nobody vouches for it, yet it still says where to look for more.
            return note.parse_checkpoint(note.parse_note(signed).text)
        except NoteError:
            return None

    def _open_since(self) -> None:
        if self._since_note is None:
            return
        try:
            since = note.open_checkpoint(self._since_note, self._key)
        except NoteError as error:
            self._find("older checkpoint", str(error))
            return
        if since.size > self._checkpoint.size:
            self._find(
                CHECKPOINT_FILE,
                f"rolled back: it has {self._checkpoint.size} leaves, the older checkpoint had {since.size}",
            )
            return
        self._since = since
        if since.size == 0:
            self._compare_since(tlog.EMPTY_ROOT)

    def _compare_since(self, root: bytes) -> None:
        if self._since is not None and root != self._since.root:
            self._find(
                CHECKPOINT_FILE,
                f"forked: its first {self._since.size} leaves are not those of the older checkpoint",
            )

    # --- the tree

    def _verify_bundle(self, index: int) -> None:
        """One entry bundle, its tile of level 0, and what they fill above."""
        bundle = Tile(ENTRIES, index, tlog.width_at(self._checkpoint.size, ENTRIES, index))
        tile = Tile(0, index, bundle.width)
        entries = self._read_bundle(bundle)
        stored = self._read_tile(tile)
        if entries is not None:
            hashes = [tlog.leaf_hash(leaf) for leaf in entries]
            if stored is not None and stored != hashes:
                hashes = self._tell_which(bundle, tile, hashes, stored)
            self._verify_leaves(index * TILE_WIDTH, entries)
        elif stored is not None:
            hashes = stored
        else:
            # Both are gone and reported. Zeros keep the count, so that what follows is still checked in its place.
            hashes = [bytes(HASH_SIZE)] * bundle.width
        since = self._since
        if since is not None and 0 < since.size - self._edge.size <= bundle.width:
            older = self._edge.copy()
            older.extend(hashes[: since.size - self._edge.size])
            self._compare_since(older.root())
        for full, content in self._edge.extend(hashes):
            if full.level > 0:
                self._compare_tile(full, content)

    def _read_file(self, tile: Tile, limit: int) -> bytes | None:
        """A tile or bundle; for a partial one that was dropped, the full one that took its place."""
        for path in dict.fromkeys((tile.path, tile.full.path)):
            content = self._files.read(path, limit)
            if content is not None:
                if len(content) > limit:
                    self._find(path, f"is over {limit} bytes")
                    return None
                return content
        self._find(tile.path, "missing")
        return None

    def _read_bundle(self, bundle: Tile) -> list[bytes] | None:
        content = self._read_file(bundle, tlog.MAX_BUNDLE_BYTES)
        if content is None:
            return None
        try:
            entries = tlog.decode_bundle(content)
        except TreeError as error:
            self._find(bundle.path, str(error))
            return None
        if len(entries) != bundle.width and not (len(entries) == TILE_WIDTH and self._is_full_instead(bundle)):
            self._find(bundle.path, f"holds {len(entries)} entries instead of {bundle.width}")
            return None
        return entries[: bundle.width]

    def _read_tile(self, tile: Tile) -> list[bytes] | None:
        content = self._read_file(tile, tlog.TILE_BYTES)
        if content is None:
            return None
        count, cut = divmod(len(content), HASH_SIZE)
        if cut or (count != tile.width and not (count == TILE_WIDTH and self._is_full_instead(tile))):
            self._find(tile.path, f"has {len(content)} bytes instead of {tile.width * HASH_SIZE}")
            return None
        return tlog.split_hashes(content[: tile.width * HASH_SIZE])

    def _is_full_instead(self, tile: Tile) -> bool:
        return tile != tile.full and self._files.read(tile.path, tlog.MAX_BUNDLE_BYTES) is None

    def _compare_tile(self, tile: Tile, computed: bytes) -> None:
        """A tile above level 0 against the roots of the tiles below it."""
        stored = self._read_tile(tile)
        if stored is None:
            return
        position = _first_difference(stored, tlog.split_hashes(computed))
        if position is not None:
            below = Tile(tile.level - 1, tile.index * TILE_WIDTH + position)
            self._find(tile.path, f"hash {position} is not the root of {below.path}")

    def _tell_which(self, bundle: Tile, tile: Tile, computed: list[bytes], stored: list[bytes]) -> list[bytes]:
        """Bundle and tile disagree: the one that fits what stands above is the original. Reports, and returns the
        hashes to go on with."""
        position = _first_difference(computed, stored) or 0
        leaf = bundle.index * TILE_WIDTH + position
        if self._fits(tile, computed):
            self._find(tile.path, f"hash {position} is not that of leaf {leaf}")
            return computed
        if self._fits(tile, stored):
            count = sum(a != b for a, b in zip(computed, stored, strict=True))
            more = f" and {count - 1} more" if count > 1 else ""
            self._find(
                bundle.path,
                f"entry {position} (leaf {leaf}){more} was changed: not what {tile.path} was made from",
            )
            return stored
        self._find(bundle.path, f"entry {position} (leaf {leaf}) and {tile.path} were both changed")
        return computed

    def _fits(self, tile: Tile, hashes: list[bytes]) -> bool:
        """Do these leaf hashes lead to what stands above them: the tile of level 1, or at the edge the root?"""
        if tile == tile.full:
            parent = Tile(
                1, tile.index // TILE_WIDTH, tlog.width_at(self._checkpoint.size, 1, tile.index // TILE_WIDTH)
            )
            content = self._files.read(parent.path, tlog.TILE_BYTES) or b""
            start = tile.index % TILE_WIDTH * HASH_SIZE
            return content[start : start + HASH_SIZE] == tlog.perfect_root(hashes)
        whole = self._edge.copy()
        whole.extend(hashes)
        return whole.root() == self._checkpoint.root

    # --- what the leaves say

    def _verify_leaves(self, first_index: int, entries: list[bytes]) -> None:
        for index, entry in enumerate(entries, start=first_index):
            scanned = leaf_format.scan(entry)
            if scanned is None:
                try:
                    leaf_format.decode(entry)
                except EntryError as error:
                    self._find(f"leaf {index}", str(error))
                continue
            epoch, number, action = scanned
            if not epoch:
                continue
            source = self._sources.get(epoch)
            if source is None:
                leaf = leaf_format.decode(entry)
                source = self._sources[epoch] = _Source(f"source {leaf.service}.{leaf.instance}/{epoch}")
            if not source.numbers.add(number):
                self._find(f"leaf {index}", f"{source.name}: number {number} appears a second time")
            if action in _ENDINGS:
                source.ended_at = number

    def _verify_sources(self) -> None:
        self._summary.sources = len(self._sources)
        for source in self._sources.values():
            for first, last in source.numbers.missing():
                self._find(
                    source.name,
                    f"number {first} is missing" if first == last else f"numbers {first} to {last} are missing",
                )
            if not source.ended_at:
                self._summary.open_sources += 1
            elif source.numbers.last > source.ended_at:
                self._find(source.name, f"number {source.numbers.last} comes after its end at {source.ended_at}")

    # --- files that belong to no leaf

    def _verify_strays(self) -> None:
        """In a folder: older partial tiles must be beginnings of the present ones, and nothing else may lie there."""
        size = self._checkpoint.size
        for path in self._files.strays():
            try:
                tile = tlog.parse_tile_path(path)
            except TreeError:
                self._find(path, "is no file of a log")
                continue
            width = tlog.width_at(size, tile.level, tile.index)
            if tile.width > width:
                self._find(path, f"lies beyond the checkpoint's {size} leaves")
            elif tile.width < width:
                present = Tile(tile.level, tile.index, width)
                limit = tlog.MAX_BUNDLE_BYTES if tile.level == ENTRIES else tlog.TILE_BYTES
                older = self._files.read(path, limit)
                newer = self._files.read(present.path, limit)
                if older is None or newer is None or not newer.startswith(older):
                    self._find(path, f"is not the beginning of {present.path}")


def _first_difference(left: list[bytes], right: list[bytes]) -> int | None:
    """Position of the first hash that differs."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b), None)


# --- command line -----------------------------------------------------------------------------------------------


def main(location: str, key_file: Path, since_file: Path | None) -> int:
    """Prints one line per finding and a last line with the result. 0: nothing found; 1: findings; 2: not verified."""
    try:
        key = VerifierKey.parse(key_file.read_text(encoding="utf-8"))
        since = since_file.read_bytes() if since_file else None
        files = open_log(location)
        started = time.monotonic()
        summary = Verification(files, key, print, since=since, progress=_Progress()).run()
    except (OSError, UnicodeDecodeError, NoteError, Unreachable) as error:
        sys.stderr.write(f"not verified: {error}\n")
        return 2
    checkpoint = summary.checkpoint
    if checkpoint is None or summary.findings:
        print(f"FAILED: {summary.findings} finding(s)")
        return 1
    print(
        f"OK: {checkpoint.size} leaves of {checkpoint.origin}, {summary.sources} sources"
        f" ({summary.open_sources} open), {time.monotonic() - started:.1f} s"
    )
    return 0


class _Progress:
    """A line on a terminal, once a second."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1.0

    def __call__(self, done: int, size: int) -> None:
        now = time.monotonic()
        if now >= self._next and sys.stderr.isatty():
            self._next = now + 1.0
            sys.stderr.write(f"\r{done:,} of {size:,} leaves ({100 * done // size} %) ")
            sys.stderr.flush()
