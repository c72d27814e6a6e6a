"""HTTP to others: whatever they answer, it ends in time and fits into memory."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.audit.outgoing import NoAnswer, Outgoing

LIMIT = 32 * 1024
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that reads a request and then does as it likes; its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def post(url: str, ca_file=None, seconds: float = 1.0):
    http = Outgoing(ca_file, seconds)
    try:
        return await http.post(url, "要求".encode(), "text/plain", LIMIT)
    finally:
        await http.close()


def answering(status: str, *headers: str, body: bytes = b"") -> Serve:
    async def serve(writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return serve


async def test_status_kind_and_body(engines):
    async with serving(answering("409 x", "Content-Type: text/x.tlog.size; charset=utf-8", body=b"7\n")) as port:
        answer = await post(f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.kind, answer.body) == (409, "text/x.tlog.size", b"7\n")


async def test_a_body_of_exactly_the_limit_and_one_byte_more():
    async with serving(answering("200 x", body=b"x" * LIMIT)) as port:
        assert len((await post(f"http://127.0.0.1:{port}/")).body) == LIMIT
    async with serving(answering("200 x", body=b"x" * (LIMIT + 1))) as port:
        with pytest.raises(NoAnswer, match="over 32768 bytes"):
            await post(f"http://127.0.0.1:{port}/")


async def test_a_body_without_end_is_left_at_the_limit():
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent < 1 << 30:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
            sent += 0x10000

    async with serving(endless) as port:
        with pytest.raises(NoAnswer, match="over 32768 bytes"):
            await post(f"http://127.0.0.1:{port}/", seconds=20)
    # What fits into the buffers of the two sockets, and not the gigabyte.
    assert sent < 64 << 20


async def test_an_answer_that_drips_ends_in_time():
    """Each byte comes soon enough for a read; the whole does not."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(60):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(drip) as port:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="no answer within"):
            await post(f"http://127.0.0.1:{port}/", seconds=0.5)
        assert time.monotonic() - began < 2


async def test_redirects_are_not_followed_and_nothing_is_unpacked():
    async with serving(answering("307 x", "Location: http://127.0.0.1:1/")) as port:
        assert (await post(f"http://127.0.0.1:{port}/")).status == 307
    async with serving(answering("200 x", "Content-Encoding: gzip", body=b"not gzip")) as port:
        assert (await post(f"http://127.0.0.1:{port}/")).body == b"not gzip"


async def test_nobody_there_or_no_address_and_the_password_is_not_told():
    for url in ("http://kanketsu:secret@127.0.0.1:1/", "gopher://kanketsu:secret@x/", "http://[kanketsu:secret/"):
        with pytest.raises(NoAnswer) as refused:
            await post(url)
        assert "secret" not in str(refused.value)


async def test_https_needs_an_authority_that_is_trusted(engines):
    certificate = engines.certificate("gateway")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    async with serving(answering("200 x", body=b"ok"), context) as port:
        with pytest.raises(NoAnswer):
            await post(f"https://127.0.0.1:{port}/")
        assert (await post(f"https://127.0.0.1:{port}/", engines.authority.ca_file)).body == b"ok"
