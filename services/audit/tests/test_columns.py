"""The quick way of reading leaves against the exact one: it may be unsure, and never says another thing."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit import entry, tlog
from services.audit.entry import EntryError, Leaf
from services.audit.tests.test_entry import NO_LEAVES, VIEWED, leaves, text
from services.audit.verify import columns
from services.audit.verify.columns import Columns

PLAIN = entry.encode(VIEWED)
EVENT = dataclasses.replace(VIEWED, epoch="", instance="", seq=0, object_version=7)


def quick(entries: list[bytes]) -> Columns | None:
    return columns.read_plain(tlog.encode_bundle(entries))


def read(entries: list[bytes]) -> Columns:
    return columns.read(tlog.encode_bundle(entries))


def decoded(entries: list[bytes]) -> Columns:
    """The exact way, one by one."""
    found = Columns()
    for one in entries:
        try:
            leaf = entry.decode(one)
        except EntryError as error:
            found += Columns((one,), *[(b"",)] * 6, refused={0: error})
            continue
        action, event_id, epoch = leaf.action.encode(), leaf.event_id.encode(), leaf.epoch.encode()
        seq, version = (str(number or "").encode() for number in (leaf.seq, leaf.object_version))
        packed = bytes.fromhex(leaf.event_id.replace("-", ""))
        reason = leaf.reason.encode()
        found += Columns(
            (one,), (action,), (event_id,), (epoch,), (seq,), (version,), (reason,), packed, frozenset([action])
        )
    return found


def same(found: Columns, exact: Columns) -> None:
    assert found.refused.keys() == exact.refused.keys()
    assert [str(error) for error in found.refused.values()] == [str(error) for error in exact.refused.values()]
    assert dataclasses.replace(found, refused={}) == dataclasses.replace(exact, refused={})


def same_bundle(bundle: bytes) -> None:
    """Both refuse these bytes with the same words, or say the same of what they hold."""
    refused, exact = "", None
    try:
        exact = decoded(tlog.decode_bundle(bundle))
    except tlog.TreeError as error:
        refused = str(error)
    if exact is None:
        with pytest.raises(tlog.TreeError, match=f"^{re.escape(refused)}$"):
            columns.read(bundle)
    else:
        same(columns.read(bundle), exact)


# What a mutation puts in: members and pieces of them, what needs an escape, what ends a line or a text.
PIECES = st.sampled_from(
    [
        *(b'"', b"\\", b'\\"', b"\n", b"\x00", b"\x1f", b"{", b"}", b",", b":", b" ", b"-", b"0", b"\xff", b"\xe3\x81"),
        *(b'"version":1,', b'"purpose":"x",', b'"reason":"",', b'"detail":{},', b'"detail":{"b":"","a":""},'),
        *(
            b'"v":1',
            b'"seq":0,',
            b'"seq":9007199254740992,',
            b"2026-02-30T06:35",
            b"T24:00",
            b":60.",
            b"A",
            "完".encode(),
        ),
        *(b"\\u0041", b"\\n", b"\\/", b'"object":{"version":1},', b'"actor":{},', b"1.0", b"-1", b"true", PLAIN),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A leaf, plain or of any text, with a few pieces replaced, inserted, cut or doubled, or none."""
    content = entry.encode(draw(st.sampled_from([VIEWED, EVENT]) | leaves()))
    for _ in range(draw(st.integers(0, 3))):
        low = draw(st.integers(0, len(content)))
        high = min(len(content), low + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        piece = draw(PIECES | st.binary(max_size=2) | st.just(content[low:high] * 2) | st.just(b""))
        content = content[:low] + piece + content[high:]
    return content


@given(st.lists(mutated(), max_size=6))
def test_quick_and_exact_say_the_same_of_anything(entries: list[bytes]) -> None:
    same(read(entries), decoded(entries))


@given(st.lists(mutated(), min_size=1, max_size=6))
def test_the_quick_way_alone_takes_nothing_that_the_exact_one_does_not(entries: list[bytes]) -> None:
    found = quick(entries)
    if found is not None:
        same(found, decoded(entries))


@given(st.lists(mutated(), min_size=1, max_size=4), st.integers(0, 1 << 16), st.integers(0, 255), st.integers(0, 3))
def test_a_bundle_of_wrong_lengths_is_refused_as_the_exact_way_does(
    entries: list[bytes], position: int, byte: int, cut: int
) -> None:
    """Also with something between two entries, or left over at the end."""
    bundle = tlog.encode_bundle(entries)
    position %= len(bundle)
    for changed in (
        bundle[:position] + bytes([byte]) + bundle[position + cut :],
        bundle[:-cut] if cut else bundle + bytes([byte]),
        bytes([byte]) * cut + bundle,
    ):
        same_bundle(changed)


def test_a_length_that_is_none_of_its_entry_makes_the_quick_way_unsure() -> None:
    bundle = tlog.encode_bundle([PLAIN, PLAIN])
    assert columns.read_plain(bundle) is not None
    longer = (len(PLAIN) + 1).to_bytes(2, "big")
    assert columns.read_plain(bundle[: len(PLAIN) + 2] + longer + PLAIN) is None
    assert columns.read_plain(bundle[: len(PLAIN) + 2] + b"-" + bundle[len(PLAIN) + 2 :]) is None
    assert columns.read_plain(bundle + b"-") is None
    assert columns.read_plain(b"") is None


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255), st.integers(0, 3))
def test_any_changed_byte_of_one_leaf_is_seen_among_others(position: int, mask: int, place: int) -> None:
    changed = bytearray(PLAIN)
    changed[position] ^= mask
    entries = [PLAIN] * 3
    entries.insert(place, bytes(changed))
    same(read(entries), decoded(entries))


@pytest.mark.parametrize("spelled", [spelled for spelled in NO_LEAVES if len(spelled) <= tlog.MAX_ENTRY_BYTES])
def test_what_is_no_leaf_is_refused_and_named_by_its_place(spelled: bytes) -> None:
    found = read([PLAIN, spelled, PLAIN])
    assert list(found.refused) == [1]
    same(found, decoded([PLAIN, spelled, PLAIN]))


@pytest.mark.parametrize(
    "leaf",
    [
        VIEWED,
        EVENT,
        dataclasses.replace(VIEWED, purpose="窓口照会", reason="NOT_SEEN", detail={"a": "", "b": "道路課"}),
        dataclasses.replace(VIEWED, query_digest="ab", result_count=0, object_id="", trace_id="", version_digest=""),
        dataclasses.replace(VIEWED, post_id="", session_id="s", object_type=""),
        dataclasses.replace(EVENT, service="approvals", staff_id="", unit_id="", terminal="", post_id=""),
    ],
)
def test_usual_leaves_go_the_quick_way(leaf: Leaf) -> None:
    """Without this the slow way would answer for everything, and nobody would notice."""
    entries = [entry.encode(leaf)] * 256
    found = quick(entries)
    assert found is not None
    same(found, decoded(entries))


def test_text_cannot_pass_for_a_member() -> None:
    forged = '","source":{"epoch":"019ac0de-0000-7222-8333-000000000000","instance":"x","seq":99,"service":"y"},"z":"'
    leaf = dataclasses.replace(VIEWED, staff_id=forged, reason=forged, detail={"source": forged})
    same(read([entry.encode(leaf)]), decoded([entry.encode(leaf)]))
    assert read([entry.encode(leaf)]).numbers == (b"12",)


def test_an_entry_of_two_lines_does_not_count_for_one_that_is_none() -> None:
    for entries in ([PLAIN + b"\n" + PLAIN, b"no leaf"], [PLAIN, b""], [PLAIN + b"\n"], [b"\n".join([PLAIN] * 3), b""]):
        same(read(entries), decoded(entries))
    assert read([]) == Columns()


@given(text, text)
def test_an_object_is_the_same_only_if_service_type_and_id_are(one: str, other: str) -> None:
    def named(service: str, kind: str, object_id: str) -> bytes:
        leaf = dataclasses.replace(EVENT, service=service or "x", object_type=kind, object_id=object_id or "x")
        return columns.object_of(entry.encode(leaf))

    again = dataclasses.replace(EVENT, object_id=one or "x", object_version=8, detail={"object": one, "service": other})
    assert named("documents", "document", one) == columns.object_of(entry.encode(again))
    if (one or "x") != (other or "x"):
        assert named("documents", "document", one) != named("documents", "document", other)
    if one != other:
        assert named("documents", one, "1") != named("documents", other, "1")
    if (one or "x") != (other or "x"):
        assert named(one, "document", "1") != named(other, "document", "1")
