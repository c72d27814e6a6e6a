"""The servers the conformance suite is run against; everything else in it is the same for all of them."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from minio import Minio

from deploy.local import objects
from deploy.local.stack import Stack
from services.documents.blobs import ObjectStore, StoreConfig
from services.documents.check_store import Check
from tests.conformance import minio

# How long a test run may build MinIO when it is not cached; 0 only uses what is there.
BUILD_SECONDS = float(os.environ.get("KANKETSU_TEST_MINIO_BUILD", "240"))


@dataclass(frozen=True)
class Server:
    """One server under test: the application's access, and an administrator for what the application may not do."""

    name: str
    app: StoreConfig
    admin: Minio
    admin_access: StoreConfig


@pytest.fixture(scope="session")
def seaweedfs(engines: Stack) -> Server:
    """The S3 server of the embedded stack, over HTTP."""
    app, admin = (
        StoreConfig(
            engines.s3_url,
            engines.bucket,
            engines.keys.read(f"s3-{name}-access-key"),
            engines.keys.read(f"s3-{name}-secret-key"),
        )
        for name in ("app", "admin")
    )
    return Server("seaweedfs", app, engines.s3("admin"), admin)


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory: pytest.TempPathFactory, engines: Stack) -> Iterator[Server]:
    """MinIO, over TLS, with the same policy for the application as the embedded stack has."""
    try:
        binary = minio.build(BUILD_SECONDS)
    except minio.NotAtHand as reason:
        notice = (
            f"the object store was NOT checked against MinIO: {reason}. `python -m tests.conformance.minio` builds it."
        )
        warnings.warn(notice, stacklevel=1)
        pytest.skip(notice)
    folder: Path = tmp_path_factory.mktemp("minio")
    with minio.running(binary, folder, objects.content_policy(minio.BUCKET)) as server:
        access, secret = server.admin_keys
        as_admin = dataclasses.replace(server.config, access_key=access, secret_key=secret)
        yield Server("minio", server.config, server.admin, as_admin)


@pytest.fixture(scope="session", params=["seaweedfs", "minio"])
def server(request: pytest.FixtureRequest) -> Server:
    """Every server in turn."""
    fixture = {"seaweedfs": "seaweedfs", "minio": "minio_server"}[request.param]
    found = request.getfixturevalue(fixture)
    assert isinstance(found, Server)
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def store(server: Server) -> AsyncIterator[ObjectStore]:
    """The server's bucket with the application's key."""
    store = ObjectStore(server.app)
    yield store
    await store.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def check(store: ObjectStore) -> AsyncIterator[Check]:
    """One run of probes; its canaries are gone when it ends."""
    check = Check(store, lock_seconds=5.0)
    yield check
    assert await check.clean_up() == []
