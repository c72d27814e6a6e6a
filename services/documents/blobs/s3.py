"""The S3 calls, blocking, exactly one request each; run by store.py on its threads.

The minio client is used as it is except for multipart: its `put_object` would hold a thread as long as the sender takes
and read the whole part before it knows there is one. Its own building blocks are used instead, in this class only.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import urllib3
from minio import Minio
from minio.datatypes import Part, Upload
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.retention import Retention

from services.documents.blobs.errors import BlobError, NotFound, StoreRefused, StoreUnavailable

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

    # Every body is covered by a digest the store checks: over http the client signs its SHA-256, over https it sends
    # Content-MD5. The conformance suite proves that a store really compares them.

    def put(self, bucket: str, name: str, data: bytes) -> str | None:
        """PUT one object; its new version id, None in an unversioned bucket."""
        return self._put_object(bucket, name, data, {"Content-Type": "application/octet-stream"}).version_id

    def create_multipart(self, bucket: str, name: str) -> str:
        """Begin; the upload id. Nothing is visible before `complete_multipart`."""
        return self._create_multipart_upload(bucket, name, {})

    def put_part(self, bucket: str, name: str, upload_id: str, number: int, data: bytes) -> Part:
        """Send part `number` (from 1), at least 5 MiB unless it is the last."""
        return Part(number, self._upload_part(bucket, name, data, None, upload_id, number))

    def complete_multipart(self, bucket: str, name: str, upload_id: str, parts: list[Part]) -> str | None:
        """Make the parts one object; its version id. S3 may answer 200 and then say it failed: that is unavailable."""
        result = self._complete_multipart_upload(bucket, name, upload_id, parts)
        if result.etag is None:
            raise StoreUnavailable("the store did not complete the upload", "incomplete")
        return result.version_id

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
        """One signed request with chosen headers, for the probes that ask for what must be refused."""
        return self._execute(
            method, bucket, name, body=body, headers=dict(headers or {}), query_params=dict(query or {})
        )


def translate(error: Exception) -> BlobError:
    """What a failed call means to us. The only map from the client's exceptions to ours."""
    if isinstance(error, S3Error):
        code, status = error.code or "", error.response.status
        if code in _MISCONFIGURED or status >= 500 or status == 429:
            return StoreUnavailable(f"the object store cannot be used ({status} {code})", code)
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
