"""Are the numbers of every source complete? Joins what the runs saw; memory grows with the sources only."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chassis.settings import LONGEST_SILENCE
from services.audit.domain import Numbers
from services.audit.entry import Leaf
from services.audit.verify import restores
from services.audit.verify.finding import Finding
from services.audit.verify.leaves import Part, Said
from services.audit.verify.restores import Restores
from services.audit.verify.runs import Identity

OPENING_SLACK = dt.timedelta(minutes=5)
"""How far the clock of a source may be from that of the log when a year's log is opened."""
SILENCE = 3 * dt.timedelta(seconds=LONGEST_SILENCE)
"""A running process writes more often than LONGEST_SILENCE, and the epoch of one that died is closed after it, whatever is
configured: so long before the log's last leaf nobody falls silent without an end. Three times, for records under way."""


@dataclass(slots=True)
class _Source:
    """One source and epoch, as its leaves show it."""

    name: str
    # Its last leaf; what was held up on the way may stand after it.
    last: restores.Said
    numbers: Numbers = field(default_factory=Numbers)
    # Number of the record that ended the epoch, 0 while it is open.
    ended_at: int = 0


class Sources:
    """The numbers of every source (rule SC-06: 1, 2, 3 … without a gap)."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        # The leaf that opened the first log that is read, as the continuation of an earlier one.
        self.opened: Leaf | None = None
        # The last leaf of all logs.
        self._last: restores.Said | None = None
        # Epochs whose end came in without a number.
        self._ended: set[str] = set()

    @property
    def open(self) -> int:
        """Sources whose end is not in the log."""
        return sum(self._is_open(epoch, source) for epoch, source in self._sources.items())

    def __len__(self) -> int:
        return len(self._sources)

    def join(self, said: Said, base: int, again: Callable[[], Iterator[Identity]]) -> Iterator[tuple[Identity, str]]:
        """The next run, and which of its leaves repeats a number. `base` is how many leaves the logs before its own
        have; `again` reads the run's identities, which only happens where a number repeats."""
        self._ended |= said.ended
        if said.last is not None:
            index, entry = said.last
            self._last = restores.said(base + index, entry)
        repeated = set()
        for epoch, part in said.parts.items():
            _, index, entry = part.last
            last = restores.said(base + index, entry)
            source = self._sources.setdefault(epoch, _Source(part.name, last))
            source.last = max(source.last, last, key=lambda one: one.time)
            source.ended_at = part.ended_at or source.ended_at
            if part.repeats or not _add(source.numbers, part):
                repeated.add(epoch)
        if repeated:
            for one in again():
                if one.epoch in repeated and not self._sources[one.epoch].numbers.add(one.number):
                    yield one, f"{self._sources[one.epoch].name}: number {one.number} appears a second time"

    def verify(self, put_back: Restores) -> Iterator[Finding]:
        """After the last run: numbers that are missing, records after the end of an epoch, and epochs without an end
        that fell silent before the log does."""
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
            if self._is_open(epoch, source) and self._fell_silent(source):
                yield self._silent(source, put_back)

    def _is_open(self, epoch: str, source: _Source) -> bool:
        return not source.ended_at and epoch not in self._ended

    def _fell_silent(self, source: _Source) -> bool:
        return self._last is not None and _moment(self._last) - _moment(source.last) > SILENCE

    def _silent(self, source: _Source, put_back: Restores) -> Finding:
        told = f"silent since {source.last.time.decode()}, without an end; later records of it are not in the log"
        # A database that never heard of an epoch closes none.
        lost = put_back.of_loss(source.last)
        if lost is None:
            return Finding(source.name, told)
        return Finding(source.name, f"{told}; {lost.place} says that a backup was put back after that", remark=True)

    def _began_before(self, epoch: str) -> bool:
        """Did this epoch begin before the log was opened? Its UUIDv7 says when."""
        if self.opened is None:
            return False
        began = dt.datetime.fromtimestamp(int(epoch.replace("-", "")[:12], 16) / 1000, dt.UTC)
        return began < self.opened.time + OPENING_SLACK


def _moment(said: restores.Said) -> dt.datetime:
    return dt.datetime.fromisoformat(said.time.decode())


def _add(numbers: Numbers, part: Part) -> bool:
    """Adds a run's numbers; False, with none added, if one of them is there already."""
    spans = part.numbers.spans()
    if any(numbers.overlaps(first, last) for first, last in spans):
        return False
    for first, last in spans:
        numbers.add_span(first, last)
    return True
