"""Children end when they are told to, when they do not want to, and when we die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.processes import STATE_VARIABLE, Process, Spawner, leftovers, wait_until


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    thread = Spawner()
    yield thread
    thread.close()


def _shell(tmp_path: Path, script: str) -> Process:
    environment = {"PATH": os.environ["PATH"], STATE_VARIABLE: str(tmp_path)}
    return Process("殻", ["/bin/sh", "-c", script], environment=environment, folder=tmp_path, log=tmp_path / "殻.log")


def test_output_goes_to_the_log_and_the_exit_code_is_kept(tmp_path: Path, spawner: Spawner) -> None:
    process = _shell(tmp_path, "echo 完結; exit 3")
    process.start(spawner)
    assert process.wait(10)
    assert process.exit_code == 3
    assert process.tail(1) == "完結"
    assert process.pid is None


def test_a_child_that_ignores_the_signal_is_killed_with_all_it_started(tmp_path: Path, spawner: Spawner) -> None:
    process = _shell(tmp_path, "trap '' TERM INT HUP; sleep 600 & sleep 600 & echo 始; wait; sleep 600")
    process.start(spawner)
    assert wait_until(lambda: "始" in process.tail(), 10)
    assert len(leftovers([tmp_path])) == 3
    process.ask_to_stop()
    assert not process.wait(0.3)
    process.kill()
    assert wait_until(lambda: not leftovers([tmp_path]), 5)


def test_what_a_child_leaves_in_its_group_is_killed_when_it_ends(tmp_path: Path, spawner: Spawner) -> None:
    process = _shell(tmp_path, "sleep 600 & echo 先に終わる")
    process.start(spawner)
    assert process.wait(10)
    assert wait_until(lambda: not leftovers([tmp_path]), 5)


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from deploy.local.processes import Process, Spawner, STATE_VARIABLE
import time
folder = Path({str(tmp_path)!r})
for name in ("一", "二"):
    Process(name, ["/bin/sleep", "600"], environment={{STATE_VARIABLE: str(folder)}}, folder=folder,
            log=folder / name).start(Spawner())
print("started", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        assert len(leftovers([tmp_path])) == 2
        parent.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not leftovers([tmp_path]), 5)


def test_children_outlive_the_thread_that_asked_for_them(tmp_path: Path, spawner: Spawner) -> None:
    from threading import Thread

    process = _shell(tmp_path, "echo 始; sleep 600")
    thread = Thread(target=process.start, args=(spawner,))
    thread.start()
    thread.join()
    assert wait_until(lambda: "始" in process.tail(), 10)
    assert process.is_running()
    process.kill()


def test_a_process_is_not_started_twice(tmp_path: Path, spawner: Spawner) -> None:
    process = _shell(tmp_path, "sleep 600")
    process.start(spawner)
    with pytest.raises(RuntimeError):
        process.start(spawner)
    process.kill()


def test_a_big_log_is_put_aside_at_the_next_start(tmp_path: Path, spawner: Spawner) -> None:
    process = _shell(tmp_path, "echo 新しい")
    process.log.write_bytes(b"x" * (17 << 20))
    process.start(spawner)
    assert process.wait(10)
    assert process.log.stat().st_size < 1000
    assert process.log.with_name("殻.log.1").stat().st_size == 17 << 20
