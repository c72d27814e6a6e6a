"""A time-stamping authority: a real HTTP server around `openssl ts -reply`, with certificates that openssl made."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.x509 import load_pem_x509_certificates

from services.audit.outgoing import Outgoing
from services.audit.tests.conftest import buckets, keys, place, pool, superuser, vault
from services.audit.timestamps.commands import Authority

__all__ = ["buckets", "keys", "place", "pool", "superuser", "vault"]

_CONFIG = """
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[signer]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
"""


def openssl(*arguments: str | Path, stdin: bytes = b"") -> bytes:
    """Run it; its output."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=True, timeout=30)
    return done.stdout


def make_authority(folder: Path) -> Path:
    """A root, and a signer whose certificate is for time-stamping."""
    folder.mkdir(parents=True)
    config = folder / "openssl.cnf"
    config.write_text(_CONFIG.format(folder=folder), encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        *("req", "-x509", *key, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", "30"),
        *("-subj", "/CN=test root", "-config", config, "-extensions", "ca"),
        stdin=b"",
    )
    openssl(
        "req",
        *key,
        "-keyout",
        folder / "tsa.key",
        "-out",
        folder / "tsa.csr",
        "-subj",
        "/CN=test tsa",
        "-config",
        config,
    )
    openssl(
        *("x509", "-req", "-in", folder / "tsa.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key"),
        *("-CAcreateserial", "-days", "30", "-extfile", config, "-extensions", "signer", "-out", folder / "tsa.pem"),
    )
    return folder


@dataclass
class Tsa:
    """Answers every query with a token; `lie` replaces the answer, given query and honest answer."""

    folder: Path
    lie: Callable[[bytes, bytes], tuple[int, bytes]] | None = None
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    @property
    def authority(self) -> Authority:
        """As the service is configured."""
        return Authority(self.url, tuple(load_pem_x509_certificates((self.folder / "ca.pem").read_bytes())))

    def reply(self, query: bytes) -> bytes:
        """What openssl answers to a query."""
        path = self.folder / "query.tsq"
        path.write_bytes(query)
        config = self.folder / "openssl.cnf"
        openssl(
            "ts",
            "-reply",
            "-config",
            config,
            "-section",
            "tsa_config",
            "-queryfile",
            path,
            "-out",
            self.folder / "reply.tsr",
        )
        return (self.folder / "reply.tsr").read_bytes()

    async def serve(self) -> asyncio.Server:
        """Listen; `url` is set from now on."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://kanketsu:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/tsr"
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            assert "content-type: application/timestamp-query\r\n" in head
            # user:password of the address.
            assert "authorization: basic a2fua2v0c3u6c2vjcmv0\r\n" in head
            length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
            query = await reader.readexactly(int(length.split(":")[1]))
            self.asked.append(query)
            answer = await asyncio.to_thread(self.reply, query)
            status, content = self.lie(query, answer) if self.lie else (200, answer)
            writer.write(
                f"HTTP/1.1 {status} x\r\nContent-Type: application/timestamp-reply\r\n"
                f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
                + content
            )
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture(scope="session")
def authority_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority that is trusted."""
    return make_authority(tmp_path_factory.mktemp("tsa") / "trusted")


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that is not."""
    return make_authority(tmp_path_factory.mktemp("tsa") / "other")


@pytest_asyncio.fixture(loop_scope="session")
async def tsa(authority_folder: Path) -> AsyncIterator[Tsa]:
    """The trusted authority, listening."""
    found = Tsa(authority_folder)
    async with await found.serve():
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[Outgoing]:
    """As the service calls others."""
    http = Outgoing(None, 10.0)
    yield http
    await http.close()
