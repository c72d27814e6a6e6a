"""I1: nothing readable leaves before its access record is durable; without the outbox every read is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from chassis.errors import DomainError, Kind
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.event.v1 import envelope_pb2
from services.documents import policy
from services.documents.tests.conftest import CLASS, House, today

READS = {
    "GetDocument": ("document.viewed", "document"),
    "ListDocuments": ("document.listed", "document"),
    "ReadAttachment": ("attachment.read", "attachment"),
    "ListViewers": ("document.viewers_read", "document"),
    "ListHistory": ("document.history_read", "document"),
    "ListVersions": ("document.versions_viewed", "document"),
    "GetManifest": ("manifest.read", "document"),
    "GetReceipt": ("receipt.viewed", "receipt"),
    "ListReceipts": ("receipt.listed", "receipt"),
    "ListClasses": ("class.listed", "class"),
    "ListFolders": ("folder.listed", "folder"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def things(house: House) -> dict[str, dict[str, str]]:
    """What each read is asked for."""
    receipt = (
        await house.drafter.call(
            "RegisterReceipt",
            title="申請書",
            sender_kind="citizen",
            received_on=today().isoformat(),
            arrived_on=today().isoformat(),
            medium="post",
        )
    ).receipt
    draft = await house.drafter.draft(enforcement_required=False)
    attachment = (await house.drafter.upload(draft.document_id, b"content")).attachment
    document = await house.drafter.submit(draft)
    await house.decide(document)
    current = await house.drafter.see(document.document_id)
    await house.drafter.call("CompleteDocument", document_id=document.document_id, expected_version=current.version)
    await house.locked()
    known = {"document_id": document.document_id}
    return {
        **dict.fromkeys(("GetDocument", "ListViewers", "ListHistory", "ListVersions", "GetManifest"), known),
        "ReadAttachment": known | {"attachment_id": attachment.attachment_id},
        "GetReceipt": {"receipt_id": receipt.receipt_id},
        **{name: {} for name in ("ListDocuments", "ListReceipts", "ListClasses", "ListFolders")},
    }


async def read(house: House, method: str, given: dict[str, str]) -> str:
    """Perform a read; its access record."""
    if method == "ReadAttachment":
        header, _ = await house.drafter.read(**given)
        return str(header.access_record)
    return str((await house.drafter.call(method, **given)).access_record)


def test_every_reading_rpc_is_in_the_table() -> None:
    methods = pb.DESCRIPTOR.services_by_name["DocumentsService"].methods
    reading = {m.name for m in methods if m.name.startswith(("Get", "List", "Read"))}
    assert reading == set(READS)
    assert {m.name for m in methods} <= set(policy.CALLS.refusals)


@pytest.mark.parametrize("method", READS)
async def test_every_read_has_its_record(house: House, things: dict[str, dict[str, str]], method: str) -> None:
    record = await house.record(await read(house, method, things[method]))
    assert (record.action, record.object_type) == READS[method]
    assert record.outcome == envelope_pb2.OUTCOME_GRANTED
    assert (record.actor.staff_id, record.actor.terminal) == ("S0072", "10.20.0.7")
    assert (record.actor.post_id, record.actor.unit_id) == ("P-040-03-05", "U-040-03")


@pytest.mark.parametrize("method", ["GetDocument", "ReadAttachment", "ListVersions", "GetManifest"])
async def test_the_record_of_a_reading_says_why_and_whose(
    house: House, things: dict[str, dict[str, str]], method: str
) -> None:
    """SC-07: whoever reviews the log sees which readings a task or the own unit explains."""
    record = await house.record(await read(house, method, things[method]))
    said = {name: record.detail[name] for name in ("purpose", "unit", "class")}
    assert said == {"purpose": "owner_unit", "unit": "U-040-03", "class": CLASS}


@pytest.mark.parametrize(
    ("purpose", "action"), [("", "document.viewed"), ("print", "document.printed"), ("export", "document.exported")]
)
async def test_what_a_document_is_shown_for_is_the_action_of_its_record(
    house: House, things: dict[str, dict[str, str]], purpose: str, action: str
) -> None:
    """AC-15, SC-01: paper and files that leave the system are told from a look, with the same reason and version."""
    shown = await house.drafter.call("GetDocument", **things["GetDocument"], purpose=purpose)
    record = await house.record(shown.access_record)
    assert (record.action, record.object_id) == (action, things["GetDocument"]["document_id"])
    assert (record.detail["purpose"], record.version_digest) == ("owner_unit", shown.document.version_digest)


async def test_an_unknown_purpose_shows_nothing(house: House, things: dict[str, dict[str, str]]) -> None:
    with pytest.raises(DomainError) as caught:
        await house.drafter.call("GetDocument", **things["GetDocument"], purpose="fax")
    assert (caught.value.reason, caught.value.fields[0].field) == ("INVALID_FIELDS", "purpose")


async def test_the_reason_that_is_nearest_to_the_work_is_recorded(house: House) -> None:
    """A draft is the drafter's; in circulation the drafter reads as a member of the owner unit."""
    draft = await house.drafter.draft()
    shown = await house.drafter.call("GetDocument", document_id=draft.document_id)
    assert (await house.record(shown.access_record)).detail["purpose"] == "drafter"
    await house.rows(
        "INSERT INTO viewers (document_id, principal, reason, valid_from) VALUES (%s, 'staff:S0160', 'grant', now()),"
        " (%s, 'staff:S0160', 'route_step', now()) RETURNING 1",
        draft.document_id,
        draft.document_id,
    )
    shown = await house.stranger.call("GetDocument", document_id=draft.document_id)
    assert (await house.record(shown.access_record)).detail["purpose"] == "route_step"


@pytest.mark.parametrize("method", ["GetDocument", "ListViewers", "ListHistory", "GetManifest"])
async def test_refusals_are_recorded_as_denied(house: House, things: dict[str, dict[str, str]], method: str) -> None:
    before = len(await house.records())
    with pytest.raises(DomainError):
        await house.stranger.call(method, **things[method])
    (record,) = (await house.records())[before:]
    assert (record.action, record.outcome, record.reason) == (
        READS[method][0],
        envelope_pb2.OUTCOME_DENIED,
        "NOT_FOUND",
    )
    assert (record.object_id, record.actor.staff_id) == (things[method]["document_id"], "S0160")


@pytest_asyncio.fixture(loop_scope="session")
async def unwritable(house: House) -> AsyncIterator[None]:
    """The outbox takes nothing."""
    async with await psycopg.AsyncConnection.connect(house.where.owner_url, autocommit=True) as conn:
        await conn.execute("REVOKE INSERT ON documents.outbox FROM documents_app")
        yield
        await conn.execute("GRANT INSERT ON documents.outbox TO documents_app")


async def test_what_cannot_be_recorded_is_not_served(
    house: House, things: dict[str, dict[str, str]], unwritable: None
) -> None:
    for method, given in things.items():
        with pytest.raises(DomainError) as caught:
            await read(house, method, given)
        assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "NOT_RECORDED"), method
    for purpose in ("print", "export"):
        with pytest.raises(DomainError) as caught:
            await house.drafter.call("GetDocument", **things["GetDocument"], purpose=purpose)
        assert caught.value.reason == "NOT_RECORDED", purpose
    # Not even that something is hidden.
    with pytest.raises(DomainError) as caught:
        await house.stranger.call("GetDocument", **things["GetDocument"])
    assert caught.value.reason == "NOT_RECORDED"
    with pytest.raises(DomainError) as caught:
        await house.drafter.draft()
    assert caught.value.kind is Kind.UNAVAILABLE


async def test_afterwards_everything_is_served_again(house: House, things: dict[str, dict[str, str]]) -> None:
    for method, given in things.items():
        assert await house.record(await read(house, method, given))


async def test_statements_per_read_are_constant(
    house: House, things: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement of ours per read, and the recorder's one, whatever a document has and however long a list is."""
    said: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def listening(self: psycopg.AsyncCursor, query: str | bytes, *rest: Any, **named: Any) -> Any:
        said.append(query if isinstance(query, str) else query.decode())
        return await execute(self, query, *rest, **named)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", listening)
    full = await house.drafter.draft()
    for n in range(12):
        await house.drafter.upload(full.document_id, b"x", f"別紙{n}.pdf")
    wide = things | {"GetDocument": {"document_id": full.document_id}, "ListDocuments": {"query": "補助金"}}
    for given in (things, wide):
        for method in READS:
            said.clear()
            await read(house, method, given[method])
            ours = [s for s in said if "record_epochs" not in s and "FROM outbox" not in s]
            assert len([s for s in ours if s.startswith(("SELECT", "WITH"))]) == 1, ours
            assert len([s for s in said if "UPDATE record_epochs" in s and "INSERT INTO outbox" in s]) == 1
