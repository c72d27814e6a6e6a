"""Configuration of the audit service. The only module that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from chassis.s3 import StoreConfig
from chassis.settings import PREFIX, Secret, ServiceSettings, load
from services.audit.vault import Vault

LONGEST_INTERVAL = 1
"""Seconds: a checkpoint follows a record within two (I1), also when another replica took the record."""


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What `serve`, `export` and `restore` need."""

    # Of the role audit_app: may add to the log and read it, never change it.
    database_url: Secret
    pool_size: int = 8
    # Public keys of the gateway (identities) and of documents (read receipts), JWKS files.
    identity_jwks_file: Path
    receipt_jwks_file: Path
    # Name of the logs without the year, e.g. "audit.city.minoh.lg.jp"; never changes in the life of a log.
    log_origin: str
    # Ed25519 private key, unencrypted PKCS #8 PEM; signs checkpoints and nothing else.
    log_signing_key_file: Path
    # https://host:port of an S3 service with object lock; the scheme decides TLS.
    s3_url: str
    s3_access_key: Secret
    s3_secret_key: Secret
    # Versioned, with object lock: what is kept. And one without: what changes with every checkpoint.
    s3_kept_bucket: str
    s3_live_bucket: str
    s3_region: str = "us-east-1"
    # Certificate authority of the store, when it is not a public one.
    s3_ca_file: Path | None = None
    # Whole years after its fiscal year for which a log's copies are locked (SC-03).
    log_retention_years: int = 5
    # Seconds between looks for leaves that other replicas appended.
    checkpoint_interval: float = 0.5
    # Who cosigns our log, and how many of them it needs: a policy file (c2sp.org/tlog-policy). None: nobody.
    witness_policy_file: Path | None = None
    # We as a witness of others: our name for it, a private key of its own (PKCS #8 PEM), and the logs we know.
    witness_name: str = ""
    witness_key_file: Path | None = None
    witness_logs_file: Path | None = None
    # A time-stamping authority (RFC 3161; may hold user:password@), and the roots of its certificates.
    tsa_url: Secret | None = None
    tsa_ca_file: Path | None = None
    # Certificates to trust for https to witnesses and authority, beside the system's own.
    outgoing_ca_file: Path | None = None

    # https address of the city's SIEM, which gets every leaf as an OCSF event; none when empty.
    siem_url: str = ""
    # Sent as bearer token with every batch.
    siem_token: Secret | None = None
    # Certificate authority of the receiver, when it is not a public one.
    siem_ca_file: Path | None = None

    def problems(self) -> list[str]:
        """Also what would keep leaves unsigned for long, or copies unlocked."""
        problems = super().problems()
        if self.pool_size < 6:
            problems.append(
                f"{PREFIX}POOL_SIZE: at least 6: leading, checking the log, asking witnesses and pushing to a SIEM keep"
                " one connection each, records need others"
            )
        if self.log_retention_years < 1:
            problems.append(f"{PREFIX}LOG_RETENTION_YEARS: at least 1")
        if not 0.05 <= self.checkpoint_interval <= LONGEST_INTERVAL:
            problems.append(f"{PREFIX}CHECKPOINT_INTERVAL: from 0.05 to {LONGEST_INTERVAL} seconds")
        return problems

    def vault(self) -> Vault:
        """The log's copies in the object store."""
        config = StoreConfig(
            endpoint=self.s3_url,
            bucket=self.s3_kept_bucket,
            access_key=str(self.s3_access_key),
            secret_key=str(self.s3_secret_key),
            region=self.s3_region,
            ca_file=self.s3_ca_file,
        )
        return Vault(config, self.s3_live_bucket, self.log_retention_years)


@dataclass(frozen=True, kw_only=True)
class MigrateSettings:
    """What `migrate` needs: the owner role, which `serve` never has."""

    migrate_database_url: Secret


def read() -> Settings:
    """Settings of this process; SettingsError with every problem."""
    return load(Settings, os.environ)


def read_drop() -> tuple[Settings, MigrateSettings]:
    """Settings of `drop-year`: those of the service, and the owner role's database beside them."""
    prefix = f"{PREFIX}MIGRATE_"
    return load(
        Settings, {key: value for key, value in os.environ.items() if not key.startswith(prefix)}
    ), read_migrate()


def read_migrate() -> MigrateSettings:
    """Settings of `migrate`, which runs beside the service in an environment that has the service's keys too."""
    prefix = f"{PREFIX}MIGRATE_"
    return load(MigrateSettings, {key: value for key, value in os.environ.items() if key.startswith(prefix)})
