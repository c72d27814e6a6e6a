"""Every kind of tampering, to practise finding it: what an intruder, an administrator or a holder of the key can do.

Without the log's key, files are changed or made anew and the signed checkpoint stays; with it, everything is signed
anew and only what others keep (archive, cosignatures, numbers of the sources) speaks against it.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.audit import entry as leaf_format
from services.audit import note, tlog
from services.audit.domain import EPOCH_ENDS
from services.audit.entry import EntryError, Leaf
from services.audit.export import ARCHIVE, CHECKPOINT_FILE, TIMESTAMPS, LogWriter
from services.audit.note import SigningKey
from services.audit.sample.making import POLICY_FILE, SampleKeys
from services.audit.tlog import ENTRIES, Tile


class TooSmall(Exception):
    """The log has nothing that could be damaged in this way."""


@dataclass(frozen=True, slots=True)
class Target:
    """A log folder, its keys and its size."""

    folder: Path
    keys: SampleKeys
    size: int

    @property
    def middle(self) -> int:
        """The leaf that is tampered with: an access record in the middle of the log."""
        for index, entry in enumerate(entries_of(self.folder, self.size)):
            if index >= self.size // 2 and b'"seq":' in entry and b'"epoch.' not in entry:
                return index
        raise TooSmall("there is no access record in the second half")

    def flip(self, path: str, position: int) -> None:
        """Change one bit of a file."""
        file = self.folder / path
        content = bytearray(file.read_bytes())
        content[position] ^= 1
        file.write_bytes(content)

    def remake(self, change: Callable[[Iterator[bytes]], Iterator[bytes]], *, signed: bool) -> None:
        """The log of other entries, all tiles anew; with the log's key also signed, and its archive gone."""
        before = self.folder.with_name(self.folder.name + ".before")
        self.folder.rename(before)
        writer = LogWriter(self.folder)
        for entry in change(entries_of(before, self.size)):
            writer.add(entry)

        def sign(size: int, root: bytes) -> bytes:
            return note.sign_checkpoint(self.keys.log.name, size, root, self.keys.log)

        writer.finish(sign, self.keys.log.verifier)
        shutil.copy(before / POLICY_FILE, self.folder)
        if not signed:
            shutil.copy(before / CHECKPOINT_FILE, self.folder)
            for kept in (ARCHIVE, TIMESTAMPS):
                if (before / kept).exists():
                    shutil.copytree(before / kept, self.folder / kept)
        shutil.rmtree(before)


def entries_of(folder: Path, size: int) -> Iterator[bytes]:
    """A log's entries in their order."""
    for index in range((size + tlog.TILE_WIDTH - 1) // tlog.TILE_WIDTH):
        bundle = Tile(ENTRIES, index, tlog.width_at(size, ENTRIES, index))
        yield from tlog.decode_bundle((folder / bundle.path).read_bytes())


# --- files ------------------------------------------------------------------------------------------------------


def _bundle_of(target: Target, leaf: int) -> Tile:
    index = leaf // tlog.TILE_WIDTH
    return Tile(ENTRIES, index, tlog.width_at(target.size, ENTRIES, index))


def _record_changed(target: Target) -> None:
    """Another person's code in one record, in its bundle only."""
    leaf = target.middle
    bundle = _bundle_of(target, leaf)
    entries = tlog.decode_bundle((target.folder / bundle.path).read_bytes())
    position = leaf % tlog.TILE_WIDTH
    entries[position] = _another_person(entries[position])
    (target.folder / bundle.path).write_bytes(tlog.encode_bundle(entries))


def _another_person(entry: bytes) -> bytes:
    return leaf_format.encode(dataclasses.replace(leaf_format.decode(entry), staff_id="S9999"))


def _tile_changed(target: Target) -> None:
    tile = _bundle_of(target, target.middle)
    target.flip(Tile(0, tile.index, tile.width).path, target.middle % tlog.TILE_WIDTH * tlog.HASH_SIZE)


def _upper_tile_changed(target: Target) -> None:
    width = tlog.width_at(target.size, 1, 0)
    if not width:
        raise TooSmall("there is no tile of level 1 below 256 leaves")
    target.flip(Tile(1, 0, width).path, (width - 1) * tlog.HASH_SIZE)


def _bundle_missing(target: Target) -> None:
    (target.folder / _bundle_of(target, target.middle).path).unlink()


def _checkpoint_changed(target: Target) -> None:
    target.flip(CHECKPOINT_FILE, 3)


def _archived(target: Target) -> Path:
    found = sorted((target.folder / ARCHIVE).glob("*"), key=lambda file: int(file.name))
    if not found:
        raise TooSmall("there is no archived checkpoint")
    return found[len(found) // 2]


def _archive_changed(target: Target) -> None:
    target.flip(_archived(target).relative_to(target.folder).as_posix(), -10)


def _archive_forked(target: Target) -> None:
    """A checkpoint of another history, signed with the log's key."""
    kept = _archived(target)
    kept.write_bytes(note.sign_checkpoint(target.keys.log.name, int(kept.name), bytes(32), target.keys.log))


def _cosignature_changed(target: Target) -> None:
    """A witness's line with one bit of its signature changed."""
    file = target.folder / CHECKPOINT_FILE
    head, _, line = file.read_bytes().rstrip(b"\n").rpartition(b" ")
    content = bytearray(base64.b64decode(line))
    content[-1] ^= 1
    file.write_bytes(head + b" " + base64.b64encode(content) + b"\n")


def _cosignature_missing(target: Target) -> None:
    file = target.folder / CHECKPOINT_FILE
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


def _cosigned_too_early(target: Target) -> None:
    """Witnesses that say they saw the checkpoint a day before its last record was made."""
    file = target.folder / CHECKPOINT_FILE
    checkpoint = note.open_checkpoint(file.read_bytes(), target.keys.log.verifier)
    last = leaf_format.decode(next(itertools.islice(entries_of(target.folder, target.size), target.size - 1, None)))
    file.write_bytes(target.keys.signer(last.time - dt.timedelta(days=1))(checkpoint.size, checkpoint.root))


def _wrong_key(target: Target) -> None:
    """The same checkpoint, signed with another key under the same name."""
    other = SigningKey.from_seed(target.keys.log.name, bytes(32))
    file = target.folder / CHECKPOINT_FILE
    checkpoint = note.open_checkpoint(file.read_bytes(), target.keys.log.verifier)
    file.write_bytes(note.sign_checkpoint(other.name, checkpoint.size, checkpoint.root, other))


# --- records ----------------------------------------------------------------------------------------------------


def _at(leaf: int, change: Callable[[bytes], list[bytes]]) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """Put what `change` gives in the place of one entry."""

    def changed(entries: Iterator[bytes]) -> Iterator[bytes]:
        for index, entry in enumerate(entries):
            yield from change(entry) if index == leaf else (entry,)

    return changed


def _swapped(leaf: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    def changed(entries: Iterator[bytes]) -> Iterator[bytes]:
        for index, entry in enumerate(entries):
            if index == leaf:
                yield from itertools.islice(entries, 1)
            yield entry

    return changed


def _another_event(entry: bytes) -> bytes:
    leaf = leaf_format.decode(entry)
    return leaf_format.encode(dataclasses.replace(leaf, event_id=f"{leaf.event_id[:-12]}{'f' * 12}"))


def _remake(
    change: Callable[[int], Callable[[Iterator[bytes]], Iterator[bytes]]], *, signed: bool
) -> Callable[[Target], None]:
    return lambda target: target.remake(change(target.middle), signed=signed)


def _cut(leaf: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    return lambda entries: itertools.islice(entries, leaf)


def _cut_and_ended(leaf: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """The beginning, and an end for each process that then still ran: a history that agrees with itself."""

    def changed(entries: Iterator[bytes]) -> Iterator[bytes]:
        running: dict[str, Leaf] = {}
        for entry in itertools.islice(entries, leaf):
            yield entry
            said = leaf_format.decode(entry)
            if said.action in EPOCH_ENDS:
                running.pop(said.epoch, None)
            elif said.epoch:
                running[said.epoch] = said
        for last in running.values():
            end = leaf_format.decode(_another_event(leaf_format.encode(last)))
            detail = {"last_seq": str(last.seq)}
            yield leaf_format.encode(dataclasses.replace(end, action="epoch.close", seq=last.seq + 1, detail=detail))

    return changed


def _source_cut(target: Target) -> None:
    """Everything of one process from a record on, its end as well; all else stays."""
    gone = target.middle

    def cut(entries: Iterator[bytes]) -> Iterator[bytes]:
        epoch = ""
        for index, entry in enumerate(entries):
            said = leaf_format.decode(entry)
            if index == gone:
                epoch = said.epoch
            if not epoch or said.epoch != epoch:
                yield entry

    target.remake(cut, signed=True)


def _opened_late(leaf: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """A leaf that says that the log begins, where it does not."""

    def opening(entry: bytes) -> list[bytes]:
        said = leaf_format.decode(_another_event(entry))
        said = dataclasses.replace(said, action="log.opened", service="audit", instance="", epoch="", seq=0)
        return [entry, leaf_format.encode(said)]

    return _at(leaf, opening)


def _same_event(leaf: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """The event id of one record again, in one that is no access record, so that only the id tells."""

    def again(entry: bytes) -> list[bytes]:
        event = dataclasses.replace(leaf_format.decode(entry), instance="", epoch="", seq=0)
        return [entry, leaf_format.encode(event)]

    return _at(leaf, again)


DAMAGES: dict[str, Callable[[Target], None]] = {
    # One file.
    "record-changed": _record_changed,
    "tile-changed": _tile_changed,
    "upper-tile-changed": _upper_tile_changed,
    "bundle-missing": _bundle_missing,
    "checkpoint-changed": _checkpoint_changed,
    "archive-changed": _archive_changed,
    "archive-forked": _archive_forked,
    "cosignature-changed": _cosignature_changed,
    "cosignature-missing": _cosignature_missing,
    "cosigned-too-early": _cosigned_too_early,
    "wrong-key": _wrong_key,
    # All tiles, without the key.
    "record-removed": _remake(lambda leaf: _at(leaf, lambda _: []), signed=False),
    "record-added": _remake(lambda leaf: _at(leaf, lambda entry: [entry, _another_event(entry)]), signed=False),
    "record-repeated": _remake(lambda leaf: _at(leaf, lambda entry: [entry, entry]), signed=False),
    "record-replaced": _remake(lambda leaf: _at(leaf, lambda entry: [_another_person(entry)]), signed=False),
    "records-swapped": _remake(_swapped, signed=False),
    "tail-cut": _remake(_cut, signed=False),
    # All tiles, signed with the log's key; no archive remains.
    "number-missing": _remake(lambda leaf: _at(leaf, lambda _: []), signed=True),
    "number-twice": _remake(lambda leaf: _at(leaf, lambda entry: [entry, _another_event(entry)]), signed=True),
    "event-twice": _remake(_same_event, signed=True),
    "no-leaf": _remake(lambda leaf: _at(leaf, lambda entry: [entry, "これは記録ではない".encode()]), signed=True),
    "opened-late": _remake(_opened_late, signed=True),
    "source-cut": _source_cut,
    # Only an older checkpoint tells.
    "rolled-back": _remake(_cut_and_ended, signed=True),
    "forked": _remake(lambda leaf: _at(leaf, lambda entry: [_another_person(entry)]), signed=True),
}
"""Each kind of tampering by its name."""


def damage(folder: Path, keys: SampleKeys, kind: str) -> None:
    """Do it to a log that `write_sample` made. TooSmall if there is nothing to do it to."""
    size = note.open_checkpoint((folder / CHECKPOINT_FILE).read_bytes(), keys.log.verifier).size
    if size < 4:
        raise TooSmall(f"a log of {size} leaves")
    try:
        DAMAGES[kind](Target(folder, keys, size))
    except EntryError as error:
        raise TooSmall(str(error)) from error
