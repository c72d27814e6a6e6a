"""Events and records become leaves field by field, and incomplete ones none."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock, recorder
from kanketsu.event.v1 import envelope_pb2
from services.audit.entry import EntryError, Leaf, decode, encode, format_time
from services.audit.intake import chain_after, leaf_of_event, leaves_of_batch
from services.audit.tests.making import NOW, batch_of, envelope, record


def test_an_access_record_becomes_a_leaf_with_everything_it_says() -> None:
    epoch = clock.new_id()
    one = record(
        1,
        "document.searched",
        object_type="document",
        object_id="D-1",
        version_digest="ab" * 32,
        outcome=envelope_pb2.OUTCOME_DENIED,
        reason="NOT_FOUND",
        query_digest="cd" * 32,
        result_count=12,
        result_digest="ef" * 32,
        trace_id="0f" * 16,
        detail={"purpose": "照会", "range": "0-99"},
    )
    [leaf] = leaves_of_batch(batch_of([one], epoch))
    assert leaf == Leaf(
        event_id=one.event_id,
        time=NOW,
        action="document.searched",
        service="gateway",
        instance="gateway-1",
        epoch=epoch,
        seq=1,
        staff_id="S0123",
        post_id="P-040-03-01",
        unit_id="U-040-03",
        terminal="10.40.3.17",
        object_type="document",
        object_id="D-1",
        version_digest="ab" * 32,
        purpose="照会",
        outcome="denied",
        reason="NOT_FOUND",
        query_digest="cd" * 32,
        result_count=12,
        result_digest="ef" * 32,
        trace_id="0f" * 16,
        detail={"range": "0-99"},
    )
    assert decode(encode(leaf)) == leaf


@pytest.mark.parametrize("action", ["document.printed", "document.exported"])
def test_printing_and_exporting_have_their_leaf_byte_for_byte(action: str) -> None:
    """SC-01, AC-15: the canonical form (RFC 8785); who, where, which version, why, and nothing of its content."""
    one = record(7, action, object_type="document", object_id="D-1", version_digest="ab" * 32)
    one.event_id = "0199c7a6-0000-7000-8000-000000000007"
    one.detail.update({"purpose": "route_step", "unit": "U-020-03", "class": "0203-01-02"})
    [leaf] = leaves_of_batch(batch_of([one], "0199c7a6-0000-7000-8000-0000000000e1"))
    assert (
        encode(leaf)
        == (
            f'{{"action":"{action}",'
            '"actor":{"post":"P-040-03-01","staff":"S0123","terminal":"10.40.3.17","unit":"U-040-03"},'
            '"detail":{"class":"0203-01-02","unit":"U-020-03"},"event_id":"0199c7a6-0000-7000-8000-000000000007",'
            '"object":{"id":"D-1","type":"document"},"outcome":"granted","purpose":"route_step",'
            '"source":{"epoch":"0199c7a6-0000-7000-8000-0000000000e1","instance":"gateway-1","seq":7,"service":"gateway"},'
            f'"time":"{format_time(NOW)}","v":1,"version_digest":"{"ab" * 32}"}}'
        ).encode()
    )


def test_an_event_becomes_a_leaf_without_its_payload() -> None:
    leaf = leaf_of_event(
        envelope(
            7,
            version_digest="ab" * 32,
            trace_parent=f"00-{'1a' * 16}-{'2b' * 8}-01",
            detail={"draft_number": "箕環第12号"},
            payload="浄化槽設置整備事業補助金".encode(),
        )
    )
    assert (leaf.service, leaf.object_type, leaf.object_id, leaf.object_version) == ("documents", "document", "D-1", 7)
    assert (leaf.trace_id, leaf.version_digest) == ("1a" * 16, "ab" * 32)
    assert "浄化槽".encode() not in encode(leaf)
    assert leaf.document_id == "D-1"


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": envelope_pb2.OUTCOME_UNSPECIFIED},
        {"outcome": 99},
        {"occurred_at": Timestamp()},
        {"seq": 0},
        {"seq": -1},
    ],
)
def test_an_incomplete_record_is_no_leaf(change: dict[str, int | Timestamp]) -> None:
    incomplete = record(**{"seq": 1} | change)
    with pytest.raises(EntryError):
        leaves_of_batch(batch_of([incomplete], clock.new_id()))


def test_the_chain_is_the_recorders() -> None:
    batch = batch_of([record(1), record(2)], clock.new_id(), chain="ab" * 32)
    assert chain_after(batch, "ab" * 32) == batch.chain
    assert recorder.chain_after(recorder.chain_after("", batch.records[0]), batch.records[1]) == chain_after(batch, "")
