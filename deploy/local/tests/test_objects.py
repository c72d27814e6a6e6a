"""The S3 server: what the application's key may do, and that nothing goes round object lock."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, Filter
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.objectlockconfig import ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import SUSPENDED, VersioningConfig

from deploy.local.authority import Authority
from deploy.local.ports import GRPC_OFFSET
from deploy.local.stack import Stack

CONTENT = "決裁済みの文書".encode() * 1000
INNER = ("store_master", "store_volume", "store_filer", "store_admin")


def _in(**time: int) -> datetime:
    return datetime.now(UTC) + timedelta(**time)


def _put(client: Minio, bucket: str, name: str, **options: object) -> str:
    result = client.put_object(bucket, name, io.BytesIO(CONTENT), len(CONTENT), **options)
    assert result.version_id
    return str(result.version_id)


def _read(engines: Stack, name: str, version: str) -> bytes:
    answer = engines.s3().get_object(engines.bucket, name, version_id=version)
    try:
        return answer.read()
    finally:
        answer.release_conn()


@pytest.fixture
def locked(engines: Stack) -> tuple[str, str]:
    """A name and a version under COMPLIANCE for a day."""
    name = "限/locked"
    return name, _put(engines.s3(), engines.bucket, name, retention=Retention(COMPLIANCE, _in(days=1)))


def test_the_application_does_its_work(engines: Stack) -> None:
    app, bucket = engines.s3(), engines.bucket
    version = _put(app, bucket, "自由")
    assert _read(engines, "自由", version) == CONTENT
    app.set_object_retention(bucket, "自由", Retention(COMPLIANCE, _in(seconds=2)), version_id=version)
    app.set_object_retention(bucket, "自由", Retention(COMPLIANCE, _in(seconds=3)), version_id=version)
    app.enable_object_legal_hold(bucket, "自由", version_id=version)
    assert app.is_object_legal_hold_enabled(bucket, "自由", version_id=version)
    app.disable_object_legal_hold(bucket, "自由", version_id=version)
    other = _put(app, bucket, "捨てる")
    app.remove_object(bucket, "捨てる", version_id=other)
    assert [found.object_name for found in app.list_objects(bucket, prefix="捨", include_version=True)] == []
    assert app.get_bucket_versioning(bucket).status == "Enabled"
    assert app.get_object_lock_config(bucket) is not None


@pytest.mark.parametrize("identity", ["app", "admin"])
def test_a_lock_holds_against_every_key(engines: Stack, locked: tuple[str, str], identity: str) -> None:
    name, version = locked
    client, bucket = engines.s3(identity), engines.bucket
    shorter, weaker = Retention(COMPLIANCE, _in(hours=1)), Retention(GOVERNANCE, _in(days=2))
    attempts: list[Callable[[], object]] = [
        lambda: client.remove_object(bucket, name, version_id=version),
        lambda: client.set_object_retention(bucket, name, shorter, version_id=version),
        lambda: client.set_object_retention(bucket, name, weaker, version_id=version),
        lambda: client.remove_bucket(bucket),
    ]
    for attempt in attempts:
        with pytest.raises(S3Error):
            attempt()
    errors = list(client.remove_objects(bucket, [DeleteObject(name, version)], bypass_governance_mode=True))
    assert [error.code for error in errors] == ["AccessDenied"]
    client.remove_object(bucket, name)  # a marker hides the object, the version stays
    assert _read(engines, name, version) == CONTENT


def test_the_application_cannot_bypass_governance(engines: Stack) -> None:
    bucket = engines.bucket
    version = _put(engines.s3(), bucket, "統治", retention=Retention(GOVERNANCE, _in(days=1)))
    target = [DeleteObject("統治", version)]
    errors = list(engines.s3().remove_objects(bucket, target, bypass_governance_mode=True))
    assert [error.code for error in errors] == ["AccessDenied"]
    # Not because nobody could: an administrator's key can.
    assert list(engines.s3("admin").remove_objects(bucket, target, bypass_governance_mode=True)) == []


def test_the_application_cannot_configure_or_see_another_bucket(engines: Stack) -> None:
    app, bucket = engines.s3(), engines.bucket
    open_to_all = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}/*"]}
        ],
    }
    expiry = LifecycleConfig(
        [Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="消す", expiration=Expiration(days=1))]
    )
    engines.s3("admin").make_bucket("kanketsu-tonari")
    attempts: list[Callable[[], object]] = [
        lambda: app.set_bucket_lifecycle(bucket, expiry),
        lambda: app.set_bucket_policy(bucket, json.dumps(open_to_all)),
        lambda: app.set_bucket_versioning(bucket, VersioningConfig(SUSPENDED)),
        lambda: app.set_object_lock_config(bucket, ObjectLockConfig(GOVERNANCE, 1, "Days")),
        lambda: app.make_bucket("kanketsu-nuke-michi"),
        lambda: app.remove_bucket("kanketsu-tonari"),
        lambda: list(app.list_objects("kanketsu-tonari")),
        lambda: _put(app, "kanketsu-tonari", "他人の箱"),
    ]
    for attempt in attempts:
        with pytest.raises(S3Error) as refusal:
            attempt()
        assert refusal.value.code == "AccessDenied"
    assert [found.name for found in app.list_buckets()] == [bucket]


def test_nothing_is_served_without_a_key(engines: Stack, locked: tuple[str, str]) -> None:
    for method in ("GET", "PUT", "DELETE", "POST"):
        for path in ("", "?lifecycle", "?acl", "/限/locked", f"/限/locked?versionId={locked[1]}"):
            answer = urllib3.request(method, f"{engines.s3_url}/{engines.bucket}{path}", retries=False)
            assert answer.status in (400, 403, 405), (method, path, answer.data)


# --- round the back ------------------------------------------------------------------------------


def _version_entry(engines: Stack, name: str, version: str) -> tuple[str, str]:
    """Where the filer keeps a version."""
    return f"/buckets/{engines.bucket}/{name}.versions", f"v_{version}"


def _delete_entry(channel: grpc.Channel, folder: str, entry: str) -> bytes:
    """`filer_pb.SeaweedFiler/DeleteEntry` {1: directory, 2: name}."""
    request = b"".join(
        bytes([number << 3 | 2, len(value)]) + value for number, value in ((1, folder.encode()), (2, entry.encode()))
    )
    answer: bytes = channel.unary_unary("/filer_pb.SeaweedFiler/DeleteEntry")(request, timeout=3)
    return answer


def test_http_of_the_inner_servers_removes_nothing(engines: Stack, locked: tuple[str, str]) -> None:
    name, version = locked
    folder, entry = _version_entry(engines, name, version)
    paths = [
        f"{folder}/{entry}",
        f"{folder}/{entry}?recursive=true&skipChunkDeletion=false",
        f"/buckets/{engines.bucket}?recursive=true&ignoreRecursiveError=true",
        f"/col/delete?collection={engines.bucket}",
        f"/buckets/{engines.bucket}/",
        "/dir/status",
        "/dir/assign",
        "/vol/vacuum?garbageThreshold=0.001",
        "/1,01637037d6",
    ]
    for word in INNER:
        for method in ("GET", "PUT", "POST", "DELETE"):
            for path in paths:
                answer = urllib3.request(method, f"http://127.0.0.1:{engines.port(word)}{path}", retries=False)
                assert answer.status in (400, 401, 403, 404, 405), (
                    word,
                    method,
                    path,
                    answer.status,
                    answer.data[:200],
                )
    assert _read(engines, name, version) == CONTENT


def _sockets(engines: Stack) -> Iterator[Path]:
    yield from (engines.state / "store").glob("*.sock")
    for word in (*INNER, "s3"):
        yield from Path("/tmp").glob(f"seaweedfs-*-{engines.port(word) + GRPC_OFFSET}.sock")
        yield from Path("/tmp").glob(f"seaweedfs-*-{engines.port(word)}.sock")


def test_grpc_of_the_inner_servers_wants_the_stores_own_certificate(engines: Stack, locked: tuple[str, str]) -> None:
    name, version = locked
    folder, entry = _version_entry(engines, name, version)
    own = engines.certificate("documents")
    ca, key, chain = (path.read_bytes() for path in (engines.authority.ca_file, own.key_file, own.cert_file))
    inner_ca = (engines.state / "tls" / "store" / "ca.pem").read_bytes()
    credentials = [
        None,
        grpc.ssl_channel_credentials(inner_ca),
        grpc.ssl_channel_credentials(inner_ca, key, chain),
        grpc.ssl_channel_credentials(ca, key, chain),
    ]
    sockets = list(_sockets(engines))
    assert any("filer-grpc" in path.name for path in sockets)
    targets = [f"127.0.0.1:{engines.port(word) + GRPC_OFFSET}" for word in (*INNER, "s3")]
    for target in (*targets, *(f"unix://{path}" for path in sockets)):
        for credential in credentials:
            options = (("grpc.ssl_target_name_override", "localhost"),) if credential else ()
            channel = grpc.secure_channel(target, credential, options) if credential else grpc.insecure_channel(target)
            with channel, pytest.raises(grpc.RpcError) as refusal:
                _delete_entry(channel, folder, entry)
            assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE, (target, refusal.value)
    assert _read(engines, name, version) == CONTENT


def test_the_filer_would_remove_a_locked_version_for_who_has_that_certificate(engines: Stack) -> None:
    """The attack of the test above is a real one: only the certificate stands in its way."""
    name = "証明書があれば消せる"
    version = _put(engines.s3(), engines.bucket, name, retention=Retention(COMPLIANCE, _in(days=1)))
    inner = Authority(engines.state / "tls" / "store", engines.tenant, "store")
    own = inner.certificate("store")
    credential = grpc.ssl_channel_credentials(
        inner.ca_file.read_bytes(), own.key_file.read_bytes(), own.cert_file.read_bytes()
    )
    with grpc.secure_channel(f"127.0.0.1:{engines.port('store_filer') + GRPC_OFFSET}", credential) as channel:
        answer = _delete_entry(channel, *_version_entry(engines, name, version))
    assert not answer.startswith(b"\x0a"), "field 1 would be an error"
    with pytest.raises(S3Error):
        _read(engines, name, version)


def test_writes_are_synced(engines: Stack) -> None:
    assert "-disableHttp" in engines.processes["store"].command
    program = engines.processes["store"].command[0]
    shown = subprocess.run(
        [
            program,
            "shell",
            f"-master=127.0.0.1:{engines.port('store_master')}",
            f"-filer=127.0.0.1:{engines.port('store_filer')}",
        ],
        input="fs.configure\n",
        cwd=engines.state / "store",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    locations = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])["locations"]
    synced = {location["locationPrefix"] for location in locations if location["fsync"] is True}
    assert synced == {f"/buckets/{bucket}/" for bucket in engines.buckets.all}


def test_the_log_s_key_cannot_delete_what_is_kept_and_sees_no_content(engines: Stack) -> None:
    """Least power: audit writes its copies once; documents does not reach them, nor audit the content (I2)."""
    audit, buckets = engines.s3("audit"), engines.buckets
    version = _put(audit, buckets.kept, "2026/控え")
    for refused in (
        lambda: audit.remove_object(buckets.kept, "2026/控え", version),
        lambda: audit.remove_object(buckets.kept, "2026/控え"),
        lambda: _put(audit, buckets.content, "侵入"),
        lambda: _put(engines.s3(), buckets.kept, "侵入"),
        lambda: _put(engines.s3(), buckets.live, "head"),
        lambda: engines.s3().get_object(buckets.kept, "2026/控え"),
    ):
        with pytest.raises(S3Error) as error:
            refused()
        assert error.value.code == "AccessDenied"
    audit.put_object(buckets.live, "2026/tile/0/000.p/1", io.BytesIO(b"x"), 1)
    audit.remove_object(buckets.live, "2026/tile/0/000.p/1")
