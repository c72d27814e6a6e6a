"""Asks an object store to do what it must do and what it must refuse; nothing is believed because a product says so.

Run at installation, daily, and by the conformance tests, with the application's own key on its own bucket. Leaves
nothing behind: canaries are locked for seconds and deleted when their locks have ended.
"""

import asyncio
import dataclasses
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from minio.commonconfig import COMPLIANCE, GOVERNANCE
from minio.deleteobjects import DeleteObject

from services.documents.blobs import (
    BlobError,
    Incomplete,
    MountedKeys,
    NotFound,
    ObjectStore,
    StoreRefused,
    StoreUnavailable,
    download,
    new_document_key,
    open_document_key,
    upload,
)
from services.documents.blobs.store import new_object_key, versioned

T = TypeVar("T")

_MIB = 1024 * 1024
_CONTENT = "改ざん防止の確認用。消してよい。".encode()
_SHA256_OF_NOTHING = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
# Refusals that say nothing about locks: the question was wrong.
_NOT_UNDERSTOOD = frozenset(
    {"InvalidDigest", "MalformedXML", "MissingContentMD5", "MissingContentLength", "NotImplemented"}
)
_BYPASS = {"x-amz-bypass-governance-retention": "true"}
_MOST_CLOCK_DIFFERENCE = 60.0  # seconds; signatures fail from 900, short test locks much earlier


@dataclass(frozen=True)
class Result:
    """One question and its answer. `required`: without it the store is not fit; else it is only worth knowing."""

    name: str
    ok: bool
    required: bool
    japanese: str
    english: str
    detail: str


def line(result: Result) -> str:
    """The result as one line for people."""
    mark = "OK" if result.ok else ("NG" if result.required else "--")
    detail = f" [{result.detail}]" if result.detail else ""
    return f"{mark}  {result.japanese} / {result.english}{detail}"


class ProbeFailed(Exception):
    """The store did something else than it must; the text says what."""


@dataclass(frozen=True)
class Canary:
    """An object version made to be attacked."""

    object_key: str
    version_id: str
    until: datetime | None


@dataclass
class Check:
    """One run: the store, how long canaries are locked (seconds), and what has to be cleaned up afterwards."""

    store: ObjectStore
    lock_seconds: float = 6.0
    ahead: timedelta = timedelta()  # how far the store's clock is ahead of ours
    canaries: list[Canary] = field(default_factory=list)

    @property
    def bucket(self) -> str:
        """The bucket under test."""
        return self.store.config.bucket

    async def canary(self, object_key: str | None = None) -> Canary:
        """A small unlocked version, under a new name unless one is given."""
        name = object_key or new_object_key("canary")
        version_id = versioned(await self.store.run(self.store.s3.put, self.bucket, name, _CONTENT))
        return self._remember(Canary(name, version_id, None))

    async def locked_canary(self) -> Canary:
        """A small version under COMPLIANCE retention for `lock_seconds`."""
        return await self.lock(await self.canary())

    async def lock(self, canary: Canary) -> Canary:
        """`canary` under COMPLIANCE retention for `lock_seconds` by the store's clock."""
        until = datetime.now(UTC) + self.ahead + timedelta(seconds=self.lock_seconds)
        until = await self.store.retain(canary.object_key, canary.version_id, until)
        return dataclasses.replace(canary, until=until)

    async def multipart_canary(self) -> Canary:
        """A version that came as two parts (6 MiB)."""
        name, s3 = new_object_key("canary"), self.store.s3
        upload_id = await self.store.run(s3.create_multipart, self.bucket, name)
        sizes = enumerate((5 * _MIB, _MIB), start=1)
        parts = [await self.store.run(s3.put_part, self.bucket, name, upload_id, n, bytes(size)) for n, size in sizes]
        version_id = await self.store.run(s3.complete_multipart, self.bucket, name, upload_id, parts)
        return self._remember(Canary(name, versioned(version_id), None))

    async def content(self, canary: Canary) -> bytes:
        """What the store returns for that version."""
        return await self.store.get_small(canary.object_key, canary.version_id)

    async def must_refuse(self, what: str, call: Callable[..., T], *args: object) -> str:
        """The store's word of refusal. ProbeFailed if it accepted, did not understand, or failed."""
        try:
            await self.store.run(call, *args)
        except StoreRefused as refusal:
            if refusal.code in _NOT_UNDERSTOOD:
                raise ProbeFailed(f"{what}: not refused but not understood ({refusal.code})") from refusal
            return refusal.code
        except (NotFound, StoreUnavailable) as error:
            raise ProbeFailed(f"{what}: not refused but failed ({error.code})") from error
        raise ProbeFailed(f"{what}: accepted")

    async def must_be_intact(self, canary: Canary, after: str, content: bytes = _CONTENT) -> None:
        """The version is there, unchanged, and as locked as it was."""
        try:
            if await self.content(canary) != content:
                raise ProbeFailed(f"{after}: the content has changed")
            held = await self.store.retention_of(canary.object_key, canary.version_id)
        except NotFound as error:
            raise ProbeFailed(f"{after}: the locked version is gone") from error
        if canary.until is not None and (held.mode != COMPLIANCE or held.until is None or held.until < canary.until):
            raise ProbeFailed(f"{after}: the lock is {held.mode} until {held.until}")

    async def clean_up(self) -> list[Canary]:
        """Delete every canary as soon as its lock has ended; those that could not be deleted."""
        left = list(self.canaries)
        deadline = asyncio.get_running_loop().time() + self.lock_seconds + 30
        while left and asyncio.get_running_loop().time() < deadline:
            left = [canary for canary in left if not await self._gone(canary)]
            if left:
                await asyncio.sleep(0.2)
        self.canaries = left
        return left

    async def _gone(self, canary: Canary) -> bool:
        try:
            await self.store.delete_version(canary.object_key, canary.version_id)
        except (StoreRefused, StoreUnavailable):
            return False
        return True

    def _remember(self, canary: Canary) -> Canary:
        self.canaries.append(canary)
        return canary


# --- what it must do


async def bucket(check: Check) -> str:
    """The bucket is there, versioned, and has object lock."""
    await check.store.ready()
    return check.bucket


async def clock(check: Check) -> str:
    """The store's clock agrees with ours; the later probes allow for the difference."""
    before = datetime.now(UTC)
    response = await check.store.run(check.store.s3.request, "HEAD", check.bucket)
    now = before + (datetime.now(UTC) - before) / 2
    # The Date header is cut to whole seconds: half a second is the best guess of what it lost.
    theirs = parsedate_to_datetime(response.headers["Date"]) + timedelta(seconds=0.5)
    check.ahead = theirs - now
    difference = check.ahead.total_seconds()
    if abs(difference) > _MOST_CLOCK_DIFFERENCE:
        raise ProbeFailed(f"{difference:+.0f} s")
    return f"{difference:+.1f} s"


async def put_and_get(check: Check) -> str:
    """What is written is what is read."""
    canary = await check.canary()
    if await check.content(canary) != _CONTENT:
        raise ProbeFailed("read something else than was written")
    return ""


async def multipart(check: Check) -> str:
    """A large file, encrypted and sent in parts, comes back whole and in any range."""
    document_id, item_id, data = str(uuid.uuid4()), str(uuid.uuid4()), os.urandom(6 * _MIB)
    keys = MountedKeys({"probe": os.urandom(32)})
    key = await open_document_key(keys, await new_document_key(keys, document_id), document_id)

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    up = await upload(check.store, key, item_id, chunks(), limit=len(data))
    try:
        for offset, length in ((0, len(data)), (5 * _MIB - 3, 100_000)):
            got = download(check.store, key, item_id, up.object_key, up.version_id, offset=offset, length=length)
            if b"".join([chunk async for chunk in got]) != data[offset : offset + length]:
                raise ProbeFailed(f"wrong content at {offset}")
    finally:
        await check.store.delete_version(up.object_key, up.version_id)
    return f"{up.ciphertext_size} bytes"


async def byte_range(check: Check) -> str:
    """A range request answers exactly the range."""
    canary = await check.canary()

    def read() -> bytes:
        s3 = check.store.s3
        response = s3.get_object(check.bucket, canary.object_key, offset=3, length=6, version_id=canary.version_id)
        try:
            return response.read()
        finally:
            response.close()

    if await check.store.run(read) != _CONTENT[3:9]:
        raise ProbeFailed("another range came back")
    return ""


async def altered_on_the_way(check: Check) -> str:
    """A body that is not what its digest says is refused, whole or as a part."""
    store, s3, name = check.store, check.store.s3, new_object_key("canary")
    wrong = {"x-amz-checksum-sha256": _SHA256_OF_NOTHING}

    def put(query: dict[str, str]) -> None:
        s3.request("PUT", check.bucket, name, body=_CONTENT, headers=wrong, query=query)

    code = await check.must_refuse("wrong SHA-256", put, {})
    upload_id = await store.run(s3.create_multipart, check.bucket, name)
    try:
        await check.must_refuse("part with a wrong SHA-256", put, {"partNumber": "1", "uploadId": upload_id})
    finally:
        await store.run(s3.abort_multipart, check.bucket, name, upload_id)
    try:
        await store.run(s3.stat_object, check.bucket, name)
    except NotFound:
        return code
    raise ProbeFailed("the altered object is there")


async def versions(check: Check) -> str:
    """Writing a name twice makes two versions, both readable."""
    first = await check.canary()
    name, s3 = first.object_key, check.store.s3
    newer = versioned(await check.store.run(s3.put, check.bucket, name, b"2"))
    check.canaries.append(Canary(name, newer, None))
    if newer == first.version_id or await check.content(first) != _CONTENT:
        raise ProbeFailed("the first version was overwritten")
    if await check.content(Canary(name, newer, None)) != b"2":
        raise ProbeFailed("the second version is not what was written")
    return ""


async def deletion(check: Check) -> str:
    """An unlocked version can be deleted, and is gone."""
    canary = await check.canary()
    await check.store.delete_version(canary.object_key, canary.version_id)
    try:
        await check.content(canary)
    except NotFound:
        return ""
    raise ProbeFailed("a deleted version is still readable")


async def marker(check: Check) -> str:
    """Deleting without a version id writes a marker and keeps every version; the marker can be removed."""
    canary = await check.canary()
    store = check.store
    await store.run(store.s3.remove_object, check.bucket, canary.object_key)
    later = datetime.now(UTC) + check.ahead + timedelta(hours=1)
    listed = [v async for v in store.list_versions(canary.object_key, later)]
    markers = [v for v in listed if v.is_marker]
    check.canaries += [Canary(v.object_key, v.version_id, None) for v in markers]
    if len(markers) != 1 or len(listed) != 2:
        raise ProbeFailed(f"listed {len(listed)} entries, {len(markers)} of them markers")
    await check.must_be_intact(canary, "delete marker")
    await store.delete_version(canary.object_key, markers[0].version_id)
    await store.run(store.s3.stat_object, check.bucket, canary.object_key)
    return ""


async def unfinished(check: Check) -> str:
    """An unfinished upload is invisible, can be thrown away, and cannot be completed afterwards."""
    store, s3, name = check.store, check.store.s3, new_object_key("canary")
    upload_id = await store.run(s3.create_multipart, check.bucket, name)
    part = await store.run(s3.put_part, check.bucket, name, upload_id, 1, bytes(5 * _MIB))
    later = datetime.now(UTC) + check.ahead + timedelta(hours=1)
    if [v async for v in store.list_versions(name, later)]:
        raise ProbeFailed("an unfinished upload is listed as an object")
    listed = [u.upload_id async for u in store.list_incomplete(name, later)]
    await store.abort_incomplete(Incomplete(name, upload_id, later))
    if listed != [upload_id]:
        raise ProbeFailed("an unfinished upload is not listed under its name")
    if [u async for u in store.list_incomplete(name, later)]:
        raise ProbeFailed("an aborted upload is still listed")
    try:
        await store.run(s3.complete_multipart, check.bucket, name, upload_id, [part])
    except NotFound:
        return ""
    raise ProbeFailed("an aborted upload could be completed")


async def unfinished_by_prefix(check: Check) -> str:
    """Unfinished uploads can be found without knowing their names."""
    store, name = check.store, new_object_key("canary")
    upload_id = await store.run(store.s3.create_multipart, check.bucket, name)
    later = datetime.now(UTC) + check.ahead + timedelta(hours=1)
    listed = [u.upload_id async for u in store.list_incomplete("canary/", later)]
    await store.abort_incomplete(Incomplete(name, upload_id, later))
    if upload_id not in listed:
        raise ProbeFailed("not listed: let the store itself drop unfinished uploads after a day")
    return ""


async def conditional(check: Check) -> str:
    """`If-None-Match: *` does not write over an existing name."""
    canary = await check.canary()

    def put_if_absent() -> None:
        response = check.store.s3.request(
            "PUT", check.bucket, canary.object_key, body=b"2", headers={"If-None-Match": "*"}
        )
        check.canaries.append(Canary(canary.object_key, response.headers.get("x-amz-version-id", ""), None))

    return await check.must_refuse("conditional write", put_if_absent)


# --- what it must refuse


async def credentials(check: Check) -> str:
    """A wrong secret, an unknown key and no key at all can neither read nor write nor delete."""
    canary = await check.canary()
    config = check.store.config
    for what, changed in (
        ("secret", dataclasses.replace(config, secret_key="wrong-secret-0000")),  # noqa: S106 (wrong on purpose)
        ("key", dataclasses.replace(config, access_key="nobody-0000")),
    ):
        async with _opened(ObjectStore(changed)) as stranger:
            place = (check.bucket, canary.object_key)
            for call, args in (
                (stranger.s3.put, (*place, b"x")),
                (stranger.s3.stat_object, place),
                (stranger.s3.remove_object, (*place, canary.version_id)),
            ):
                await _must_not_admit(stranger, what, call, *args)
    url = f"{config.endpoint.rstrip('/')}/{check.bucket}/{canary.object_key}"
    for method in ("GET", "PUT", "DELETE"):
        path = f"{url}?versionId={canary.version_id}" if method == "DELETE" else url
        answer = await check.store.run(check.store.s3.pool.request, method, path)
        if answer.status not in (401, 403):
            raise ProbeFailed(f"anonymous {method}: answered {answer.status}")
    await check.must_be_intact(canary, "strangers")
    return ""


async def locked_delete(check: Check) -> str:
    """A version under retention cannot be deleted, by any of the ways S3 has."""
    for canary, content in (
        (await check.locked_canary(), _CONTENT),
        (await check.lock(await check.multipart_canary()), None),
    ):
        s3, place = check.store.s3, (check.bucket, canary.object_key, canary.version_id)
        code = await check.must_refuse("DELETE", s3.remove_object, *place)
        await check.must_refuse("DELETE with bypass", _delete_bypassing, check, canary)
        if not await check.store.run(_delete_in_bulk, check, canary):
            raise ProbeFailed("bulk delete: accepted")
        if content is not None:
            await check.must_be_intact(canary, "delete", content)
        else:
            await check.store.run(s3.stat_object, check.bucket, canary.object_key, None, canary.version_id)
    return code


async def locked_overwrite(check: Check) -> str:
    """Writing or deleting the name of a locked version leaves the locked version as it is."""
    canary = await check.locked_canary()
    store, s3, name = check.store, check.store.s3, canary.object_key
    newer = versioned(await store.run(s3.put, check.bucket, name, b"2"))
    check.canaries.append(Canary(name, newer, None))
    if newer == canary.version_id:
        raise ProbeFailed("the locked version was overwritten")
    await check.must_be_intact(canary, "overwrite")
    await store.run(s3.remove_object, check.bucket, name)
    later = datetime.now(UTC) + check.ahead + timedelta(hours=1)
    check.canaries += [Canary(name, v.version_id, None) async for v in store.list_versions(name, later) if v.is_marker]
    await check.must_be_intact(canary, "delete marker")
    return ""


async def locked_shorten(check: Check) -> str:
    """A retention cannot be shortened or taken away, with or without the bypass header."""
    canary = await check.locked_canary()
    sooner, past = _until(canary) - timedelta(seconds=1), _until(canary) - timedelta(days=1)
    for headers in ({}, _BYPASS):
        code = await check.must_refuse("shorten", _put_retention, check, canary, COMPLIANCE, sooner, headers)
        # Stores refuse these as malformed, or ignore them: only the lock afterwards counts.
        await _attempt(check, _put_retention, check, canary, COMPLIANCE, past, headers)
        await _attempt(check, _put_raw_retention, check, canary, b"<Retention/>", headers)
    await check.must_be_intact(canary, "shorten")
    return code


async def locked_downgrade(check: Check) -> str:
    """COMPLIANCE cannot become GOVERNANCE, with or without the bypass header, for a longer or shorter time."""
    canary = await check.locked_canary()
    until = _until(canary)
    for moment in (until, until + timedelta(seconds=1), until - timedelta(seconds=1)):
        for headers in ({}, _BYPASS):
            code = await check.must_refuse("downgrade", _put_retention, check, canary, GOVERNANCE, moment, headers)
    await check.must_be_intact(canary, "downgrade")
    return code


async def locked_extend(check: Check) -> str:
    """A retention can be extended; the longer one then holds."""
    canary = await check.locked_canary()
    until = await check.store.retain(canary.object_key, canary.version_id, _until(canary) + timedelta(seconds=1))
    longer = dataclasses.replace(canary, until=until)
    code = await check.must_refuse("back to the old date", _put_retention, check, longer, COMPLIANCE, canary.until, {})
    await check.must_be_intact(longer, "extend")
    return code


async def legal_hold(check: Check) -> str:
    """A legal hold stops deletion, and ends when it is taken off."""
    canary = await check.canary()
    store, place = check.store, (canary.object_key, canary.version_id)
    await store.legal_hold(*place, on=True)
    try:
        code = await check.must_refuse("DELETE", store.s3.remove_object, check.bucket, *place)
        await check.must_refuse("DELETE with bypass", _delete_bypassing, check, canary)
        await check.must_be_intact(canary, "legal hold")
        if not (await store.retention_of(*place)).legal_hold:
            raise ProbeFailed("the hold is not reported")
    finally:
        await store.legal_hold(*place, on=False)
    await store.delete_version(*place)
    return code


async def expiry(check: Check) -> str:
    """When a retention has ended the version can be deleted, and not before."""
    canary = await check.locked_canary()
    place = (canary.object_key, canary.version_id)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + check.lock_seconds + 30
    while loop.time() < deadline:
        try:
            await check.store.delete_version(*place)
        except StoreRefused:
            await asyncio.sleep(0.2)
            continue
        early = (_until(canary) - (datetime.now(UTC) + check.ahead)).total_seconds()
        if early > 1.5:  # what remains of rounding both clocks to whole seconds
            raise ProbeFailed(f"deleted {early:.1f} s before its time")
        return f"{-early:+.1f} s"
    raise ProbeFailed("cannot be deleted 30 s after its lock has ended")


async def configuration(check: Check) -> str:
    """The application's key cannot write the bucket's versioning or lock settings (asked with what they are now)."""
    s3 = check.store.s3
    versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"

    def put_versioning() -> None:
        s3.request("PUT", check.bucket, body=versioning, query={"versioning": ""})

    current = await check.store.run(s3.get_object_lock_config, check.bucket)
    await check.must_refuse("lock settings", s3.set_object_lock_config, check.bucket, current)
    return await check.must_refuse("versioning", put_versioning)


async def removal(check: Check) -> str:
    """The application's key cannot suspend versioning, set a policy or an expiry, or remove the bucket."""
    await check.locked_canary()  # so that the bucket is not empty, whatever the key may do
    s3 = check.store.s3
    suspended = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
    expiring = (
        b"<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status><Filter><Prefix>canary/</Prefix></Filter>"
        b"<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>"
        b"</LifecycleConfiguration>"
    )

    def put(setting: str, body: bytes) -> None:
        s3.request("PUT", check.bucket, body=body, query={setting: ""})

    await check.must_refuse("suspend versioning", put, "versioning", suspended)
    await check.must_refuse("lifecycle", put, "lifecycle", expiring)
    await check.must_refuse("policy", s3.set_bucket_policy, check.bucket, '{"Version":"2012-10-17","Statement":[]}')

    def force_removal() -> None:
        s3.request("DELETE", check.bucket, headers={"x-minio-force-delete": "true"})

    await check.must_refuse("forced removal", force_removal)
    code = await check.must_refuse("removal", s3.remove_bucket, check.bucket)
    await check.store.ready()
    return code


@dataclass(frozen=True)
class Probe:
    """A question to the store. `scratch_only`: harmful if the store were wrong, so only asked of a bucket for tests."""

    name: str
    run: Callable[[Check], Awaitable[str]]
    japanese: str
    english: str
    required: bool = True
    scratch_only: bool = False


# `clock` first: the others use what it measures. `expiry` last: meanwhile the locks of the others end as well.
PROBES: tuple[Probe, ...] = (
    Probe("bucket", bucket, "バケットは版管理・オブジェクトロック付き", "bucket is versioned and has object lock"),
    Probe("clock", clock, "時計が合っている", "clocks agree"),
    Probe("put_and_get", put_and_get, "書いたものが読める", "what is written is read"),
    Probe("multipart", multipart, "分割送信した暗号文が元どおり読める", "encrypted multipart upload comes back"),
    Probe("byte_range", byte_range, "範囲指定で読める", "byte ranges are exact"),
    Probe("altered_on_the_way", altered_on_the_way, "途中で変わった内容は拒否される", "altered bodies are refused"),
    Probe("versions", versions, "同じ名前に書いても前の版が残る", "writing a name again keeps the old version"),
    Probe("deletion", deletion, "ロックのない版は削除できる", "unlocked versions can be deleted"),
    Probe("marker", marker, "版を指定しない削除では内容が消えない", "a delete marker deletes nothing"),
    Probe(
        "unfinished", unfinished, "途中で切れた送信は見えず、破棄できる", "unfinished uploads are invisible and go away"
    ),
    Probe(
        "unfinished_by_prefix",
        unfinished_by_prefix,
        "途中で切れた送信を一覧できる",
        "unfinished uploads are listed without their names",
        required=False,
    ),
    Probe("conditional", conditional, "条件付き書込みに対応", "conditional writes work", required=False),
    Probe("credentials", credentials, "誤った鍵・鍵なしでは何もできない", "wrong or no credentials are refused"),
    Probe("locked_delete", locked_delete, "保存期間中の版は削除できない", "locked versions cannot be deleted"),
    Probe(
        "locked_overwrite", locked_overwrite, "上書きしてもロック中の版は残る", "locked versions survive overwriting"
    ),
    Probe("locked_shorten", locked_shorten, "保存期間は短縮できない", "retention cannot be shortened"),
    Probe("locked_downgrade", locked_downgrade, "COMPLIANCEは弱められない", "COMPLIANCE cannot be weakened"),
    Probe("locked_extend", locked_extend, "保存期間は延長できる", "retention can be extended"),
    Probe("legal_hold", legal_hold, "リーガルホールド中は削除できない", "a legal hold stops deletion"),
    Probe("configuration", configuration, "業務用の鍵でロック設定は変えられない", "our key cannot write lock settings"),
    Probe(
        "removal",
        removal,
        "業務用の鍵でバケットは消せない",
        "our key cannot remove or weaken the bucket",
        scratch_only=True,
    ),
    Probe("expiry", expiry, "保存期間が過ぎた版は削除できる", "versions can be deleted after expiry"),
)


async def run_probe(check: Check, probe: Probe) -> Result:
    """Ask one question."""
    try:
        detail, ok = await probe.run(check), True
    except ProbeFailed as failure:
        detail, ok = str(failure), False
    except BlobError as error:
        detail, ok = f"{type(error).__name__}: {error}", False
    return Result(probe.name, ok, probe.required, probe.japanese, probe.english, detail)


async def check_store(store: ObjectStore, *, lock_seconds: float = 6.0, scratch: bool = False) -> list[Result]:
    """Ask everything, one after the other, and clean up: about `lock_seconds` + 5 s. Never raises for what it finds.

    `scratch`: the bucket is one for tests, so that also those questions are asked that a wrong store would answer with
    harm.
    Fit if `all(result.ok for result in results if result.required)`.
    """
    return [result async for result in _asked(store, lock_seconds, scratch)]


async def _asked(store: ObjectStore, lock_seconds: float, scratch: bool) -> AsyncIterator[Result]:
    check = Check(store, lock_seconds)
    for probe in PROBES:
        if probe.scratch_only and not scratch:
            continue
        result = await run_probe(check, probe)
        yield result
        if probe.name == "bucket" and not result.ok:
            return  # nothing else would have anything to ask
    left = await check.clean_up()
    names = ", ".join(canary.object_key for canary in left[:5])
    yield Result("clean_up", not left, True, "確認用データを片付けた", "nothing is left behind", names)


@asynccontextmanager
async def _opened(store: ObjectStore) -> AsyncIterator[ObjectStore]:
    try:
        yield store
    finally:
        await store.close()


async def _must_not_admit(stranger: ObjectStore, what: str, call: Callable[..., object], *args: object) -> None:
    """Wrong credentials count as unavailable for everybody else; here they have to be refused as what they are."""
    try:
        await stranger.run(call, *args)
    except (StoreRefused, StoreUnavailable) as error:
        if error.code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"):
            return
        raise ProbeFailed(f"wrong {what}: failed with {error.code}") from error
    raise ProbeFailed(f"wrong {what}: accepted")


def _until(canary: Canary) -> datetime:
    if canary.until is None:
        raise ValueError("this canary is not locked")
    return canary.until


def _delete_bypassing(check: Check, canary: Canary) -> None:
    query = {"versionId": canary.version_id}
    check.store.s3.request("DELETE", check.bucket, canary.object_key, headers=_BYPASS, query=query)


def _delete_in_bulk(check: Check, canary: Canary) -> list[str]:
    """The codes of refusal; empty if it was accepted."""
    wanted: Iterator[DeleteObject] = iter([DeleteObject(canary.object_key, canary.version_id)])
    errors = check.store.s3.remove_objects(check.bucket, wanted, bypass_governance_mode=True)
    return [error.code or "?" for error in errors]


async def _attempt(check: Check, call: Callable[..., object], *args: object) -> None:
    try:
        await check.store.run(call, *args)
    except StoreRefused:
        return


def _put_retention(check: Check, canary: Canary, mode: str, until: datetime, headers: dict[str, str]) -> None:
    date = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{date}</RetainUntilDate></Retention>"
    _put_raw_retention(check, canary, body.encode(), headers)


def _put_raw_retention(check: Check, canary: Canary, body: bytes, headers: dict[str, str]) -> None:
    query = {"retention": "", "versionId": canary.version_id}
    check.store.s3.request("PUT", check.bucket, canary.object_key, body=body, headers=headers, query=query)
