"""Many readers, one statement: everybody gets their own answer, and nobody another's failure to wait."""

from __future__ import annotations

import asyncio
import itertools
import time

from chassis import shared_read
from chassis.errors import DomainError, Kind
from chassis.shared_read import SharedRead


class Library:
    """Answers in capitals; remembers what was asked together, and when."""

    def __init__(self):
        self.rounds = []
        self.begun = []
        self.hold = None

    async def load(self, titles):
        self.rounds.append(list(titles))
        self.begun.append(time.monotonic())
        if self.hold is not None:
            await self.hold.wait()
        return [f"『{title}』" for title in titles]


async def test_a_lone_reader_gets_an_answer_of_its_own():
    library = Library()
    reading = SharedRead(library.load)
    assert await reading.ask("伺い") == "『伺い』"
    assert await reading.ask("通知") == "『通知』"
    assert library.rounds == [["伺い"], ["通知"]]


async def test_everybody_gets_their_own_answer_and_few_statements_run():
    library = Library()
    reading = SharedRead(library.load)

    async def reader(number):
        for turn in range(10):
            title = f"第{number}号の{turn}"
            assert await reading.ask(title) == f"『{title}』"

    await asyncio.gather(*(reader(number) for number in range(40)))
    assert sorted(itertools.chain(*library.rounds)) == sorted(f"第{n}号の{t}" for n in range(40) for t in range(10))
    assert len(library.rounds) <= 40
    # The loop's clock may be a millisecond coarse.
    apart = [b - a for a, b in itertools.pairwise(library.begun)]
    assert min(apart) > shared_read.BEGIN_EVERY_SECONDS - 0.002


async def test_who_gives_up_takes_nobody_along():
    library = Library()
    library.hold = asyncio.Event()
    reading = SharedRead(library.load)
    first, second = (asyncio.create_task(reading.ask(title)) for title in ("一", "二"))
    while not library.rounds:
        await asyncio.sleep(0)
    assert library.rounds == [["一", "二"]]
    first.cancel()
    await asyncio.wait([first])
    # Somebody who comes while it runs does not wait for it either.
    third = asyncio.create_task(reading.ask("三"))
    while len(library.rounds) < 2:
        await asyncio.sleep(0)
    library.hold.set()
    assert first.cancelled()
    assert await second == "『二』"
    assert await third == "『三』"


async def test_a_failure_reaches_all_who_asked_together_and_nobody_after():
    away = True

    async def load(titles):
        if away:
            raise DomainError(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        return titles

    reading = SharedRead(load)
    answers = await asyncio.gather(*(reading.ask(str(n)) for n in range(5)), return_exceptions=True)
    assert [answer.reason for answer in answers] == ["DATABASE_UNAVAILABLE"] * 5
    away = False
    assert await reading.ask("復旧") == "復旧"


async def test_an_answer_too_few_is_an_error_and_never_somebody_elses():
    async def load(titles):
        return titles[:-1]

    reading = SharedRead(load)
    answers = await asyncio.gather(*(reading.ask(title) for title in "一二三"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LookupError] * 3
