"""Attachments: what arrives is what was announced or nothing; what is read is what arrived; ranges; names."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator

import grpc
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import client, clock
from chassis.errors import DomainError, Kind
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents import attachments
from services.documents.tests.conftest import UPLOAD_LIMIT, House, sha256, snapshot

CONTENT = bytes(range(256)) * 5000


async def bucket(house: House) -> set[tuple[str, str]]:
    """Every object version there is."""
    await house.service.blobs.settle()
    far = clock.now().replace(year=2100)
    return {(v.object_key, v.version_id) async for v in house.service.blobs.list_versions("content/", far)}


async def refused(
    house: House, document_id: str, content: bytes | AsyncIterator[bytes], **given: object
) -> DomainError:
    """The refusal of an upload, after which nothing is visible and nothing is kept."""
    before, objects = await house.drafter.see(document_id), await bucket(house)
    with pytest.raises(DomainError) as caught:
        await house.drafter.upload(document_id, content, **given)
    assert await house.drafter.see(document_id) == before
    assert await bucket(house) == objects
    assert await house.rows("SELECT 1 FROM uploads WHERE document_id = %s", document_id) == []
    return caught.value


async def test_what_is_uploaded_is_what_is_read(house: House) -> None:
    draft = await house.drafter.draft()
    answer = await house.drafter.upload(
        draft.document_id,
        CONTENT,
        "算定調書.xlsx",
        "application/vnd.ms-excel",
        size=len(CONTENT),
        sha256=sha256(CONTENT),
    )
    header, content = await house.drafter.read(draft.document_id, answer.attachment.attachment_id, purpose="download")
    assert content == CONTENT
    assert header.attachment.file_name == "算定調書.xlsx"
    record = await house.record(header.access_record)
    assert (record.action, record.object_id) == ("attachment.downloaded", answer.attachment.attachment_id)
    assert record.version_digest == sha256(CONTENT)
    # The store holds no byte of it in the clear, and no name.
    key, version = (
        await house.rows(
            "SELECT object_key, version_id FROM attachments WHERE attachment_id = %s", answer.attachment.attachment_id
        )
    )[0]
    s3 = house.engines.s3("app")
    with s3.get_object(house.engines.bucket, key, version_id=version) as stored:
        assert CONTENT[:256] not in stored.read()


async def test_empty_files_are_files(house: House) -> None:
    draft = await house.drafter.draft()
    answer = await house.drafter.upload(draft.document_id, b"", "空.txt", "text/plain", size=0, sha256=sha256(b""))
    header, content = await house.drafter.read(draft.document_id, answer.attachment.attachment_id)
    assert (header.length, content) == (0, b"")


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, 1, slice(0, 1)),
        (100, 50, slice(100, 150)),
        (-10, 0, slice(-10, None)),
        (1_048_570, 20, slice(1_048_570, 1_048_590)),
        (len(CONTENT) - 1, 0, slice(-1, None)),
        (len(CONTENT) - 5, 100, slice(-5, None)),
        (-2 * len(CONTENT), 0, slice(0, None)),
    ],
)
async def test_ranges(house: House, offset: int, length: int, expected: slice) -> None:
    draft = await house.drafter.draft()
    attachment = (await house.drafter.upload(draft.document_id, CONTENT)).attachment
    header, content = await house.drafter.read(draft.document_id, attachment.attachment_id, offset, length)
    assert content == CONTENT[expected]
    assert (header.offset, header.length) == (expected.indices(len(CONTENT))[0], len(content))


@pytest.mark.parametrize(("offset", "length"), [(len(CONTENT), 1), (len(CONTENT) + 1, 0), (0, -1)])
async def test_ranges_that_cannot_be_served(house: House, offset: int, length: int) -> None:
    draft = await house.drafter.draft()
    attachment = (await house.drafter.upload(draft.document_id, CONTENT)).attachment
    with pytest.raises(DomainError) as caught:
        await house.drafter.read(draft.document_id, attachment.attachment_id, offset, length)
    assert (caught.value.kind, caught.value.reason) == (Kind.OUT_OF_RANGE, "RANGE_NOT_SATISFIABLE")
    assert caught.value.metadata["size"] == str(len(CONTENT))


@given(st.integers(0, 40), st.integers(-50, 50), st.integers(0, 50))
def test_every_range_lies_inside(size: int, offset: int, length: int) -> None:
    if offset > size or offset == size > 0:
        with pytest.raises(DomainError):
            attachments.range_of(size, offset, length)
        return
    part = attachments.range_of(size, offset, length)
    assert 0 <= part.offset <= size
    assert 0 <= part.length <= size - part.offset
    assert part.length > 0 or size == 0


async def test_too_large_is_refused_before_and_while_it_comes(house: House) -> None:
    draft = await house.drafter.draft()
    error = await refused(house, draft.document_id, b"", size=UPLOAD_LIMIT + 1)
    assert (error.kind, error.reason, error.metadata["limit"]) == (Kind.TOO_LARGE, "TOO_LARGE", str(UPLOAD_LIMIT))
    error = await refused(house, draft.document_id, b"x" * (UPLOAD_LIMIT + 1))
    assert error.reason == "TOO_LARGE"
    exact = b"y" * UPLOAD_LIMIT
    assert (await house.drafter.upload(draft.document_id, exact)).attachment.size == UPLOAD_LIMIT


async def test_what_differs_from_the_announcement_is_refused(house: House) -> None:
    draft = await house.drafter.draft()
    error = await refused(house, draft.document_id, CONTENT, sha256=sha256(b"other"))
    assert (error.kind, error.reason) == (Kind.INVALID, "DIGEST_MISMATCH")
    error = await refused(house, draft.document_id, CONTENT[:-1], size=len(CONTENT))
    assert (error.kind, error.reason) == (Kind.INVALID, "TRUNCATED")
    error = await refused(house, draft.document_id, CONTENT, size=len(CONTENT) - 1)
    assert [(f.field, f.problem) for f in error.fields] == [("size", "MISMATCH")]
    error = await refused(house, draft.document_id, b"", sha256="zz")
    assert [(f.field, f.problem) for f in error.fields] == [("sha256", "INVALID")]


@pytest.mark.parametrize("name", ["", "..", "a/", "申請\u202efdp.exe", "\u2067x", "x\x07.pdf", "あ" * 256])
async def test_names_that_deceive_are_refused(house: House, name: str) -> None:
    draft = await house.drafter.draft()
    error = await refused(house, draft.document_id, b"x", name=name)
    assert [f.field for f in error.fields] == ["file_name"]


async def test_names_are_kept_as_given_and_found_as_meant(house: House) -> None:
    draft = await house.drafter.draft()
    decomposed = unicodedata.normalize("NFD", "ﾊﾟﾝﾌﾚｯﾄが届いた件（宮﨑）.pdf")
    answer = await house.drafter.upload(draft.document_id, b"x", f"C:\\書類\\{decomposed}")
    assert answer.attachment.file_name == decomposed
    assert draft.document_id in await house.drafter.search("パンフレットが届いた件（宮崎）")


async def test_a_stream_that_breaks_leaves_nothing(house: House) -> None:
    draft = await house.drafter.draft()
    before, objects = await house.drafter.see(draft.document_id), await bucket(house)
    sent = asyncio.Event()

    async def messages() -> AsyncIterator[pb.UploadAttachmentRequest]:
        header = pb.UploadHeader(request_id=clock.new_id(), document_id=draft.document_id, file_name="途中.pdf")
        yield pb.UploadAttachmentRequest(header=header)
        for _ in range(30):
            yield pb.UploadAttachmentRequest(chunk=b"x" * 65536)
        sent.set()
        await asyncio.Event().wait()

    person = house.drafter
    call = house.stub.UploadAttachment(messages(), timeout=20.0, metadata=client.metadata(person.token()))
    await sent.wait()
    call.cancel()
    with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
        await call
    assert await house.drafter.see(draft.document_id) == before
    assert await bucket(house) == objects


async def test_a_retry_with_the_same_id_is_one_attachment(house: House) -> None:
    draft = await house.drafter.draft()
    request_id = clock.new_id()
    first = await house.drafter.upload(draft.document_id, CONTENT, request_id=request_id)
    objects = await bucket(house)
    again = await house.drafter.upload(draft.document_id, CONTENT, request_id=request_id)
    assert again == first
    together = clock.new_id()
    answers = await asyncio.gather(
        *(house.drafter.upload(draft.document_id, b"together", "同時.pdf", request_id=together) for _ in range(4))
    )
    assert all(answer == answers[0] for answer in answers)
    assert len(await bucket(house)) == len(objects) + 1
    assert len((await house.drafter.see(draft.document_id)).attachments) == 2


async def test_a_header_comes_first_and_once(house: House) -> None:
    draft = await house.drafter.draft()
    header = pb.UploadHeader(request_id=clock.new_id(), document_id=draft.document_id, file_name="x.pdf")
    chunk = pb.UploadAttachmentRequest(chunk=b"x")
    for messages in ([], [chunk], [pb.UploadAttachmentRequest(header=header)] * 2):

        async def stream(
            all_of: list[pb.UploadAttachmentRequest] = messages,
        ) -> AsyncIterator[pb.UploadAttachmentRequest]:
            for message in all_of:
                yield message

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await house.stub.UploadAttachment(stream(), timeout=10.0, metadata=client.metadata(house.drafter.token()))
        assert client.error_of(caught.value).reason == "INVALID_FIELDS"


async def test_nobody_attaches_while_it_circulates_or_was_rejected(house: House) -> None:
    document = await house.circulating()
    assert (await refused(house, document.document_id, b"x")).reason == "WRONG_STATE"
    await house.announce("CaseClosed", snapshot(document, 2, "rejected"))
    assert (await refused(house, document.document_id, b"x")).reason == "WRONG_STATE"


async def test_stored_bytes_of_another_attachment_are_not_served(house: House) -> None:
    draft = await house.drafter.draft()
    one = (await house.drafter.upload(draft.document_id, CONTENT)).attachment
    two = (await house.drafter.upload(draft.document_id, CONTENT[::-1])).attachment
    key, version = (
        await house.rows("SELECT object_key, version_id FROM attachments WHERE attachment_id = %s", two.attachment_id)
    )[0]
    # Only the owner of the schema can let one row name the other's object, and then it does not open.
    async with await psycopg.AsyncConnection.connect(house.where.owner_url, autocommit=True) as conn:
        await conn.execute("ALTER TABLE documents.attachments DISABLE TRIGGER guard")
        move = "UPDATE documents.attachments SET object_key = %s, version_id = %s WHERE attachment_id = %s"
        await conn.execute(move, ("content/elsewhere", "v", two.attachment_id))
        await conn.execute(move, (key, version, one.attachment_id))
        await conn.execute("ALTER TABLE documents.attachments ENABLE TRIGGER guard")
    for attachment in (one, two):
        with pytest.raises(DomainError) as caught:
            await house.drafter.read(draft.document_id, attachment.attachment_id)
        assert (caught.value.kind, caught.value.reason) == (Kind.DATA_LOSS, "CONTENT_DAMAGED")
    failed = [r for r in await house.records() if r.reason == "CONTENT_DAMAGED"]
    assert {r.object_id for r in failed} == {one.attachment_id, two.attachment_id}
