"""Practice logs: good ones are good, the same seed gives the same bytes, and every damage is found where it is."""

import shutil
from pathlib import Path

import pytest

from services.audit import entry, verify
from services.audit.__main__ import main
from services.audit.domain import EPOCH_ENDS
from services.audit.export import CHECKPOINT_FILE, KEY_FILE
from services.audit.quorum import Policy
from services.audit.sample.damage import DAMAGES, damage, entries_of
from services.audit.sample.making import POLICY_FILE, SampleKeys, write_sample
from services.audit.verify import LogFolder, Verification

SIZE = 1500
# In the middle of the log, see `Target.middle`.
MIDDLE = 750


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "log"
    write_sample(folder, SIZE)
    return folder


def findings(log: Path, *, since: Path | None = None) -> list[str]:
    found: list[str] = []
    policy = Policy.parse((log / POLICY_FILE).read_bytes())
    Verification(
        LogFolder(log),
        SampleKeys.of(1).log.verifier,
        lambda finding: found.append(str(finding)),
        policy=policy,
        since=since.read_bytes() if since else None,
    ).run()
    return found


def test_a_practice_log_is_good_and_has_everything_a_real_one_has(original: Path) -> None:
    assert findings(original, since=original / CHECKPOINT_FILE) == []
    leaves = [entry.decode(one) for one in entries_of(original, SIZE)]
    assert {leaf.action for leaf in leaves} >= {
        "document.viewed",
        "document.searched",
        "document.created",
        "case.approved",
        "session.denied",
        "epoch.open",
        "epoch.heartbeat",
        "epoch.close",
    }
    assert {leaf.outcome for leaf in leaves} >= {"granted", "denied"}
    assert any(value == "道路課 占用許可" for leaf in leaves for value in leaf.detail.values())
    assert any(leaf.purpose == "窓口照会" for leaf in leaves)
    # Five days: the first of each of about nine hours, and the last of the first four days.
    assert 40 <= len(list((original / "checkpoints").iterdir())) <= 54


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(original: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "again", SIZE)
    write_sample(tmp_path / "other", SIZE, seed=2)
    files = sorted(path.relative_to(original) for path in original.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert all((original / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
    assert (original / CHECKPOINT_FILE).read_bytes() != (tmp_path / "other" / CHECKPOINT_FILE).read_bytes()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 20, 255, 256, 257])
@pytest.mark.parametrize("days", [1, 5])
def test_a_small_practice_log_is_good_and_ends_what_it_opened(size: int, days: int, tmp_path: Path) -> None:
    write_sample(tmp_path / "log", size, days=days)
    assert findings(tmp_path / "log") == []
    leaves = [entry.decode(one) for one in entries_of(tmp_path / "log", size)]
    assert len(leaves) == size
    assert {one.epoch for one in leaves} - {""} == {one.epoch for one in leaves if one.action in EPOCH_ENDS}


# What has to be said, and where. `{leaf}` is the damaged one, of `{epoch}`, whose last leaf before it is of `{before}`; with an
# end for each open epoch a log that is cut there has `{rest}` leaves.
FOUND: dict[str, str] = {
    "record-changed": "tile/entries/002: entry {position} (leaf {leaf}) was changed",
    "tile-changed": "tile/0/002: hash {position} is not that of leaf {leaf}",
    "upper-tile-changed": "tile/1/000.p/5: hash 4 is not the root of tile/0/004",
    "bundle-missing": "tile/entries/002: missing",
    "checkpoint-changed": "checkpoint: the signature under audit.practice.example/2026 does not belong to this text",
    "archive-changed": "checkpoints/",
    "archive-forked": "checkpoints/",
    "cosignature-changed": "checkpoint: the signature under witness.ikeda.example/practice does not belong",
    "cosignature-missing": "checkpoint: too few witnesses cosigned it (1); missing: witness.ikeda.example/practice",
    "cosigned-too-early": "checkpoint: the cosignature of witness.minoh.example/practice says",
    "wrong-key": "checkpoint: signed by audit.practice.example/2026+",
    "record-removed": "checkpoint: its root is not that of the 1500 leaves",
    "record-added": "checkpoint: its root is not that of the 1500 leaves",
    "record-repeated": "checkpoint: its root is not that of the 1500 leaves",
    "record-replaced": "checkpoint: its root is not that of the 1500 leaves; those of the first ",
    "records-swapped": "checkpoint: its root is not that of the 1500 leaves; those of the first ",
    "tail-cut": "tile/entries/002: missing",
    "number-missing": ": number ",
    "number-twice": "leaf {next}: source ",
    "event-twice": "leaf {next}: event ",
    "no-leaf": "leaf {next}: not JSON",
    "opened-late": "leaf {next}: opens a log that has leaves before it",
    "source-cut": "/{epoch}: silent since {before}, without an end",
    "rolled-back": "checkpoint: rolled back: it has {rest} leaves, the older checkpoint had 1500",
    "forked": "checkpoint: forked: its first 1500 leaves are not those of the older checkpoint",
}


def test_every_damage_is_listed() -> None:
    assert FOUND.keys() == DAMAGES.keys()


@pytest.mark.parametrize("kind", DAMAGES)
def test_every_damage_is_found_and_its_place_named(kind: str, original: Path, tmp_path: Path) -> None:
    log = Path(shutil.copytree(original, tmp_path / "log"))
    damage(log, SampleKeys.of(1), kind)
    leaf = next(
        index
        for index, one in enumerate(entries_of(original, SIZE))
        if index >= MIDDLE and (read := entry.decode(one)).seq and not read.action.startswith("epoch.")
    )
    read = [entry.decode(one) for one in entries_of(original, SIZE)]
    epoch = read[leaf].epoch
    before = [one.time for one in read[:leaf] if one.epoch == epoch][-1].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    ended = {one.epoch for one in read[:leaf] if one.action in EPOCH_ENDS}
    rest = leaf + len({one.epoch for one in read[:leaf]} - ended - {""})
    wanted = FOUND[kind].format(leaf=leaf, next=leaf + 1, position=leaf - 512, epoch=epoch, before=before, rest=rest)
    found = findings(log, since=original / CHECKPOINT_FILE)
    assert any(wanted in finding for finding in found), found


@pytest.mark.parametrize("kind", ["rolled-back", "forked"])
def test_without_witnesses_and_older_checkpoint_the_holder_of_the_key_can_lie(
    kind: str, original: Path, tmp_path: Path
) -> None:
    """What a signed log alone does not prove; hence --since, witnesses and time-stamps."""
    log = Path(shutil.copytree(original, tmp_path / "log"))
    damage(log, SampleKeys.of(1), kind)
    assert verify.main(str(log), log / KEY_FILE) == 0


def test_the_command_says_how_to_verify_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make = ["sample", "--entries", "600", "--out", str(tmp_path / "log"), "--seed", "7", "--days", "2"]
    assert main(make) == 0
    assert main(_arguments(capsys)) == 0
    assert main(make) == 2
    assert "not empty" in capsys.readouterr().err
    for arguments in (
        ["--damage", "x"],
        ["--entries", "-1"],
        ["--days", "0"],
        ["--entries", "3", "--damage", "forked"],
    ):
        assert main([*make[:3], "--out", str(tmp_path / "none"), *arguments]) == 2
        shutil.rmtree(tmp_path / "none", ignore_errors=True)
    assert "record-changed" in capsys.readouterr().err
    assert main([*make[:3], "--out", str(tmp_path / "damaged"), "--damage", "forked"]) == 0
    assert main(_arguments(capsys)) == 1


def _arguments(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.split()[3:]
