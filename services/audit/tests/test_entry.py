"""Leaves are canonical, complete and nothing else; anything but their exact bytes is refused."""

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.audit import entry
from services.audit.entry import EntryError, Leaf

TIME = dt.datetime(2026, 11, 23, 15, 35, 0, 120_000, tzinfo=dt.timezone(dt.timedelta(hours=9)))
EARLIEST = dt.datetime(1000, 1, 2, tzinfo=dt.UTC).replace(tzinfo=None)
VIEWED = Leaf(
    event_id="019ac0de-1111-7222-8333-944455556666",
    time=TIME,
    action="document.viewed",
    service="documents",
    instance="documents-0",
    epoch="019ac0de-0000-7222-8333-944455556666",
    seq=12,
    staff_id="S0123",
    post_id="P-040-03-01",
    unit_id="U-040-03",
    terminal="10.40.3.17",
    object_type="document",
    object_id="019ac0de-2222-7222-8333-944455556666",
    version_digest="ab" * 32,
    trace_id="cd" * 16,
)

text = st.text(st.characters(codec="utf-8"), max_size=30)
uuids = st.uuids().map(str)
count = st.integers(0, entry.MAX_INTEGER)


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    sourced, queried, object_id = draw(st.booleans()), draw(st.booleans()), draw(text)
    return Leaf(
        event_id=draw(uuids),
        time=draw(st.datetimes(timezones=st.sampled_from([dt.UTC, TIME.tzinfo]), min_value=EARLIEST)),
        action=draw(st.sampled_from(["document.viewed", "session.login", "epoch.heartbeat"])),
        service=draw(text.filter(bool)),
        instance=draw(text.filter(bool)) if sourced else "",
        epoch=draw(uuids) if sourced else "",
        seq=draw(st.integers(1, entry.MAX_INTEGER)) if sourced else 0,
        staff_id=draw(text),
        post_id=draw(text),
        unit_id=draw(text),
        terminal=draw(text),
        session_id=draw(text),
        object_type=draw(text),
        object_id=object_id,
        object_version=draw(count) if object_id else 0,
        version_digest=draw(text),
        purpose=draw(text),
        outcome=draw(st.sampled_from(entry.OUTCOMES)),
        reason=draw(text),
        query_digest=draw(text.filter(bool)) if queried else "",
        result_count=draw(count) if queried else 0,
        result_digest=draw(text) if queried else "",
        trace_id=draw(text),
        detail=draw(st.dictionaries(st.from_regex("[A-Za-z0-9_.-]{1,10}", fullmatch=True), text, max_size=4)),
    )


def test_a_leaf_has_exactly_these_bytes() -> None:
    assert entry.encode(VIEWED).decode() == (
        '{"action":"document.viewed","actor":{"post":"P-040-03-01","staff":"S0123","terminal":"10.40.3.17",'
        '"unit":"U-040-03"},"event_id":"019ac0de-1111-7222-8333-944455556666",'
        '"object":{"id":"019ac0de-2222-7222-8333-944455556666","type":"document"},"outcome":"granted",'
        '"source":{"epoch":"019ac0de-0000-7222-8333-944455556666","instance":"documents-0","seq":12,'
        '"service":"documents"},"time":"2026-11-23T06:35:00.120000Z","trace_id":"' + "cd" * 16 + '","v":1,'
        '"version_digest":"' + "ab" * 32 + '"}'
    )


@given(leaves())
def test_leaves_are_canonical_json_and_come_back_whole(leaf: Leaf) -> None:
    encoded = entry.encode(leaf)
    assert encoded == rfc8785.dumps(json.loads(encoded))
    assert entry.decode(encoded) == dataclasses.replace(leaf, time=leaf.time.astimezone(dt.UTC))


@given(leaves(), st.data())
def test_other_bytes_are_other_leaves_or_none(leaf: Leaf, data: st.DataObject) -> None:
    encoded = bytearray(entry.encode(leaf))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        changed = entry.decode(bytes(encoded))
    except EntryError:
        return
    assert changed != leaf


NO_LEAVES = [
    b"",
    b"[]",
    b"null",
    b"\xff",
    b"{" * 100_000,
    entry.encode(VIEWED) + b" ",
    entry.encode(VIEWED).replace(b'"v":1', b'"v":2'),
    entry.encode(VIEWED).replace(b'"v":1', b'"v":1.0'),
    entry.encode(VIEWED).replace(b'"v":1', b'"v":true'),
    entry.encode(VIEWED).replace(b'"v":1', b'"title":"\xe8\xb5\xb7\xe6\xa1\x88","v":1'),
    entry.encode(VIEWED).replace(b'"v":1', b'"v":1,"v":1'),
    entry.encode(VIEWED).replace(b"granted", b"allowed"),
    entry.encode(VIEWED).replace(b'"seq":12', b'"seq":"12"'),
    entry.encode(VIEWED).replace(b'"seq":12', b'"seq":012'),
    entry.encode(VIEWED).replace(b'"seq":12', b'"seq":-1'),
    entry.encode(VIEWED).replace(b"06:35:00.120000Z", b"06:35:00.12Z"),
    entry.encode(VIEWED).replace(b"S0123", b"\\u00530123"),
    entry.encode(VIEWED).replace(b'"source":{', b'"source":[{').replace(b'"documents"}', b'"documents"}]'),
    entry.encode(VIEWED).replace(b'"actor":{', b'"actor":{"name":"x",'),
    entry.encode(VIEWED).replace(b'"seq":12', b'"seq":9007199254740992'),
    entry.encode(VIEWED).replace(b"2026-11-23", b"2026-02-30"),
    entry.encode(VIEWED).replace(b"06:35:00", b"24:35:00"),
    entry.encode(VIEWED).replace(b"06:35:00", b"06:35:60"),
    entry.encode(VIEWED).replace(b'"S0123"', b'""'),
    entry.encode(VIEWED).replace(b"S0123", b"S\\0123"),
    entry.encode(VIEWED).replace(b"S0123", b"S\xe3\x810123"),
    entry.encode(VIEWED).replace(b"S0123", b"S\t0123"),
    entry.encode(VIEWED).replace(b'"event_id":"019ac0de', b'"event_id":"019AC0DE'),
    entry.encode(VIEWED).replace(b"1111-7222-", b"11117222--"),
    entry.encode(VIEWED).replace(b'"event_id"', b'"detail":{"b":"1","a":"2"},"event_id"'),
    entry.encode(VIEWED).replace(b'"event_id"', b'"detail":{"a":"1","a":"2"},"event_id"'),
    entry.encode(VIEWED).replace(b'"event_id"', b'"detail":{},"event_id"'),
    entry.encode(VIEWED).replace(b"document.viewed", b"document"),
    entry.encode(VIEWED).replace(b'"id":"019ac0de-2222-7222-8333-944455556666","type":"document"', b'"version":1'),
]


@pytest.mark.parametrize("spelled", NO_LEAVES)
def test_what_is_no_leaf_is_refused(spelled: bytes) -> None:
    with pytest.raises(EntryError):
        entry.decode(spelled)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"event_id": ""}, "event_id"),
        ({"event_id": "019AC0DE-1111-7222-8333-944455556666"}, "event_id"),
        ({"service": ""}, "source"),
        ({"seq": 0}, "source"),
        ({"epoch": ""}, "source"),
        ({"epoch": "documents-0"}, "epoch"),
        ({"seq": 2**53}, "seq"),
        ({"time": TIME.replace(tzinfo=None)}, "time"),
        ({"action": "viewed"}, "action"),
        ({"action": "document.Viewed"}, "action"),
        ({"outcome": ""}, "outcome"),
        ({"result_count": 3}, "query"),
        ({"object_id": "", "object_version": 1}, "object"),
        ({"detail": {"件名": "x"}}, "detail"),
        ({"reason": "\ud800"}, "Unicode"),
        ({"reason": "あ" * 30_000}, "65535"),
    ],
)
def test_what_cannot_be_a_leaf_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(EntryError, match=named):
        entry.encode(dataclasses.replace(VIEWED, **change))


def test_a_leaf_of_exactly_65535_bytes_fits() -> None:
    room = 65_535 - len(entry.encode(dataclasses.replace(VIEWED, reason="x"))) + 1
    assert len(entry.encode(dataclasses.replace(VIEWED, reason="x" * room))) == 65_535
    with pytest.raises(EntryError):
        entry.encode(dataclasses.replace(VIEWED, reason="x" * (room + 1)))


def test_the_document_of_a_leaf() -> None:
    assert VIEWED.document_id == VIEWED.object_id
    attachment = dataclasses.replace(VIEWED, object_type="attachment", detail={"document_id": "D-1"})
    assert attachment.document_id == "D-1"
    assert dataclasses.replace(VIEWED, object_type="session").document_id == ""
