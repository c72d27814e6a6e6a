"""Runs a stack until it is told to stop: in the foreground for demo, detached for up.

Services that die are started again with a growing pause; engines are not (a broken disk does not
get better by trying), but their death is said loudly. Everybody else learns of it through one
small file in the state folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from deploy.local.authority import write_private
from deploy.local.processes import wait_until
from deploy.local.stack import Report, Stack, StackError

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
# A service that ran this long was not in a loop of failures.
STABLE_SECONDS = 60.0
LOOK_SECONDS = 0.25

Say = Callable[[str], None]


class Stopped(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived."""


def stop_on_signals() -> None:
    """The signals that end us raise Stopped, once; more of them do not disturb the stopping."""

    def handle(number: int, frame: FrameType | None) -> None:
        ignore_signals()
        raise Stopped(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)


def ignore_signals() -> None:
    """From here on we stop anyway."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _nothing)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which children would inherit."""


@dataclass
class _Death:
    pause: float
    next_try: float
    started: float


class Watcher:
    """Sees deaths and starts services again. `say` gets a line for each thing worth saying."""

    def __init__(self, stack: Stack, say: Say) -> None:
        self._stack = stack
        self._say = say
        self._deaths: dict[str, _Death] = {}
        self._given_up: set[str] = set()

    def look(self) -> bool:
        """One look; True when a process was started again or died."""
        changed = False
        now = time.monotonic()
        for name in self._stack.dead():
            death = self._deaths.get(name)
            if name in self._given_up or (death is not None and now < death.next_try):
                continue
            changed = True
            self._tell(name)
            if self._stack.kind(name) == "engine":
                self._say(
                    f"!! {name} は再起動しません。 An engine is not started again: stop everything and start anew."
                )
                self._given_up.add(name)
                continue
            self._start(name, now)
        return changed

    def _start(self, name: str, now: float) -> None:
        before = self._deaths.get(name)
        pause = FIRST_PAUSE
        if before is not None and now - before.started < STABLE_SECONDS:
            pause = min(before.pause * 2, LONGEST_PAUSE)
        self._deaths[name] = _Death(pause, now + pause, now)
        try:
            self._stack.start_one(name)
        except StackError as error:
            self._say(f"!! {error}")
            self._say(f"!! {name}: 再起動に失敗。{pause:.0f} 秒後にもう一度。 Next try in {pause:.0f} s.")
            self._deaths[name].next_try = time.monotonic() + pause
            return
        self._say(f"   {name} は再び動いています。 {name} runs again.")

    def _tell(self, name: str) -> None:
        process = self._stack.processes[name]
        self._say(f"!! {name} が止まりました（終了コード {process.exit_code}）。 {name} died. Log: {process.log}")
        for line in process.tail(6).splitlines():
            self._say(f"   | {line}")


class Record:
    """What the supervisor tells others: a file that is replaced whole."""

    def __init__(self, state: Path) -> None:
        self.path = state / "supervisor.json"

    def write(self, state: str, stack: Stack, progress: list[tuple[str, float]], message: str = "") -> None:
        """`state` is starting, ready, failed or stopped."""
        fields = {
            "state": state,
            "pid": os.getpid(),
            "started": started_at(os.getpid()),
            "progress": progress,
            "message": message,
            "pids": {name: process.pid for name, process in stack.processes.items() if process.pid},
        }
        write_private(self.path, json.dumps(fields, ensure_ascii=False, indent=1).encode())

    def read(self) -> dict[str, object]:
        """The last record; empty when there is none."""
        if not self.path.exists():
            return {}
        record = json.loads(self.path.read_text(encoding="utf-8"))
        return record if isinstance(record, dict) else {}

    def running_pid(self) -> int | None:
        """The supervisor's process id if it still runs (and is not another process of the same number)."""
        record = self.read()
        pid = record.get("pid")
        if isinstance(pid, int) and record.get("started") == started_at(pid):
            return pid
        return None


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since the machine did; None when there is none or only its corpse."""
    try:
        fields = (Path("/proc") / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    rest = fields.rsplit(")", 1)[1].split()
    return None if rest[0] in "ZX" else int(rest[19])


def run(stack: Stack, say: Say, report: Report, ready: Callable[[], None], *, samples: bool = True) -> int:
    """Start, load the samples at the first start, say so, watch until a signal, stop. Returns the exit code."""
    record = Record(stack.state)
    progress: list[tuple[str, float]] = []

    def note(title: str, seconds: float) -> None:
        progress.append((title, round(seconds, 2)))
        record.write("starting", stack, progress)
        report(title, seconds)

    stop_on_signals()
    failure = ""
    try:
        stack.report_to(note)
        stack.prepare()
        record.write("starting", stack, progress)
        stack.start()
        if samples and not stack.is_loaded:
            stack.load_samples(documents=True)
        record.write("ready", stack, progress)
        ready()
        watcher = Watcher(stack, say)
        while True:
            if watcher.look():
                record.write("ready", stack, progress)
            time.sleep(LOOK_SECONDS)
    except StackError as error:
        failure = str(error)
        say(f"!! {failure}")
    except Stopped as signal_name:
        say(f"{signal_name}: 停止しています… stopping…")
    finally:
        ignore_signals()
        started = time.monotonic()
        held = stack.is_prepared
        stack.stop()
        if held:
            record.write("failed" if failure else "stopped", stack, progress, failure)
        say(f"停止しました（{time.monotonic() - started:.1f} 秒）。 Stopped; nothing is left running.")
    return 1 if failure else 0


def end(state: Path, timeout: float = 90.0) -> bool:
    """Stop the supervisor of a folder and wait until all of its processes are gone. False when there was none."""
    record = Record(state)
    pid = record.running_pid()
    stack = Stack.attached(state)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: record.running_pid() is None, timeout):
            # Its children die with it.
            os.kill(pid, signal.SIGKILL)
    if not wait_until(lambda: not stack.leftovers(), 30):
        raise StackError(f"still running: {stack.leftovers()}")
    return pid is not None


def say_to_stderr(line: str) -> None:
    """A line for the log of a detached supervisor, with the time."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {line}\n")
    sys.stderr.flush()
