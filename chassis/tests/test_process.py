"""A process ends when it is told to, even if a task did not hear it the first time."""

from __future__ import annotations

import asyncio

from chassis.process import Background


async def test_a_task_that_swallows_a_cancellation_is_told_again():
    heard = 0

    async def hard_of_hearing() -> None:
        nonlocal heard
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1
                if heard == 3:
                    raise

    background = Background()
    task = background.start(hard_of_hearing())
    spared = background.start(asyncio.Event().wait())
    await asyncio.sleep(0)
    await background.cancel(spare=spared)
    assert (task.cancelled(), heard, spared.done()) == (True, 3, False)
    await background.cancel()
    assert spared.cancelled()
