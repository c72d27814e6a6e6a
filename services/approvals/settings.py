"""Configuration of approvals: one frozen object per command, read once from the environment.

`migrate` and `load` read only their own keys, so that `serve` never sees the owner's password.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import PREFIX, Secret, ServiceSettings, load


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What `serve` needs."""

    # postgresql://approvals_app:…@host/kanketsu
    database_url: Secret
    # Public keys of the gateway, which signs identities.
    identity_jwks_file: Path
    # Public keys of documents, which signs read receipts.
    receipt_jwks_file: Path
    # Connections to the database of this process.
    pool_size: int = 10


@dataclass(frozen=True, kw_only=True)
class MigrateSettings:
    """What `migrate` needs: the role that owns the schema."""

    migrate_database_url: Secret


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """What `load` needs: the application's role."""

    database_url: Secret


def read() -> Settings:
    """Settings of `serve`; SettingsError with all problems."""
    return load(Settings, os.environ)


def read_migrate() -> MigrateSettings:
    """Settings of `migrate`."""
    return load(MigrateSettings, _only("MIGRATE_DATABASE_URL"))


def read_load() -> LoadSettings:
    """Settings of `load`."""
    return load(LoadSettings, _only("DATABASE_URL"))


def _only(key: str) -> Mapping[str, str]:
    names = (f"{PREFIX}{key}", f"{PREFIX}{key}_FILE")
    return {name: value for name, value in os.environ.items() if name in names}
