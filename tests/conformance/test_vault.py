"""What the audit log relies on in an object store: written once, locked from the first moment, compare and swap (I2).

The same questions to every server. Two of its promises are not asked by `check-store`, which knows one bucket only.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from minio.commonconfig import COMPLIANCE
from minio.error import S3Error

from chassis.s3 import StoreConflict
from services.audit.vault import Altered, Vault
from tests.conformance.conftest import Server

# Building MinIO may be part of the first test.
pytestmark = pytest.mark.timeout(420)


@pytest.fixture
def bucket(server: Server) -> str:
    """Two fresh buckets: with object lock, and without under the same name and `-live`."""
    name = f"log-{uuid.uuid4().hex[:12]}"
    server.admin.make_bucket(name, object_lock=True)
    server.admin.make_bucket(f"{name}-live")
    return name


@pytest.fixture
def vaults(server: Server, bucket: str) -> Iterator[list[Vault]]:
    """Several processes' view of them."""
    made = [Vault(replace(server.admin_access, bucket=bucket), f"{bucket}-live", retention_years=1) for _ in range(6)]
    yield made
    for one in made:
        one.close()


async def test_of_those_that_move_the_head_at_once_one_wins(vaults: list[Vault]) -> None:
    for round_ in range(5):
        heads = [await one.head(fresh=True) for one in vaults]
        assert len(set(heads)) == 1
        results = await asyncio.gather(
            *(
                one.move_head(head, f"第{round_}回 {n}".encode())
                for n, (one, head) in enumerate(zip(vaults, heads, strict=True))
            ),
            return_exceptions=True,
        )
        [winner] = [result for result in results if not isinstance(result, BaseException)]
        assert all(isinstance(one, StoreConflict) for one in results if one is not winner)
        head = await vaults[0].head(fresh=True)
        assert head is not None
        assert head.note == winner.note


async def test_of_those_that_keep_at_once_all_keep_the_first(vaults: list[Vault], server: Server, bucket: str) -> None:
    results = await asyncio.gather(
        *(one.keep(2026, "tile/0/000", bytes([n // 3]) * 8192) for n, one in enumerate(vaults)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 3
    assert sum(isinstance(result, Altered) for result in results) == 3
    [version] = server.admin.list_objects(bucket, "2026/", recursive=True, include_version=True)
    lock = server.admin.get_object_retention(bucket, "2026/tile/0/000", version.version_id)
    assert lock is not None
    assert lock.mode == COMPLIANCE
    with pytest.raises(S3Error):
        server.admin.remove_object(bucket, "2026/tile/0/000", version.version_id)
