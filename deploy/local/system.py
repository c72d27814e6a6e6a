"""The map of the system: every process, what it needs, how it is started and when it is ready.

Data only. `{words}` are filled in by `stack.py` (`Stack.words` lists them all); the settings of the
services are the ones of their `settings.py`, without the prefix KANKETSU_.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["engine", "provider", "service"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One row of the table: a process, or a process per replica for services."""

    name: str
    title: str
    kind: Kind
    command: tuple[str, ...]
    # Parts that must be ready before this one starts; "migrate:x" is the migration of x.
    needs: tuple[str, ...] = ()
    # Ports it listens on, by the word they are known as.
    ports: tuple[str, ...] = ()
    # How to see that it is ready: postgres, nats, s3, grpc (health service), or http:<path> (answers 200).
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    # Seconds to become ready, and seconds to stop before it is killed.
    start_timeout: float = 90.0
    stop_timeout: float = 15.0
    # Another signal than SIGTERM to stop it: PostgreSQL's SIGINT does not wait for its clients.
    stop_signal: str = "SIGTERM"
    # Sent by the kernel when we die: PostgreSQL must end its own children first, the others just end.
    orphan_signal: str = "SIGKILL"


def _flags(**settings: str) -> tuple[str, ...]:
    """`-c name=value` for each."""
    return tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))


POSTGRES_SETTINGS = _flags(
    max_connections="200",
    shared_buffers="128MB",
    fsync="on",
    synchronous_commit="on",
    full_page_writes="on",
    timezone="UTC",
    log_timezone="UTC",
    password_encryption="scram-sha-256",
)


def _service(**own: str) -> dict[str, str]:
    """What every service is told, and its own settings."""
    common = {
        "TENANT": "{tenant}",
        "INSTANCE": "{process}",
        "HEALTH_LISTEN": "127.0.0.1:{health_port}",
        "TLS_CERT_FILE": "{tls}/{service}.pem",
        "TLS_KEY_FILE": "{tls}/{service}.key",
        "TLS_CA_FILE": "{tls}/ca.pem",
        "NATS_URL": "{nats_url}",
        "NATS_NKEY_SEED_FILE": "{keys}/nats-{service}.nkey",
        "LOG_LEVEL": "INFO",
    }
    return common | own


def _owner_of_data(**own: str) -> dict[str, str]:
    """A service with a database of its own behind gRPC."""
    common = {
        "GRPC_LISTEN": "127.0.0.1:{grpc_port}",
        "IDENTITY_JWKS_FILE": "{keys}/identity-jwks.json",
        "DATABASE_URL_FILE": "{keys}/{service}-database-url",
    }
    return _service(**(common | own))


PARTS: tuple[Part, ...] = (
    Part(
        name="postgres",
        title="PostgreSQL 18",
        kind="engine",
        command=(
            "{postgres_bin}/postgres",
            "-D",
            "{postgres_home}/data",
            *_flags(
                listen_addresses="127.0.0.1",
                port="{postgres_port}",
                unix_socket_directories="{postgres_socket}",
                unix_socket_permissions="0700",
            ),
            *POSTGRES_SETTINGS,
        ),
        ports=("postgres",),
        ready="postgres",
        stop_signal="SIGINT",
        orphan_signal="SIGQUIT",
    ),
    Part(
        name="nats",
        title="NATS + JetStream",
        kind="engine",
        command=("{bin}/nats-server", "-c", "{state}/nats/nats.conf"),
        ports=("nats",),
        ready="nats",
    ),
    Part(
        name="store",
        title="SeaweedFS (S3 + object lock)",
        kind="engine",
        command=(
            "{bin}/weed",
            "-logtostderr=true",
            "mini",
            "-dir=data",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            # Master and filer bypass object lock: no HTTP, and gRPC only with a certificate of the store's own CA.
            "-disableHttp",
            "-master.telemetry=false",
            "-master.port={store_master_port}",
            "-master.port.grpc={store_master_grpc_port}",
            # Small, because the number of volumes is what fits on the free disk.
            "-master.volumeSizeLimitMB=64",
            "-volume.port={store_volume_port}",
            "-volume.port.grpc={store_volume_grpc_port}",
            "-volume.preStopSeconds=0",
            "-filer.port={store_filer_port}",
            "-filer.port.grpc={store_filer_grpc_port}",
            "-filer.localSocket=filer.sock",
            "-s3.port={s3_port}",
            "-s3.port.grpc={s3_grpc_port}",
            "-s3.localSocket=s3.sock",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.config=s3.json",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false",
            "-admin.port={store_admin_port}",
            "-admin.port.grpc={store_admin_grpc_port}",
            "-admin.ui=false",
            "-webdav=false",
        ),
        environment={"HOME": "{state}/store", "GOMEMLIMIT": "512MiB"},
        ports=("store_master", "store_volume", "store_filer", "s3", "store_admin"),
        ready="s3",
    ),
    Part(
        name="oidc",
        title="OIDC provider (sample staff)",
        kind="provider",
        command=("{python}", "-m", "deploy.local.oidc"),
        ports=("oidc",),
        ready="http:/.well-known/openid-configuration",
        environment={
            "OIDC_LISTEN": "127.0.0.1:{oidc_port}",
            "OIDC_ISSUER": "{oidc_issuer}",
            "OIDC_SAMPLES": "{samples}/organisation",
            "OIDC_SIGNING_KEY_FILE": "{keys}/oidc-signing-key.pem",
            "OIDC_CLIENT_ID": "{oidc_client_id}",
            "OIDC_CLIENT_SECRET_FILE": "{keys}/oidc-client-secret",
            "OIDC_REDIRECT_URIS": "{public_url}/callback",
            "OIDC_POST_LOGOUT_REDIRECT_URIS": "{public_url}/",
        },
    ),
    Part(
        name="documents",
        title="documents",
        kind="service",
        command=("{python}", "-m", "services.documents", "serve"),
        needs=("migrate:documents", "nats", "store"),
        ready="grpc",
        environment=_owner_of_data(
            S3_URL="{s3_url}",
            S3_ACCESS_KEY_FILE="{keys}/s3-app-access-key",
            S3_SECRET_KEY_FILE="{keys}/s3-app-secret-key",
            S3_BUCKET="{bucket}",
            KEK_FILE="{keys}/kek",
            RECEIPT_SIGNING_KEY_FILE="{keys}/receipt-signing-key.pem",
            MEMBERSHIP_JWKS_FILE="{keys}/membership-jwks.json",
        ),
    ),
    Part(
        name="approvals",
        title="approvals",
        kind="service",
        command=("{python}", "-m", "services.approvals", "serve"),
        needs=("migrate:approvals", "nats"),
        ready="grpc",
        environment=_owner_of_data(
            RECEIPT_JWKS_FILE="{keys}/receipt-jwks.json",
            MEMBERSHIP_SIGNING_KEY_FILE="{keys}/membership-signing-key.pem",
            # 総務課 of the sample city.
            RECORDS_UNIT="U-020-01",
            # 持回り is there to be tried (AP-50).
            WALK_AROUND_DAYS="3",
            # Who holds two seats in a row may close both with one act (AP-43).
            CONSECUTIVE_SEATS="true",
        ),
    ),
    Part(
        name="audit",
        title="audit",
        kind="service",
        command=("{python}", "-m", "services.audit", "serve"),
        needs=("migrate:audit", "nats", "store"),
        ready="grpc",
        environment=_owner_of_data(
            S3_URL="{s3_url}",
            S3_ACCESS_KEY_FILE="{keys}/s3-audit-access-key",
            S3_SECRET_KEY_FILE="{keys}/s3-audit-secret-key",
            S3_KEPT_BUCKET="{kept_bucket}",
            S3_LIVE_BUCKET="{live_bucket}",
            RECEIPT_JWKS_FILE="{keys}/receipt-jwks.json",
            LOG_ORIGIN="audit.{tenant}.localhost",
            LOG_SIGNING_KEY_FILE="{keys}/log-signing-key.pem",
            WITNESS_NAME="witness.{tenant}.localhost",
            WITNESS_KEY_FILE="{keys}/witness-signing-key.pem",
            WITNESS_LOGS_FILE="{keys}/witness-logs",
            WITNESS_POLICY_FILE="{keys}/witness-policy",
        ),
    ),
    Part(
        name="gateway",
        title="gateway",
        kind="service",
        command=("{python}", "-m", "services.gateway", "serve"),
        needs=("nats", "oidc"),
        ready="http:/readyz",
        stop_timeout=25.0,
        environment=_service(
            HTTP_LISTEN="127.0.0.1:{http_port}",
            PUBLIC_URL="{public_url}",
            TENANT_NAME="{tenant_name}",
            IDENTITY_SIGNING_KEY_FILE="{keys}/identity-signing-key.pem",
            OIDC_ISSUER="{oidc_issuer}",
            OIDC_CLIENT_ID="{oidc_client_id}",
            OIDC_CLIENT_SECRET_FILE="{keys}/oidc-client-secret",
            DOCUMENTS_TARGET="{documents_targets}",
            APPROVALS_TARGET="{approvals_targets}",
            AUDIT_TARGET="{audit_targets}",
            WITNESS_NETWORKS="127.0.0.0/8",
        ),
    ),
)

# Who stops together, in this order: callers before the called, engines last.
STOP_ROUNDS = (("gateway",), ("documents", "approvals", "audit"), ("oidc",), ("postgres", "nats", "store"))

# Services with a schema. Their migrations run before they start, as the owner role.
MIGRATED = ("documents", "approvals", "audit")
MIGRATE_COMMAND = ("{python}", "-m", "services.{service}", "migrate")
# The only difference to the environment of `serve`.
MIGRATE_ENVIRONMENT = {"MIGRATE_DATABASE_URL_FILE": "{keys}/{service}-migrate-database-url"}

# Loads the sample city, in this order, each as the service that owns the data: (service, command).
LOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("approvals", ("{python}", "-m", "services.approvals", "load", "{samples}")),
    ("documents", ("{python}", "-m", "services.documents", "load", "{samples}")),
)

# Brings the sample documents to life over HTTP, as the staff would.
DOCUMENTS_LOAD = ("{python}", "-m", "samples.load", "--url", "{public_url}", "--city", "{samples}")

# Names of the tenants that have samples.
TENANT_NAMES = {"minoh": "箕面市"}
DATABASE = "kanketsu"
# All of the server's own contrib; they belong to the database, so that a service need not be allowed to make them.
EXTENSIONS = ("btree_gin", "btree_gist", "ltree", "pg_trgm")
# Who is known to the broker and the CA beside the services: the stack itself, and tests.
ADMIN = "admin"
OIDC_CLIENT_ID = "kanketsu"


@dataclass(frozen=True)
class NatsPermissions:
    """Subjects a user may publish to and subscribe to. What is not listed is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def _stream(name: str) -> tuple[str, ...]:
    """See a stream and make it when it is missing (never change, empty or delete it)."""
    return (f"$JS.API.STREAM.INFO.{name}", f"$JS.API.STREAM.CREATE.{name}")


def _consume(stream: str, durable: str) -> tuple[str, ...]:
    """Make one durable consumer of a stream, pull from it, acknowledge, and put aside what cannot be handled."""
    return (
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}",
        f"$JS.API.CONSUMER.INFO.{stream}.{durable}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
        f"kanketsu.deadletter.{durable}",
    )


_STREAMS = (
    *_stream("EVENTS"),
    *_stream("ACCESS"),
    *_stream("RECEIPTS"),
    *_stream("DEADLETTER"),
    "$JS.API.INFO",
)

# Durables are named after their service; every service has an inbox prefix of its own.
NATS_PERMISSIONS: Mapping[str, NatsPermissions] = {
    "documents": NatsPermissions(
        publish=(
            *_STREAMS,
            "kanketsu.documents.>",
            "kanketsu.access.documents",
            "kanketsu.receipt.approvals",
            *_consume("EVENTS", "documents"),
            *_consume("RECEIPTS", "documents-receipts"),
        ),
        subscribe=("_INBOX_documents.>",),
    ),
    "approvals": NatsPermissions(
        publish=(
            *_STREAMS,
            "kanketsu.approvals.>",
            "kanketsu.access.approvals",
            "kanketsu.receipt.documents",
            *_consume("EVENTS", "approvals"),
            *_consume("RECEIPTS", "approvals-receipts"),
        ),
        subscribe=("_INBOX_approvals.>",),
    ),
    "audit": NatsPermissions(
        publish=(
            *_STREAMS,
            "kanketsu.audit.>",
            "kanketsu.access.audit",
            "kanketsu.receipt.>",
            *_consume("EVENTS", "audit-events"),
            *_consume("ACCESS", "audit-access"),
            *_consume("RECEIPTS", "audit-receipts"),
        ),
        subscribe=("_INBOX_audit.>",),
    ),
    "gateway": NatsPermissions(
        publish=(
            "$JS.API.INFO",
            *_stream("KV_sessions"),
            "$KV.sessions.>",
            "$JS.API.DIRECT.GET.KV_sessions.>",
            "$JS.API.STREAM.MSG.GET.KV_sessions",
        ),
        # Told when the organisation changes, to forget cached principals; it needs no stream for that.
        subscribe=("_INBOX_gateway.>", "kanketsu.approvals.directory.>"),
    ),
}
