"""MinIO itself, built from source where a Go toolchain is at hand, as its maker recommends; cached outside the tree.

`python -m tests.conformance.minio [SECONDS]` builds it once (about 3 minutes on two cores, 2.5 GB of cache). Needs Go
1.24 or newer and its module proxy. Downloads and compiled packages are kept, so a build that was cut short goes on later.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
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

MODULE = "github.com/minio/minio@latest"
OLDEST_GO = (1, 24)
BUCKET = "kanketsu-conformance"
_KEYS = {"admin": ("conformance-admin", "conformance-admin-secret"), "app": ("documents", "documents-secret-key")}


class NotAtHand(Exception):
    """MinIO cannot be had here; the text says why and what would help."""


def cache_folder() -> Path:
    """Where the program and Go's caches are kept: `$XDG_CACHE_HOME/kanketsu`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kanketsu"


def program() -> Path:
    """Where the built program is, or would be."""
    return cache_folder() / "minio" / "minio"


def build(seconds: float) -> Path:
    """The program, built now if it is not there, in at most `seconds`. NotAtHand with the reason.

    One builder at a time: whoever comes second waits for the first, within the same limit.
    """
    if program().exists():
        return program()
    if seconds <= 0:
        raise NotAtHand("it has not been built")
    deadline = time.monotonic() + seconds
    go = _go()
    proxies = _go_env(go, "GOPROXY").replace("|", ",").split(",")
    usable = [proxy for proxy in proxies if proxy not in ("", "direct", "off")]
    if not usable:
        raise NotAtHand("Go has no module proxy (GOPROXY)")
    program().parent.mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "minio.lock").open("w") as lock:
        _wait_for(lock.fileno(), deadline)
        if program().exists():
            return program()
        environment = os.environ | {
            "CGO_ENABLED": "0",
            "GOBIN": str(program().parent),
            "GOCACHE": str(cache_folder() / "go" / "build"),
            "GOFLAGS": "-modcacherw",
            "GOMODCACHE": str(cache_folder() / "go" / "mod"),
            # Without `direct`: a module the proxy does not have would be looked for at its origin, for minutes.
            "GOPROXY": ",".join(usable),
            # Never another toolchain than the one that is here.
            "GOTOOLCHAIN": "local",
        }
        # In a session of its own, so that the compilers it starts end with it.
        running = subprocess.Popen(
            ["nice", "-n", "15", go, "install", MODULE],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, complaints = running.communicate(timeout=max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise NotAtHand(f"not built within {seconds:.0f} s; the next attempt goes on from here") from None
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
    if running.returncode != 0 or not program().exists():
        said = [line for line in complaints.splitlines() if line and not line.startswith("go: downloading")]
        raise NotAtHand(f"`go install {MODULE}` failed: {' '.join(said[-3:])[:400]}")
    return program()


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


def _go() -> str:
    """The go command, new enough."""
    go = shutil.which("go") or next(iter(sorted(Path("/usr/local/go/bin").glob("go"))), None)
    if go is None:
        raise NotAtHand(f"no Go toolchain (1.24 or newer is needed to build {MODULE})")
    version = _go_env(str(go), "GOVERSION")
    found = re.match(r"go(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GO:
        raise NotAtHand(f"Go is {version}; 1.24 or newer is needed to build {MODULE}")
    return str(go)


def _go_env(go: str, name: str) -> str:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    done = subprocess.run(
        [go, "env", "-json", name], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode != 0:
        raise NotAtHand(f"`go env` failed: {done.stderr.strip()[:200]}")
    return str(json.loads(done.stdout)[name])


def _wait_for(lock: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NotAtHand("another process is still building it") from None
            time.sleep(0.5)


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
