"""The life of a process: its event loop, and the tasks that live as long as it does."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Coroutine
from typing import TypeVar

import uvloop

from chassis.settings import SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

# New objects between two collections. After 700, the default, there was one at every other request, for nothing.
COLLECT_AFTER = 20_000
# How often a task is told to end before the process leaves without it.
CANCELLATIONS = 10


def run(main: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end on uvloop and return what it does; a bad configuration is a short report and exit
    code 2."""
    # Modules live as long as the process: the collector need not walk through them while people wait.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    try:
        return uvloop.run(main)
    except SettingsError as error:
        sys.stderr.write("configuration refused:\n" + "".join(f"  {line}\n" for line in error.problems))
        sys.exit(2)


class Background:
    """Tasks that live as long as the process. One that ends by itself ends it: better restarted than half alive."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None

    def start(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start one."""
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self._ended)
        self._tasks.add(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._stop.is_set():
            self._failure = task.exception() or RuntimeError(f"{task.get_coro()} ended")
            self._stop.set()

    async def until_signal(self) -> None:
        """Wait for SIGTERM or SIGINT; raises what ended a task before."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._stop.wait()
        if self._failure is not None:
            log.error("a task ended", exc_info=self._failure)
            raise SystemExit(1)

    async def cancel(self, spare: asyncio.Task[None] | None = None) -> None:
        """Cancel all (but one) and wait for them."""
        tasks = self._tasks - {spare}
        for _ in range(CANCELLATIONS):
            pending = [task for task in tasks if not task.done()]
            if not pending:
                return
            for task in pending:
                task.cancel()
            # A library may swallow a cancellation that meets a message; so it is said again.
            await asyncio.wait(pending, timeout=0.5)
