"""HTTP to others: witnesses and time-stamping authorities. Whatever they answer is bounded in size and in time."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx2


class NoAnswer(Exception):
    """There is no usable answer. The message never holds the address, which may have a password in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, content type without parameters, body."""

    status: int
    kind: str
    body: bytes


class Outgoing:
    """One client per process. It follows no redirect, uses no proxy, unpacks nothing."""

    def __init__(self, ca_file: Path | None, seconds: float) -> None:
        """Trusts the system's authorities and those in the file. `seconds` is for a request in all. OSError, ssl.SSLError."""
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(cafile=ca_file)
        self._seconds = seconds
        self._http = httpx2.AsyncClient(verify=context, timeout=seconds, follow_redirects=False, trust_env=False)

    async def post(self, url: str, body: bytes, kind: str, limit: int) -> Answer:
        """POST; NoAnswer if nobody answers in time or the body is over `limit` bytes."""
        headers = {"Content-Type": kind, "Accept-Encoding": "identity"}
        parts, length = [], 0
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._http.stream("POST", url, content=body, headers=headers) as response,
            ):
                async for part in response.aiter_raw():
                    length += len(part)
                    if length > limit:
                        raise NoAnswer(f"the answer is over {limit} bytes")
                    parts.append(part)
        except TimeoutError as error:
            raise NoAnswer(f"no answer within {self._seconds:.0f} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise NoAnswer(f"cannot be reached ({type(error).__name__})") from error
        kind_of_answer = response.headers.get("content-type", "").partition(";")[0].strip()
        return Answer(response.status_code, kind_of_answer, b"".join(parts))

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()
