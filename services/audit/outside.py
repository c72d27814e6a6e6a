"""What this installation has to do with others: who cosigns our log, whose logs we cosign, who time-stamps.

Everything here is optional; without it nobody is called and nobody is answered.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.x509 import Certificate, load_pem_x509_certificates

from chassis.db import Pool
from chassis.settings import SettingsError
from services.audit.note import COSIGNATURE_V1, NoteError, SigningKey
from services.audit.quorum import Policy
from services.audit.settings import Settings
from services.audit.vault import Vault
from services.audit.witness.commands import Witness
from services.audit.witness.domain import KnownLogs

if TYPE_CHECKING:
    from services.audit.outgoing import Outgoing

# Seconds for one request to anybody outside, however slowly the answer drips.
REQUEST_SECONDS = 10.0

Task = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True)
class Outside:
    """The configuration of it, read and checked."""

    policy: Policy
    witness: Witness | None
    tsa_url: str
    tsa_roots: tuple[Certificate, ...]
    ca_file: Path | None

    def tasks(self, pool: Pool, vault: Vault) -> list[Task]:
        """What runs beside the service: asking witnesses and the time-stamping authority. SettingsError."""
        tasks: list[Task] = []
        asked = any(witness.url for witness in self.policy.witnesses.values())
        if not asked and not self.tsa_url:
            return tasks
        # Loaded only where it is used: the libraries weigh more than all of ours.
        http = self._http()
        if asked:
            from services.audit.cosignatures.collector import Collector

            tasks.append(Collector(pool, self.policy, http).run)
        if self.tsa_url:
            from services.audit.timestamps.commands import Authority
            from services.audit.timestamps.stamper import Stamper

            tasks.append(Stamper(pool, vault, http, Authority(self.tsa_url, self.tsa_roots)).run)
        return tasks

    def _http(self) -> Outgoing:
        from services.audit.outgoing import Outgoing

        try:
            return Outgoing(self.ca_file, REQUEST_SECONDS)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError([f"KANKETSU_OUTGOING_CA_FILE: {error}"]) from error


def read(configured: Settings, log_key: SigningKey) -> Outside:
    """From the files that the settings name; SettingsError with every problem. `log_key` is what the witness's must not be."""
    problems: list[str] = []
    policy = Policy()
    witness: Witness | None = None
    roots: tuple[Certificate, ...] = ()
    try:
        if configured.witness_policy_file is not None:
            policy = Policy.parse(configured.witness_policy_file.read_bytes())
    except (OSError, ValueError) as error:
        problems.append(f"KANKETSU_WITNESS_POLICY_FILE: {error}")
    try:
        witness = _witness(configured, log_key)
    except (OSError, ValueError) as error:
        problems.append(f"KANKETSU_WITNESS_KEY_FILE, _NAME and _LOGS_FILE: {error}")
    try:
        roots = _roots(configured)
    except (OSError, ValueError) as error:
        problems.append(f"KANKETSU_TSA_CA_FILE: {error}")
    if problems:
        raise SettingsError(problems)
    return Outside(policy, witness, str(configured.tsa_url or ""), roots, configured.outgoing_ca_file)


def _witness(configured: Settings, log_key: SigningKey) -> Witness | None:
    given = (configured.witness_key_file, configured.witness_logs_file)
    if configured.witness_key_file is None or configured.witness_logs_file is None:
        if any(given) or configured.witness_name:
            raise ValueError("a witness needs all three")
        return None
    key = SigningKey.from_pem(configured.witness_name, configured.witness_key_file.read_bytes())
    if key.verifier.public_key == log_key.verifier.public_key:
        # A cosignature does not name who made it: one key must never sign in two roles.
        raise NoteError("this is the log's key; a witness has a key of its own")
    logs = KnownLogs.parse(configured.witness_logs_file.read_text(encoding="utf-8"))
    return Witness(SigningKey(key.name, COSIGNATURE_V1, key.key), logs)


def _roots(configured: Settings) -> tuple[Certificate, ...]:
    if not configured.tsa_url:
        return ()
    if configured.tsa_ca_file is None:
        raise ValueError("required with KANKETSU_TSA_URL")
    return tuple(load_pem_x509_certificates(configured.tsa_ca_file.read_bytes()))
