"""A file of 200 MiB goes up and down through one process whose memory stays flat.

Measured in a process of its own: its peak after 20 MiB (which fills every buffer there is) against its peak after
200 MiB.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

from services.documents.blobs import StoreConfig

MIB = 1024 * 1024
# Ten times the content may cost at most this much more; buffers of any kind that grow with it would cost 180 MiB.
SLACK = 20 * MIB

PROGRAM = """
import asyncio, json, os, resource, sys, uuid
from services.documents.blobs import (
    MountedKeys, ObjectStore, StoreConfig, download, new_document_key, open_document_key, upload)

MIB = 1024 * 1024
CHUNK = os.urandom(256 * 1024)

async def content(size):
    for _ in range(size // len(CHUNK)):
        yield CHUNK

async def there_and_back(store, key, size):
    item = str(uuid.uuid4())
    up = await upload(store, key, item, content(size), limit=size)
    received = 0
    async for chunk in download(store, key, item, up.object_key, up.version_id):
        received += len(chunk)
    assert received == up.size == size
    await store.delete_version(up.object_key, up.version_id)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main():
    store = ObjectStore(StoreConfig(**json.loads(sys.stdin.read())))
    keys, document = MountedKeys({"k1": os.urandom(32)}), str(uuid.uuid4())
    key = await open_document_key(keys, await new_document_key(keys, document), document)
    print(json.dumps([await there_and_back(store, key, 20 * MIB), await there_and_back(store, key, 200 * MIB)]))
    await store.close()

asyncio.run(main())
"""


def test_memory_does_not_grow_with_the_content(config: StoreConfig) -> None:
    access = dataclasses.asdict(config) | {"read_timeout": 60.0}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(access),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout)
    assert large - small < SLACK, f"{small / MIB:.0f} MiB after 20 MiB, {large / MIB:.0f} MiB after 200 MiB"
