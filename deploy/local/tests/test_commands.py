"""`up`, `status`, `psql`, `down` and `clean` as a person types them, with the services."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from deploy.local.processes import leftovers, wait_until
from deploy.local.stack import ROOT

pytestmark = pytest.mark.system


@pytest.fixture
def state() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="kanketsu-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder / "state"
    _run("down", folder / "state")
    _run("clean", folder / "state")
    shutil.rmtree(folder)


def _run(command: str, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "deploy.local", command, "--state", str(state), *arguments]
    return subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=150)


def _url(text: str) -> str:
    found = re.search(r"http://localhost:\d+", text)
    assert found is not None, text
    return found[0]


def test_a_day_with_the_stack(state: Path) -> None:
    assert _run("status", state).returncode == 1
    up = _run("up", state)
    assert up.returncode == 0, up.stdout + up.stderr
    for word in (
        "PostgreSQL 18",
        "samples → documents",
        "準備ができました",
        "Who can log in",
        "環境政策室 室長",
        "make down",
    ):
        assert word in up.stdout
    url = _url(up.stdout)
    assert urllib3.request("GET", f"{url}/readyz").status == 200

    again = _run("up", state)
    assert (again.returncode, _url(again.stdout)) == (0, url)
    status = _run("status", state)
    assert status.returncode == 0
    assert status.stdout.count("✓") == 8
    units = _run("psql", state, "--role", "approvals_app", "--", "-Atc", "SELECT count(*) > 60 FROM units")
    assert units.stdout == "t\n"
    assert _run("clean", state).returncode == 1

    # A service that dies is there again after a moment, without a hand.
    [pid] = [int(line.split("pid")[1].split()[0]) for line in status.stdout.splitlines() if "approvals-1" in line]
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: "approvals-1 runs again" in (state / "logs/supervisor.log").read_text("utf-8"), 30)
    assert _run("status", state).returncode == 0

    down = _run("down", state)
    assert down.returncode == 0
    assert leftovers([state, state / "postgres"]) == []
    assert _run("down", state).returncode == 0

    started = time.monotonic()
    up = _run("up", state)
    assert up.returncode == 0, up.stderr
    assert time.monotonic() - started < 60
    assert _url(up.stdout) == url, "the port is kept"
    assert "samples" not in up.stdout, "what is loaded is not loaded again"


def test_a_failure_is_explained_and_leaves_nothing(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        up = _run("up", state, "--port", str(port))
    assert up.returncode == 1
    assert f"port {port} is taken" in up.stderr
    assert leftovers([state]) == []
