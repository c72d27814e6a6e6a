"""Child processes that cannot outlive us, with a log file each.

Every child has a process group of its own (Ctrl-C reaches only us) and a death signal from the
kernel (kill -9 of us ends it). Stopping asks first, then kills the whole group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
# Every child carries it, so that whatever is left of a stack can be found.
STATE_VARIABLE = "STACK_STATE"
LOG_LIMIT = 16 * 1024 * 1024
_POLL_SECONDS = 0.02


class Spawner:
    """Starts children from one thread that lives as long as the stack.

    The kernel sends the death signal when the *thread* that forked ends, and tests start stacks from
    threads that come and go.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        output: int,
        started: Callable[[subprocess.Popen[bytes]], None],
    ) -> None:
        """A child in a session of its own; `output` is the descriptor for stdout and stderr.

        `started` gets the child on the spawner's thread: whoever is interrupted while waiting here still
        has it after `drain`.
        """

        def spawn() -> None:
            started(
                subprocess.Popen(
                    command,
                    env=environment,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

        self._thread.submit(spawn).result()

    def drain(self) -> None:
        """Wait for starts that are under way."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """After the last child."""
        self._thread.shutdown()


class Process:
    """One child: started, asked to stop, killed; its output in `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        user: tuple[int, int] | None = None,
        stop_signal: str = "SIGTERM",
        orphan_signal: str = "SIGKILL",
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self._folder = folder
        self._user = user
        self._stop_signal = signal.Signals[stop_signal]
        self._orphan_signal = signal.Signals[orphan_signal]
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._popen.pid if self._popen is not None and self.is_running() else None

    @property
    def exit_code(self) -> int | None:
        """Of the last run; negative is a signal; None while it runs or before it ran."""
        return self._popen.poll() if self._popen is not None else None

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def start(self, spawner: Spawner) -> None:
        """Start it; refuses to start it twice."""
        if self.is_running():
            raise RuntimeError(f"{self.name} is running already")
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.rename(self.log.with_name(self.log.name + ".1"))
        uid, gid = self._user if self._user is not None else ("-", "-")
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
        launcher += [str(os.getpid()), str(int(self._orphan_signal)), str(uid), str(gid), "--"]
        descriptor = os.open(self.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, f"--- {time.strftime('%Y-%m-%dT%H:%M:%S%z')} {self.name} starts\n".encode())
            spawner.start(
                [*launcher, *self.command],
                environment=self.environment,
                folder=self._folder,
                output=descriptor,
                started=self._has_started,
            )
        finally:
            spawner.drain()
            os.close(descriptor)

    def _has_started(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen

    def send(self, number: signal.Signals) -> None:
        """A signal to its whole group."""
        if self._popen is not None:
            self._signal_group(number)

    def ask_to_stop(self) -> None:
        """The signal it stops by, to the process alone: it ends its own children in its own order."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.send_signal(self._stop_signal)

    def wait(self, timeout: float) -> bool:
        """Whether it ended within the time; what is left of its group is then killed."""
        if self._popen is None:
            return True
        deadline = time.monotonic() + timeout
        while not self._has_exited():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        # Not reaped yet, so the number of the group cannot belong to anybody else.
        self._signal_group(signal.SIGKILL)
        self._popen.wait()
        return True

    def kill(self) -> None:
        """kill -9 of the group, and wait."""
        self.send(signal.SIGKILL)
        if not self.wait(30):
            raise RuntimeError(f"{self.name} (pid {self.pid}) survives SIGKILL")

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 64 * 1024))
            return b"\n".join(file.read().splitlines()[-lines:]).decode(errors="replace")

    def _has_exited(self) -> bool:
        if self._popen is None or self._popen.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        except ChildProcessError:
            return True

    def _signal_group(self, number: signal.Signals) -> None:
        if self._popen is None or self._popen.returncode is not None:
            return
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            # Before the child has made its session, or after the last of the group ended.
            return


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Poll a condition; False when the time is over."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def leftovers(folders: Sequence[Path]) -> list[int]:
    """Processes other than this one that were started for these folders: by our mark, or working inside one."""
    resolved = [folder.resolve() for folder in folders]
    marks = {f"{STATE_VARIABLE}={folder}".encode() for folder in resolved}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            status = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            if status.rsplit(")", 1)[1].split()[0] in "ZX":
                continue
            directory = (entry / "cwd").readlink()
            marked = not marks.isdisjoint((entry / "environ").read_bytes().split(b"\0"))
        except (OSError, IndexError):
            continue
        # PostgreSQL overwrites its environment with its title, but works in its data directory.
        if marked or any(
            directory == folder / "data" or directory == folder / "postgres" / "data" for folder in resolved
        ):
            found.append(int(entry.name))
    return found
