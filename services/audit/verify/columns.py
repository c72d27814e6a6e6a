"""Many leaves at once, by the few members that the checks need.

A bundle as it lies there, lengths and all, is read by one regular expression that knows leaves as nearly all of them are: no
escape in a text, numbers of at most 15 digits. What it does not know is decoded by itself, at twenty times the cost. So the
quick way may be unsure and never wrong: it takes nothing that `tlog.decode_bundle` and `entry.decode` do not take, and says
the same of it.
"""

import datetime as dt
import re
from binascii import hexlify, unhexlify
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from struct import unpack

from services.audit import entry as leaf_format
from services.audit import tlog
from services.audit.entry import EntryError

# What a text must spell with an escape, and the escape.
_NOT_PLAIN = bytes(range(0x20)) + b"\\"
_OBJECT, _SERVICE = b',"object":{', b'"service":'


@dataclass(slots=True)
class Columns:
    """One member of every leaf of a sequence, in order. Empty where a leaf does not have it, and for what is no leaf."""

    entries: tuple[bytes, ...] = ()
    actions: tuple[bytes, ...] = ()
    event_ids: tuple[bytes, ...] = ()
    epochs: tuple[bytes, ...] = ()
    # In digits.
    numbers: tuple[bytes, ...] = ()
    versions: tuple[bytes, ...] = ()
    reasons: tuple[bytes, ...] = ()
    # The event ids of all leaves, 16 bytes each.
    packed_ids: bytes = b""
    # All actions that occur.
    kinds: frozenset[bytes] = frozenset()
    # What is no leaf, by its position, and why.
    refused: dict[int, EntryError] = field(default_factory=dict)

    def __add__(self, after: "Columns") -> "Columns":
        return Columns(
            self.entries + after.entries,
            self.actions + after.actions,
            self.event_ids + after.event_ids,
            self.epochs + after.epochs,
            self.numbers + after.numbers,
            self.versions + after.versions,
            self.reasons + after.reasons,
            self.packed_ids + after.packed_ids,
            self.kinds | after.kinds,
            self.refused | {len(self.actions) + position: error for position, error in after.refused.items()},
        )


def read(bundle: bytes) -> Columns:
    """The columns of a bundle's entries. TreeError if it is not one, as `tlog.decode_bundle` says."""
    return read_plain(bundle) or _read_each(tlog.decode_bundle(bundle))


def _read_each(entries: Sequence[bytes]) -> Columns:
    """Entries that are not all usual. Those that are not are found by halving, so that one of them costs little."""
    if not entries:
        return Columns()
    if len(entries) == 1:
        return _decode(entries[0])
    middle = len(entries) // 2
    halves = [(half, tlog.encode_bundle(half)) for half in (entries[:middle], entries[middle:])]
    before, after = [read_plain(bundle) or _read_each(half) for half, bundle in halves]
    return before + after


def object_of(entry: bytes) -> bytes:
    """Service, type and id of the object whose version an entry names: the same bytes for the same object.

    The entry is a leaf. A quote inside a text is escaped, so that what is looked for can only be the member itself.
    """
    about = entry[entry.index(_OBJECT) + len(_OBJECT) :].partition(b',"version":')[0]
    service = entry[entry.rindex(_SERVICE) + len(_SERVICE) :].partition(b'},"time":')[0]
    return service + about


def read_plain(bundle: bytes) -> Columns | None:
    """None unless every entry is a leaf of the usual spelling."""
    found = _SHAPE.findall(bundle)
    if not found or len(found) > tlog.TILE_WIDTH:
        return None
    lengths, entries, actions, details, event_ids, versions, reasons, epochs, numbers, minutes = zip(
        *found, strict=True
    )
    length, text = b"".join(lengths), b"".join(entries)
    # Nothing between what was found, and each as long as the bundle says.
    if len(length) + len(text) != len(bundle) or unpack(f">{len(found)}H", length) != tuple(map(len, entries)):
        return None
    kinds = frozenset(actions)
    packed_ids = _packed(event_ids)
    if packed_ids is None or not (
        len(text.translate(None, _NOT_PLAIN)) == len(text)
        and (text.isascii() or _are_text(entries))
        and all(map(_is_action, kinds))
        and all(map(_is_minute, set(minutes)))
        and all(map(_is_epoch, set(epochs)))
        and _in_order(details)
    ):
        return None
    return Columns(entries, actions, event_ids, epochs, numbers, versions, reasons, packed_ids, kinds)


def _decode(entry: bytes) -> Columns:
    """One entry, exactly."""
    try:
        leaf = leaf_format.decode(entry)
    except EntryError as error:
        nothing = (b"",)
        return Columns((entry,), nothing, nothing, nothing, nothing, nothing, nothing, refused={0: error})
    columns = Columns((entry,), (leaf.action.encode(),), (leaf.event_id.encode(),), (leaf.epoch.encode(),))
    columns.numbers = (b"%d" % leaf.seq if leaf.seq else b"",)
    columns.versions = (b"%d" % leaf.object_version if leaf.object_version else b"",)
    columns.reasons = (leaf.reason.encode(),)
    columns.packed_ids = unhexlify(leaf.event_id.replace("-", ""))
    columns.kinds = frozenset(columns.actions)
    return columns


def _packed(event_ids: Sequence[bytes]) -> bytes | None:
    """The ids, 16 bytes each; None if one is no UUID in lower case. Each has 36 bytes."""
    spelled = b"".join(event_ids)
    digits = spelled.replace(b"-", b"")
    dashes = b"-" * len(event_ids)
    # With the four in their places, a dash too many leaves too few digits.
    if len(digits) != 32 * len(event_ids) or any(spelled[place::36] != dashes for place in (8, 13, 18, 23)):
        return None
    try:
        packed = unhexlify(digits)
    except ValueError:
        return None
    return packed if hexlify(packed) == digits else None


def _are_text(entries: Sequence[bytes]) -> bool:
    """Is each UTF-8? Of ASCII that is quickly told."""
    try:
        b"\n".join([one for one in entries if not one.isascii()]).decode()
    except UnicodeDecodeError:
        return False
    return True


def _in_order(details: Sequence[bytes]) -> bool:
    """Are the keys of each `detail` ascending? Only those with several keys are given."""
    several = [detail.split(b'"')[1::4] for detail in filter(None, details)]
    return all(keys == sorted(set(keys)) for keys in several)


# The same few actions, epochs and minutes come again and again.
@lru_cache(maxsize=1024)
def _is_action(action: bytes) -> bool:
    return action.isascii() and leaf_format.ACTION_PATTERN.fullmatch(action.decode()) is not None


@lru_cache(maxsize=1024)
def _is_epoch(epoch: bytes) -> bool:
    return not epoch or (epoch.isascii() and leaf_format.UUID_PATTERN.fullmatch(epoch.decode()) is not None)


@lru_cache(maxsize=1024)
def _is_minute(minute: bytes) -> bool:
    try:
        spelled = minute.decode("ascii")
        return dt.datetime.fromisoformat(spelled).isoformat(timespec="minutes") == spelled
    except ValueError:
        return False


def _object(*members: str) -> str:
    """An object with at least one of these members, in this order; quickest with all of them."""
    optional = "".join(rf"(?:(?:,|(?<=\{{)){member})?+" for member in members)
    return rf"(?:\{{{','.join(members)}\}}|\{{(?![,}}]){optional}\}})"


def _shape() -> re.Pattern[bytes]:
    """Two bytes of length and a canonical leaf, members in their sorted order. What is captured is looked at afterwards,
    each different one once: lengths, actions, keys of details, ids, minutes."""
    text, maybe_empty = '"[^"]++"', '"[^"]*+"'
    number = "[1-9][0-9]{0,14}+"
    uuid = ".{36}"
    detail = f'"[A-Za-z0-9_.-]{{1,64}}+":{maybe_empty}'
    actor = _object(*(f'"{key}":{text}' for key in ("post", "session", "staff", "terminal", "unit")))
    thing = rf'\{{(?:"id":{text}(?:,"type":{text})?+(?:,"version":({number}))?+|"type":{text})\}}'
    query = rf'\{{"count":(?:0|{number}),"digest":{text},"result":{maybe_empty}\}}'
    parts = (
        r'(..)(\{"action":"([^"]++)"',
        f'(?:,"actor":{actor})?+',
        rf'(?:,"detail":\{{(?:{detail}\}}|({detail}(?:,{detail})++)\}}))?+',
        f',"event_id":"({uuid})"',
        f'(?:,"object":{thing})?+',
        ',"outcome":"(?:granted|denied|failed)",',
        # Mostly there is none of the three, which one look tells.
        f'(?:(?!"s)(?:"purpose":{text},)?+(?:"query":{query},)?+(?:"reason":"([^"]++)",)?+)?+',
        rf'"source":\{{(?:"epoch":"({uuid})","instance":{text},"seq":({number}),)?+"service":{text}\}}',
        r',"time":"(.{16}):[0-5][0-9]\.[0-9]{6}Z"',
        f'(?:,"trace_id":{text})?+',
        ',"v":1',
        rf'(?:,"version_digest":{text})?+\}})',
    )
    return re.compile("".join(parts).encode(), re.DOTALL)


_SHAPE = _shape()
