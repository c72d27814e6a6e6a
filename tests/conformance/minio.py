"""MinIO itself, built from source where a Go toolchain is at hand, as its maker recommends.

`python -m tests.conformance.minio [SECONDS]` builds it once (about 3 minutes on two cores, 2.5 GB of cache).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.credentials import StaticProvider
from minio.error import MinioException
from minio.minioadmin import MinioAdmin

from deploy.local import ports
from deploy.local.authority import Authority
from deploy.local.processes import LAUNCHER
from services.documents.blobs import StoreConfig
from tests.conformance import golang
from tests.conformance.golang import NotAtHand

MODULE = "github.com/minio/minio@latest"
BUCKET = "kanketsu-conformance"
_KEYS = {"admin": ("conformance-admin", "conformance-admin-secret"), "app": ("documents", "documents-secret-key")}


def program() -> Path:
    """Where the built program is, or would be."""
    return golang.cache_folder() / "minio" / "minio"


def build(seconds: float) -> Path:
    """The program, built now if it is not there, in at most `seconds`. NotAtHand with the reason."""
    return golang.build(program(), ["install", MODULE], seconds)


@dataclass(frozen=True)
class Server:
    """A running MinIO: what `documents` would be given, and the administrator's own client."""

    config: StoreConfig
    admin: Minio
    admin_keys: tuple[str, str]


@contextmanager
def running(binary: Path, folder: Path, app_policy: dict[str, object]) -> Iterator[Server]:
    """MinIO over TLS on a free loopback port, with a locked bucket and one application user under `app_policy`."""
    authority = Authority(folder / "tls", "conformance", "Conformance CA")
    certificate = authority.certificate("minio")
    certificates = folder / "certs"
    certificates.mkdir(parents=True)
    shutil.copy(certificate.cert_file, certificates / "public.crt")
    shutil.copy(certificate.key_file, certificates / "private.key")
    block = ports.reserve()
    address = f"{ports.LOOPBACK}:{block.base}"
    user, password = _KEYS["admin"]
    environment = {
        "HOME": str(folder),
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "MINIO_ROOT_USER": user,
        "MINIO_ROOT_PASSWORD": password,
    }
    serve = [binary, "server", "--address", address, "--certs-dir", certificates, folder / "data"]
    # The launcher makes it end with us, whatever ends us.
    launch = [sys.executable, "-I", "-S", LAUNCHER, os.getpid(), int(signal.SIGKILL), "-", "-", "--", *serve]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in launch], env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        http = urllib3.PoolManager(retries=False, timeout=10.0, ca_certs=str(authority.ca_file))
        admin = Minio(address, user, password, region="us-east-1", http_client=http)
        _wait_until_ready(admin, process, folder / "log")
        admin.make_bucket(BUCKET, object_lock=True)
        operator = MinioAdmin(
            endpoint=address, credentials=StaticProvider(user, password), region="us-east-1", http_client=http
        )
        operator.policy_add("documents", policy=app_policy)
        operator.user_add(*_KEYS["app"])
        operator.policy_set("documents", user=_KEYS["app"][0])
        config = StoreConfig(f"https://{address}", BUCKET, *_KEYS["app"], ca_file=authority.ca_file)
        yield Server(config, admin, _KEYS["admin"])
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        block.release()


def _wait_until_ready(admin: Minio, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until S3 answers: its health endpoint says ready some moments before that."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            admin.list_buckets()
            return
        except (MinioException, urllib3.exceptions.HTTPError):
            time.sleep(0.1)
    raise RuntimeError(f"MinIO did not become ready:\n{log.read_text(errors='replace')[-2000:]}")


if __name__ == "__main__":
    try:
        print(build(float(sys.argv[1]) if len(sys.argv) > 1 else 1800))
    except NotAtHand as reason:
        sys.exit(f"MinIO is not at hand: {reason}")
