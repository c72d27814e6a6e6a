"""Announcements of approvals: any order, any number of times, the newest snapshot counts (I8)."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import clock
from chassis.errors import DomainError
from kanketsu.approvals.v1 import events_pb2 as approvals_pb2
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents import consumer, domain
from services.documents.cases import domain as case_domain
from services.documents.consumer import snapshot as parsed
from services.documents.tests.conftest import House, announced, snapshot

POSTS = ["P-020-04-01", "P-020-05-01", "P-120-02-05", "P-130-11-01"]
STAFF = ["S0026", "S0031", "S0160", "S0170"]
ENDS = {
    "sent_back": pb.DOCUMENT_STATE_SENT_BACK,
    "refused": pb.DOCUMENT_STATE_SENT_BACK,
    "withdrawn": pb.DOCUMENT_STATE_WITHDRAWN,
    "rejected": pb.DOCUMENT_STATE_REJECTED,
    "decided": pb.DOCUMENT_STATE_DECIDED,
}


async def live(house: House, document: pb.Document) -> set[tuple[str, str, str]]:
    """Live rights from the case."""
    rows = await house.rows(
        "SELECT principal, reason, step_id FROM viewers WHERE document_id = %s AND case_id = %s AND valid_to IS NULL",
        document.document_id,
        document.case_id,
    )
    return set(rows)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sets(st.sampled_from(POSTS)), st.sets(st.sampled_from(STAFF))), min_size=1, max_size=5),
    end=st.sampled_from([None, *ENDS]),
    seed=st.integers(0, 10**6),
)
async def test_any_order_gives_the_newest_snapshot(
    house: House, steps: list[tuple[set[str], set[str]]], end: str | None, seed: int
) -> None:
    document = await house.circulating()
    history = [
        ("StepActivated", snapshot(document, n, "circulating", active=sorted(posts), acted=sorted(staff)))
        for n, (posts, staff) in enumerate(steps, start=1)
    ]
    if end is not None:
        posts, staff = steps[-1]
        history.append(("CaseClosed", snapshot(document, 99, end, active=sorted(posts), acted=sorted(staff))))
    newest = history[-1][1]
    dice = random.Random(seed)
    deliveries = [(*one, clock.new_id()) for one in history] * 2
    dice.shuffle(deliveries)
    for message, case, event_id in deliveries:
        await house.announce(message, case, event_id=event_id)
    state = ENDS[end] if end else pb.DOCUMENT_STATE_CIRCULATING
    assert (await house.drafter.see(document.document_id)).state == state
    expected = case_domain.leases_in_force(parsed(newest), domain.State(state))
    assert await live(house, document) == {
        (lease.principal, "acted" if lease.acted else "route_step", lease.step_id) for lease in expected
    }
    # One event per change of state, however often and in whatever order it was announced.
    versions = [e.aggregate_version for e in await house.envelopes(document.document_id)]
    assert versions == list(range(1, len(versions) + 1))
    assert len(versions) == (4 if end else 3)


async def test_every_event_of_a_case_is_understood(house: House) -> None:
    """approvals waits for our receipt for all of them, also for those that change nothing here."""
    document = await house.circulating()
    names = [
        name
        for name, message in approvals_pb2.DESCRIPTOR.message_types_by_name.items()
        if "snapshot" in message.fields_by_name
    ]
    assert len(names) >= 6
    for version, name in enumerate(names, start=1):
        await house.announce(name, snapshot(document, version, "circulating"))
    rows = await house.rows("SELECT case_version FROM cases WHERE case_id = %s", document.case_id)
    assert rows == [(len(names),)]


async def test_a_decision_about_another_text_is_left_for_somebody_to_look_at(house: House) -> None:
    document = await house.circulating()
    forged = snapshot(document, 2, "decided")
    forged.version_digest = "0" * 64
    with pytest.raises(DomainError) as caught:
        await house.announce("CaseDecided", forged)
    assert caught.value.reason == "CONTENT_DAMAGED"
    assert (await house.drafter.see(document.document_id)).state == pb.DOCUMENT_STATE_CIRCULATING
    assert await house.rows("SELECT 1 FROM cases WHERE case_id = %s", document.case_id) == []


async def test_a_late_word_of_an_earlier_case_moves_nothing(house: House) -> None:
    first = await house.circulating()
    await house.announce("CaseClosed", snapshot(first, 2, "sent_back", acted=["S0026"]))
    again = await house.drafter.submit(first)
    await house.announce("CaseClosed", snapshot(first, 3, "withdrawn", acted=["S0026"], case_id=first.case_id))
    current = await house.drafter.see(again.document_id)
    assert (current.state, current.case_id) == (pb.DOCUMENT_STATE_CIRCULATING, again.case_id)
    # Who acted in the earlier case still sees it; so does the new step.
    await house.announce("CaseOpened", snapshot(again, 1, "circulating", active=["P-020-05-01"]))
    for person in (house.person("S0026", "P-090-02-01"), house.person("S0031", "P-020-05-01")):
        assert (await person.see(again.document_id)).version_digest == again.version_digest


async def test_an_act_is_followed_in_four_statements_however_many_events_tell_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its document locked, its snapshot kept, its views replaced, the 付箋 of who left the route ended; and one for
    the events of all acts that came together."""
    said: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def listening(self: psycopg.AsyncConnection, query: str, *rest: Any, **named: Any) -> Any:
        said.append(query)
        return await execute(self, query, *rest, **named)

    documents = [await house.circulating() for _ in range(3)]
    told = []
    for document in documents:
        at = clock.now()
        for version, name in enumerate(("StepClosed", "StepClosed", "StepActivated"), start=2):
            case = snapshot(document, version, "circulating", active=POSTS, acted=STAFF)
            told.append(announced(name, case, occurred_at=at))
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncConnection, "execute", listening)
        await consumer.apply(house.service, told)
        ours = [one for one in said if "record_epochs" not in one and "FROM outbox" not in one]
        assert len(ours) == 1 + 4 * len(documents), ours
        said.clear()
        await consumer.apply(house.service, told)
        assert len([one for one in said if "record_epochs" not in one and "FROM outbox" not in one]) == 1
    for document in documents:
        assert {principal for principal, _, _ in await live(house, document)} == {
            *(f"post:{post}" for post in POSTS),
            *(f"staff:{staff}" for staff in STAFF),
        }


async def test_who_decided_stands_in_the_history_although_a_later_act_came_together_with_it(house: House) -> None:
    """The last event of each act counts, not the last of the message: the 後閲 of another is no decision."""
    document = await house.circulating()
    decided = announced("CaseDecided", snapshot(document, 5, "decided", acted=["S0068"]), staff_id="S0068")
    viewed = announced("PostViewed", snapshot(document, 6, "decided", acted=["S0068"]), staff_id="S0070")
    await consumer.apply(house.service, [viewed, decided])
    (row,) = await house.rows(
        "SELECT staff_id FROM history WHERE document_id = %s AND action = 'document.decided'", document.document_id
    )
    assert row == ("S0068",)
