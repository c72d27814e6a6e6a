"""What the leaves of all runs say together, also of two years: no event twice, and nothing missing of any source or object."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from services.audit import entry as leaf_format
from services.audit.domain import Numbers
from services.audit.entry import Leaf
from services.audit.verify import objects, piles, restores, runs
from services.audit.verify.files import LogFiles
from services.audit.verify.finding import Finding
from services.audit.verify.leaves import Said
from services.audit.verify.piles import Pile
from services.audit.verify.restores import Restores
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
        self._restores = Restores()
        # Of each run, how many leaves the logs before its own have.
        self._bases: list[int] = []
        # Versions from before the first log are in none of them.
        self._from_first = True

    def join(self, run: Run, said: Said) -> None:
        """The next run; reports what shows beside the runs before it."""
        if not self._runs:
            self.sources.opened = said.opened
            self._from_first = said.opened is None
        if not run.log and run.span.first == 0:
            self.opened = said.opened
        after = self._runs[-1] if self._runs else None
        base = self._bases[-1] if self._bases else 0
        self._bases.append(base if after is None or after.log == run.log else base + after.size)
        self._runs.append(run)
        for index, one in said.restored:
            at = restores.said(self._bases[-1] + index, one)
            self._restores.add(restores.restore(at, leaf_format.decode(one), run.place(index)))
        self._events.keep(said.events)
        self._events_twice |= said.events_twice
        self._objects.keep(said.objects)
        for identity, problem in self.sources.join(said, self._bases[-1], run.identities):
            self._report(Finding(run.place(identity.leaf_index), problem))

    def verify(self, each: Each) -> None:
        """After the last run; reports what shows only now."""
        for found in (self._verify_events(each), self.sources.verify(self._restores), self._verify_objects(each)):
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
        seen: dict[bytes, _Object] = {}
        for number in self._objects.runs_with(keys):
            run = self._runs[number]
            for one in run.identities():
                key = objects.key_of(one.entry) if one.version else b""
                if key in keys:
                    if key not in seen:
                        leaf = leaf_format.decode(one.entry)
                        seen[key] = _Object(f"object {leaf.service}.{leaf.object_type}/{leaf.object_id}")
                    at = restores.said(self._bases[number] + one.leaf_index, one.entry)
                    if not seen[key].versions.add(one.version):
                        yield self._repeated(seen[key], one.version, at, run.place(one.leaf_index))
                    seen[key].said[one.version].append(at)
        for thing in seen.values():
            missing = thing.versions.missing()
            if missing and missing[0][0] == 1 and not self._from_first:
                del missing[0]
            for first, last in missing:
                yield self._missing(thing, first, last)

    def _repeated(self, thing: "_Object", version: int, at: restores.Said, place: str) -> Finding:
        told = f"{thing.name}: version {version} appears a second time"
        given = thing.said[version]
        explained = list(self._restores.of_repetition(given[0], at.position))
        if len(given) > len(explained):
            return Finding(place, told)
        return Finding(place, f"{told}, after the backup that {explained[-1].place} says was put back", remark=True)

    def _missing(self, thing: "_Object", first: int, last: int) -> Finding:
        told = f"version {first} is missing" if first == last else f"versions {first} to {last} are missing"
        lost = self._restores.of_loss(thing.said[last + 1][0])
        if lost is None:
            return Finding(thing.name, told)
        return Finding(thing.name, f"{told}; {lost.place} says that a backup was put back after that", remark=True)


@dataclass(slots=True)
class _Object:
    """What the leaves say of an object whose versions are not each there once."""

    name: str
    versions: Numbers = field(default_factory=Numbers)
    # Where each version is given, in the order of the logs.
    said: defaultdict[int, list[restores.Said]] = field(default_factory=lambda: defaultdict(list))
