"""The whole verification: shares the runs out among processes and joins what they found, always in the order of the log.

Findings do not depend on the number of processes. Memory holds the results of a few runs, never the log.
"""

import multiprocessing
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from services.audit import tlog
from services.audit.entry import Leaf
from services.audit.export import ARCHIVE, CHECKPOINT_FILE, TIMESTAMPS
from services.audit.note import MAX_NOTE_BYTES, Checkpoint, VerifierKey
from services.audit.quorum import Policy
from services.audit.tlog import ENTRIES, TILE_WIDTH, Edge, Tile, TreeError
from services.audit.verify import runs
from services.audit.verify.checkpoints import OLDER, Checkpoints, Head
from services.audit.verify.files import LogFiles, Unreachable
from services.audit.verify.finding import Finding
from services.audit.verify.records import Records, Run
from services.audit.verify.runs import Mark, Report, Span

if TYPE_CHECKING:
    from services.audit.verify.timestamps import Authority

R = TypeVar("R")
T = TypeVar("T")


@dataclass(slots=True)
class Summary:
    """What was verified."""

    checkpoint: Checkpoint | None = None
    findings: int = 0
    # What is to be known and no finding.
    remarks: int = 0
    sources: int = 0
    open_sources: int = 0
    # Cosignatures of the present checkpoint by witnesses that were given.
    cosignatures: int = 0
    # Checkpoints of the archive that fit the tree; None where the archive cannot be listed.
    archived: int | None = None
    timestamps: int = 0
    timestamps_unchecked: int = 0


class Verification:
    """One run over one log. Findings go to `report` as they are found."""

    def __init__(
        self,
        files: LogFiles,
        key: VerifierKey,
        report: Callable[[Finding], None],
        *,
        since: bytes | None = None,
        policy: Policy | None = None,
        authority: "Authority | None" = None,
        jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
        previous: tuple[LogFiles, VerifierKey] | None = None,
    ) -> None:
        """`since` is an older checkpoint, `previous` the log of the year before."""
        self._files = files
        self._report = report
        self._since = since
        self._authority = authority
        self._jobs = jobs
        self._progress = progress
        self._checkpoints = Checkpoints(files, key, policy or Policy(), self._tell)
        self._checkpoint = Checkpoint(key.name, 0, tlog.EMPTY_ROOT)
        # The tree over the roots of bundles: what its levels hold is one tile level higher in the log's.
        self._above = Edge()
        self._heads: dict[int, list[Head]] = {}
        self._marks: dict[int, Mark] = {}
        # Size of the last head that fitted the tree.
        self._fitting = 0
        self._previous = previous
        # What stands before the places of an earlier year's log.
        self._log = ""
        self._summary = Summary()

    def run(self) -> Summary:
        """The whole verification. Unreachable if the log cannot be read on; everything else is a finding."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kanketsu-verify-")))
            records, workers = Records(folder, self._tell), _Workers(self._jobs, stack)
            older = None
            if self._previous is not None:
                older = self._verify_previous(*self._previous, records, workers)
            if not self._verify_log(records, workers):
                return self._summary
            if older is not None and self._checkpoint.size:
                self._verify_continuation(older, records.opened)
            records.verify(workers.each)
            self._summary.sources, self._summary.open_sources = len(records.sources), records.sources.open
        self._verify_strays()
        self._verify_timestamps()
        return self._summary

    def _verify_log(self, records: Records, workers: "_Workers") -> bool:
        """The tree and what its leaves say; False if there is no checkpoint to begin with."""
        head = self._checkpoints.present()
        if head is None:
            return False
        checkpoint = self._checkpoint = self._summary.checkpoint = head.checkpoint
        self._summary.cosignatures = len(head.witnessed)
        self._heads = {checkpoint.size: [head]}
        self._add_heads()
        if 0 in self._heads:
            self._verify_heads(0, tlog.EMPTY_ROOT, None)
        marks = sorted(size for size in self._heads if size)
        spans = runs.spans_of(checkpoint.size, marks)
        workers.start(len(spans))
        verify = partial(runs.verify, self._files, checkpoint)
        for span, report in zip(spans, workers.each(verify, spans), strict=True):
            self._join(span, report, records)
        self._verify_edge(marks, records)
        self._verify_upper_edge()
        return True

    def _verify_previous(
        self, files: LogFiles, key: VerifierKey, records: Records, workers: "_Workers"
    ) -> Checkpoint | None:
        """The log of the year before, in the same way; its checkpoint."""

        def report(finding: Finding) -> None:
            self._tell(replace(finding, place=f"{key.name} {finding.place}"))

        before = Verification(files, key, report, authority=self._authority, progress=self._progress)
        before._log = key.name
        if before._verify_log(records, workers):
            before._verify_strays()
            before._verify_timestamps()
        return before._summary.checkpoint

    def _verify_continuation(self, older: Checkpoint, opened: Leaf | None) -> None:
        """The first leaf must name the checkpoint that closed the log of the year before."""
        named = {} if opened is None else opened.detail
        last = {"previous": older.origin, "previous_size": str(older.size), "previous_root": older.root.hex()}
        if any(named.get(key) != value for key, value in last.items()):
            self._tell(Finding("leaf 0", f"does not name the checkpoint of {older.origin} with {older.size} leaves"))

    def _tell(self, finding: Finding) -> None:
        if finding.remark:
            self._summary.remarks += 1
        else:
            self._summary.findings += 1
        self._report(finding)

    def _tell_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._tell(finding)

    # --- the tree

    def _join(self, span: Span, report: Report, records: Records) -> None:
        """The next run of full bundles."""
        self._tell_all(report.findings)
        roots = iter(report.roots)
        for size, mark in sorted(report.marks.items()):
            self._extend(roots, (size - 1) // TILE_WIDTH)
            self._verify_mark(size, mark)
        self._extend(roots, span.last)
        self._join_leaves(span, report, records)

    def _join_leaves(self, span: Span, report: Report, records: Records) -> None:
        size = self._checkpoint.size
        records.join(Run(self._files, size, span, self._log), report.said)
        if self._progress is not None:
            self._progress(min(span.last * TILE_WIDTH, size), size)

    def _extend(self, roots: Iterator[bytes], bundles: int) -> None:
        """The tree above grows to this many bundles; each tile that is full by then is compared."""
        for full, content in self._above.extend([next(roots) for _ in range(bundles - self._above.size)]):
            self._verify_tile(Tile(full.level + 1, full.index), content)

    def _verify_edge(self, marks: list[int], records: Records) -> None:
        """What is partial at the end of the log."""
        size = self._checkpoint.size
        full = size // TILE_WIDTH
        if size % TILE_WIDTH:
            span = Span(full, full + 1, runs.marks_within(marks, full, full + 1))
            report = runs.verify(self._files, self._checkpoint, span, self._above)
            self._tell_all(report.findings)
            for marked, mark in sorted(report.marks.items()):
                self._verify_mark(marked, mark)
            self._join_leaves(span, report, records)

    def _verify_upper_edge(self) -> None:
        for tile, content in self._above.partials():
            self._verify_tile(Tile(tile.level + 1, tile.index, tile.width), content)

    def _verify_tile(self, tile: Tile, computed: bytes) -> None:
        self._tell_all(runs.verify_tile(self._files, self._checkpoint, tile, computed))

    # --- heads

    def _add_heads(self) -> None:
        """The older ones that have to be beginnings of this log."""
        size = self._checkpoint.size
        older = [] if self._since is None else [self._checkpoints.older(self._since, size)]
        paths = self._files.listed(ARCHIVE)
        if paths is not None:
            found = [self._checkpoints.archived(path, size) for path in paths]
            self._summary.archived = sum(head is not None for head in found)
            older += found
        for head in older:
            if head is not None:
                self._heads.setdefault(head.checkpoint.size, []).append(head)

    def _verify_mark(self, size: int, mark: Mark) -> None:
        self._marks[size] = Mark((), mark.time)
        self._verify_heads(size, Edge(size, [list(mark.hashes), *self._above.levels]).root(), mark)

    def _verify_heads(self, size: int, root: bytes, mark: Mark | None) -> None:
        for head in self._heads[size]:
            if head.checkpoint.root == root:
                self._fitting = size
                self._checkpoints.verify_times(head, mark.time if mark else None)
                continue
            # What was changed lies behind the last one that fits.
            fitting = f"; those of the first {self._fitting} fit" if self._fitting else ""
            if head.place == CHECKPOINT_FILE:
                self._tell(Finding(CHECKPOINT_FILE, f"its root is not that of the {size} leaves{fitting}"))
            elif head.place == OLDER:
                problem = f"forked: its first {size} leaves are not those of the older checkpoint"
                self._tell(Finding(CHECKPOINT_FILE, problem))
            else:
                problem = f"forked: its root is not that of the log's first {size} leaves{fitting}"
                self._tell(Finding(head.place, problem))

    # --- time-stamps

    def _verify_timestamps(self) -> None:
        for path in self._files.listed(TIMESTAMPS) or ():
            archived = f"{ARCHIVE}/{path.removeprefix(f'{TIMESTAMPS}/').removesuffix('.tsr')}"
            signed = self._files.read(archived, MAX_NOTE_BYTES)
            if signed is None or not path.endswith(".tsr"):
                self._tell(Finding(path, "belongs to no checkpoint of the archive"))
            elif self._authority is None:
                self._summary.timestamps_unchecked += 1
            else:
                self._verify_timestamp(path, archived, signed, self._authority)

    def _verify_timestamp(self, path: str, archived: str, signed: bytes, authority: "Authority") -> None:
        from services.audit.verify.timestamps import MAX_TOKEN_BYTES, TimestampError

        try:
            time = authority.verify(self._files.read(path, MAX_TOKEN_BYTES) or b"", signed)
        except TimestampError as error:
            self._tell(Finding(path, str(error)))
            return
        self._summary.timestamps += 1
        for heads in self._heads.values():
            for head in heads:
                if head.place == archived:
                    stamped = Head(path, head.checkpoint, [("it", time)])
                    mark = self._marks.get(head.checkpoint.size)
                    self._checkpoints.verify_times(stamped, mark.time if mark else None)

    # --- files that belong to no leaf

    def _verify_strays(self) -> None:
        """In a folder: older partial tiles must be beginnings of the present ones, and nothing else may lie there."""
        size = self._checkpoint.size
        for path in self._files.listed("tile") or ():
            try:
                tile = tlog.parse_tile_path(path)
            except TreeError:
                self._tell(Finding(path, "is no file of a log"))
                continue
            width = tlog.width_at(size, tile.level, tile.index)
            if tile.width > width:
                self._tell(Finding(path, f"lies beyond the checkpoint's {size} leaves"))
            elif tile.width < width:
                present = Tile(tile.level, tile.index, width)
                limit = tlog.MAX_BUNDLE_BYTES if tile.level == ENTRIES else tlog.TILE_BYTES
                older = self._files.read(path, limit)
                newer = self._files.read(present.path, limit)
                if not older or newer is None or not _is_beginning(tile, older, newer):
                    self._tell(Finding(path, f"is not the beginning of {present.path}"))


def _is_beginning(tile: Tile, older: bytes, newer: bytes) -> bool:
    """Does it hold the first hashes or entries of the present one, and as many as its name says?"""
    if tile.level != ENTRIES:
        return len(older) == tile.width * tlog.HASH_SIZE and newer.startswith(older)
    try:
        return len(tlog.decode_bundle(older)) == tile.width and newer.startswith(older)
    except TreeError:
        return False


# --- processes --------------------------------------------------------------------------------------------------


class _Workers:
    """Does the same to many parts, in this process or, from two jobs on, in others."""

    def __init__(self, jobs: int, stack: ExitStack) -> None:
        self._jobs = jobs
        self._stack = stack
        self._pool: ProcessPoolExecutor | None = None

    def start(self, parts: int) -> None:
        """There will be that many parts: start other processes if there is work for them."""
        if self._pool is None and min(self._jobs, parts) > 1:
            # Spawned, not forked: whoever calls may have threads.
            self._pool = ProcessPoolExecutor(self._jobs, mp_context=multiprocessing.get_context("spawn"))
            self._stack.callback(self._pool.shutdown, cancel_futures=True)

    def each(self, do: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """The results in the order of the parts. Only a few are on their way at one time: memory stays flat."""
        if self._pool is None:
            yield from map(do, parts)
            return
        waiting: deque[Future[R]] = deque()
        try:
            for part in parts:
                waiting.append(self._pool.submit(do, part))
                if len(waiting) > 2 * self._jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise Unreachable("a process of the verification ended; there may be too little memory") from error
