"""The verifier against logs that somebody tampered with: each attack is found and its place is named."""

import base64
import dataclasses
import datetime as dt
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit import entry, note, tlog, verify
from services.audit.entry import Leaf
from services.audit.export import CHECKPOINT_FILE, KEY_FILE, ExportError, LogWriter, write_log
from services.audit.note import SigningKey
from services.audit.verify import LogFolder, Verification

KEY = SigningKey.from_seed("audit.minoh.example/2026", bytes(range(32)))
OTHER_KEY = SigningKey.from_seed("audit.minoh.example/2026", bytes(32))
START = dt.datetime(2026, 11, 23, 6, 35, tzinfo=dt.UTC)
SIZE = 1000


def uuid(number: int) -> str:
    return str(UUID(int=0x019AC0DE_0000_7000_8000_000000000000 + number))


@cache
def leaves(size: int = SIZE) -> tuple[bytes, ...]:
    """Records of two processes that take turns, the first of which ends; every fourth leaf is an event."""
    made, numbers = [], {"documents-0": 0, "documents-1": 0}
    for index in range(size):
        common = {"event_id": uuid(index), "time": START + dt.timedelta(seconds=index), "service": "documents"}
        if index % 4 == 3:
            leaf = Leaf(
                **common,
                action="document.updated",
                object_type="document",
                object_id=uuid(77),
                object_version=index // 4 + 1,
            )
        else:
            instance = "documents-1" if index % 2 or index > size // 2 else "documents-0"
            numbers[instance] += 1
            ends = index == size // 4 * 2
            leaf = Leaf(
                **common,
                action="epoch.close" if ends else "document.viewed",
                detail={"last_seq": str(numbers[instance] - 1)} if ends else {},
                instance=instance,
                epoch=uuid(1_000_000 + int(instance[-1])),
                seq=numbers[instance],
                staff_id=f"S{index % 60:04d}",
                object_type="document",
                object_id=uuid(77),
            )
        made.append(entry.encode(leaf))
    return tuple(made)


def sign(size: int, root: bytes, key: SigningKey = KEY) -> bytes:
    return note.sign_checkpoint(KEY.name, size, root, key)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log") / "original"
    write_log(folder, leaves(), sign, KEY.verifier)
    return folder


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(original, tmp_path / "log"))


def findings(log: Path, *, since: bytes | None = None, key: SigningKey = KEY) -> list[str]:
    found: list[str] = []
    summary = Verification(LogFolder(log), key.verifier, lambda finding: found.append(str(finding)), since=since).run()
    assert summary.findings == len(found)
    return found


def rewrite(log: Path, entries: list[bytes], *, key: SigningKey | None = None) -> None:
    """The log an attacker makes of other entries: all tiles anew, the checkpoint as it was or, with the key, signed."""
    kept = (log / CHECKPOINT_FILE).read_bytes()
    shutil.rmtree(log)
    write_log(log, entries, sign, KEY.verifier)
    if key is None:
        (log / CHECKPOINT_FILE).write_bytes(kept)


def flip(path: Path, position: int, mask: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= mask
    path.write_bytes(bytes(content))


# --- good logs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 1000])
def test_a_good_log_of_any_size_verifies(size: int, tmp_path: Path) -> None:
    write_log(tmp_path / "log", leaves()[:size], sign, KEY.verifier)
    assert findings(tmp_path / "log") == []


def test_the_export_has_the_files_of_the_format(original: Path) -> None:
    files = sorted(path.relative_to(original).as_posix() for path in original.rglob("*") if path.is_file())
    assert files == [
        "checkpoint",
        "log.vkey",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002",
        "tile/0/003.p/232",
        "tile/1/000.p/3",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002",
        "tile/entries/003.p/232",
    ]
    assert (original / KEY_FILE).read_text() == KEY.verifier.vkey + "\n"


def test_an_export_never_writes_over_anything_nor_signs_what_does_not_fit(original: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="not empty"):
        LogWriter(original)
    writer = LogWriter(tmp_path / "other")
    writer.add(leaves()[0])
    with pytest.raises(ExportError, match="does not fit"):
        writer.finish(lambda size, root: (original / CHECKPOINT_FILE).read_bytes(), KEY.verifier)
    assert not (tmp_path / "other" / CHECKPOINT_FILE).exists()


def test_a_log_may_keep_older_partials_and_drop_those_that_were_filled(log: Path) -> None:
    partial = log / "tile/0/001.p/17"
    partial.parent.mkdir()
    partial.write_bytes((log / "tile/0/001").read_bytes()[: 17 * 32])
    assert findings(log) == []
    flip(partial, 33)
    assert findings(log) == ["tile/0/001.p/17: is not the beginning of tile/0/001"]


# --- changed bytes ----------------------------------------------------------------------------------------------


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_found_and_its_file_named(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    log = tmp_path / "log"
    shutil.rmtree(log, ignore_errors=True)
    shutil.copytree(original, log)
    files = sorted(path for path in log.rglob("*") if path.is_file() and path.name != KEY_FILE)
    file = data.draw(st.sampled_from(files))
    flip(file, data.draw(st.integers(0, file.stat().st_size - 1)), data.draw(st.integers(1, 255)))
    found = findings(log)
    assert any(finding.startswith(f"{file.relative_to(log).as_posix()}:") for finding in found), found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_cut_or_lengthened_file_is_found(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    log = tmp_path / "log"
    shutil.rmtree(log, ignore_errors=True)
    shutil.copytree(original, log)
    files = sorted(path for path in log.rglob("*") if path.is_file() and path.name != KEY_FILE)
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    file.write_bytes(data.draw(st.sampled_from([content[:cut], content + content[cut:]])))
    assert any(finding.startswith(f"{file.relative_to(log).as_posix()}:") for finding in findings(log))


def test_a_changed_entry_is_named_by_its_leaf(log: Path) -> None:
    bundle = log / "tile/entries/002"
    bundle.write_bytes(bundle.read_bytes().replace(b"S0044", b"S0045", 1))
    position = next(i for i, leaf in enumerate(leaves()[512:768]) if b"S0044" in leaf)
    assert findings(log) == [
        f"tile/entries/002: entry {position} (leaf {512 + position}) was changed: not what tile/0/002 was made from"
    ]


def test_a_changed_hash_is_named_by_its_tile(log: Path) -> None:
    flip(log / "tile/0/001", 32 * 17)
    assert findings(log) == ["tile/0/001: hash 17 is not that of leaf 273"]
    flip(log / "tile/0/001", 32 * 17)
    flip(log / "tile/1/000.p/3", 32 * 2)
    assert findings(log) == ["tile/1/000.p/3: hash 2 is not the root of tile/0/002"]


def test_a_change_at_the_edge_is_named_too(log: Path) -> None:
    flip(log / "tile/0/003.p/232", 32 * 231)
    assert findings(log) == ["tile/0/003.p/232: hash 231 is not that of leaf 999"]


def test_missing_files_are_named(log: Path) -> None:
    (log / "tile/0/001").unlink()
    (log / "tile/entries/002").unlink()
    assert findings(log) == [
        "tile/0/001: missing",
        "tile/entries/002: missing",
        *gaps_without(range(512, 768)),
    ]
    (log / CHECKPOINT_FILE).unlink()
    assert findings(log) == ["checkpoint: missing"]


def gaps_without(gone: range) -> list[str]:
    """What the numbers of sources and objects say when these leaves cannot be read."""
    spans: dict[str, list[int]] = {}
    for index in gone:
        leaf = entry.decode(leaves()[index])
        if leaf.seq:
            spans.setdefault(f"source {leaf.service}.{leaf.instance}/{leaf.epoch}: numbers", []).append(leaf.seq)
    versions = [entry.decode(leaves()[index]).object_version for index in gone]
    spans[f"object documents.document/{uuid(77)}: versions"] = [version for version in versions if version]
    return [f"{name} {min(numbers)} to {max(numbers)} are missing" for name, numbers in spans.items()]


def test_files_that_do_not_belong_are_named(log: Path) -> None:
    (log / "tile/0/x001").mkdir()
    (log / "tile/0/x001/000").write_bytes(b"")
    (log / "tile/entries/note.txt").write_bytes(b"")
    assert sorted(findings(log)) == [
        "tile/0/x001/000: lies beyond the checkpoint's 1000 leaves",
        "tile/entries/note.txt: is no file of a log",
    ]


# --- changed records --------------------------------------------------------------------------------------------


ATTACKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "removed": lambda kept: kept[:400] + kept[401:],
    "added": lambda kept: [*kept[:400], kept[0].replace(uuid(0).encode(), uuid(5_000_000).encode()), *kept[400:]],
    "repeated": lambda kept: [*kept[:401], *kept[400:]],
    "reordered": lambda kept: [*kept[:400], kept[401], kept[400], *kept[402:]],
    "replaced": lambda kept: [*kept[:400], kept[400].replace(b"granted", b"denied"), *kept[401:]],
    "cut": lambda kept: kept[:900],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_other_records_do_not_fit_the_signed_root(attack: str, log: Path) -> None:
    rewrite(log, ATTACKS[attack](list(leaves())))
    found = findings(log)
    assert any(place in finding for finding in found for place in ("checkpoint:", "tile/")), found


@pytest.mark.parametrize("attack", ATTACKS)
def test_who_holds_the_key_is_caught_by_an_older_checkpoint(attack: str, log: Path) -> None:
    older = (log / CHECKPOINT_FILE).read_bytes()
    rewrite(log, ATTACKS[attack](list(leaves())), key=KEY)
    found = findings(log, since=older)
    assert any("forked" in finding or "rolled back" in finding for finding in found), found


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("removed", ["number 201 is missing"]),
        ("added", ["number 1 appears a second time"]),
        ("repeated", ["number 201 appears a second time", f"event {uuid(400)} is leaf 400 already"]),
    ],
)
def test_who_holds_the_key_is_caught_by_the_numbers_of_the_sources(attack: str, said: list[str], log: Path) -> None:
    rewrite(log, ATTACKS[attack](list(leaves())), key=KEY)
    found = findings(log)
    assert len(found) == len(said)
    assert all(part in finding for part, finding in zip(said, found, strict=True)), found


def test_a_missing_number_names_source_and_epoch(tmp_path: Path) -> None:
    kept = [leaf for leaf in leaves() if entry.decode(leaf).seq not in (5, 6, 7)]
    write_log(tmp_path / "log", kept, sign, KEY.verifier)
    assert findings(tmp_path / "log") == [
        f"source documents.documents-{i}/{uuid(1_000_000 + i)}: numbers 5 to 7 are missing" for i in (0, 1)
    ]


def test_records_after_the_end_of_an_epoch_are_found(tmp_path: Path) -> None:
    opened = entry.decode(leaves()[0])
    ending = dataclasses.replace(
        opened, action="epoch.close", event_id=uuid(8), seq=2, detail={"last_seq": "1", "chain": "ab" * 32}
    )
    late = dataclasses.replace(opened, event_id=uuid(9), seq=3)
    write_log(tmp_path / "log", [entry.encode(leaf) for leaf in (opened, ending, late)], sign, KEY.verifier)
    assert findings(tmp_path / "log") == [
        f"source documents.documents-0/{opened.epoch}: number 3 comes after its end at 2"
    ]


def test_a_source_that_says_another_number_was_its_last_is_found(tmp_path: Path) -> None:
    """SC-06: heartbeats and endings say how many records came before them."""
    opened = entry.decode(leaves()[0])
    beats = [
        dataclasses.replace(opened, action="epoch.heartbeat", event_id=uuid(seq), seq=seq, detail={"last_seq": said})
        for seq, said in ((2, "1"), (3, "2"), (4, "30"))
    ]
    write_log(tmp_path / "log", [entry.encode(leaf) for leaf in (opened, *beats)], sign, KEY.verifier)
    assert findings(tmp_path / "log") == ["leaf 3: is number 4 of its source and says that another was before it"]


def test_in_a_log_that_continues_another_only_older_sources_may_begin_late(tmp_path: Path) -> None:
    """Numbers from before the year's change are in the log of the year before; a new source has no such excuse."""
    seen = entry.decode(leaves()[0])
    opening = dataclasses.replace(
        seen, action="log.opened", service="audit", instance="", epoch="", seq=0, object_type="log", object_id=KEY.name
    )
    old_epoch, new_epoch = (
        f"{int((START + dt.timedelta(days=days)).timestamp() * 1000):012x}70008000000000000000" for days in (-1, 1)
    )
    late = [
        dataclasses.replace(seen, event_id=uuid(8 + n), epoch=str(UUID(epoch)), seq=5)
        for n, epoch in enumerate((old_epoch, new_epoch))
    ]
    write_log(tmp_path / "log", [entry.encode(leaf) for leaf in (opening, *late)], sign, KEY.verifier)
    missing = f"source documents.documents-0/{UUID(new_epoch)}: numbers 1 to 4 are missing"
    assert findings(tmp_path / "log") == [missing]
    write_log(tmp_path / "first", [entry.encode(leaf) for leaf in late], sign, KEY.verifier)
    assert len(findings(tmp_path / "first")) == 2
    other = dataclasses.replace(opening, object_id="audit.minoh.example/2027")
    write_log(tmp_path / "other", [entry.encode(other)], sign, KEY.verifier)
    assert findings(tmp_path / "other") == ["leaf 0: opens audit.minoh.example/2027, which is another log"]


def test_what_is_no_leaf_is_named(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [leaves()[0], b'{"v":1}', "起案".encode()], sign, KEY.verifier)
    found = findings(tmp_path / "log")
    assert [finding.split(":")[0] for finding in found] == ["leaf 1", "leaf 2"]


# --- checkpoints ------------------------------------------------------------------------------------------------


def test_another_key_is_refused(log: Path) -> None:
    [found] = findings(log, key=OTHER_KEY)
    assert found.startswith("checkpoint: signed by audit.minoh.example/2026+")
    checkpoint = note.open_checkpoint((log / CHECKPOINT_FILE).read_bytes(), KEY.verifier)
    (log / CHECKPOINT_FILE).write_bytes(sign(checkpoint.size, checkpoint.root, OTHER_KEY))
    assert len(findings(log)) == 1


def test_a_log_that_grew_is_consistent_with_every_older_checkpoint(log: Path) -> None:
    edge = tlog.Edge()
    for leaf in leaves():
        assert not edge.size or edge.size % 97 or findings(log, since=sign(edge.size, edge.root())) == []
        edge.extend([tlog.leaf_hash(leaf)])
    assert findings(log, since=sign(0, tlog.EMPTY_ROOT)) == []
    assert findings(log, since=sign(SIZE, edge.root())) == []


def test_a_fork_is_found_at_every_size(log: Path) -> None:
    for size in (1, 255, 256, 257, 512, 999, 1000):
        found = findings(log, since=sign(size, tlog.leaf_hash(b"another world")))
        assert found == [f"checkpoint: forked: its first {size} leaves are not those of the older checkpoint"]


def test_a_rolled_back_log_is_found(log: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "older", leaves()[:700], sign, KEY.verifier)
    found = findings(tmp_path / "older", since=(log / CHECKPOINT_FILE).read_bytes())
    assert found == ["checkpoint: rolled back: it has 700 leaves, the older checkpoint had 1000"]


def test_an_older_checkpoint_under_another_key_proves_nothing(log: Path) -> None:
    [found] = findings(log, since=sign(1, bytes(32), OTHER_KEY))
    assert found.startswith("older checkpoint: signed by")


# --- the command ------------------------------------------------------------------------------------------------


class QuietHandler(SimpleHTTPRequestHandler):
    """Files of a folder over HTTP/1.1 with kept connections."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(log: Path) -> Iterator[str]:
    """The log behind a real HTTP server."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(log.parent)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/log"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_log_behind_a_url_verifies_and_its_damage_is_found(
    site: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify.main(site, log / KEY_FILE) == 0
    assert capsys.readouterr().out.startswith("OK: 1000 leaves of audit.minoh.example/2026, 2 sources (1 open)")
    flip(log / "tile/entries/003.p/232", 99)
    assert verify.main(site + "/", log / KEY_FILE) == 1
    assert capsys.readouterr().out.startswith("tile/entries/003.p/232: ")


def test_the_archive_behind_a_url_is_checked_where_it_is_listed(
    site: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lie in the list is seen, too; what is no path of an archive is not asked for."""
    (log / "checkpoints").mkdir()
    for size in (100, 700):
        root = tlog.root_of([tlog.leaf_hash(leaf) for leaf in leaves()[:size]])
        (log / f"checkpoints/{size}").write_bytes(sign(size, root))
    assert verify.main(site, log / KEY_FILE) == 0
    assert "archived checkpoints not checked" in capsys.readouterr().out
    (log / "archive").write_text("checkpoints/100\ncheckpoints/700\ncheckpoints/../../secret\nhttp://x/\n")
    assert verify.main(site, log / KEY_FILE) == 0
    assert ", 2 archived checkpoints, " in capsys.readouterr().out
    (log / "checkpoints/700").write_bytes(sign(700, bytes(32)))
    assert verify.main(site, log / KEY_FILE) == 1
    assert capsys.readouterr().out.startswith("checkpoints/700: forked: ")
    (log / "archive").write_text("checkpoints/100\ncheckpoints/300\ntimestamps/300.tsr\n")
    assert verify.main(site, log / KEY_FILE) == 1
    said = capsys.readouterr().out
    assert "checkpoints/300: missing\n" in said
    assert "timestamps/300.tsr: belongs to no checkpoint of the archive\n" in said


def test_a_site_that_grew_may_serve_full_tiles_for_dropped_partials(site: str, log: Path) -> None:
    rewrite(log, list(leaves(1024)[:1000]), key=KEY)
    older = (log / CHECKPOINT_FILE).read_bytes()
    older_tile = (log / "tile/1/000.p/3").read_bytes()
    rewrite(log, list(leaves(1024)), key=KEY)
    (log / CHECKPOINT_FILE).write_bytes(older)
    (log / "tile/1/000.p/3").write_bytes(older_tile)
    assert not (log / "tile/0/003.p").exists()
    assert not (log / "tile/entries/003.p").exists()
    assert verify.main(site, log / KEY_FILE) == 0


def test_the_exit_code_tells_findings_from_not_verified(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = log.parent / "older"
    older.write_bytes(sign(1, tlog.leaf_hash(leaves()[0])))
    assert verify.main(str(log), log / KEY_FILE, verify.Options(since=older)) == 0
    older.write_bytes(sign(1, bytes(32)))
    assert verify.main(str(log), log / KEY_FILE, verify.Options(since=older)) == 1
    assert "forked" in capsys.readouterr().out
    (log / "wrong.vkey").write_text(OTHER_KEY.verifier.vkey)
    assert verify.main(str(log), log / "wrong.vkey") == 1
    (log / "broken.vkey").write_text("audit+00000000+" + base64.b64encode(bytes(33)).decode())
    for location, key_file in (
        (str(log / "absent"), log / KEY_FILE),
        ("http://127.0.0.1:1/log", log / KEY_FILE),
        ("ftp://127.0.0.1/log", log / KEY_FILE),
        (str(log), log / "absent.vkey"),
        (str(log), log / "broken.vkey"),
    ):
        assert verify.main(location, key_file) == 2
        assert "not verified" in capsys.readouterr().err


def test_findings_do_not_depend_on_the_number_of_processes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs and a rest, damaged in each of them: the same lines in the same order from one process and from two."""
    log = tmp_path / "log"
    entries = list(leaves(70_000))
    entries[69_000:69_002] = entries[100], entries[69_000]
    write_log(log, entries, sign, KEY.verifier)
    for path in ("tile/entries/000", "tile/0/200", "tile/entries/260", "tile/1/000", "tile/entries/273.p/112"):
        flip(log / path, 8_000)
    said = []
    for jobs in (1, 2):
        assert verify.main(str(log), log / KEY_FILE, verify.Options(jobs=jobs)) == 1
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    for place in (
        "tile/entries/000: ",
        "tile/0/200: ",
        "tile/entries/260: ",
        "tile/1/000: ",
        "tile/entries/273.p/112: ",
    ):
        assert f"\n{place}" in f"\n{said[0]}"
    assert "leaf 69000: source " in said[0]
    assert f"leaf 69000: event {uuid(100)} is leaf 100 already" in said[0]
