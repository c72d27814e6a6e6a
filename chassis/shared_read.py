"""One statement for all who ask within a few milliseconds.

A lone reader waits for nobody: a statement begins at once when none has begun just before. Under load the
next one begins a moment later and answers everybody who has asked meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

# Two statements begin at least this far apart.
BEGIN_EVERY_SECONDS = 0.005


class SharedRead(Generic[Question, Answer]):
    """`load` gets the questions of several callers and returns their answers in the same order.

    It runs in the context of whoever asked first, so what an answer depends on must stand in its question:
    who asks, above all. When it fails, it fails for all of them; a caller who gives up takes nobody along.
    """

    def __init__(self, load: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        self._load = load
        self._asked: list[Question] = []
        self._next: asyncio.Task[Sequence[Answer]] | None = None
        self._began = 0.0

    async def ask(self, question: Question) -> Answer:
        """The answer to this question, as of a moment after it was asked. Raises what `load` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._answer())
        place = len(self._asked)
        self._asked.append(question)
        return (await asyncio.shield(self._next))[place]

    async def _answer(self) -> Sequence[Answer]:
        await asyncio.sleep(max(0.0, self._began + BEGIN_EVERY_SECONDS - time.monotonic()))
        self._began = time.monotonic()
        asked, self._asked, self._next = self._asked, [], None
        answers = await self._load(asked)
        if len(answers) != len(asked):
            raise LookupError(f"{len(asked)} questions, {len(answers)} answers")
        return answers
