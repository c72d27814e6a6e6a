"""What the leaves of a run say: which numbers of which source, which events, and where a log began."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from operator import eq
from struct import iter_unpack

from services.audit import entry as leaf_format
from services.audit.domain import EPOCH_ENDS, NUMBER_TAKEN, Numbers
from services.audit.entry import Leaf
from services.audit.verify import columns, objects
from services.audit.verify.columns import Columns
from services.audit.verify.finding import Finding

ENDINGS = frozenset(action.encode() for action in EPOCH_ENDS)
CLAIMS = ENDINGS | {b"epoch.heartbeat"}
OPENED = b"log.opened"
RESTORED = b"backup.restored"
ID_SIZE = 16
_LOOKED_AT = CLAIMS | {OPENED, RESTORED}
_TAKEN = NUMBER_TAKEN.encode()


@dataclass(slots=True)
class Part:
    """What a run's leaves show of one source and epoch."""

    name: str
    numbers: Numbers = field(default_factory=Numbers)
    # A number appears a second time within the run.
    repeats: bool = False
    # Number of the record that ended the epoch, 0 while it is open.
    ended_at: int = 0
    # Its last leaf: number, index and entry.
    last: tuple[int, int, bytes] = (0, 0, b"")

    def add(self, numbers: Sequence[int]) -> None:
        """Its numbers. Nearly always they follow each other."""
        first, last = min(numbers), max(numbers)
        if last - first + 1 == len(numbers) == len(set(numbers)):
            self.numbers.add_span(first, last)
            return
        for number in numbers:
            if not self.numbers.add(number):
                self.repeats = True


@dataclass(slots=True)
class Said:
    """What a run's leaves said."""

    # By epoch, in the order in which they appear.
    parts: dict[str, Part] = field(default_factory=dict)
    # The leaf that opened the log as the continuation of an earlier one.
    opened: Leaf | None = None
    # Event ids, 16 bytes each, ascending, each once; and those that are there more than once.
    events: bytes = b""
    events_twice: set[bytes] = field(default_factory=set)
    # Objects and their versions, as `objects.rows` gives them.
    objects: bytes = b""
    # Epochs whose end came in without a number.
    ended: set[str] = field(default_factory=set)
    # The last leaf of all: index and entry.
    last: tuple[int, bytes] | None = None
    # Leaves that say that a backup was put back: index and entry.
    restored: list[tuple[int, bytes]] = field(default_factory=list)


class Reader:
    """Reads the bundles of a run, one after the other. `find` takes what is wrong or to be known."""

    def __init__(self, origin: str, find: Callable[[Finding], None]) -> None:
        self._origin = origin
        self._find = find
        self._said = Said()
        # Packed at once: what is kept of a bundle is small and does not scatter the memory.
        self._event_ids: list[bytes] = []
        self._versions: defaultdict[bytes, list[int]] = defaultdict(list)
        # By epoch, in digits.
        self._numbers: dict[bytes, list[bytes]] = {}

    def read(self, first: int, leaves: Columns) -> None:
        """A bundle's leaves, from leaf `first` on."""
        for position, error in leaves.refused.items():
            self._tell(first + position, str(error))
        self._event_ids.append(leaves.packed_ids)
        self._count(first, leaves)
        # What is no leaf has no action; it is told anyway.
        if leaves.actions and leaves.actions[-1]:
            self._said.last = (first + len(leaves.entries) - 1, leaves.entries[-1])
        for entry, version in compress(zip(leaves.entries, leaves.versions, strict=True), leaves.versions):
            self._versions[columns.object_of(entry)].append(int(version))
        if leaves.kinds & _LOOKED_AT:
            self._look(first, leaves)
        if _TAKEN in leaves.reasons:
            for position, reason in enumerate(leaves.reasons):
                if reason == _TAKEN:
                    self._tell_taken(first + position, leaf_format.decode(leaves.entries[position]))

    def close(self) -> Said:
        """After the last bundle: what takes all of the run's leaves at once."""
        # They come nearly in order, so that this is quick.
        event_ids = sorted([one for (one,) in iter_unpack(f"{ID_SIZE}s", b"".join(self._event_ids))])
        self._said.events_twice = set(compress(event_ids, map(eq, event_ids, islice(event_ids, 1, None))))
        if self._said.events_twice:
            event_ids = sorted(set(event_ids))
        self._said.events = b"".join(event_ids)
        for epoch, digits in self._numbers.items():
            self._said.parts[epoch.decode()].add(list(map(int, digits)))
        self._said.objects = objects.rows(self._versions)
        return self._said

    def _count(self, first: int, leaves: Columns) -> None:
        for epoch in dict.fromkeys(leaves.epochs):
            if epoch and epoch not in self._numbers:
                leaf = leaf_format.decode(leaves.entries[leaves.epochs.index(epoch)])
                self._said.parts[leaf.epoch] = Part(f"source {leaf.service}.{leaf.instance}/{leaf.epoch}")
                self._numbers[epoch] = []
        for epoch, number in zip(leaves.epochs, leaves.numbers, strict=True):
            if epoch:
                self._numbers[epoch].append(number)
        # By number: what was held up on the way stands after what is newer.
        numbers = [int(number or 0) for number in leaves.numbers]
        ascending = sorted(range(len(numbers)), key=numbers.__getitem__)
        for epoch, position in {leaves.epochs[position]: position for position in ascending}.items():
            if epoch:
                part = self._said.parts[epoch.decode()]
                part.last = max(part.last, (numbers[position], first + position, leaves.entries[position]))

    def _look(self, first: int, leaves: Columns) -> None:
        for position in [position for position, action in enumerate(leaves.actions) if action in _LOOKED_AT]:
            action, entry, epoch = leaves.actions[position], leaves.entries[position], leaves.epochs[position]
            if action == OPENED:
                self._verify_opening(first + position, entry)
            elif action == RESTORED:
                self._said.restored.append((first + position, entry))
            elif epoch:
                number = int(leaves.numbers[position])
                if action in ENDINGS:
                    self._said.parts[epoch.decode()].ended_at = number
                self._verify_claim(first + position, entry, number)

    def _verify_claim(self, index: int, entry: bytes, number: int) -> None:
        """A source says which number was its last before this one."""
        # Quotes in a text are escaped, so these bytes can only be the member itself.
        if b'"last_seq":"%d"' % (number - 1) not in entry:
            self._tell(index, f"is number {number} of its source and says that another was before it")

    def _verify_opening(self, index: int, entry: bytes) -> None:
        """A log says that it begins here, as the continuation of an earlier one."""
        leaf = leaf_format.decode(entry)
        if index:
            self._tell(index, "opens a log that has leaves before it")
        elif leaf.object_id != self._origin:
            self._tell(index, f"opens {leaf.object_id}, which is another log")
        else:
            self._said.opened = leaf

    def _tell_taken(self, index: int, leaf: Leaf) -> None:
        """A record that came in without a number, because another one has it."""
        source, _, number = leaf.detail.get("claimed", "").rpartition("/")
        if leaf.action in EPOCH_ENDS:
            # The claim that an epoch is over counts, whatever number it came with.
            self._said.ended.add(source.rpartition("/")[2])
        problem = f"claims number {number} of source {source}, which another record has"
        # The end of an epoch as a database knew it that was put back since: the log has more of it and lost nothing.
        self._tell(index, problem, remark=leaf.action in EPOCH_ENDS)

    def _tell(self, index: int, problem: str, *, remark: bool = False) -> None:
        self._find(Finding(f"leaf {index}", problem, remark))
