"""A small HTTP/1.1 load client: keep-alive connections, httptools parser, little CPU of its own.

The machine runs client and servers on the same two cores, so a heavy client would measure itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools


@dataclass
class Answer:
    """One response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection:
    """One keep-alive connection; one request at a time."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "localhost", parts.port or 80
        self._fixed = f"Host: {self._host}:{self._port}\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Answer:
        """Send and wait for the whole answer. `headers` are raw lines ending in CRLF."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=1 << 20)
        length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._fixed}{headers}{length}\r\n".encode() + body)
        return await self._answer()

    async def _answer(self) -> Answer:
        assert self._reader is not None
        collector = _Collector()
        parser = httptools.HttpResponseParser(collector)
        while not collector.complete:
            data = await self._reader.read(1 << 18)
            if not data:
                raise ConnectionError("closed by the server")
            parser.feed_data(data)
        answer = collector.answer
        answer.status = parser.get_status_code()
        answer.body = b"".join(collector.chunks)
        return answer

    async def close(self) -> None:
        """Close."""
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()


class _Collector:
    def __init__(self) -> None:
        self.answer = Answer()
        self.chunks: list[bytes] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answer.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


@dataclass
class Run:
    """What a load run saw; times in milliseconds."""

    seconds: float
    times: list[float]
    errors: int

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return len(self.times) / self.seconds

    def percentile(self, share: float) -> float:
        """Of the times, e.g. 0.95."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


CLIENTS = 16
Work = Callable[[int, Connection], Awaitable[bool]]


async def drive(connections: list[Connection], work: Work, seconds: float) -> Run:
    """Every connection does `work` again and again for `seconds`; it returns whether the answer was good."""
    times: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds

    async def client(number: int, connection: Connection) -> None:
        nonlocal errors
        while time.perf_counter() < end:
            started = time.perf_counter()
            good = await work(number, connection)
            if good:
                times.append((time.perf_counter() - started) * 1000)
            else:
                errors += 1

    began = time.perf_counter()
    await asyncio.gather(*(client(number, connection) for number, connection in enumerate(connections)))
    return Run(time.perf_counter() - began, times, errors)


async def close(connections: list[Connection]) -> None:
    """All of them."""
    for connection in connections:
        await connection.close()


def p95(times: list[float]) -> float:
    """The 95th percentile; NaN of nothing."""
    return sorted(times)[int(0.95 * len(times))] if times else float("nan")
