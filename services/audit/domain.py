"""The rules of the log that need neither file nor database.

Which numbers of a source are there, which year's log is written, how it is named.
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

# Why a leaf has no number of its source: another record has the one it claimed.
NUMBER_TAKEN = "NUMBER_TAKEN"
EPOCH_ENDS = ("epoch.close", "epoch.recovered")


class Numbers:
    """The numbers seen of one source (1, 2, 3 …), as spans: no more than one while none is missing."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        # Ascending, disjoint, not touching: [first, last].
        self._spans: list[list[int]] = []

    @property
    def last(self) -> int:
        """The highest number seen, 0 before the first."""
        return self._spans[-1][1] if self._spans else 0

    def add(self, number: int) -> bool:
        """Take note of a number (from 1). False when it had been seen before."""
        spans = self._spans
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
            return True
        if self.overlaps(number, number):
            return False
        self.add_span(number, number)
        return True

    def overlaps(self, first: int, last: int) -> bool:
        """Has one of the numbers from first to last been seen?"""
        at = bisect_left(self._spans, first, key=_last)
        return at < len(self._spans) and self._spans[at][0] <= last

    def add_span(self, first: int, last: int) -> None:
        """Take note of the numbers from first to last, none of which has been seen."""
        spans = self._spans
        at = bisect_left(spans, first, key=_last)
        joins_left = at > 0 and spans[at - 1][1] == first - 1
        joins_right = at < len(spans) and spans[at][0] == last + 1
        if joins_left and joins_right:
            spans[at - 1][1] = spans.pop(at)[1]
        elif joins_left:
            spans[at - 1][1] = last
        elif joins_right:
            spans[at][0] = first
        else:
            spans.insert(at, [first, last])

    def spans(self) -> list[tuple[int, int]]:
        """What was seen, as spans (first, last), ascending."""
        return [(first, last) for first, last in self._spans]

    def missing(self) -> list[tuple[int, int]]:
        """Spans (first, last) of the numbers that are not there, from 1 to the highest seen."""
        gaps, next_expected = [], 1
        for first, last in self._spans:
            if first > next_expected:
                gaps.append((next_expected, first - 1))
            next_expected = last + 1
        return gaps


# First and last number of each epoch that a message carries.
Spans = Mapping[str, tuple[int, int]]


def spans_of(numbers: Iterable[tuple[str, int]]) -> dict[str, tuple[int, int]]:
    """Per epoch the first and last of these (epoch, number) pairs."""
    spans: dict[str, tuple[int, int]] = {}
    for epoch, number in numbers:
        first, last = spans.get(epoch, (number, number))
        spans[epoch] = (min(first, number), max(last, number))
    return spans


def in_order(messages: Sequence[Spans], known: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Places of the messages that can be appended now, in an order without a gap, and of those that are early.

    `known` is the highest number in the log per epoch, 0 when it is missing. A message is early while a number before
    its first one is neither there nor among the messages that go before it.
    """
    reached = dict(known)
    ready: list[int] = []
    waiting = list(range(len(messages)))
    while True:
        early = []
        for place in waiting:
            spans = messages[place]
            if any(first > reached.get(epoch, 0) + 1 for epoch, (first, _) in spans.items()):
                early.append(place)
                continue
            for epoch, (_, last) in spans.items():
                reached[epoch] = max(reached.get(epoch, 0), last)
            ready.append(place)
        if len(early) == len(waiting):
            return ready, early
        waiting = early


def _last(span: list[int]) -> int:
    return span[1]


def fiscal_year(day: dt.date) -> int:
    """The Japanese fiscal year of a day: from 1 April to 31 March."""
    return day.year if day.month >= 4 else day.year - 1


def origin(prefix: str, year: int) -> str:
    """Name of a year's log, of its key and of its checkpoints: `<prefix>/<fiscal year>`."""
    return f"{prefix}/{year}"


def year_of(log_origin: str) -> int:
    """The fiscal year in the name of a log; ValueError if it is not one of ours."""
    return int(log_origin.rpartition("/")[2])
