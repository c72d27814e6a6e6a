"""A witness on the real PostgreSQL and the real object store, and another city's log that submits to it."""

from __future__ import annotations

import pytest

from services.audit.note import COSIGNATURE_V1, SigningKey
from services.audit.tests.conftest import buckets, keys, place, pool, superuser, vault
from services.audit.witness.commands import Witness
from services.audit.witness.domain import KnownLogs
from services.audit.witness.tests.other_city import TOYONAKA

__all__ = ["buckets", "keys", "place", "pool", "superuser", "vault"]


@pytest.fixture(scope="session")
def witness() -> Witness:
    """Minoh as a witness of Toyonaka's yearly logs."""
    key = SigningKey.from_seed("witness.minoh.example", bytes(range(32)), COSIGNATURE_V1)
    return Witness(key, KnownLogs.parse(f"# 豊中市\nyearly {TOYONAKA.key.verifier.vkey}\n"))
