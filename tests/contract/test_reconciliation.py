"""What documents records as shown is what audit counts as shown: no word of one that the other does not know."""

from services.audit.completeness.domain import KIND_OF, RECORDED_AS
from services.documents.api import PURPOSES, SHOWN_AS
from services.gateway.clients import SHOWING


def test_every_way_to_show_a_document_is_counted():
    """SC-05, AC-15: an answer whose record was not counted would be an alarm every day, or hide another."""
    assert {KIND_OF[action] for action in SHOWN_AS.values()} == {"GetDocument"}
    assert {KIND_OF[action] for action in PURPOSES.values()} == {"ReadAttachment"}
    assert set(RECORDED_AS) == SHOWING, "the gateway counts what audit expects"
