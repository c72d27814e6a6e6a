"""The gateway counts what it is answered, whatever the answering service says it recorded."""

from __future__ import annotations

from typing import Any, cast

from chassis.tally import Tally
from services.gateway.clients import Peer

EPOCH = "01a219ff-375c-7757-b13c-146b9b984f2f"
NOBODY = cast(Any, None)


def test_answers_that_show_content_are_counted_by_the_process_that_recorded_them():
    answered = Tally()
    peer = Peer("documents", NOBODY, NOBODY, NOBODY, answered)
    for number in (1, 2):
        peer.note("GetDocument", f"documents.documents-1/{EPOCH}/{number}")
    peer.note("CreateDraft", "")
    assert answered.count(f"{EPOCH}.GetDocument") == 2
    assert answered.count("none.CreateDraft") == 0


def test_an_answer_without_a_record_is_counted_as_such():
    """A service that serves without recording (I1): the reconciliation finds `none`."""
    answered = Tally()
    peer = Peer("documents", NOBODY, NOBODY, NOBODY, answered)
    peer.note("GetDocument", "")
    peer.note("ReadAttachment", "made up")
    assert (answered.count("none.GetDocument"), answered.count("none.ReadAttachment")) == (1, 1)
