"""What a restore explains, and nothing more.

Whoever puts back a backup of the databases loses what came after it. The log keeps its leaves; the services give the versions
of their objects anew from where the backup stood. So of what happened between backup and restore a version may be there
twice, of the old life and of the new one. And one may be missing: relays hand over side by side, so that a later event can
have reached the broker while an earlier one was still in the database that is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.audit.entry import Leaf

_TIME = b'"time":"'
# As leaves spell it, so that the order of the bytes is that of time.
_TIME_SIZE = len("2026-04-01T00:00:00.000000Z")


@dataclass(frozen=True, slots=True)
class Said:
    """Where and when something is said. Positions count the leaves of all logs, in their order."""

    position: int
    time: bytes


@dataclass(frozen=True, slots=True)
class Restore:
    """A leaf `backup.restored`."""

    said: Said
    # The first leaf that the backup did not know.
    since: int
    place: str


def said(position: int, entry: bytes) -> Said:
    """Of an entry that is a leaf. Quotes in a text are escaped, so that the last such bytes are the member itself."""
    start = entry.rindex(_TIME) + len(_TIME)
    return Said(position, entry[start : start + _TIME_SIZE])


def restore(at: Said, leaf: Leaf, place: str) -> Restore:
    """What this leaf says. One that does not say how much was brought back explains nothing."""
    brought_back = leaf.detail.get("leaves", "")
    lost = int(brought_back) if brought_back.isdecimal() and len(brought_back) < 16 else 0
    return Restore(at, at.position - lost, place)


class Restores:
    """All of them, in the order of the logs."""

    def __init__(self) -> None:
        self._restores: list[Restore] = []

    def add(self, one: Restore) -> None:
        """The next one."""
        self._restores.append(one)

    def of_repetition(self, first: Said, again: int) -> Iterator[Restore]:
        """Those after which a version that `first` gave may be given again, at the position `again`: each once."""
        return (one for one in self._restores if one.since <= first.position and one.said.position < again)

    def of_loss(self, before: Said) -> Restore | None:
        """The one with which a version may have been lost that comes right before this one of the same object."""
        lost = [one for one in self._restores if one.since <= before.position and before.time < one.said.time]
        return lost[0] if lost else None
