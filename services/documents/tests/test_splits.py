"""分割: what a unit owned goes to several successors by class and folder, all the rest to one (RT-10, LC-18)."""

from __future__ import annotations

import pytest

from kanketsu.approvals.v1.events_pb2 import UnitShare
from kanketsu.documents.v1 import owners_service_pb2 as owners_pb
from services.documents import consumer
from services.documents.owners.commands import Mover
from services.documents.tests.conftest import House
from services.documents.tests.test_owners import ARRIVAL, OLD, begins, ends, moved, reason_of, reorganised

REST, GRANTS, PLAN = "U-901-01", "U-901-02", "U-901-03"
GRANT_CLASS, SOLAR_CLASS = "0403-02-01", "0403-02-02"
# Of the class of grants, and kept apart from it by a rule of its own.
FOLDER_APART, GRANT_FOLDER, PLAN_FOLDER = "F-2025-0403-02-01", "F-2026-0403-02-01", "F-2026-0403-01-01"
RULES = (UnitShare(class_code=GRANT_CLASS, successor=GRANTS), UnitShare(folder_id=FOLDER_APART, successor=PLAN))


def split(version: int, *rules: UnitShare):
    unit = ends(OLD, REST)
    unit.shares.extend(rules)
    return reorganised(begins(REST, "箕環残"), begins(GRANTS, "箕環補"), begins(PLAN, "箕環計"), unit, version=version)


async def owner_of(house: House, table: str, object_id: str) -> str:
    key = {"folders": "folder_id", "classes": "class_code", "documents": "document_id", "receipts": "receipt_id"}[table]
    return (await house.rows(f"SELECT unit_id FROM {table} WHERE {key}::text = %s", object_id))[0][0]


@pytest.fixture
def planner(house: House):
    return house.person("S0018", "P-020-01-03", roles=("clerk", "records_officer"))


async def test_rt_10_a_split_gives_each_successor_its_own_and_nothing_is_left(house: House, planner) -> None:
    """RT-10, AC-05, AC-10, LC-18: killed after a batch, the event twice; counted before by the same rules."""
    drafter = house.drafter
    grant, done = await drafter.draft(), await house.completed()
    plan = await drafter.draft(folder_id=PLAN_FOLDER, class_code="0403-01-01")
    apart = await drafter.draft(folder_id=FOLDER_APART, class_code=GRANT_CLASS)
    loose = await drafter.draft(folder_id="", class_code="")
    arrivals = [
        (await drafter.call("RegisterReceipt", title=title, class_code=code, **ARRIVAL)).receipt
        for title, code in (("補助金の申請", GRANT_CLASS), ("要望書", ""))
    ]
    manifest = (await drafter.call("GetManifest", document_id=done.document_id)).manifest
    asked = owners_pb.PlannedSplit(unit_id=OLD, class_codes=[GRANT_CLASS], folder_ids=[FOLDER_APART])
    counted = (await planner.call("CountOwned", units=[asked])).owned
    assert await reason_of(drafter.call("CountOwned", units=[asked])) == "NOT_PERMITTED"
    assert [(one.class_code, one.folder_id) for one in counted] == [(GRANT_CLASS, ""), ("", FOLDER_APART), ("", "")]
    sums = await house.rows(
        "SELECT (SELECT count(*) FROM folders WHERE unit_id = %(u)s), (SELECT count(*) FROM documents WHERE unit_id ="
        " %(u)s), (SELECT count(*) FROM receipts WHERE unit_id = %(u)s)".replace("%(u)s", f"'{OLD}'")
    )
    assert [tuple(map(sum, zip(*((o.folders, o.documents, o.receipts) for o in counted), strict=True)))] == sums

    news = split(21, *RULES)
    await consumer.follow_directory(house.service, news)
    mover = Mover(house.pool, house.service.relay, batch=2)
    assert await mover.move_once(), "killed after this batch: it is moved whole, the rest waits"
    house.service = type(house.service)(
        **{name: getattr(house.service, name) for name in house.service.__dataclass_fields__ if name != "mover"},
        mover=Mover(house.pool, house.service.relay, batch=2),
    )
    await moved(house)
    once = await house.rows("SELECT count(*), count(DISTINCT (kind, object_id)) FROM former_owners")
    await consumer.follow_directory(house.service, news)
    await consumer.follow_directory(house.service, split(20))
    await moved(house)
    assert await house.rows("SELECT count(*), count(DISTINCT (kind, object_id)) FROM former_owners") == once
    assert once[0][0] == once[0][1]

    went = [
        (grant, GRANTS), (done, GRANTS), (plan, REST), (apart, PLAN), (loose, REST)
    ]  # fmt: skip
    members = {unit: house.person("S0072", f"P{unit[1:]}-05") for unit in (REST, GRANTS, PLAN)}
    strangers = {unit: house.person("S0073", f"P{unit[1:]}-06") for unit in (REST, GRANTS, PLAN)}
    for document, unit in went:
        assert await owner_of(house, "documents", document.document_id) == unit
        assert (await members[unit].see(document.document_id)).unit_id == unit
        for other in {REST, GRANTS, PLAN} - {unit}:
            assert await reason_of(strangers[other].see(document.document_id)) == "NOT_FOUND", (unit, other)
        assert await reason_of(drafter.see(document.document_id)) == "NOT_FOUND"
        event = (await members[unit].call("ListHistory", document_id=document.document_id)).events[-1]
        assert (event.action, dict(event.detail)["unit"]) == ("document.moved", unit)
        assert document.document_id in await members[unit].search(unit_id=unit)
    assert (await members[GRANTS].call("GetManifest", document_id=done.document_id)).manifest == manifest
    owners = [await owner_of(house, "receipts", one.receipt_id) for one in arrivals]
    assert owners == [GRANTS, REST]
    assert await owner_of(house, "folders", GRANT_FOLDER) == GRANTS
    assert await owner_of(house, "folders", FOLDER_APART) == PLAN
    assert await owner_of(house, "folders", PLAN_FOLDER) == REST
    assert [await owner_of(house, "classes", one) for one in (GRANT_CLASS, SOLAR_CLASS)] == [GRANTS, REST]
    for kind, table in (("folders", "folders"), ("documents", "documents"), ("receipts", "receipts")):
        assert await house.rows(f"SELECT count(*) FROM {table} WHERE unit_id = %s", OLD) == [(0,)]
        moved_by_rule = await house.rows(
            f"SELECT unit_id, count(*) FROM {table} WHERE unit_id = ANY(%s) GROUP BY 1", [REST, GRANTS, PLAN]
        )
        expected = {(REST, 2), (GRANTS, 0), (PLAN, 1)}
        assert dict(moved_by_rule) == {
            unit: getattr(counted[place], kind) for unit, place in expected if getattr(counted[place], kind)
        }


async def test_rt_10_a_receipt_goes_where_its_draft_does(house: House) -> None:
    """RT-10: whatever its own class says; what is drafted upon it stays together with it."""
    person, unit, heir = house.person("S0072", f"P{REST[1:]}-05"), REST, "U-902-01"
    receipt = (await person.call("RegisterReceipt", title="太陽光の申請", class_code="", **ARRIVAL)).receipt
    draft = await person.draft(folder_id=PLAN_FOLDER, class_code="0403-01-01", receipt_ids=[receipt.receipt_id])
    gone = ends(unit, PLAN)
    gone.shares.extend([UnitShare(folder_id=PLAN_FOLDER, successor=heir)])
    await consumer.follow_directory(house.service, reorganised(begins(heir, "箕環"), gone, version=22))
    await moved(house)
    assert await owner_of(house, "documents", draft.document_id) == heir
    assert await owner_of(house, "receipts", receipt.receipt_id) == heir
