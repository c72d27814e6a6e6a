"""The S3 calls, blocking, exactly one request each, and what can go wrong with them; callers bring the threads.

The minio client is used as it is except for PUT and multipart: it has no conditional PUT, and its `put_object` would
hold a thread as long as the sender takes and read a whole part before it knows there is one. Its own building blocks
are used instead, in this class only.

    StoreError
    ├── StoreUnavailable   no usable answer: down, slow, wrong credentials, no such bucket   try again later
    ├── StoreRefused       the store said no: lock, legal hold, policy                       do not try again
    │   └── StoreConflict  the condition of a conditional PUT did not hold                   look, then decide
    └── NotFound           that object version is not there

No message carries a key or a credential.
"""

import base64
import hashlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.credentials.credentials import Credentials
from minio.datatypes import CompleteMultipartUploadResult, Upload
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.helpers import DictType
from minio.retention import Retention
from minio.time import to_iso8601utc

T = TypeVar("T")


class StoreError(Exception):
    """Base of what can go wrong with the store. `code` is the store's own word or ours: for logs, not for decisions."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class StoreUnavailable(StoreError):
    """The object store gave no usable answer. What was asked may or may not have happened."""


class StoreRefused(StoreError):
    """The object store understood and refused. Nothing has changed."""


class TooLarge(StoreRefused):
    """The object is larger than the caller reads."""


class StoreConflict(StoreRefused):
    """Refused because the object is there already, or is not the one that was named. Nothing has changed."""


class NotFound(StoreError):
    """There is no such object version."""


# The store answers, but this deployment cannot use it: nothing a user does would help, so it counts as not available.
_MISCONFIGURED = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoSuchBucket",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "SlowDown",
    }
)
# An existing version without a lock: servers do not agree on the word.
_NO_LOCK = frozenset({"NoSuchObjectLockConfiguration", "NoSuchObjectLegalHold", "ObjectLockConfigurationNotFoundError"})
_CHECKSUM = "x-amz-checksum-sha256"
# Two conditional PUTs at the same moment: one server says the one, another the other.
_CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_NOT_THERE = frozenset({"NoSuchKey", "NoSuchUpload", "NoSuchVersion"})


@dataclass(frozen=True)
class StoreConfig:
    """Where the store is and who we are there. Times in seconds. `endpoint` is a URL; its scheme decides about TLS."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    ca_file: Path | None = None  # None: the system's authorities
    connect_timeout: float = 3.0
    read_timeout: float = 30.0  # without a byte, in either direction
    threads: int = 8  # requests at one time

    def __repr__(self) -> str:
        return f"StoreConfig(endpoint={self.endpoint!r}, bucket={self.bucket!r}, access_key={self.access_key!r})"


@dataclass(frozen=True)
class SentPart:
    """A part the store has; `checksum` is its SHA-256 in base64."""

    number: int
    etag: str
    checksum: str


class S3(Minio):
    """A minio client with its own connection pool and no retries. Thread-safe."""

    def __init__(self, config: StoreConfig) -> None:
        """No request is made. ValueError for an endpoint that is not http(s)://host[:port]."""
        url = urlsplit(config.endpoint)
        if url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/"):
            raise ValueError(f"not an object store endpoint: {config.endpoint!r}")
        cafile = str(config.ca_file) if config.ca_file else None
        self.pool = urllib3.PoolManager(
            maxsize=config.threads,
            # A retry here would multiply the caller's deadline; whoever asked decides.
            retries=False,
            timeout=urllib3.Timeout(connect=config.connect_timeout, read=config.read_timeout),
            ssl_context=ssl.create_default_context(cafile=cafile) if url.scheme == "https" else None,
        )
        super().__init__(
            url.netloc,
            access_key=config.access_key,
            secret_key=config.secret_key,
            secure=url.scheme == "https",
            region=config.region,  # given, so that the client never asks for the bucket's location
            http_client=self.pool,
        )

    # Every body carries its SHA-256 as `x-amz-checksum-sha256`, which the store compares. What the client sends is not
    # enough: over http it only signs the body's SHA-256, which not every store recalculates.

    def put(self, bucket: str, name: str, data: bytes) -> str | None:
        """PUT one object; its new version id, None in an unversioned bucket."""
        return self._put_object(bucket, name, data, _headers_of(data)).version_id

    def put_if(
        self, bucket: str, name: str, data: bytes, etag: str | None, locked_until: datetime | None = None
    ) -> str:
        """PUT if the object now there has this etag, or, with None, if there is none; the new etag.

        The store compares and writes in one step: of several callers one wins, the others get StoreConflict's answer.
        With `locked_until` (aware) the new version is under COMPLIANCE retention from the start.
        """
        headers = _headers_of(data) | ({"If-None-Match": "*"} if etag is None else {"If-Match": f'"{etag}"'})
        if locked_until is not None:
            headers["x-amz-object-lock-mode"] = COMPLIANCE
            headers["x-amz-object-lock-retain-until-date"] = str(to_iso8601utc(locked_until))
        return str(self._put_object(bucket, name, data, headers).etag)

    def read(self, bucket: str, name: str, limit: int) -> tuple[bytes, str]:
        """An object's bytes and etag. TooLarge if it is over `limit` bytes."""
        response = self.get_object(bucket, name)
        try:
            data = response.read(limit + 1)
        finally:
            response.close()
        if len(data) > limit:
            raise TooLarge(f"{name} is over {limit} bytes", "too_large")
        return data, str(response.headers.get("etag", "")).strip('"')

    def create_multipart(self, bucket: str, name: str) -> str:
        """Begin; the upload id. Nothing is visible before `complete_multipart`."""
        return self._create_multipart_upload(bucket, name, {"x-amz-checksum-algorithm": "SHA256"})

    def put_part(self, bucket: str, name: str, upload_id: str, number: int, data: bytes) -> SentPart:
        """Send part `number` (from 1), at least 5 MiB unless it is the last."""
        checksum = _sha256(data)
        etag = self._upload_part(bucket, name, data, {_CHECKSUM: checksum}, upload_id, number)
        return SentPart(number, etag, checksum)

    def complete_multipart(self, bucket: str, name: str, upload_id: str, parts: list[SentPart]) -> str | None:
        """Make the parts one object; its version id. S3 may answer 200 and then say it failed: that is unavailable."""
        root = ElementTree.Element("CompleteMultipartUpload")
        for part in parts:
            entry = ElementTree.SubElement(root, "Part")
            ElementTree.SubElement(entry, "PartNumber").text = str(part.number)
            ElementTree.SubElement(entry, "ETag").text = f'"{part.etag}"'
            ElementTree.SubElement(entry, "ChecksumSHA256").text = part.checksum
        body, query = ElementTree.tostring(root), {"uploadId": upload_id}
        response = self.request(
            "POST", bucket, name, body=body, headers={"Content-Type": "application/xml"}, query=query
        )
        if CompleteMultipartUploadResult(response).etag is None:
            raise StoreUnavailable("the store did not complete the upload", "incomplete")
        return response.headers.get("x-amz-version-id")

    def abort_multipart(self, bucket: str, name: str, upload_id: str) -> None:
        """Throw the parts away."""
        self._abort_multipart_upload(bucket, name, upload_id)

    def retention(self, bucket: str, name: str, version_id: str) -> Retention | None:
        """The retention of an existing version, None if it has none."""
        try:
            return self.get_object_retention(bucket, name, version_id)
        except S3Error as error:
            if error.code in _NO_LOCK:
                return None
            raise

    def held(self, bucket: str, name: str, version_id: str) -> bool:
        """Whether a legal hold is on an existing version."""
        try:
            return self.is_object_legal_hold_enabled(bucket, name, version_id)
        except S3Error as error:
            if error.code in _NO_LOCK:
                return False
            raise

    def incomplete(self, bucket: str, prefix: str, after: str | None) -> tuple[list[Upload], str | None]:
        """One page of unfinished uploads and the key to go on after, None at the end.

        Several uploads of one name across a page border would be skipped; our names are random and used once.
        """
        page = self._list_multipart_uploads(bucket, prefix=prefix, key_marker=after, max_uploads=1000)
        return page.uploads, page.next_key_marker if page.is_truncated else None

    def _build_headers(
        self, host: str, headers: DictType | None = None, body: bytes | None = None, creds: Credentials | None = None
    ) -> tuple[DictType, datetime]:
        """Where a body's SHA-256 is known it is signed as it is, instead of hashing the body once more."""
        checksum = (headers or {}).get(_CHECKSUM)
        if body is None or checksum is None:
            return super()._build_headers(host, headers, body, creds)
        built, date = super()._build_headers(host, headers, None, creds)
        built["Content-Length"] = str(len(body))
        built["x-amz-content-sha256"] = base64.b64decode(str(checksum)).hex()
        return built, date

    def request(
        self,
        method: str,
        bucket: str,
        name: str | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """One signed request with headers of the caller's choice; a body without a digest gets Content-MD5."""
        chosen: DictType = dict(headers or {})
        if body is not None and _CHECKSUM not in chosen:
            # What S3 wants for every request that changes a lock.
            chosen["Content-MD5"] = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        return self._execute(method, bucket, name, body=body, headers=chosen, query_params=dict(query or {}))


def _headers_of(data: bytes) -> DictType:
    return {"Content-Type": "application/octet-stream", _CHECKSUM: _sha256(data)}


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def translate(error: Exception) -> StoreError:
    """What a failed call means to us. The only map from the client's exceptions to ours."""
    if isinstance(error, S3Error):
        code, status = error.code or "", error.response.status
        if code in _MISCONFIGURED or status >= 500 or status == 429:
            return StoreUnavailable(f"the object store cannot be used ({status} {code})", code)
        if status in (409, 412) and code in _CONDITION_FAILED:
            return StoreConflict("the object is not the one that was expected", code)
        # 405 is the answer to reading a delete marker by its version id.
        if code in _NOT_THERE or status in (404, 405):
            return NotFound("no such object version", code)
        return StoreRefused(f"the object store refused ({status} {code}: {error.message})", code)
    if isinstance(error, ServerError):
        return StoreUnavailable(f"the object store failed ({error.status_code})", str(error.status_code))
    if isinstance(error, InvalidResponseError):
        return StoreUnavailable("the object store's answer is not S3", "not_s3")
    return StoreUnavailable(f"the object store does not answer ({type(error).__name__})", type(error).__name__)


# What a call may raise for reasons outside this program: the client's errors, the transport's, a broken XML answer.
CALL_ERRORS = (MinioException, urllib3.exceptions.HTTPError, OSError, ElementTree.ParseError)


def attempt(call: Callable[..., T], *arguments: object) -> T:
    """Make a call on this thread; its failures arrive as StoreError."""
    try:
        return call(*arguments)
    except CALL_ERRORS as error:
        raise translate(error) from error
