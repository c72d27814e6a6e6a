"""What the leaves of a run say: which numbers of which source, which events, and where a log began."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress, pairwise

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
_TAKEN = f'"reason":"{NUMBER_TAKEN}"'.encode()


@dataclass(slots=True)
class Part:
    """What a run's leaves show of one source and epoch."""

    name: str
    numbers: Numbers = field(default_factory=Numbers)
    # A number appears a second time within the run.
    repeats: bool = False
    # Number of the record that ended the epoch, 0 while it is open.
    ended_at: int = 0

    def add(self, numbers: Sequence[int]) -> None:
        """The numbers of a bundle. Nearly always they follow each other."""
        first, last = min(numbers), max(numbers)
        whole = last - first + 1 == len(numbers) == len(set(numbers))
        if whole and not self.numbers.overlaps(first, last):
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

    def read(self, first: int, entries: Sequence[bytes]) -> None:
        """A bundle's entries, from leaf `first` on."""
        leaves = columns.read(entries)
        for position, error in leaves.refused.items():
            self._tell(first + position, str(error))
        self._event_ids.append(leaves.packed_ids)
        self._count(entries, leaves)
        for position, version in compress(enumerate(leaves.versions), leaves.versions):
            self._versions[columns.object_of(entries[position])].append(int(version))
        if leaves.kinds & _LOOKED_AT:
            self._look(first, entries, leaves)
        for position, one in enumerate(entries):
            if _TAKEN in one and position not in leaves.refused:
                self._tell_taken(first + position, leaf_format.decode(one))

    def close(self) -> Said:
        """After the last bundle: what takes all of the run's leaves at once."""
        packed = b"".join(self._event_ids)
        # They come nearly in order, so that this is quick.
        event_ids = sorted([packed[start : start + ID_SIZE] for start in range(0, len(packed), ID_SIZE)])
        if len(set(event_ids)) < len(event_ids):
            self._said.events_twice = {one for one, again in pairwise(event_ids) if one == again}
            event_ids = sorted(set(event_ids))
        self._said.events = b"".join(event_ids)
        self._said.objects = objects.rows(self._versions)
        return self._said

    def _count(self, entries: Sequence[bytes], leaves: Columns) -> None:
        numbers: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for epoch, number in zip(leaves.epochs, leaves.numbers, strict=True):
            numbers[epoch].append(number)
        numbers.pop(b"", None)
        for epoch, digits in numbers.items():
            part = self._said.parts.get(epoch.decode())
            if part is None:
                leaf = leaf_format.decode(entries[leaves.epochs.index(epoch)])
                part = self._said.parts[leaf.epoch] = Part(f"source {leaf.service}.{leaf.instance}/{leaf.epoch}")
            part.add(list(map(int, digits)))

    def _look(self, first: int, entries: Sequence[bytes], leaves: Columns) -> None:
        for position, action in enumerate(leaves.actions):
            if action == OPENED:
                self._verify_opening(first + position, entries[position])
            elif action == RESTORED:
                self._said.restored.append((first + position, entries[position]))
            elif action in _LOOKED_AT and leaves.epochs[position]:
                number = int(leaves.numbers[position])
                if action in ENDINGS:
                    self._said.parts[leaves.epochs[position].decode()].ended_at = number
                self._verify_claim(first + position, entries[position], number)

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
        if leaf.reason == NUMBER_TAKEN:
            source, _, number = leaf.detail.get("claimed", "").rpartition("/")
            problem = f"claims number {number} of source {source}, which another record has"
            # The end of an epoch as a database knew it that was put back since: the log has more of it and lost nothing.
            self._tell(index, problem, remark=leaf.action in EPOCH_ENDS)

    def _tell(self, index: int, problem: str, *, remark: bool = False) -> None:
        self._find(Finding(f"leaf {index}", problem, remark))
