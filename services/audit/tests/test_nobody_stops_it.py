"""Nobody can stop the log (I1, I2): no setting, level, role or operation turns it off, thins it or takes from it.

Each list is compared with what there is, so that whoever adds a setting, an RPC or an address has to think about it here.
"""

from __future__ import annotations

import dataclasses
import json
from importlib import import_module

import psycopg
import pytest

from chassis import clock
from chassis.settings import SettingsError, load
from conftest import ROOT
from deploy.local import system
from kanketsu.audit.v1 import audit_service_pb2 as pb
from services.audit.settings import Settings
from services.audit.tests.making import batch_of, record
from services.audit.tests.test_api import OFFICER
from services.audit.tests.test_consumer import empty_broker, until
from services.audit.tests.test_processes import Replica, checkpoint_of

__all__ = ["empty_broker"]

# What could be hoped to slow, thin or silence it, at its extreme. Everything is tried at once.
EXTREMES = {
    "log_level": "CRITICAL",
    "otlp_endpoint": "",
    "trace_ratio": "0",
    "resend_after": "600",
    "recover_after": "600",
    "checkpoint_interval": "1",
    "log_retention_years": "1",
    "pool_size": "6",
}
# Beyond the extreme: refused at the start, so that nothing is half on, and no alarm waits for years.
REFUSED = [
    *(("log_retention_years", "0"), ("pool_size", "5")),
    *(("checkpoint_interval", "1.1"), ("checkpoint_interval", "0"), ("checkpoint_interval", "nan")),
]
# Where things are and who we are: wrong ones mean that nothing is served at all.
PLACES = {
    *("tenant", "instance", "tls_cert_file", "tls_key_file", "tls_ca_file", "nats_url", "nats_nkey_seed"),
    *("grpc_listen", "health_listen", "database_url", "identity_jwks_file", "receipt_jwks_file", "log_origin"),
    *("log_signing_key_file", "s3_url", "s3_access_key", "s3_secret_key", "s3_kept_bucket", "s3_live_bucket"),
    *("s3_region", "s3_ca_file"),
    # Others who cosign and time-stamp: without them the log is the same, and fewer vouch for it.
    *("witness_policy_file", "witness_name", "witness_key_file", "witness_logs_file"),
    *("tsa_url", "tsa_ca_file", "outgoing_ca_file", "siem_url", "siem_token", "siem_ca_file"),
}


def test_every_setting_was_thought_of():
    assert {field.name for field in dataclasses.fields(Settings)} == PLACES | EXTREMES.keys()


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_would_break_it_is_refused_at_the_start(name, value):
    environment = {f"KANKETSU_{one.upper()}": "x" for one in PLACES} | {f"KANKETSU_{name.upper()}": value}
    with pytest.raises(SettingsError, match=name.upper()):
        load(Settings, environment)


async def test_with_every_setting_at_its_extreme_each_record_is_signed(engines, place, buckets, tmp_path):
    replica = Replica(engines, place, buckets, 1, tmp_path)
    replica.environment |= {f"KANKETSU_{name.upper()}": value for name, value in EXTREMES.items()}
    await replica.start()
    try:
        epoch, chain = clock.new_id(), ""
        for seq in range(1, 41):
            batch = batch_of([record(seq)], epoch, chain)
            answer = await replica.ask("AppendRecords", pb.AppendRecordsRequest(batch=batch))
            chain = answer.chain
        listed = await replica.ask("ListEntries", pb.ListEntriesRequest(action="session.login"), OFFICER)
        assert len(listed.entries) == 40

        async def is_covered() -> bool:
            checkpoint = await checkpoint_of(replica)
            return checkpoint is not None and checkpoint.size > answer.last_index

        await until(is_covered, 10)
    finally:
        await replica.end()


LOG_TABLES = (
    *("logs", "entries", "tiles", "checkpoints", "coordinator", "sources", "aggregates"),
    *("alarms", "counts", "commitments", "reconciled", "dropped_years"),
)
NEVER_CHANGED = ("entries", "tiles", "checkpoints", "dropped_years")


async def test_no_role_may_take_from_it(engines, place):
    """Every role of the server that is not a superuser; the owner of the schema is refused by triggers instead."""
    async with await psycopg.AsyncConnection.connect(place.superuser_url, autocommit=True) as conn:
        rows = await conn.execute(
            "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname NOT LIKE 'pg\\_%' AND rolname <> 'audit_owner'"
        )
        roles = [name for (name,) in await rows.fetchall()]
        assert {"audit_app", "documents_app", "approvals_app"} <= set(roles)
        for role in roles:
            for table in LOG_TABLES:
                rows = await conn.execute(
                    "SELECT kind FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS kind"
                    " WHERE has_table_privilege(%s, %s, kind)",
                    (role, f"audit.{table}"),
                )
                allowed = {kind for (kind,) in await rows.fetchall()}
                if role != "audit_app":
                    assert allowed == set(), (role, table)
                    continue
                assert not allowed & {"DELETE", "TRUNCATE", "TRIGGER"}, table
                # SC-03: only the owner says that a year has been dropped.
                assert table != "dropped_years" or allowed == {"SELECT"}
                rows = await conn.execute("SELECT has_any_column_privilege(%s, %s, 'UPDATE')", (role, f"audit.{table}"))
                [(may_update,)] = await rows.fetchall()
                assert not (may_update and table in NEVER_CHANGED), table


READING = ("List", "Get", "Find", "Read")
# What else each service of the audit package does, whole: add to the log or about it, never take.
WRITING: dict[str, set[str]] = {
    # The second adds its result.
    "AuditService": {"AppendRecords", "Reconcile"},
    # Reviews stand beside the log; their findings and the versions of their rules are added, never taken back.
    "ReviewService": {"OpenReview", "CompareStaff", "TreatFinding", "SignReview", "RemarkReview", "ChangeRules"},
    "TimestampService": set(),
    # The memory of the logs of others, which only grows.
    "WitnessService": {"AddCheckpoint"},
}


def operations() -> dict[str, set[str]]:
    """The RPCs of every service that a file of the audit package describes."""
    return {
        service.name: {method.name for method in service.methods}
        for file in (ROOT / "proto" / "kanketsu" / "audit" / "v1").glob("*.proto")
        for service in import_module(f"kanketsu.audit.v1.{file.stem}_pb2").DESCRIPTOR.services_by_name.values()
    }


def test_no_operation_takes_from_it():
    """RPCs of all services of the audit package add or read; addresses of the log only read, but for a witness's duty
    and the review of what is there."""
    writing = {
        service: {name for name in names if not name.startswith(READING)} for service, names in operations().items()
    }
    assert writing == WRITING
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    about_the_log = {path: set(paths[path]) for path in paths if path.startswith(("/log", "/api/v1/audit"))}
    assert len(about_the_log) >= 5
    for path, methods in about_the_log.items():
        assert not methods & {"delete", "put", "patch"}, path


def test_no_service_may_empty_the_broker_s_streams():
    for name, permissions in system.NATS_PERMISSIONS.items():
        for subject in permissions.publish:
            assert not any(word in subject for word in ("PURGE", "STREAM.DELETE", "STREAM.UPDATE", "MSG.DELETE")), name
