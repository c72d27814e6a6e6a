"""Processes with short lives: sources of records and the audit service's workers, made to be killed by the hundred.

A new Python process takes a second to import what it needs, which would make a campaign of kills take hours. So one
process imports everything, touches nothing, and forks a child for each life; the child opens its own connections and
runs the product's own parts. `start NAME` and `kill NAME` come line by line on standard input, an answer for each.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from chassis import clock, db, epochs, outbox, recorder
from chassis.broker import Broker
from chassis.db import Pool, transaction
from chassis.epochs import DatabaseSink
from chassis.errors import DomainError
from chassis.events import receipts_consumer
from chassis.identity import Identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder
from chassis.s3 import StoreConfig
from chassis.settings import Secret, ServiceSettings
from kanketsu.event.v1 import envelope_pb2
from services.audit.commands import LogKeys
from services.audit.consumer import consumers
from services.audit.sequencer import Sequencer
from services.audit.vault import Vault

WRITERS = 3
OBJECTS = 8
RECOVER_AFTER = 3.0
RESEND_AFTER = 1.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Place:
    """Where everything is."""

    documents_url: str
    audit_url: str
    nats_url: str
    s3_url: str
    bucket: str
    keys: str
    tls: str
    # What was acknowledged to the writers, a line each: `<epoch>/<seq>`, or the id of an event.
    acknowledged: str


# --- in the child -----------------------------------------------------------------------------------------------


def _settings(place: Place, service: str, name: str) -> ServiceSettings:
    return ServiceSettings(
        tenant="minoh",
        instance=name,
        tls_cert_file=Path(place.tls) / f"{service}.pem",
        tls_key_file=Path(place.tls) / f"{service}.key",
        tls_ca_file=Path(place.tls) / "ca.pem",
        nats_url=place.nats_url,
        nats_nkey_seed=Secret((Path(place.keys) / f"nats-{service}.nkey").read_text("utf-8").strip()),
    )


async def source(place: Place, name: str, *, writing: bool) -> None:
    """A service with a database: reads that are recorded, changes with their events, relay, receipts, recovery."""
    pool = db.open_pool(place.documents_url, "documents", size=6)
    await pool.open(wait=False)
    broker = Broker(_settings(place, "documents", name), "documents")
    relay = Relay(pool, broker, RESEND_AFTER)
    work: list[Coroutine[Any, Any, None]] = [
        broker.run(),
        relay.run(),
        receipts_consumer(broker, pool, "documents").run(),
        _recover(pool, relay),
    ]
    if writing:
        records = Recorder("documents", name, DatabaseSink(pool, "documents", relay), recover_after=RECOVER_AFTER)
        work.append(records.run())
        with Path(place.acknowledged).open("ab", buffering=0) as acknowledged:
            work += [_read(records, acknowledged.fileno()) for _ in range(WRITERS)]
            work += [_change(pool, relay, acknowledged.fileno()) for _ in range(2)]
            await asyncio.gather(*work)
    await asyncio.gather(*work)


async def _recover(pool: Pool, relay: Relay) -> None:
    while True:
        await asyncio.sleep(0.5)
        try:
            await epochs.recover_epochs(pool, "documents", relay, RECOVER_AFTER)
        except DomainError:
            continue


async def _read(records: Recorder, acknowledged: int) -> None:
    reader = Identity(staff_id="S0072", tenant="minoh", posts={"P-1": "U-040-03"}, acting_post="P-1")
    while True:
        access = Access(
            actor=reader, action="document.viewed", object_type="document", object_id="D-1", detail={"purpose": "照会"}
        )
        try:
            record = await records.record(access)
        except DomainError:
            # Refused: nothing was served.
            await asyncio.sleep(0.02)
            continue
        os.write(acknowledged, f"{record.split('/', 1)[1]}\n".encode())
        await asyncio.sleep(0.004)


async def _change(pool: Pool, relay: Relay, acknowledged: int) -> None:
    while True:
        envelope = envelope_pb2.Envelope(
            event_id=clock.new_id(),
            type="kanketsu.documents.v1.DocumentChanged",
            action="document.updated",
            producer="documents",
            aggregate="document",
            aggregate_id=f"D-{random.randrange(OBJECTS)}",
            occurred_at=recorder.timestamp(clock.now()),
            actor=envelope_pb2.Actor(staff_id="S0072", unit_id="U-040-03"),
        )
        try:
            async with transaction(pool) as conn:
                cursor = await conn.execute(
                    "UPDATE campaign SET version = version + 1 WHERE object_id = %s RETURNING version",
                    (envelope.aggregate_id,),
                )
                [(envelope.aggregate_version,)] = await cursor.fetchall()
                await outbox.append(conn, [envelope], ["audit"])
        except DomainError:
            await asyncio.sleep(0.02)
            continue
        relay.wake()
        os.write(acknowledged, f"{envelope.event_id}\n".encode())
        await asyncio.sleep(0.02)


def vault_of(place: Place) -> Vault:
    """The log's copies, with audit's own key."""
    access, secret = (
        (Path(place.keys) / f"s3-audit-{part}-key").read_text("utf-8").strip() for part in ("access", "secret")
    )
    return Vault(StoreConfig(place.s3_url, place.bucket, access, secret), f"{place.bucket}-live", retention_years=1)


async def audit(place: Place, name: str) -> None:
    """A replica of audit without its port: consumers and sequencer."""
    pool = db.open_pool(place.audit_url, "audit", size=6)
    await pool.open(wait=False)
    broker = Broker(_settings(place, "audit", name), "audit")
    keys = LogKeys("audit.minoh.example", (Path(place.keys) / "log-signing-key.pem").read_bytes())
    vault = vault_of(place)
    sequencer = Sequencer(pool, keys, vault, 0.2, RECOVER_AFTER)
    await asyncio.gather(
        broker.run(),
        sequencer.run(),
        *(one.run() for one in consumers(broker, pool, keys, sequencer.wake, sequencer.leads)),
    )


def _live(place: Place, name: str) -> None:
    kind = name.split("-")[0]
    if kind == "audit":
        asyncio.run(audit(place, name))
    else:
        asyncio.run(source(place, name, writing=kind == "source"))


# --- the process that forks -------------------------------------------------------------------------------------


def main(place: Place) -> None:
    """Until standard input ends; then no child is left."""
    libc = ctypes.CDLL(None)
    pids: dict[str, int] = {}
    for line in sys.stdin:
        verb, name = line.split()
        if verb == "start":
            pid = os.fork()
            if pid == 0:
                # Nobody outlives us, whatever ends us.
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(0)
                try:
                    _live(place, name)
                finally:
                    os._exit(1)
            pids[name] = pid
        else:
            pid = pids.pop(name)
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if not os.WIFSIGNALED(status):
                print(f"{name} had ended by itself", flush=True)
                continue
        print("ok", flush=True)
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Lives:
    """The forking process as seen by the test."""

    def __init__(self, place: Place, log: Path) -> None:
        self._place = place
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.lives", json.dumps(place.__dict__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Lives:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._log.close()

    def start(self, name: str) -> None:
        """Begin a life: audit-…, source-… (writes), carrier-… (a source that only carries what is left)."""
        self._ask(f"start {name}")

    def kill(self, name: str) -> None:
        """kill -9. AssertionError if it had ended by itself: then something was wrong before."""
        self._ask(f"kill {name}")

    def _ask(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer == "ok", f"{line}: {answer or 'the process is gone'}"


if __name__ == "__main__":
    main(Place(**json.loads(sys.argv[1])))
