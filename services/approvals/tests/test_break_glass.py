"""緊急閲覧 (AC-08): the 所属長 of the owner unit is told that it began and ended, by number and never more (AC-14)."""

from __future__ import annotations

import psycopg
import pytest

from chassis import clock
from chassis.recorder import timestamp
from kanketsu.documents.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals import consumer
from services.approvals.notices import mail
from services.approvals.tests.conftest import City
from services.approvals.tests.test_acts import HEAD
from services.approvals.tests.test_notice_mail import Box, server_at, smtp

UNIT, DIRECTOR, CONSENTED, ENDED = "U-040-03", "P-040-00-01", "BreakGlassConsented", "BreakGlassEnded"


def announced(name: str, document_id: str, unit_id: str = UNIT, by: str = "S0018") -> envelope_pb2.Envelope:
    """As documents announces it."""
    told = {"break_glass_id": clock.new_id(), "document_id": document_id, "unit_id": unit_id}
    if document_id:
        told["draft_number"] = "8環政第40号"
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type=f"kanketsu.documents.v1.{name}",
        action="break_glass.consented",
        producer="documents",
        aggregate="break_glass",
        aggregate_id=told["break_glass_id"],
        aggregate_version=2,
        occurred_at=timestamp(clock.now()),
        actor=envelope_pb2.Actor(staff_id=by),
        payload=getattr(events_pb2, name)(**told).SerializeToString(),
    )


async def told(city: City, document_id: str) -> list[tuple[str, str]]:
    """(kind, staff id) of the notices of a document."""
    rows = await city.rows(
        "SELECT kind, staff_id FROM notices WHERE document_id = %s ORDER BY created_at, staff_id", document_id
    )
    return [(str(kind), str(staff_id)) for kind, staff_id in rows]


async def test_ac_08_the_head_of_the_owner_unit_is_told_once_and_by_number(city: City) -> None:
    head, document_id = await city.holder(HEAD), clock.new_id()
    began = announced(CONSENTED, document_id)
    for _ in range(2):
        await consumer.apply(city.pool, city.relay, began)
    await consumer.apply(city.pool, city.relay, announced(ENDED, document_id))
    assert await told(city, document_id) == [("break_glass", head.staff_id), ("break_glass_ended", head.staff_id)]
    answer = await head.call("ListNotices")
    shown = [one for one in answer.notices if one.document_id == document_id]
    assert {(one.kind, one.draft_number, one.case_id, one.urgent) for one in shown} == {
        ("break_glass", "8環政第40号", "", False),
        ("break_glass_ended", "8環政第40号", "", False),
    }
    marked = await head.call("MarkNoticesRead", request_id=clock.new_id(), notice_ids=[shown[0].notice_id])
    assert marked.unread == answer.unread - 1


async def test_who_ended_it_is_not_told_of_it(city: City) -> None:
    head, document_id = await city.holder(HEAD), clock.new_id()
    await consumer.apply(city.pool, city.relay, announced(ENDED, document_id, by=head.staff_id))
    assert await told(city, document_id) == []


async def test_ac_03_of_a_document_that_does_not_exist_nobody_is_told(city: City) -> None:
    before = await city.rows("SELECT count(*) FROM notices")
    for name in (CONSENTED, ENDED):
        await consumer.apply(city.pool, city.relay, announced(name, "", ""))
        await consumer.apply(city.pool, city.relay, announced(name, clock.new_id(), "U-999"))
    assert await city.rows("SELECT count(*) FROM notices") == before


async def test_ac_14_the_letter_says_the_kind_and_the_number(city: City, owner: psycopg.AsyncConnection) -> None:
    await owner.execute("UPDATE notices SET mail_at = NULL WHERE mail_at IS NOT NULL")
    await consumer.apply(city.pool, city.relay, announced(CONSENTED, clock.new_id()))
    box = Box()
    async with smtp(box) as port:
        assert await mail.turn(city.pool, server_at(port), clock.now()) == 1
    (letter,) = box.letters
    assert letter["Subject"] == "【文書管理・電子決裁】所属の文書の緊急閲覧 1件"
    assert "起案番号　8環政第40号" in letter.get_content()


async def test_a_notice_is_of_a_case_or_of_a_document(city: City) -> None:
    for document_id in (None, clock.new_id()):
        case_id = None if document_id is None else await city.circulating()
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)):
            await city.rows(
                "INSERT INTO notices (staff_id, kind, case_id, document_id, post_id, created_at, live)"
                " VALUES ('S0018', 'break_glass', %s, %s, '', now(), true) RETURNING 1",
                case_id,
                document_id,
            )


async def test_while_the_unit_has_no_head_the_one_above_is_told(city: City, owner: psycopg.AsyncConnection) -> None:
    """AP-19: as everywhere the 所属長 is looked for upwards."""
    director, document_id = await city.holder(DIRECTOR), clock.new_id()
    cursor = await owner.execute(
        "DELETE FROM appointments WHERE post_id = %s RETURNING staff_id, post_id, kind, valid_from::text, valid_to::text",
        (HEAD,),
    )
    rows = await cursor.fetchall()
    try:
        await consumer.apply(city.pool, city.relay, announced(CONSENTED, document_id))
        assert await told(city, document_id) == [("break_glass", director.staff_id)]
    finally:
        for row in rows:
            await owner.execute(
                "INSERT INTO appointments (staff_id, post_id, kind, valid_from, valid_to) VALUES (%s, %s, %s, %s, %s)",
                row,
            )
