"""What a leaf of the log says: who did what to which object, where from, with what outcome.

A leaf is canonical JSON (RFC 8785), version 1, at most 65,535 bytes, identifiers only: no title, no name, no content.
`encode` writes one, `decode` reads one strictly; `verify.columns` reads many at the speed of a bulk verification.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from services.audit.tlog import MAX_ENTRY_BYTES

VERSION = 1
OUTCOMES = ("granted", "denied", "failed")
MAX_INTEGER = 2**53 - 1
"""RFC 8785 writes numbers as IEEE doubles; larger integers have no canonical form."""

ACTION_PATTERN = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+", re.ASCII)
UUID_PATTERN = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
# "<source>/<epoch>/<seq>", as X-Access-Record gives it.
RECORD_PATTERN = re.compile(
    rf"(?P<source>[^/]+)/(?P<epoch>{UUID_PATTERN.pattern})/(?P<seq>[1-9][0-9]{{0,15}})", re.ASCII
)
_DETAIL_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

# For this profile (text, non-negative integers, ASCII keys) keys in order, no spaces and Python's spelling of text are
# RFC 8785; the tests hold it against the `rfc8785` package. Ten thousand leaves a second leave no time for more.
_quoted: Callable[[str], str] = json.encoder.encode_basestring
# The same few actions, epochs and keys come again and again.
_is_action = lru_cache(maxsize=1024)(ACTION_PATTERN.fullmatch)
_is_epoch = lru_cache(maxsize=1024)(UUID_PATTERN.fullmatch)
_is_detail_key = lru_cache(maxsize=1024)(_DETAIL_KEY.fullmatch)


class EntryError(ValueError):
    """This cannot be a leaf. The message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One record. Empty text and 0 mean "does not apply" and are left out of the JSON.

    `epoch`, `instance` and `seq` are set for access records (the source's own gapless number);
    `object_version` is set for events (contiguous per object, from 1).
    """

    event_id: str
    time: dt.datetime
    action: str
    service: str
    instance: str = ""
    epoch: str = ""
    seq: int = 0
    staff_id: str = ""
    post_id: str = ""
    unit_id: str = ""
    terminal: str = ""
    session_id: str = ""
    object_type: str = ""
    object_id: str = ""
    object_version: int = 0
    version_digest: str = ""
    purpose: str = ""
    outcome: str = "granted"
    reason: str = ""
    query_digest: str = ""
    result_count: int = 0
    result_digest: str = ""
    trace_id: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)

    @property
    def document_id(self) -> str:
        """The document this is about: the object itself, or the one that `detail` names, or ""."""
        return self.object_id if self.object_type == "document" else self.detail.get("document_id", "")


def encode(leaf: Leaf) -> bytes:
    """The leaf's bytes. EntryError if a field is out of its form or the whole is over 65,535 bytes."""
    _check(leaf)
    actor = (
        _text_member("post", leaf.post_id)
        + _text_member("session", leaf.session_id)
        + _text_member("staff", leaf.staff_id)
        + _text_member("terminal", leaf.terminal)
        + _text_member("unit", leaf.unit_id)
    )
    detail = "".join([f',"{key}":{_quoted(leaf.detail[key])}' for key in sorted(leaf.detail)])
    about = _text_member("id", leaf.object_id) + _text_member("type", leaf.object_type)
    if leaf.object_version:
        about += f',"version":{leaf.object_version}'
    query = source = ""
    if leaf.query_digest:
        digest, result = _quoted(leaf.query_digest), _quoted(leaf.result_digest)
        query = f',"count":{leaf.result_count},"digest":{digest},"result":{result}'
    if leaf.epoch:
        source = f',"epoch":"{leaf.epoch}","instance":{_quoted(leaf.instance)},"seq":{leaf.seq}'
    # Members in the order of their keys, which is the canonical one. What _check has seen needs no escapes.
    text = (
        f'{{"action":"{leaf.action}"{_group_member("actor", actor)}{_group_member("detail", detail)}'
        f',"event_id":"{leaf.event_id}"{_group_member("object", about)},"outcome":"{leaf.outcome}"'
        f"{_text_member('purpose', leaf.purpose)}{_group_member('query', query)}{_text_member('reason', leaf.reason)}"
        f"{_group_member('source', source + _text_member('service', leaf.service))}"
        f',"time":"{format_time(leaf.time)}"{_text_member("trace_id", leaf.trace_id)},"v":{VERSION}'
        f"{_text_member('version_digest', leaf.version_digest)}}}"
    )
    try:
        entry = text.encode()
    except UnicodeEncodeError as error:
        raise EntryError("text that is not Unicode") from error
    if len(entry) > MAX_ENTRY_BYTES:
        raise EntryError(f"a leaf of {len(entry)} bytes is over {MAX_ENTRY_BYTES}")
    return entry


def decode(entry: bytes) -> Leaf:
    """The leaf these bytes are. EntryError unless they are exactly what `encode` gives for it."""
    try:
        value = json.loads(entry)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise EntryError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise EntryError("not a JSON object")
    if value.get("v") != VERSION:
        raise EntryError(f"version {value.get('v')!r} of leaves is not known")
    try:
        leaf = Leaf(
            event_id=_text(value, "event_id"),
            time=parse_time(_text(value, "time")),
            action=_text(value, "action"),
            service=_text(value, "source", "service"),
            instance=_text(value, "source", "instance"),
            epoch=_text(value, "source", "epoch"),
            seq=_integer(value, "source", "seq"),
            staff_id=_text(value, "actor", "staff"),
            post_id=_text(value, "actor", "post"),
            unit_id=_text(value, "actor", "unit"),
            terminal=_text(value, "actor", "terminal"),
            session_id=_text(value, "actor", "session"),
            object_type=_text(value, "object", "type"),
            object_id=_text(value, "object", "id"),
            object_version=_integer(value, "object", "version"),
            version_digest=_text(value, "version_digest"),
            purpose=_text(value, "purpose"),
            outcome=_text(value, "outcome"),
            reason=_text(value, "reason"),
            query_digest=_text(value, "query", "digest"),
            result_count=_integer(value, "query", "count"),
            result_digest=_text(value, "query", "result"),
            trace_id=_text(value, "trace_id"),
            detail={key: _text(value, "detail", key) for key in value.get("detail", {})},
        )
        canonical = encode(leaf)
    except (AttributeError, TypeError, UnicodeEncodeError) as error:
        raise EntryError(f"not a leaf: {error}") from error
    if canonical != entry:
        raise EntryError("not in canonical form, or with fields that version 1 does not have")
    return leaf


def format_time(time: dt.datetime) -> str:
    """UTC with microseconds, always the same length, so that text order is time order."""
    if time.tzinfo is None:
        raise EntryError("time: without a zone")
    return time.astimezone(dt.UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def parse_time(text: str) -> dt.datetime:
    """The inverse of `format_time`. EntryError for any other spelling."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise EntryError(f"time: {text[:40]!r}") from error


def _check(leaf: Leaf) -> None:
    if not leaf.event_id:
        raise EntryError("event_id: missing")
    if not UUID_PATTERN.fullmatch(leaf.event_id):
        raise EntryError(f"event_id: not a UUID: {leaf.event_id[:60]!r}")
    if leaf.epoch and not _is_epoch(leaf.epoch):
        raise EntryError(f"epoch: not a UUID: {leaf.epoch[:60]!r}")
    if not leaf.service:
        raise EntryError("source: missing")
    if not (bool(leaf.epoch) == bool(leaf.instance) == bool(leaf.seq)):
        raise EntryError("source: epoch, instance and seq belong together")
    if not _is_action(leaf.action):
        raise EntryError(f"action: {leaf.action[:60]!r}")
    if leaf.outcome not in OUTCOMES:
        raise EntryError(f"outcome: {leaf.outcome[:60]!r}")
    for name, number in (
        ("seq", leaf.seq),
        ("object_version", leaf.object_version),
        ("result_count", leaf.result_count),
    ):
        if not 0 <= number <= MAX_INTEGER:
            raise EntryError(f"{name}: {number}")
    if leaf.object_version and not leaf.object_id:
        raise EntryError("object: a version without an id")
    if not leaf.query_digest and (leaf.result_count or leaf.result_digest):
        raise EntryError("query: a result without a query")
    for key in leaf.detail:
        if not _is_detail_key(key):
            raise EntryError(f"detail: key {key[:60]!r}")


def _text_member(name: str, text: str) -> str:
    """`,"name":"text"`, or nothing for empty text."""
    return f',"{name}":{_quoted(text)}' if text else ""


def _group_member(name: str, members: str) -> str:
    """`,"name":{…}` of members that each begin with a comma, or nothing for none."""
    return f',"{name}":{{{members[1:]}}}' if members else ""


def _text(value: dict[str, object], *path: str) -> str:
    found = _find(value, path)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise EntryError(f"{'.'.join(path)}: not text")
    return found


def _integer(value: dict[str, object], *path: str) -> int:
    found = _find(value, path)
    if found is None:
        return 0
    if not isinstance(found, int) or isinstance(found, bool):
        raise EntryError(f"{'.'.join(path)}: not an integer")
    return found


def _find(value: dict[str, object], path: tuple[str, ...]) -> object:
    found: object = value
    for key in path:
        if found is None:
            return None
        if not isinstance(found, dict):
            raise EntryError(f"{'.'.join(path)}: not an object")
        found = found.get(key)
    return found
