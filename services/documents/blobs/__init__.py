"""The one place that knows S3 and encryption.

Attachments, cover sheets and manifests are encrypted with a key of their own per document and kept under random names
in one versioned bucket with object lock. Nothing here knows which server answers, and nothing outside names one.
"""

from chassis.s3 import StoreConfig
from services.documents.blobs.crypto import (
    DocumentKey,
    KeyWrapper,
    MountedKeys,
    derived_secret,
    new_document_key,
    open_document_key,
    rewrap_document_key,
)
from services.documents.blobs.downloads import download
from services.documents.blobs.errors import (
    BlobError,
    Damaged,
    KeyRefused,
    NotFound,
    StoreRefused,
    StoreUnavailable,
    TooLarge,
)
from services.documents.blobs.store import (
    Incomplete,
    ObjectStore,
    ObjectVersion,
    Retention,
    Stored,
)
from services.documents.blobs.uploads import Uploaded, upload

__all__ = [
    "BlobError",
    "Damaged",
    "DocumentKey",
    "Incomplete",
    "KeyRefused",
    "KeyWrapper",
    "MountedKeys",
    "NotFound",
    "ObjectStore",
    "ObjectVersion",
    "Retention",
    "StoreConfig",
    "StoreRefused",
    "StoreUnavailable",
    "Stored",
    "TooLarge",
    "Uploaded",
    "derived_secret",
    "download",
    "new_document_key",
    "open_document_key",
    "rewrap_document_key",
    "upload",
]
