"""Programs in Go that tests need, built from source where a Go toolchain is at hand; cached outside the tree.

Needs Go 1.24 or newer and its module proxy. Downloads and compiled packages are kept, so a build that was cut short goes
on later.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

OLDEST_GO = (1, 24)


class NotAtHand(Exception):
    """The program cannot be had here; the text says why and what would help."""


def cache_folder() -> Path:
    """Where programs and Go's caches are kept: `$XDG_CACHE_HOME/kanketsu`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kanketsu"


def build(program: Path, arguments: Sequence[str], seconds: float, folder: Path | None = None) -> Path:
    """`program`, made by `go <arguments>` in `folder` if it is not there, in at most `seconds`. NotAtHand with the
    reason.

    GOBIN is the program's folder. One builder at a time: whoever comes second waits for the first, within the same limit.
    """
    if program.exists():
        return program
    if seconds <= 0:
        raise NotAtHand("it has not been built")
    deadline = time.monotonic() + seconds
    go = _go()
    proxies = _go_env(go, "GOPROXY").replace("|", ",").split(",")
    usable = [proxy for proxy in proxies if proxy not in ("", "direct", "off")]
    if not usable:
        raise NotAtHand("Go has no module proxy (GOPROXY)")
    program.parent.mkdir(parents=True, exist_ok=True)
    with program.parent.with_suffix(".lock").open("w") as lock:
        _wait_for(lock.fileno(), deadline)
        if program.exists():
            return program
        environment = os.environ | {
            "CGO_ENABLED": "0",
            "GOBIN": str(program.parent),
            "GOCACHE": str(cache_folder() / "go" / "build"),
            "GOFLAGS": "-modcacherw",
            "GOMODCACHE": str(cache_folder() / "go" / "mod"),
            # Without `direct`: a module the proxy does not have would be looked for at its origin, for minutes.
            "GOPROXY": ",".join(usable),
            # Never another toolchain than the one that is here.
            "GOTOOLCHAIN": "local",
        }
        # In a session of its own, so that the compilers it starts end with it.
        running = subprocess.Popen(
            ["nice", "-n", "15", go, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, complaints = running.communicate(timeout=max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise NotAtHand(f"not built within {seconds:.0f} s; the next attempt goes on from here") from None
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
    if running.returncode != 0 or not program.exists():
        said = [line for line in complaints.splitlines() if line and not line.startswith("go: downloading")]
        raise NotAtHand(f"`go {' '.join(arguments)}` failed: {' '.join(said[-3:])[:400]}")
    return program


def _go() -> str:
    """The go command, new enough."""
    go = shutil.which("go") or next(iter(sorted(Path("/usr/local/go/bin").glob("go"))), None)
    if go is None:
        raise NotAtHand("no Go toolchain (1.24 or newer is needed)")
    version = _go_env(str(go), "GOVERSION")
    found = re.match(r"go(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GO:
        raise NotAtHand(f"Go is {version}; 1.24 or newer is needed")
    return str(go)


def _go_env(go: str, name: str) -> str:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    done = subprocess.run(
        [go, "env", "-json", name], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode != 0:
        raise NotAtHand(f"`go env` failed: {done.stderr.strip()[:200]}")
    return str(json.loads(done.stdout)[name])


def _wait_for(lock: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NotAtHand("another process is still building it") from None
            time.sleep(0.5)
