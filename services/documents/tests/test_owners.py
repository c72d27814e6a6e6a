"""所管替え (RT-10): what an ended unit owned goes to the one that took over; content and numbers stay (LC-18, NB-10)."""

from __future__ import annotations

import psycopg
import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.approvals.v1 import events_pb2 as approvals_pb2
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.event.v1 import envelope_pb2
from services.documents import consumer
from services.documents.owners.commands import Mover
from services.documents.tests.conftest import FOLDER, House, Person

OLD, NEW = "U-040-03", "U-900-01"
ARRIVAL = {
    "sender_kind": "citizen",
    "sender_name": "葛󠄀西 千代子",
    "received_on": "2026-11-20",
    "arrived_on": "2026-11-20",
    "backdated_reason": "導入前の収受簿からの移行登録",
    "medium": "counter",
}


def reorganised(*units: approvals_pb2.UnitChange, version: int, event_id: str = "") -> envelope_pb2.Envelope:
    """What approvals announces when a change set is applied."""
    event = approvals_pb2.DirectoryChanged(effective_on=clock.today().isoformat(), units=units)
    return envelope_pb2.Envelope(
        event_id=event_id or clock.new_id(),
        type="kanketsu.approvals.v1.DirectoryChanged",
        action="change_set.applied",
        aggregate="directory",
        aggregate_id="directory",
        aggregate_version=version,
        payload=event.SerializeToString(),
    )


def begins(unit_id: str, symbol: str) -> approvals_pb2.UnitChange:
    return approvals_pb2.UnitChange(unit_id=unit_id, parent_id="U-040", symbol=symbol)


def ends(unit_id: str, successor: str) -> approvals_pb2.UnitChange:
    return approvals_pb2.UnitChange(
        unit_id=unit_id, parent_id="U-040", symbol="箕環政", ended=True, successor=successor
    )


async def moved(house: House) -> None:
    for _ in range(200):
        if not await house.service.mover.move_once():
            return
    raise AssertionError("the mover never ends")


async def reason_of(awaitable) -> str:
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value.reason


@pytest.fixture
def follower(house: House) -> Person:
    """The drafter in the unit that took over."""
    return house.person("S0072", "P-900-01-05")


async def test_rt_10_everything_goes_over_and_nothing_of_it_changes(house: House, follower: Person) -> None:
    """Merged and renamed: drafts, circulating and completed documents, folders, receipts, classes; kill, replay."""
    draft, circulating, done = await house.drafter.draft(), await house.circulating(), await house.completed()
    receipt = (
        await house.drafter.call("RegisterReceipt", title="太陽光発電設備設置補助金交付申請書", **ARRIVAL)
    ).receipt
    manifest = (await house.drafter.call("GetManifest", document_id=done.document_id)).manifest
    kept = await house.rows(
        "SELECT to_jsonb(d) - ARRAY['unit_id', 'version'] FROM documents AS d WHERE document_id = %s", done.document_id
    )
    stranger = house.person("S0160", "P-120-02-05")
    news = reorganised(begins(NEW, "箕環推"), ends(OLD, NEW), version=7)
    await consumer.follow_directory(house.service, news)
    # Killed after a batch: what is moved is moved whole, the rest waits.
    assert await house.service.mover.move_once()
    half = await house.rows("SELECT count(*) FROM former_owners")
    assert half == [(3,)]
    house.service = type(house.service)(
        **{name: getattr(house.service, name) for name in house.service.__dataclass_fields__ if name != "mover"},
        mover=Mover(house.pool, house.service.relay, batch=2),
    )
    await moved(house)
    once = await house.rows("SELECT count(*), count(DISTINCT (kind, object_id)) FROM former_owners")
    assert once[0][0] == once[0][1]
    # The same event again, and an older one that comes late.
    await consumer.follow_directory(house.service, news)
    await consumer.follow_directory(house.service, reorganised(begins(OLD, "箕環政"), version=3))
    await moved(house)
    assert await house.rows("SELECT count(*), count(DISTINCT (kind, object_id)) FROM former_owners") == once

    for before in (draft, circulating, done):
        # AC-05: old members see nothing of it any more, new ones do; whoever else does not.
        assert await reason_of(house.drafter.see(before.document_id)) == "NOT_FOUND"
        assert await reason_of(stranger.see(before.document_id)) == "NOT_FOUND"
        now = await follower.see(before.document_id)
        assert (now.unit_id, now.draft_number, now.drafter) == (NEW, before.draft_number, "S0072")
        assert [one.unit_id for one in now.former_owners] == [OLD]
        assert getattr(now.former_owners[0], "from") == before.created_at
        event = (await follower.call("ListHistory", document_id=before.document_id)).events[-1]
        assert (event.action, dict(event.detail)["previous_unit"]) == ("document.moved", OLD)
        assert event.version == now.version
        # Search by word, by the new unit and by the old one.
        for given in ({"query": "浄化槽"}, {"unit_id": NEW}, {"unit_id": OLD}, {"query": "浄化槽", "unit_id": OLD}):
            assert before.document_id in await follower.search(**given), given
    assert (await follower.call("ListViewers", document_id=draft.document_id)).viewers[0].reason == "drafter"
    assert (
        await house.rows(
            "SELECT to_jsonb(d) - ARRAY['unit_id', 'version'] FROM documents AS d WHERE document_id = %s",
            done.document_id,
        )
        == kept
    )
    after = await follower.call("GetManifest", document_id=done.document_id)
    assert after.manifest == manifest
    assert [one.receipt_id for one in (await follower.call("ListReceipts", unit_id=OLD)).receipts] == [
        receipt.receipt_id
    ]
    assert [one.receipt_id for one in (await follower.call("ListReceipts", query="太陽光")).receipts] == [
        receipt.receipt_id
    ]
    assert (await house.drafter.call("ListReceipts")).receipts == []
    assert FOLDER in {one.folder_id for one in (await follower.call("ListFolders")).folders}
    assert {one.unit_id for one in (await follower.call("ListClasses")).classes} == {"", NEW}


async def test_nb_10_new_numbers_carry_the_new_symbol_and_the_work_goes_on(house: House, follower: Person) -> None:
    """The draft that went over is edited, submitted, decided and completed in its new unit."""
    left = (await follower.search(states=[pb.DOCUMENT_STATE_DRAFTING]))[0]
    circulating = await follower.submit(await follower.see(left))
    assert circulating.draft_number.startswith("箕環推第")
    await house.decide(circulating)
    await house.drawn()
    await house.locked()
    sent = await follower.call(
        "EnforceDocument",
        document_id=left,
        expected_version=(await follower.see(left)).version,
        enforced_on=clock.today().isoformat(),
        method="post",
        addressee="申請者",
        collated_by="S0073",
    )
    done = await follower.call("CompleteDocument", document_id=left, expected_version=sent.document.version)
    assert done.document.state == pb.DOCUMENT_STATE_COMPLETED


async def test_rt_10_a_chain_and_a_late_draft(house: House) -> None:
    """The heir ends as well; and a draft made in an ended unit by somebody whose identity is a minute old follows."""
    last = "U-900-02"
    await consumer.follow_directory(house.service, reorganised(begins(last, "箕環総"), ends(NEW, last), version=9))
    late = await house.person("S0072", "P-900-01-05").draft(class_code="", folder_id="")
    await moved(house)
    heir = house.person("S0072", "P-900-02-05")
    seen = await heir.see(late.document_id)
    assert [one.unit_id for one in seen.former_owners] == [NEW]
    oldest = (await heir.search(unit_id=OLD))[-1]
    owners = (await heir.see(oldest)).former_owners
    assert [one.unit_id for one in owners] == [OLD, NEW]
    assert getattr(owners[1], "from") == owners[0].to, "no gap between owners"


async def test_a_unit_without_an_heir_keeps_what_it_has(house: House) -> None:
    """Until approvals names one; nothing is lost meanwhile."""
    await consumer.follow_directory(house.service, reorganised(ends("U-120-02", ""), version=10))
    assert not await house.service.mover.move_once()
    folders = (await house.stranger.call("ListFolders")).folders
    assert folders
    await consumer.follow_directory(house.service, reorganised(ends("U-120-02", "U-020-01"), version=11))
    await moved(house)
    assert not (await house.stranger.call("ListFolders")).folders
    office = (await house.person("S0018", "P-020-01-03").call("ListFolders")).folders
    assert {one.folder_id for one in folders} <= {one.folder_id for one in office}


async def test_i3_the_owner_of_a_completed_document_changes_by_a_reorganisation_only(house: House) -> None:
    """Triggers: not to another unit, not without its record, and nothing else of it on the way."""
    done = (await house.person("S0072", "P-900-02-05").search(states=[pb.DOCUMENT_STATE_COMPLETED]))[0]
    owner = "U-900-02"
    attempts = [
        f"UPDATE documents SET unit_id = 'U-010-01', version = version + 1 WHERE document_id = '{done}'",
        f"UPDATE documents SET unit_id = 'U-010-01' WHERE document_id = '{done}'",
        f"UPDATE documents SET unit_id = 'U-010-01', title = '別件', version = version + 1 WHERE document_id = '{done}'",
        f"UPDATE documents SET version = version + 1 WHERE document_id = '{done}'",
        f"UPDATE document_texts SET key = 'x' WHERE document_id = '{done}'",
        f"DELETE FROM document_texts WHERE document_id = '{done}'",
        "UPDATE receipts SET search = search",
        "UPDATE receipts SET unit_id = 'U-010-01', version = version + 1",
        f"UPDATE folders SET unit_id = 'U-010-01' WHERE unit_id = '{owner}'",
        "UPDATE former_owners SET unit_id = 'U-010-01'",
        "DELETE FROM former_owners",
    ]
    async with await psycopg.AsyncConnection.connect(house.where.app_url, autocommit=True) as conn:
        await conn.execute("SET search_path = documents")
        for statement in attempts:
            with pytest.raises((psycopg.errors.IntegrityError, psycopg.errors.InsufficientPrivilege)):
                await conn.execute(statement.encode())
    assert (await house.rows("SELECT unit_id FROM documents WHERE document_id = %s", done)) == [(owner,)]


async def test_what_somebody_works_on_is_left_to_the_next_round(house: House) -> None:
    """No giant lock: a document that an act holds is passed over, the others move."""
    person = house.person("S0072", "P-900-02-05")
    held, free = await person.draft(), await person.draft()
    await consumer.follow_directory(
        house.service, reorganised(begins("U-900-03", "箕環新"), ends("U-900-02", "U-900-03"), version=12)
    )
    async with await psycopg.AsyncConnection.connect(house.where.app_url) as conn:
        await conn.execute("SET search_path = documents")
        await conn.execute("SELECT 1 FROM documents WHERE document_id = %s FOR UPDATE", (held.document_id,))
        for _ in range(200):
            if not await house.service.mover.move_once():
                break
        rows = await house.rows("SELECT document_id::text FROM documents WHERE unit_id = 'U-900-02'")
        assert rows == [(held.document_id,)]
    await moved(house)
    follower = house.person("S0072", "P-900-03-05")
    assert {(await follower.see(one.document_id)).unit_id for one in (held, free)} == {"U-900-03"}
