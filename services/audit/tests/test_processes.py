"""The commands as operations run them: migrate, two replicas that serve and are killed, export, verify."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import clock, recorder
from chassis.broker import ensure_streams
from chassis.client import call, channel
from chassis.errors import DomainError
from chassis.identity import Signer
from chassis.server import READINESS
from conftest import ROOT, Database
from kanketsu.audit.v1 import audit_service_pb2 as pb
from kanketsu.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from kanketsu.event.v1 import envelope_pb2
from services.audit import note
from services.audit.domain import fiscal_year
from services.audit.entry import decode
from services.audit.tests.making import batch_of, envelope, parcel, record
from services.audit.tests.test_api import GATEWAY, OFFICER, settings_of
from services.audit.tests.test_consumer import broker_of, empty_broker, until

__all__ = ["empty_broker"]

LAST_MIGRATION = max(path.name for path in (ROOT / "services/audit/migrations").glob("*.sql"))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Replica:
    """One `python -m services.audit serve`."""

    def __init__(self, engines: Any, place: Database, bucket: str, number: int, logs: Path) -> None:
        self.grpc, self.health = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self._log = logs / f"audit-{number}.log"
        self._engines = engines
        self._process: asyncio.subprocess.Process | None = None
        certificate = engines.certificate("audit")
        keys = engines.keys.folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "KANKETSU_TENANT": "minoh",
            "KANKETSU_INSTANCE": f"audit-{number}",
            "KANKETSU_GRPC_LISTEN": self.grpc,
            "KANKETSU_HEALTH_LISTEN": self.health,
            "KANKETSU_TLS_CERT_FILE": str(certificate.cert_file),
            "KANKETSU_TLS_KEY_FILE": str(certificate.key_file),
            "KANKETSU_TLS_CA_FILE": str(engines.authority.ca_file),
            "KANKETSU_NATS_URL": engines.nats_url,
            "KANKETSU_NATS_NKEY_SEED_FILE": str(keys / "nats-audit.nkey"),
            "KANKETSU_DATABASE_URL": place.app_url,
            "KANKETSU_IDENTITY_JWKS_FILE": str(keys / "identity-jwks.json"),
            "KANKETSU_RECEIPT_JWKS_FILE": str(keys / "receipt-jwks.json"),
            "KANKETSU_S3_URL": engines.s3_url,
            "KANKETSU_S3_ACCESS_KEY_FILE": str(keys / "s3-admin-access-key"),
            "KANKETSU_S3_SECRET_KEY_FILE": str(keys / "s3-admin-secret-key"),
            "KANKETSU_S3_KEPT_BUCKET": bucket,
            "KANKETSU_S3_LIVE_BUCKET": f"{bucket}-live",
            "KANKETSU_LOG_ORIGIN": "audit.minoh.example",
            "KANKETSU_LOG_SIGNING_KEY_FILE": str(keys / "log-signing-key.pem"),
        }
        self.stub: AuditServiceStub
        self._connection: grpc.aio.Channel | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.audit", "serve", cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self._connection = channel(settings_of(self._engines, "gateway"), self.grpc)
        self.stub = AuditServiceStub(self._connection)
        await until(self._is_ready, 30)

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self._log.read_text()[-2000:]
        async with grpc.aio.insecure_channel(self.health) as connection:
            request = health_pb2.HealthCheckRequest(service=READINESS)
            try:
                answer = await health_pb2_grpc.HealthStub(connection).Check(request, timeout=1)
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        code = await asyncio.wait_for(self._process.wait(), 20)
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        return code

    async def ask(self, method: str, request: Any, who: Any = GATEWAY) -> Any:
        token = Signer(self._engines.keys.folder / "identity-signing-key.pem").identity(who, "audit")
        return await call(method, getattr(self.stub, method), request, token, 10)


async def run(replica: Replica, *arguments: str, **environment: str) -> tuple[int, str]:
    """A command in the replica's environment: exit code and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.audit",
        *arguments,
        cwd=ROOT,
        env=replica.environment | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, output.decode()


@pytest_asyncio.fixture(loop_scope="session")
async def replicas(engines, place, buckets, tmp_path) -> AsyncIterator[list[Replica]]:
    pair = [Replica(engines, place, buckets, number, tmp_path) for number in (1, 2)]
    await asyncio.gather(*(replica.start() for replica in pair))
    yield pair
    for replica in pair:
        await replica.end()


async def checkpoint_of(replica: Replica) -> note.Checkpoint | None:
    try:
        answer = await replica.ask("GetCheckpoint", pb.GetCheckpointRequest())
    except DomainError:
        return None
    # Empty before the first: the key is there already.
    return (
        note.open_checkpoint(answer.checkpoint, note.VerifierKey.parse(answer.verifier_key))
        if answer.checkpoint
        else None
    )


async def test_migrate_takes_only_its_own_settings_and_runs_once(engines, empty_database, buckets, tmp_path):
    place = empty_database("audit")
    replica = Replica(engines, place, buckets, 1, tmp_path)
    code, output = await run(replica, "migrate", KANKETSU_MIGRATE_DATABASE_URL=place.owner_url)
    newest = max(path.name for path in (ROOT / "services" / "audit" / "migrations").glob("*.sql"))
    assert (code, output.splitlines()[-1]) == (0, f"applied audit/{newest}")
    assert await run(replica, "migrate", KANKETSU_MIGRATE_DATABASE_URL=place.owner_url) == (0, "")
    code, output = await run(replica, "migrate")
    assert (code, "MIGRATE_DATABASE_URL: required" in output) == (2, True)


@pytest.mark.parametrize("wrong", [{"KANKETSU_LOG_SIGNING_KEY_FILE": "/dev/null"}, {"KANKETSU_LOGORIGIN": "x"}])
async def test_a_wrong_configuration_is_a_short_report(engines, place, buckets, tmp_path, wrong):
    code, output = await run(Replica(engines, place, buckets, 1, tmp_path), "serve", **wrong)
    assert code == 2
    assert output.startswith("configuration refused:")
    assert "Traceback" not in output


async def test_a_record_is_under_a_checkpoint_within_two_seconds_on_either_replica(replicas):
    first, second = replicas
    for replica, other in ((first, second), (second, first)):
        batch = batch_of([record(1), record(2)], clock.new_id())
        answer = await replica.ask("AppendRecords", pb.AppendRecordsRequest(batch=batch))

        async def is_covered(other: Replica = other, index: int = answer.last_index) -> bool:
            checkpoint = await checkpoint_of(other)
            return checkpoint is not None and checkpoint.size > index

        await until(is_covered, 2)


async def test_the_log_of_a_year_is_written_as_events_and_as_a_folder(replicas, tmp_path):
    """Both are recorded; a file is never overwritten, and another year is not this one."""
    replica = replicas[0]
    await replica.ask(
        "AppendRecords", pb.AppendRecordsRequest(batch=batch_of([record(n) for n in range(1, 601)], clock.new_id()))
    )

    async def is_covered() -> bool:
        checkpoint = await checkpoint_of(replica)
        return checkpoint is not None and checkpoint.size >= 600

    await until(is_covered, 10)
    year = fiscal_year(clock.today())
    out = tmp_path / "events.ndjson"
    code, output = await run(replica, "ocsf", "--since", "5", "--year", str(year), "--out", str(out))
    assert (code, output) == (0, "")
    events = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert [event["metadata"]["sequence"] for event in events[:590]] == list(range(5, 595))
    assert {event["metadata"]["log_name"] for event in events} == {f"audit.minoh.example/{year}"}
    code, output = await run(replica, "ocsf", "--since", "5")
    assert code == 0
    assert output.splitlines()[:590] == out.read_text("utf-8").splitlines()[:590]
    code, output = await run(replica, "ocsf", "--out", str(out))
    assert (code, "exists already" in output) == (2, True)
    for command in ("ocsf", "export"):
        code, output = await run(replica, command, "--year", "1999", "--out", str(tmp_path / command))
        assert (code, "no checkpoint of 1999" in output) == (2, True), output
    code, output = await run(replica, "export", "--year", str(year), "--out", str(tmp_path / "log"))
    assert (code, f"leaves of audit.minoh.example/{year}" in output) == (0, True), output

    async def are_recorded() -> bool:
        answer = await replica.ask("ListEntries", pb.ListEntriesRequest(action="audit.exported"), OFFICER)
        details = [dict(entry.detail) for entry in answer.entries]
        events = [one for one in details if one.get("format") == "ocsf" and one["first"] == "5"]
        folders = [one for one in details if one.get("log_year") == str(year) and "format" not in one]
        return len(events) == 2 and len(folders) == 1

    await until(are_recorded, 20)


async def test_an_export_is_recorded_and_verifies_without_the_service(replicas, tmp_path):
    replica = replicas[0]
    # Of just now, as the audit service's own: a source without an end that is silent for long is a finding.
    now = recorder.timestamp(clock.now())
    records = [record(n, occurred_at=now) for n in range(1, 301)]
    await replica.ask("AppendRecords", pb.AppendRecordsRequest(batch=batch_of(records, clock.new_id())))

    async def is_covered() -> bool:
        checkpoint = await checkpoint_of(replica)
        return checkpoint is not None and checkpoint.size >= 300

    await until(is_covered, 10)
    folder = tmp_path / "log"
    code, output = await run(replica, "export", "--out", str(folder))
    assert (code, "leaves of audit.minoh.example/" in output) == (0, True), output
    for environment in ({}, {key: "" for key in replica.environment if key.startswith("KANKETSU_")}):
        code, output = await run(
            replica, "verify", "--log", str(folder), "--key", str(folder / "log.vkey"), **environment
        )
        assert (code, output.startswith("OK: ")) == (0, True), output
    code, output = await run(replica, "export", "--out", str(folder))
    assert (code, "not empty" in output) == (2, True)
    bundle = folder / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"S0123", b"S0124", 1))
    code, output = await run(replica, "verify", "--log", str(folder), "--key", str(folder / "log.vkey"))
    assert code == 1
    assert output.startswith("tile/entries/000: entry ")

    async def is_recorded() -> bool:
        answer = await replica.ask("ListEntries", pb.ListEntriesRequest(action="audit.exported"), OFFICER)
        # An empty log refuses to show its checkpoint, and refusals are recorded under the same action.
        granted = [entry for entry in answer.entries if entry.outcome == envelope_pb2.OUTCOME_GRANTED]
        return {entry.source for entry in granted} == {"audit.audit-1-export"}

    await until(is_recorded, 10)


async def test_check_and_restore_say_what_they_found(replicas, engines, buckets):
    replica = replicas[0]
    await replica.ask(
        "AppendRecords", pb.AppendRecordsRequest(batch=batch_of([record(n) for n in range(1, 301)], clock.new_id()))
    )

    async def is_covered() -> bool:
        checkpoint = await checkpoint_of(replica)
        return checkpoint is not None and checkpoint.size >= 300

    await until(is_covered, 10)
    code, output = await run(replica, "check")
    assert (code, output.endswith(": 0 finding(s)\n")) == (0, True), output
    year = output.split("/")[1].split(":")[0]
    engines.s3("admin").remove_object(buckets, f"{year}/tile/entries/000")
    code, output = await run(replica, "check", "--year", year)
    assert (code, output.splitlines()[0]) == (1, "tile/entries/000 in the object store: is missing")
    code, output = await run(replica, "check", "--year", "1999")
    assert (code, output) == (2, "check failed: there is no checkpoint yet\n")

    code, output = await run(replica, "restore")
    assert (code, output) == (0, "0 leaves brought back; the head was in place\n")
    for one in replicas:
        await one.end()
    engines.s3("admin").remove_object(f"{buckets}-live", "head")
    code, output = await run(replica, "restore")
    assert (code, output) == (0, "0 leaves brought back; the head was put back\n")


async def test_a_replica_told_to_stop_closes_its_epoch(replicas, place):
    assert await replicas[0].end(signal.SIGTERM) == 0
    async with await psycopg.AsyncConnection.connect(place.owner_url) as conn:
        rows = await (await conn.execute("SELECT instance, state FROM audit.record_epochs")).fetchall()
    assert sorted(rows) == [("audit-1", "closed"), ("audit-2", "open")]


async def test_killed_again_and_again_nothing_is_lost_or_doubled(engines, replicas, place, tmp_path):
    """Events and records flow while replicas are killed at any moment; what was sent is in the log once, and verifies."""
    dice = random.Random(11)
    sent: list[tuple[str, bytes, str]] = []
    event_ids: set[str] = set()
    for source in range(3):
        epoch, chain, seq = clock.new_id(), "", 1
        for _ in range(40):
            size = dice.randint(1, 40)
            action = "epoch.open" if seq == 1 else "document.viewed"
            records = [record(seq + n, action if n == 0 else "document.viewed") for n in range(size)]
            batch = batch_of(records, epoch, chain, service="documents")
            batch.instance = f"documents-{source}"
            chain, seq = batch.chain, seq + size
            event_ids |= {one.event_id for one in records}
            sent.append(("kanketsu.access.documents", parcel(batch), batch.batch_id))
    for number in range(1, 200):
        event = envelope(number)
        event_ids.add(event.event_id)
        sent.append(("kanketsu.documents.document.DocumentChanged", event.SerializeToString(), event.event_id))
    dice.shuffle(sent)

    async with broker_of(engines, "documents") as theirs:
        await ensure_streams(theirs.js)
        killed = 0
        for position, (subject, payload, message_id) in enumerate(sent):
            await theirs.publish(subject, payload, message_id, "")
            if dice.random() < 0.2:
                # What was not confirmed in time comes again under another message id.
                again = dice.choice(sent[: position + 1])
                await theirs.publish(again[0], again[1], f"{again[2]}.{position}", "")
            if position % 60 == 59:
                await asyncio.sleep(dice.random() * 0.3)
                victim = replicas[killed % 2]
                await victim.end()
                await victim.start()
                killed += 1
        assert killed >= 5

        async def all_logged() -> bool:
            async with await psycopg.AsyncConnection.connect(place.owner_url) as conn:
                row = await (
                    await conn.execute(
                        "SELECT count(DISTINCT event_id) FROM audit.entries WHERE event_id = ANY(%s::uuid[])",
                        (list(event_ids),),
                    )
                ).fetchone()
            return row == (len(event_ids),)

        # A message that a killed replica had taken comes again after the acknowledgement's time-out.
        await until(all_logged, 90)

    async with await psycopg.AsyncConnection.connect(place.owner_url) as conn:
        rows = await (await conn.execute("SELECT leaf_index, leaf FROM audit.entries ORDER BY leaf_index")).fetchall()
    assert [index for index, _ in rows] == list(range(len(rows)))
    leaves = [decode(leaf) for _, leaf in rows]
    assert len({leaf.event_id for leaf in leaves}) == len(leaves)
    assert {leaf.event_id for leaf in leaves} >= event_ids

    async def is_signed() -> bool:
        checkpoint = await checkpoint_of(replicas[0])
        return checkpoint is not None and checkpoint.size >= len(rows)

    await until(is_signed, 20)
    folder = tmp_path / "log"
    code, output = await run(replicas[0], "export", "--out", str(folder))
    assert code == 0, output
    code, output = await run(replicas[0], "verify", "--log", str(folder), "--key", str(folder / "log.vkey"))
    assert (code, output.startswith("OK: ")) == (0, True), output
