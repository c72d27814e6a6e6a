"""Are the numbers of every source complete? Joins what the runs saw; memory grows with the sources only."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.audit.domain import Numbers
from services.audit.entry import Leaf
from services.audit.verify.finding import Finding
from services.audit.verify.leaves import Part, Said
from services.audit.verify.runs import Identity

OPENING_SLACK = dt.timedelta(minutes=5)
"""How far the clock of a source may be from that of the log when a year's log is opened."""


@dataclass(slots=True)
class _Source:
    """One source and epoch, as its leaves show it."""

    name: str
    numbers: Numbers = field(default_factory=Numbers)
    # Number of the record that ended the epoch, 0 while it is open.
    ended_at: int = 0


class Sources:
    """The numbers of every source (rule SC-06: 1, 2, 3 … without a gap)."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        # The leaf that opened the first log that is read, as the continuation of an earlier one.
        self.opened: Leaf | None = None

    @property
    def open(self) -> int:
        """Sources whose end is not in the log."""
        return sum(not source.ended_at for source in self._sources.values())

    def __len__(self) -> int:
        return len(self._sources)

    def join(self, said: Said, again: Callable[[], Iterator[Identity]]) -> Iterator[tuple[Identity, str]]:
        """The next run, and which of its leaves repeats a number. `again` reads the run's identities, which only
        happens where one does."""
        repeated = set()
        for epoch, part in said.parts.items():
            source = self._sources.setdefault(epoch, _Source(part.name))
            source.ended_at = part.ended_at or source.ended_at
            if part.repeats or not _add(source.numbers, part):
                repeated.add(epoch)
        if repeated:
            for one in again():
                if one.epoch in repeated and not self._sources[one.epoch].numbers.add(one.number):
                    yield one, f"{self._sources[one.epoch].name}: number {one.number} appears a second time"

    def verify(self) -> Iterator[Finding]:
        """After the last run: numbers that are missing, and records after the end of an epoch."""
        for epoch, source in self._sources.items():
            missing = source.numbers.missing()
            if missing and missing[0][0] == 1 and self._began_before(epoch):
                # Those are in the log of the year before.
                del missing[0]
            for first, last in missing:
                numbers = f"number {first} is missing" if first == last else f"numbers {first} to {last} are missing"
                yield Finding(source.name, numbers)
            if source.ended_at and source.numbers.last > source.ended_at:
                late = source.numbers.last
                yield Finding(source.name, f"number {late} comes after its end at {source.ended_at}")

    def _began_before(self, epoch: str) -> bool:
        """Did this epoch begin before the log was opened? Its UUIDv7 says when."""
        if self.opened is None:
            return False
        began = dt.datetime.fromtimestamp(int(epoch.replace("-", "")[:12], 16) / 1000, dt.UTC)
        return began < self.opened.time + OPENING_SLACK


def _add(numbers: Numbers, part: Part) -> bool:
    """Adds a run's numbers; False, with none added, if one of them is there already."""
    spans = part.numbers.spans()
    if any(numbers.overlaps(first, last) for first, last in spans):
        return False
    for first, last in spans:
        numbers.add_span(first, last)
    return True
