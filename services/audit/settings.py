"""Configuration of the audit service. The only module that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import PREFIX, Secret, ServiceSettings, load


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What `serve` and `export` need."""

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
    # Seconds between looks for leaves that other replicas appended.
    checkpoint_interval: float = 0.5


@dataclass(frozen=True, kw_only=True)
class MigrateSettings:
    """What `migrate` needs: the owner role, which `serve` never has."""

    migrate_database_url: Secret


def read() -> Settings:
    """Settings of this process; SettingsError with every problem."""
    return load(Settings, os.environ)


def read_migrate() -> MigrateSettings:
    """Settings of `migrate`, which runs beside the service in an environment that has the service's keys too."""
    prefix = f"{PREFIX}MIGRATE_"
    return load(MigrateSettings, {key: value for key, value in os.environ.items() if key.startswith(prefix)})
