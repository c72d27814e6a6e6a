"""What the leaves of all runs say together, also of two years: no event twice, and nothing missing of any source or object."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from services.audit import entry as leaf_format
from services.audit.domain import Numbers
from services.audit.entry import Leaf
from services.audit.verify import objects, piles, runs
from services.audit.verify.files import LogFiles
from services.audit.verify.finding import Finding
from services.audit.verify.leaves import Said
from services.audit.verify.piles import Pile
from services.audit.verify.runs import Identity, Span
from services.audit.verify.sources import Sources

R = TypeVar("R")
T = TypeVar("T")


class Each(Protocol):
    """Does the same to many parts, wherever: the results in the order of the parts."""

    def __call__(self, do: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]: ...


@dataclass(frozen=True, slots=True)
class Run:
    """Where the leaves of a run can be read again. `log` stands before each place: "" for the log that is verified."""

    files: LogFiles
    size: int
    span: Span
    log: str = ""

    def identities(self) -> Iterator[Identity]:
        """Of each leaf, in order."""
        return runs.identities(self.files, self.size, self.span)

    def place(self, index: int) -> str:
        """As a finding names it."""
        return f"{self.log} leaf {index}".lstrip()


class Records:
    """Joined run by run, in the order of the logs and of the leaves. Files in `folder`, which the caller removes."""

    def __init__(self, folder: Path, report: Callable[[Finding], None]) -> None:
        self._report = report
        self.sources = Sources()
        # The leaf that opened the log that is verified, if it says that it continues another.
        self.opened: Leaf | None = None
        self._runs: list[Run] = []
        self._events = Pile(folder / "events")
        self._objects = Pile(folder / "objects", objects.ROW_SIZE)
        self._events_twice: set[bytes] = set()
        # Run and leaf of every restore, ascending.
        self._restored: list[tuple[int, int]] = []
        # Versions from before the first log are in none of them.
        self._from_first = True

    def join(self, run: Run, said: Said) -> None:
        """The next run; reports what shows beside the runs before it."""
        if not self._runs:
            self.sources.opened = said.opened
            self._from_first = said.opened is None
        if not run.log and run.span.first == 0:
            self.opened = said.opened
        self._restored += [(len(self._runs), index) for index in said.restored]
        self._runs.append(run)
        self._events.keep(said.events)
        self._events_twice |= said.events_twice
        self._objects.keep(said.objects)
        for identity, problem in self.sources.join(said, run.identities):
            self._report(Finding(run.place(identity.leaf_index), problem))

    def verify(self, each: Each) -> None:
        """After the last run; reports what shows only now."""
        for found in (self._verify_events(each), self.sources.verify(), self._verify_objects(each)):
            for finding in found:
                self._report(finding)

    def _verify_events(self, each: Each) -> Iterator[Finding]:
        twice = self._events_twice.union(*each(piles.repeated, self._events.parts()))
        first: dict[str, str] = {}
        for number in self._events.runs_with(twice):
            run = self._runs[number]
            for one in run.identities():
                if one.event_id and bytes.fromhex(one.event_id.replace("-", "")) in twice:
                    place = run.place(one.leaf_index)
                    if one.event_id in first:
                        yield Finding(place, f"event {one.event_id} is {first[one.event_id]} already")
                    first.setdefault(one.event_id, place)

    def _verify_objects(self, each: Each) -> Iterator[Finding]:
        incomplete = partial(objects.incomplete, from_first=self._from_first)
        keys = {key for found in each(incomplete, self._objects.parts()) for key in found}
        seen: dict[bytes, tuple[str, Numbers]] = {}
        times: Counter[tuple[bytes, int]] = Counter()
        for number in self._objects.runs_with(keys):
            run = self._runs[number]
            for one in run.identities():
                key = objects.key_of(one.entry) if one.version else b""
                if key in keys:
                    if key not in seen:
                        leaf = leaf_format.decode(one.entry)
                        seen[key] = f"object {leaf.service}.{leaf.object_type}/{leaf.object_id}", Numbers()
                    name, versions = seen[key]
                    times[key, one.version] += 1
                    if not versions.add(one.version):
                        again = times[key, one.version] - 1
                        yield self._repeated(number, one.leaf_index, f"{name}: version {one.version}", again)
        for name, versions in seen.values():
            missing = versions.missing()
            if missing and missing[0][0] == 1 and not self._from_first:
                del missing[0]
            for first, last in missing:
                numbers = f"version {first} is missing" if first == last else f"versions {first} to {last} are missing"
                if self._restored:
                    # Events that the lost database had not handed over yet are gone with it.
                    numbers += f"; leaf {self._restored[-1][1]} says that a backup was put back"
                yield Finding(name, numbers, remark=bool(self._restored))

    def _repeated(self, number: int, index: int, version: str, again: int) -> Finding:
        """Whoever puts back a backup gives numbers again that the log knows, or that are still on their way to it: once for
        each restore that the log tells of before. Anything beyond that is a finding."""
        place = self._runs[number].place(index)
        restored = [leaf for run, leaf in self._restored if (run, leaf) < (number, index)]
        if again > len(restored):
            return Finding(place, f"{version} appears a second time")
        told = f"{version} appears a second time, after the backup that leaf {restored[-1]} says was put back"
        return Finding(place, told, remark=True)
