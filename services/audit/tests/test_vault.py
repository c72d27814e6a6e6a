"""The copies in the object store: written once, locked, and a head that only one can move."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from minio.commonconfig import COMPLIANCE
from minio.error import S3Error

from chassis import clock
from chassis.s3 import StoreConflict, StoreUnavailable
from services.audit.tests.conftest import open_vault
from services.audit.vault import Altered


async def test_what_is_kept_is_written_once_and_locked_for_the_retention(vault, engines, buckets):
    await vault.keep(2026, "tile/0/000", b"\x01" * 8192)
    await vault.keep(2026, "tile/0/000", b"\x01" * 8192)
    assert await vault.kept(2026, "tile/0/000") == b"\x01" * 8192
    assert await vault.kept(2026, "tile/0/001") is None
    admin = engines.s3("admin")
    [version] = admin.list_objects(buckets, "2026/tile/0/000", include_version=True)
    lock = admin.get_object_retention(buckets, "2026/tile/0/000", version.version_id)
    assert lock.mode == COMPLIANCE
    # SC-03: five years after the fiscal year's last day, in Japan.
    assert lock.retain_until_date == dt.datetime(2032, 4, 1, tzinfo=clock.JST)
    with pytest.raises(S3Error):
        admin.remove_object(buckets, "2026/tile/0/000", version.version_id)


async def test_other_bytes_where_ours_belong_are_found(vault, engines, buckets):
    await vault.keep(2026, "tile/0/000", b"\x01" * 8192)
    with pytest.raises(Altered, match="2026/tile/0/000"):
        await vault.keep(2026, "tile/0/000", b"\x02" * 8192)


async def test_of_many_that_move_the_head_at_once_one_wins(engines, buckets):
    vaults = [open_vault(engines, buckets) for _ in range(8)]
    try:
        for round_ in range(3):
            heads = [await one.head(fresh=True) for one in vaults]
            results = await asyncio.gather(
                *(
                    one.move_head(head, b"%d/%d" % (round_, n))
                    for n, (one, head) in enumerate(zip(vaults, heads, strict=True))
                ),
                return_exceptions=True,
            )
            [winner] = [result for result in results if not isinstance(result, BaseException)]
            assert all(isinstance(result, StoreConflict) for result in results if result is not winner)
            head = await vaults[0].head(fresh=True)
            assert head is not None
            assert head.note == winner.note
    finally:
        for one in vaults:
            one.close()


async def test_a_head_that_this_process_lost_is_read_anew(vault, engines, buckets):
    other = open_vault(engines, buckets)
    first = await vault.move_head(None, "目録 1".encode())
    await other.move_head(first, "目録 2".encode())
    with pytest.raises(StoreConflict):
        await vault.move_head(first, "目録 3".encode())
    head = await vault.head()
    assert head is not None
    assert head.note == "目録 2".encode()
    other.close()


async def test_partial_tiles_of_earlier_checkpoints_are_withdrawn(vault):
    for width in (1, 2, 3):
        await vault.show(2026, f"tile/0/000.p/{width}", bytes(32 * width))
    await vault.show(2027, "tile/0/000.p/1", bytes(32))
    await vault.withdraw_all_but(2026, {"tile/0/000.p/3"})
    assert [await vault.shown(2026, f"tile/0/000.p/{width}") for width in (1, 2)] == [None, None]
    assert await vault.shown(2026, "tile/0/000.p/3") == bytes(96)
    assert await vault.shown(2027, "tile/0/000.p/1") == bytes(32)


async def test_buckets_that_are_not_there_are_named(vault, engines, buckets):
    await vault.ready()
    missing = open_vault(engines, "nai")
    with pytest.raises(StoreUnavailable, match="nai"):
        await missing.ready()
    missing.close()
