"""Any damage at any place: the verifier finds it and names where. Places, sizes and kinds are generated."""

import base64
import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit import note, tlog
from services.audit.export import ARCHIVE, CHECKPOINT_FILE, LogWriter, write_log
from services.audit.quorum import Policy
from services.audit.sample.making import SampleKeys, write_sample
from services.audit.tests.test_verify import KEY, findings, leaves, sign
from services.audit.tests.test_witnessed import OpensslAuthority, authority
from services.audit.tlog import ENTRIES, HASH_SIZE, TILE_WIDTH, Tile
from services.audit.verify import LogFolder, Verification
from services.audit.verify.timestamps import Authority

__all__ = ["authority"]

SIZE = 1000
LARGE = 70_000
ARCHIVED = (1, 100, 256, 511, 700, 999)
BOUNDARIES = (1, 255, 256, 257, 65_535, 65_536, 65_537, 65_792, 65_793, LARGE)
# Full bundles of it: a partial one of a size between is not in the folder any more.
FULL = LARGE - LARGE % TILE_WIDTH

some = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
few = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Damage:
    """What is done to a sequence, and the first place that then is another; `at` and `other` are places in it."""

    name: str
    do: Callable[[list[bytes], int, int], list[bytes]]

    def __repr__(self) -> str:
        return self.name


def _swap(parts: list[bytes], at: int, other: int) -> list[bytes]:
    parts[at], parts[other] = parts[other], parts[at]
    return parts


DAMAGES = [
    Damage("dropped", lambda parts, at, _: parts[:at] + parts[at + 1 :]),
    Damage("doubled", lambda parts, at, _: [*parts[: at + 1], *parts[at:]]),
    Damage("swapped", _swap),
    Damage("replaced", lambda parts, at, other: [*parts[:at], parts[other], *parts[at + 1 :]]),
    Damage("moved", lambda parts, at, other: _moved(parts, at, other)),
    Damage("cut", lambda parts, at, _: parts[:at]),
]


def _moved(parts: list[bytes], at: int, other: int) -> list[bytes]:
    moved = parts.pop(at)
    return [*parts[:other], moved, *parts[other:]]


@st.composite
def damaged(draw: st.DrawFn, parts: Sequence[bytes]) -> tuple[list[bytes], int]:
    """The parts after some damage, and the first place where they differ from what they were."""
    at, other = draw(st.integers(0, len(parts) - 1)), draw(st.integers(0, len(parts) - 1))
    after = draw(st.sampled_from(DAMAGES)).do(list(parts), at, other)
    if after == list(parts):
        after = after[:at]
    differs = (place for place, (one, was) in enumerate(zip(after, parts, strict=False)) if one != was)
    return after, next(differs, min(len(after), len(parts)))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 1,000 leaves with an archive."""
    folder = tmp_path_factory.mktemp("damage") / "original"
    _write(folder, leaves()[:SIZE], archive=ARCHIVED)
    return folder


def _write(folder: Path, entries: Sequence[bytes], archive: Sequence[int] = ()) -> None:
    writer = LogWriter(folder)
    for size, leaf in enumerate(entries, start=1):
        writer.add(leaf)
        if size in archive:
            writer.archive(sign)
    writer.finish(sign, KEY.verifier)


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder in which each example lays down its own copy."""
    return iter(Path(shutil.copytree(original, tmp_path / "log", dirs_exist_ok=True)) for _ in iter(int, 1))


# --- one file ---------------------------------------------------------------------------------------------------


@some
@given(data=st.data())
def test_any_other_records_in_a_bundle_are_found_and_the_first_is_named(
    log: Iterator[Path], data: st.DataObject
) -> None:
    folder = next(log)
    index = data.draw(st.integers(0, (SIZE - 1) // TILE_WIDTH))
    bundle = Tile(ENTRIES, index, tlog.width_at(SIZE, ENTRIES, index))
    entries = tlog.decode_bundle((folder / bundle.path).read_bytes())
    after, place = data.draw(damaged(entries))
    (folder / bundle.path).write_bytes(tlog.encode_bundle(after))
    found = [finding for finding in findings(folder) if finding.startswith("tile/")]
    if len(after) > TILE_WIDTH:
        assert found == [f"{bundle.path}: the bundle holds more than 256 entries"]
    elif len(after) != len(entries):
        assert found == [f"{bundle.path}: holds {len(after)} entries instead of {len(entries)}"]
    else:
        [one] = found
        leaf = index * TILE_WIDTH + place
        assert one.startswith(f"{bundle.path}: entry {place} (leaf {leaf})")
        assert one.endswith(f" was changed: not what {Tile(0, index, bundle.width).path} was made from")


@some
@given(data=st.data())
def test_any_other_hashes_in_a_tile_are_found_and_the_first_is_named(log: Iterator[Path], data: st.DataObject) -> None:
    folder = next(log)
    level = data.draw(st.sampled_from([0, 0, 0, 1]))
    index = data.draw(st.integers(0, (SIZE >> (8 * level)) // TILE_WIDTH))
    tile = Tile(level, index, tlog.width_at(SIZE, level, index))
    hashes = tlog.split_hashes((folder / tile.path).read_bytes())
    after, place = data.draw(damaged(hashes))
    (folder / tile.path).write_bytes(b"".join(after))
    [found] = findings(folder)
    if len(after) > TILE_WIDTH:
        assert found == f"{tile.path}: is over {tlog.TILE_BYTES} bytes"
    elif len(after) != len(hashes):
        assert found == f"{tile.path}: has {len(after) * HASH_SIZE} bytes instead of {len(hashes) * HASH_SIZE}"
    elif level:
        assert found == f"{tile.path}: hash {place} is not the root of {Tile(0, place).path}"
    else:
        assert found == f"{tile.path}: hash {place} is not that of leaf {index * TILE_WIDTH + place}"


@some
@given(data=st.data())
def test_any_other_lines_or_bytes_of_a_checkpoint_are_found(log: Iterator[Path], data: st.DataObject) -> None:
    """The present one and those of the archive, which are named by their files."""
    folder = next(log)
    path = data.draw(st.sampled_from([CHECKPOINT_FILE, *(f"{ARCHIVE}/{size}" for size in ARCHIVED)]))
    content = (folder / path).read_bytes()
    parts = content.splitlines(keepends=True) if data.draw(st.booleans()) else [bytes([one]) for one in content]
    after, _ = data.draw(damaged(parts))
    (folder / path).write_bytes(b"".join(after))
    found = findings(folder)
    if found:
        # What an unsigned checkpoint says is still looked at, so that more may follow from another size in it.
        assert all(finding.startswith(f"{path}: ") for finding in (found[:1] if path == CHECKPOINT_FILE else found))
    else:
        # The signature a second time says nothing else.
        assert note.parse_note(b"".join(after)).text == note.parse_note(content).text


# --- all tiles made anew ----------------------------------------------------------------------------------------


@some
@given(data=st.data())
def test_other_records_under_new_tiles_are_found_behind_the_last_checkpoint_that_fits(
    log: Iterator[Path], tmp_path: Path, data: st.DataObject
) -> None:
    """Whoever makes all tiles anew cannot sign; each archived checkpoint behind the place tells, none before it."""
    folder = next(log)
    after, place = data.draw(damaged(leaves()[:SIZE]))
    # No more than were signed: everything else would be a file too many.
    after = after[:SIZE]
    made = tmp_path / "made"
    shutil.rmtree(made, ignore_errors=True)
    _write(made, after)
    shutil.rmtree(folder / "tile")
    (made / "tile").rename(folder / "tile") if after else (folder / "tile").mkdir()
    found = findings(folder)
    fitting = max((size for size in ARCHIVED if size <= place), default=0)
    if place == SIZE:
        assert found == []
    elif len(after) == SIZE:
        behind = f"; those of the first {fitting} fit" if fitting else ""
        assert f"{CHECKPOINT_FILE}: its root is not that of the {SIZE} leaves{behind}" in found
        forked = {finding.partition(":")[0] for finding in found if ": forked: " in finding}
        assert forked == {f"{ARCHIVE}/{size}" for size in ARCHIVED if size > place}
    else:
        # A bundle that is not as full as the checkpoint says.
        index = len(after) // TILE_WIDTH
        expected = Tile(ENTRIES, index, tlog.width_at(SIZE, ENTRIES, index))
        assert any(finding.startswith(f"{expected.path}: ") for finding in found), found


# --- cosignatures and tokens ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cosigned(tmp_path_factory: pytest.TempPathFactory, authority: OpensslAuthority) -> Path:
    """A practice log with two witnesses and one time-stamp."""
    folder = tmp_path_factory.mktemp("cosigned") / "log"
    write_sample(folder, 300, days=1)
    kept = min((folder / ARCHIVE).iterdir(), key=lambda file: int(file.name))
    (folder / "timestamps").mkdir()
    (folder / "timestamps" / f"{kept.name}.tsr").write_bytes(authority.stamp(kept.read_bytes()))
    return folder


def cosigned_findings(folder: Path, authority: OpensslAuthority) -> list[str]:
    found: list[str] = []
    keys = SampleKeys.of(1)
    Verification(
        LogFolder(folder),
        keys.log.verifier,
        lambda finding: found.append(str(finding)),
        policy=Policy.parse(keys.policy.encode()),
        authority=Authority(authority.ca_file),
    ).run()
    return found


@some
@given(data=st.data())
def test_any_other_cosignature_is_found_and_its_witness_named(
    cosigned: Path,
    authority: OpensslAuthority,
    data: st.DataObject,
) -> None:
    """A cosignature changed, cut, lengthened or dropped, or that of another witness or time."""
    file = cosigned / CHECKPOINT_FILE
    content = file.read_bytes()
    *head, first, second = content.splitlines(keepends=True)
    lines = [first, second]
    victim = data.draw(st.integers(0, 1))
    name = lines[victim].decode().split(" ")[1]
    signed = base64.b64decode(lines[victim].decode().split(" ")[2])
    what = data.draw(st.sampled_from(["changed", "dropped", "cut", "of another", "of another time"]))
    if what == "dropped":
        lines[victim] = b""
    elif what == "of another time":
        checkpoint = note.Checkpoint(SampleKeys.of(1).log.name, 300, bytes(32))
        lines[victim] = SampleKeys.of(1).witnesses[victim].sign(checkpoint.text, data.draw(st.integers(1, 2**31)))
    else:
        raw = bytearray(signed)
        if what == "changed":
            # Also in the key id: then it is the line of somebody unknown, and this witness is missing.
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
        elif what == "cut":
            del raw[data.draw(st.integers(4, len(raw) - 1)) :]
        else:
            raw[4:] = base64.b64decode(lines[1 - victim].decode().split(" ")[2])[4:]
        lines[victim] = f"— {name} {base64.b64encode(raw).decode()}\n".encode()
    file.write_bytes(b"".join([*head, *lines]))
    try:
        found = cosigned_findings(cosigned, authority)
    finally:
        file.write_bytes(content)
    assert found
    assert all(finding.startswith(f"{CHECKPOINT_FILE}: ") for finding in found)
    assert any(name in finding for finding in found), found


@some
@given(data=st.data())
def test_any_cut_or_lengthened_token_is_found_unless_it_says_the_same(
    cosigned: Path,
    authority: OpensslAuthority,
    data: st.DataObject,
) -> None:
    [token] = (cosigned / "timestamps").iterdir()
    content = token.read_bytes()
    after, _ = data.draw(damaged([bytes([one]) for one in content]))
    token.write_bytes(b"".join(after))
    signed = (cosigned / ARCHIVE / token.stem).read_bytes()
    trusted = Authority(authority.ca_file)
    try:
        found = cosigned_findings(cosigned, authority)
    finally:
        token.write_bytes(content)
    if found:
        assert all(finding.startswith(f"timestamps/{token.name}: ") for finding in found)
    else:
        # Some bytes of a token are signed by nobody.
        assert (
            trusted.verify(b"".join(after), signed)
            == trusted.verify(content, signed)
            > dt.datetime.min.replace(tzinfo=dt.UTC)
        )


# --- sizes at tile boundaries -----------------------------------------------------------------------------------


class AtSize(LogFolder):
    """The folder of a log that grew since, as it was at an earlier size: fuller tiles stand for the partial ones."""

    def __init__(self, folder: Path, size: int, root: bytes) -> None:
        super().__init__(folder)
        self._checkpoint = sign(size, root)

    def read(self, path: str, limit: int) -> bytes | None:
        """The checkpoint of that size, and the files as they are now."""
        if path == CHECKPOINT_FILE:
            return self._checkpoint
        found = super().read(path, limit)
        tile = tlog.parse_tile_path(path)
        if found is None and tile.level > 0 and tile.width < TILE_WIDTH:
            # Upper tiles that are not full yet, either: the folder has them as wide as they are now.
            now = super().read(Tile(tile.level, tile.index, tlog.width_at(LARGE, tile.level, tile.index)).path, limit)
            return now[: tile.width * HASH_SIZE] if now is not None else None
        return found

    def listed(self, folder: str) -> Iterator[str]:
        """Nothing."""
        return iter(())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Callable[[int], bytes]]:
    """A log of 70,000 leaves, made once, and its root at every size."""
    folder = tmp_path_factory.mktemp("large") / "log"
    write_log(folder, leaves(LARGE), sign, KEY.verifier)
    tiles = {
        (tile.level, tile.index): (folder / tile.path).read_bytes()
        for tile in tlog.tiles_of(LARGE)
        if tile.level != ENTRIES
    }
    return folder, lambda size: tlog.root_at(size, tiles)


def large_findings(folder: Path, size: int, root: bytes) -> list[str]:
    found: list[str] = []
    Verification(AtSize(folder, size, root), KEY.verifier, lambda finding: found.append(str(finding))).run()
    return found


@pytest.mark.parametrize("size", BOUNDARIES)
def test_a_log_is_good_at_every_boundary(size: int, large: tuple[Path, Callable[[int], bytes]]) -> None:
    folder, root_at = large
    assert large_findings(folder, size, root_at(size)) == []


@few
@given(data=st.data())
def test_a_changed_hash_or_record_is_found_at_any_size(
    large: tuple[Path, Callable[[int], bytes]], data: st.DataObject
) -> None:
    """Sizes up to 70,000, places near the boundaries of tiles: one byte, and exactly one finding that names it."""
    folder, root_at = large
    size = data.draw(st.sampled_from(BOUNDARIES) | st.integers(1, FULL))
    near = st.sampled_from([place for place in (0, 255, 256, 65_279, 65_280, 65_535, 65_536, size - 1) if place < size])
    leaf = data.draw(near | st.integers(0, size - 1))
    index, place = divmod(leaf, TILE_WIDTH)
    in_bundle = data.draw(st.booleans())
    stored = Tile(ENTRIES if in_bundle else 0, index, tlog.width_at(LARGE, 0, index))
    named = Tile(stored.level, index, tlog.width_at(size, 0, index))
    file = folder / stored.path
    content = file.read_bytes()
    changed = bytearray(content)
    if in_bundle:
        entries = tlog.decode_bundle(content)
        # The last figure of its time, of which one bit more or less makes another figure.
        at = content.index(entries[place]) + entries[place].index(b'Z","v":1') - 1
        changed[at] ^= 1
    else:
        changed[place * HASH_SIZE + data.draw(st.integers(0, HASH_SIZE - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(bytes(changed))
    try:
        found = large_findings(folder, size, root_at(size))
    finally:
        file.write_bytes(content)
    [one] = found
    assert one.startswith(
        f"{named.path}: entry {place} (leaf {leaf}) was changed" if in_bundle else f"{named.path}: hash {place} is not"
    )
