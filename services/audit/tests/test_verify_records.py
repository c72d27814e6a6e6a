"""What the verifier says of leaves that are each in order: numbers that were taken, versions of objects, two years."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.audit import entry, note, verify
from services.audit.entry import Leaf
from services.audit.export import KEY_FILE, write_log
from services.audit.note import SigningKey
from services.audit.tests.test_verify import KEY, START, findings, uuid
from services.audit.verify import Finding, LogFolder, Verification

NEXT_KEY = SigningKey.from_seed("audit.minoh.example/2027", bytes(range(32)))
NEXT_START = dt.datetime(2027, 3, 31, 15, 0, tzinfo=dt.UTC)
# Of a process that lives through the change of the year, and of one that starts after it.
OLD = str(UUID(f"{int((NEXT_START - dt.timedelta(days=1)).timestamp() * 1000):012x}70008000000000000001"))
NEW = str(UUID(f"{int((NEXT_START + dt.timedelta(days=1)).timestamp() * 1000):012x}70008000000000000002"))


def event(number: int, version: int, **more: Any) -> Leaf:
    values: dict[str, Any] = {
        "event_id": uuid(number),
        "time": START,
        "action": "document.updated",
        "service": "documents",
        "object_type": "document",
        "object_id": "D-1",
        "object_version": version,
    }
    return Leaf(**(values | more))


def view(number: int, seq: int, epoch: str = OLD, **more: Any) -> Leaf:
    record = event(number, 0, action="document.viewed", instance="documents-0", epoch=epoch, seq=seq)
    return dataclasses.replace(record, **more)


def at(minute: int, leaf: Leaf) -> Leaf:
    return dataclasses.replace(leaf, time=START + dt.timedelta(minutes=minute))


def restored(number: int, leaves: int, minute: int) -> Leaf:
    """As `restore` records it: so many leaves were brought back right before."""
    detail = {"leaves": str(leaves), "size": "1000", "head": "unchanged"}
    return at(minute, event(number, 0, action="backup.restored", object_type="log", object_id="log", detail=detail))


def written(folder: Path, leaves: list[Leaf], key: SigningKey = KEY) -> Path:
    def signed(size: int, root: bytes) -> bytes:
        return note.sign_checkpoint(key.name, size, root, key)

    write_log(folder, map(entry.encode, leaves), signed, key.verifier)
    return folder


def told(log: Path) -> list[tuple[str, bool]]:
    """Each finding, and whether it is a remark only."""
    said: list[Finding] = []
    Verification(LogFolder(log), KEY.verifier, said.append).run()
    return [(f"{finding.place}: {finding.problem}", finding.remark) for finding in said]


# --- numbers that another record has ----------------------------------------------------------------------------


def test_a_record_whose_number_was_taken_is_found_and_named(tmp_path: Path) -> None:
    """I2: such a record is in the log without a number; somebody must look why two claim one place."""
    claimed = {"claimed": f"documents.documents-0/{OLD}/2"}
    taken = event(9, 0, action="document.viewed", reason="NUMBER_TAKEN", detail=claimed)
    said = event(10, 0, detail={"reason": "NUMBER_TAKEN"})
    log = written(tmp_path / "log", [view(1, 1), view(2, 2), taken, said])
    assert findings(log) == [f"leaf 2: claims number 2 of source documents.documents-0/{OLD}, which another record has"]


def test_the_end_of_an_epoch_that_a_restored_database_knew_is_a_remark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """I2: the log has more of that epoch than the database that was put back, and lost nothing."""
    claimed = {"claimed": f"documents.documents-0/{OLD}/2", "last_seq": "1"}
    ended = event(9, 0, action="epoch.recovered", reason="NUMBER_TAKEN", detail=claimed)
    log = written(tmp_path / "log", [view(1, 1), view(2, 2), ended])
    said: list[Finding] = []
    summary = Verification(LogFolder(log), KEY.verifier, said.append).run()
    assert (summary.findings, summary.remarks, [finding.place for finding in said]) == (0, 1, ["leaf 2"])
    assert verify.main(str(log), log / KEY_FILE) == 0
    assert ", 1 remarks, " in capsys.readouterr().out


# --- sources that fall silent -----------------------------------------------------------------------------------


def life(minute: int, seq: int, epoch: str = OLD, **more: Any) -> Leaf:
    """A sign of life of a source."""
    return at(minute, view(1000 * minute + seq, seq, epoch, **more))


def ending(minute: int, seq: int, action: str) -> Leaf:
    return life(minute, seq, action=action, detail={"last_seq": str(seq - 1)})


SILENT = (
    f"source documents.documents-0/{OLD}: silent since 2026-11-23T06:37:00.000000Z, without an end;"
    " later records of it are not in the log"
)


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        # Half an hour is what an installation may need; judged by the last leaf, whatever it is.
        ([life(2, 1), at(32, event(9, 1))], []),
        ([life(2, 1), at(33, event(9, 1))], [SILENT]),
        ([life(1, 1), life(2, 2), life(2, 1, NEW), life(40, 2, NEW)], [SILENT]),
        # Over is no silence, and nobody is silent when all stopped, however long ago that is.
        ([life(2, 1), ending(3, 2, "epoch.close"), at(90, event(9, 1))], []),
        ([life(2, 1), ending(8, 2, "epoch.recovered"), at(90, event(9, 1))], []),
        ([at(1, event(9, 1)), life(2, 1), life(3, 1, NEW)], []),
        # What was held up on the way comes after what is newer.
        ([life(39, 2), life(2, 1), at(40, event(9, 1))], []),
    ],
)
def test_an_epoch_without_an_end_that_falls_silent_is_found(
    leaves: list[Leaf], said: list[str], tmp_path: Path
) -> None:
    """SC-06: whoever leaves out the last records of a process and its end leaves no gap in its numbers."""
    assert findings(written(tmp_path / "log", leaves)) == said


def test_a_silent_source_is_found_over_the_runs_of_a_large_log(tmp_path: Path) -> None:
    """SC-06: its last leaf lies in the first run, the last leaf of the log in the second."""
    others = [at(40 * n // 66_000, event(n, n + 1)) for n in range(66_000)]
    assert findings(written(tmp_path / "log", [at(2, view(99_999, 1)), *others])) == [SILENT]


def test_an_end_that_came_without_its_number_ends_a_source(tmp_path: Path) -> None:
    """I2: a restored database ends the epoch with a number that the log has already; that is told as a remark."""
    claimed = {"claimed": f"documents.documents-0/{OLD}/2", "last_seq": "1"}
    ended = at(5, event(9, 0, action="epoch.recovered", reason="NUMBER_TAKEN", detail=claimed))
    log = written(tmp_path / "log", [life(1, 1), life(2, 2), ended, at(90, event(8, 1))])
    assert [remark for _, remark in told(log)] == [True]


def test_a_source_that_a_restored_database_never_knew_is_a_remark(tmp_path: Path) -> None:
    """I2: nobody can end it. One that was known to the backup, or lives after it, has no such excuse."""
    because = "; leaf 2 says that a backup was put back after that"
    log = [life(1, 1, NEW), life(2, 1), restored(8, 1, 3), at(90, event(9, 1))]
    silent = told(written(tmp_path / "log", log))
    assert silent[1] == (SILENT + because, True)
    assert (silent[0][0].partition(":")[0], silent[0][1]) == (f"source documents.documents-0/{NEW}", False)
    assert len(silent) == 2


# --- versions of objects ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ([1, 2, 3], []),
        ([2, 1, 3], []),
        ([1, 4], ["object documents.document/D-1: versions 2 to 3 are missing"]),
        ([2], ["object documents.document/D-1: version 1 is missing"]),
        ([1, 2, 2], ["leaf 2: object documents.document/D-1: version 2 appears a second time"]),
    ],
)
def test_versions_of_an_object_are_complete_and_each_there_once(
    versions: list[int], said: list[str], tmp_path: Path
) -> None:
    """I2: the events about an object are numbered without a gap."""
    assert findings(written(tmp_path / "log", [event(n, version) for n, version in enumerate(versions)])) == said


def test_a_version_given_again_after_a_backup_was_put_back_is_a_remark(tmp_path: Path) -> None:
    """I2: the log knows more than the database that was put back, and says itself why: once for each restore."""
    leaves = [event(0, 1), event(1, 1), event(2, 2), restored(8, 1, 0), event(3, 2), event(4, 2)]
    again = "object documents.document/D-1: version"
    assert told(written(tmp_path / "log", leaves)) == [
        (f"leaf 1: {again} 1 appears a second time", False),
        (f"leaf 4: {again} 2 appears a second time, after the backup that leaf 3 says was put back", True),
        (f"leaf 5: {again} 2 appears a second time", False),
    ]


def test_a_restore_explains_no_version_that_the_backup_knew(tmp_path: Path) -> None:
    """I2: only what came after the backup can be given again."""
    leaves = [event(0, 1), event(1, 2), event(2, 3), restored(8, 1, 0), event(3, 2), event(4, 3)]
    assert [remark for _, remark in told(written(tmp_path / "log", leaves))] == [False, True]


def test_a_restore_explains_what_was_lost_with_the_database_before_it_and_nothing_else(tmp_path: Path) -> None:
    """I2: between backup and restore a later event may have been handed over without an earlier one."""

    def gap(thing: str, number: int, minute: int) -> list[Leaf]:
        return [at(minute, event(number + n, v, object_id=thing)) for n, v in enumerate((1, 3))]

    # D-2 comes to the log after the restore, and happened before it; D-3 is of the new life.
    known, lost, late, after = gap("D-0", 10, 0), gap("D-1", 20, 2), gap("D-2", 30, 4), gap("D-3", 40, 7)
    leaves = [*known, *lost, restored(8, 2, 5), *late, *after]
    said = "object documents.document/{}: version 2 is missing{}"
    because = "; leaf 4 says that a backup was put back after that"
    assert told(written(tmp_path / "log", leaves)) == [
        (said.format("D-0", ""), False),
        (said.format("D-1", because), True),
        (said.format("D-2", because), True),
        (said.format("D-3", ""), False),
    ]


def test_versions_are_joined_over_the_runs_of_a_large_log(tmp_path: Path) -> None:
    """Each of 70 objects has events in both runs; of one of them a version is left out, of another one is twice."""
    leaves = [event(n, n // 70 + 1, object_id=f"D-{n % 70}") for n in range(70_000)]
    twice = event(70_001, 3, object_id="D-6")
    del leaves[66_003]
    log = written(tmp_path / "log", [*leaves, twice])
    assert findings(log) == [
        "leaf 69999: object documents.document/D-6: version 3 appears a second time",
        f"object documents.document/D-{66_003 % 70}: version {66_003 // 70 + 1} is missing",
    ]


# --- two years --------------------------------------------------------------------------------------------------


def opening(older: Path, **more: str) -> Leaf:
    checkpoint = note.open_checkpoint((older / "checkpoint").read_bytes(), KEY.verifier)
    named = {
        "previous": checkpoint.origin,
        "previous_size": str(checkpoint.size),
        "previous_root": checkpoint.root.hex(),
    }
    return event(
        999_999, 0, time=NEXT_START, action="log.opened", service="audit", object_id=NEXT_KEY.name, detail=named | more
    )


def over_both(older: Path, newer: Path) -> list[str]:
    found: list[str] = []
    Verification(
        LogFolder(newer),
        NEXT_KEY.verifier,
        lambda finding: found.append(str(finding)),
        previous=(LogFolder(older), KEY.verifier),
    ).run()
    return found


def test_numbers_and_versions_go_on_from_year_to_year(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SC-06: with both logs nothing may be missing between them; what came late is in the later one."""
    older = written(tmp_path / "older", [view(1, 1), view(2, 2), view(4, 4), event(5, 1)])
    newer = written(tmp_path / "newer", [opening(older), view(3, 3), view(6, 5), event(7, 2)], NEXT_KEY)
    assert over_both(older, newer) == []
    options = verify.Options(previous=str(older), previous_key=older / KEY_FILE)
    assert verify.main(str(newer), newer / KEY_FILE, options) == 0
    assert verify.main(str(newer), newer / KEY_FILE, verify.Options(previous=str(older))) == 2
    assert "--previous-key" in capsys.readouterr().err


def test_what_is_missing_or_twice_between_two_years_is_found(tmp_path: Path) -> None:
    """SC-06, I2: the newer log alone cannot tell, because its sources and objects began before it."""
    older = written(tmp_path / "older", [view(1, 1), view(2, 2), event(5, 1), event(6, 2)])
    leaves = [opening(older), view(9, 5), view(10, 2), event(5, 4), view(11, 1, epoch=NEW)]
    newer = written(tmp_path / "newer", leaves, NEXT_KEY)
    source = f"source documents.documents-0/{OLD}"
    assert over_both(older, newer) == [
        f"leaf 2: {source}: number 2 appears a second time",
        f"leaf 3: event {uuid(5)} is audit.minoh.example/2026 leaf 2 already",
        f"{source}: numbers 3 to 4 are missing",
        "object documents.document/D-1: version 3 is missing",
    ]
    assert findings(newer, key=NEXT_KEY) == [f"{source}: numbers 3 to 4 are missing"]


def test_a_source_that_goes_on_into_the_next_year_is_judged_by_the_log_that_is_there(tmp_path: Path) -> None:
    """SC-06: open at the end of a year is as it should be; with both logs it must have gone on or ended."""
    older = written(tmp_path / "older", [life(1, 1), life(2, 2)])
    assert findings(older) == []
    gone = written(tmp_path / "gone", [opening(older), view(9, 1, NEW, time=NEXT_START)], NEXT_KEY)
    assert findings(gone, key=NEXT_KEY) == []
    assert over_both(older, gone) == [SILENT]
    lives = written(tmp_path / "lives", [opening(older), view(9, 3, time=NEXT_START)], NEXT_KEY)
    assert over_both(older, lives) == []


def test_damage_of_the_older_log_is_named_with_its_name(tmp_path: Path) -> None:
    older = written(tmp_path / "older", [view(n, n, time=NEXT_START) for n in range(1, 301)])
    newer = written(tmp_path / "newer", [opening(older)], NEXT_KEY)
    tile = older / "tile/0/000"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert over_both(older, newer) == ["audit.minoh.example/2026 tile/0/000: hash 0 is not that of leaf 0"]


@pytest.mark.parametrize("named", [{"previous_size": "1"}, {"previous_root": "00" * 32}, {"previous": "audit.x/2026"}])
def test_a_log_that_continues_another_one_than_the_one_given_is_found(named: dict[str, str], tmp_path: Path) -> None:
    older = written(tmp_path / "older", [view(n, n, time=NEXT_START) for n in (1, 2)])
    newer = written(tmp_path / "newer", [opening(older, **named)], NEXT_KEY)
    said = ["leaf 0: does not name the checkpoint of audit.minoh.example/2026 with 2 leaves"]
    assert over_both(older, newer) == said
    assert over_both(older, written(tmp_path / "unopened", [view(3, 3)], NEXT_KEY)) == said
