"""Configuration of the documents service; the only place here that reads the environment.

Each command reads what it needs and no more: `migrate` gets the owner's password and nothing else,
`serve` and `load` never see it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from chassis.settings import PREFIX, Secret, ServiceSettings, SettingsError, load
from services.documents.blobs import StoreConfig
from services.documents.breakglass.domain import MOST_HOURS
from services.documents.domain import BREAK_GLASS, REASONS
from services.documents.rights import AT_WORK, OWNERS, READING, Rights, unknown_reasons

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, kw_only=True)
class ContentSettings:
    """Where content is kept."""

    # https://host:port of an S3 service with versioning and object lock; the scheme decides TLS.
    s3_url: str
    s3_access_key: Secret
    s3_secret_key: Secret
    s3_bucket: str
    s3_region: str = "us-east-1"
    # Certificate authority of the store, when it is not a public one.
    s3_ca_file: Path | None = None

    def store(self) -> StoreConfig:
        """For ObjectStore."""
        return StoreConfig(
            endpoint=self.s3_url,
            bucket=self.s3_bucket,
            access_key=str(self.s3_access_key),
            secret_key=str(self.s3_secret_key),
            region=self.s3_region,
            ca_file=self.s3_ca_file,
        )


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings, ContentSettings):
    """What `serve` needs."""

    # libpq URL of the application role.
    database_url: Secret
    # Public keys of the gateway.
    identity_jwks_file: Path
    # Key-encryption keys, `id:base64` per line, the first is current.
    kek_file: Path
    # Private key (PEM, Ed25519) that signs read receipts.
    receipt_signing_key_file: Path
    # Public keys of approvals, which attests who belongs to a unit.
    membership_jwks_file: Path
    # Connections to the database per process.
    pool_size: int = 8
    # Most bytes of one attachment; one more is refused.
    upload_limit: int = 100 * 1024 * 1024
    # Folder of the operator's fonts, asked for the glyphs that the bundled ones lack (NM-02).
    fonts: Path | None = None
    # Seconds after which something unfinished counts as abandoned. Longer than any upload may take.
    sweep_after: float = 3600.0
    # Why somebody has to see a document to take its files out and to print it (AC-15, ⚙): reasons of `viewers`.
    download_for: tuple[str, ...] = AT_WORK
    print_for: tuple[str, ...] = AT_WORK
    # The same where its personal information is sensitive (要配慮).
    sensitive_download_for: tuple[str, ...] = READING
    sensitive_print_for: tuple[str, ...] = OWNERS
    # The most hours that a 緊急閲覧 may be open (AC-08, ⚙), 1 to 24.
    break_glass_hours: int = 4

    def rights(self) -> Rights:
        """What the city has set. SettingsError for a reason that does not exist."""
        given = {name: getattr(self, name) for name in Rights.__dataclass_fields__}
        problems = [
            f"{PREFIX}{name.upper()}: {unknown!r} is none of {', '.join(one for one in REASONS if one != BREAK_GLASS)}"
            for name, reasons in given.items()
            for unknown in unknown_reasons(reasons)
        ]
        if problems:
            raise SettingsError(problems)
        return Rights(**given)

    def most_break_glass_hours(self) -> int:
        """What the city has set. SettingsError beyond a day."""
        if not 1 <= self.break_glass_hours <= MOST_HOURS:
            raise SettingsError([f"{PREFIX}BREAK_GLASS_HOURS: {self.break_glass_hours} is not from 1 to {MOST_HOURS}"])
        return self.break_glass_hours


@dataclass(frozen=True, kw_only=True)
class MigrateSettings:
    """What `migrate` needs."""

    # libpq URL of the owner role.
    migrate_database_url: Secret
    log_level: str = "INFO"


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """What `load` needs."""

    database_url: Secret
    log_level: str = "INFO"


@dataclass(frozen=True, kw_only=True)
class SweepSettings(ContentSettings):
    """What `sweep` needs."""

    database_url: Secret
    sweep_after: float = 3600.0
    log_level: str = "INFO"


def read() -> Settings:
    """For `serve`; unknown keys are refused."""
    return load(Settings, os.environ)


def read_some(cls: type[T]) -> T:
    """For the short commands, which run in the environment of `serve`: their own keys out of it."""
    wanted = {f"{PREFIX}{name.upper()}" for name in cls.__dataclass_fields__}
    return load(
        cls, {key: value for key, value in os.environ.items() if key.removesuffix("_FILE") in wanted or key in wanted}
    )
