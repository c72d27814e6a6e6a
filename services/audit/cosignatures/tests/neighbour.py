"""Another city's witness as a real HTTP server, honest unless told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chassis import clock
from services.audit import note, tlog
from services.audit.note import COSIGNATURE_V1, SigningKey, VerifierKey
from services.audit.quorum import Witness
from services.audit.witness.domain import NOTHING_SEEN, Rejected, Seen, Verdict, judge, open_signed
from services.audit.witness.protocol import SIZE_TYPE, parse_submission

Answer = tuple[int, str, bytes]
PLAIN = "text/plain; charset=utf-8"


@dataclass
class Neighbour:
    """Remembers in memory; `lie` replaces its answer, given the body and the honest answer."""

    name: str
    log_key: VerifierKey
    lie: Callable[[bytes, Answer], Answer | Awaitable[Answer]] | None = None
    seen: Seen = NOTHING_SEEN
    asked: list[bytes] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self.key = SigningKey.from_seed(
            f"witness.{self.name}.example", self.name.encode().ljust(32, b"."), COSIGNATURE_V1
        )

    @property
    def ours(self) -> Witness:
        """As the policy names it."""
        return Witness(self.name, self.key.verifier, self.url)

    def honest(self, body: bytes) -> Answer:
        """What the protocol says."""
        try:
            submission = parse_submission(body)
            checkpoint, _ = open_signed(submission.note, [self.log_key])
            judge(self.seen, submission, checkpoint)
        except Rejected as rejected:
            if rejected.verdict is Verdict.STALE:
                return 409, SIZE_TYPE, b"%d\n" % rejected.size
            return rejected.verdict.value, PLAIN, f"{rejected}\n".encode()
        self.seen = Seen(checkpoint.size, checkpoint.root, submission.note)
        return 200, PLAIN, self.sign(checkpoint.text)

    def sign(self, text: bytes, timestamp: int | None = None) -> bytes:
        """A cosignature line."""
        return self.key.sign(text, int(clock.now().timestamp()) if timestamp is None else timestamp)

    async def serve(self) -> asyncio.Server:
        """Listen; `url` is the submission prefix from now on."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/witness"
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            assert head.startswith("POST /witness/add-checkpoint HTTP/1.1\r\n"), head
            length = next(line for line in head.split("\r\n") if line.lower().startswith("content-length:"))
            body = await reader.readexactly(int(length.split(":")[1]))
            self.asked.append(body)
            answer = self.honest(body)
            if self.lie is not None:
                lied = self.lie(body, answer)
                answer = lied if isinstance(lied, tuple) else await lied
            status, kind, content = answer
            head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n"
            writer.write(head.encode() + b"\r\n" + content)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.at_once -= 1
            writer.close()


def text_of(body: bytes) -> bytes:
    """The checkpoint text of a submission."""
    return note.parse_note(parse_submission(body).note).text


def fork_of(text: bytes) -> bytes:
    """The same log at the same size with another root."""
    checkpoint = note.parse_checkpoint(text)
    return note.Checkpoint(checkpoint.origin, checkpoint.size, tlog.leaf_hash("改ざん".encode())).text
