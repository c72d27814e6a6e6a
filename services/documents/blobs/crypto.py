"""Keys: one per document, wrapped by the municipality's key-encryption key (KEK); content as Tink streaming AEAD.

Destroying a document's wrapped key makes its content unreadable wherever a copy of the ciphertext survives (I6).
Ciphertext is bound to its document and attachment: moved to another row it does not open.
"""

import base64
import binascii
import io
import re
import uuid
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

import tink
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from tink import aead, secret_key_access, streaming_aead
from tink.proto import aes_gcm_pb2, tink_pb2

from services.documents.blobs.errors import Damaged, KeyRefused

SMALL_LIMIT = 4 * 1024 * 1024  # bytes that may be sealed in one piece; longer content is streamed
_CONTENT_KEY = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
_CONTENT_LABEL = b"kanketsu content 1\x00"
_WRAP_LABEL = b"kanketsu document key 1\x00"
_KEK_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEK_BYTES = 32

aead.register()
streaming_aead.register()


class KeyWrapper(Protocol):
    """Holds the KEK: a mounted file here, a key service elsewhere. The KEK itself never leaves it."""

    async def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Encrypt `secret` under the current KEK, bound to `context`. The result names the KEK it needs."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The secret again. KeyRefused: KEK unknown, another context, or not what `wrap` returned."""
        ...


class MountedKeys:
    """KeyWrapper over a mounted secret file. Wrapped form: KEK id, NUL, AES256-GCM nonce, ciphertext and tag."""

    def __init__(self, keks: dict[str, bytes]) -> None:
        """`keks`: id -> 32 bytes; the first one is current, the others only open what they wrapped."""
        if not keks:
            raise KeyRefused("no key-encryption key given", "kek_missing")
        for kek_id, raw in keks.items():
            if not _KEK_ID.fullmatch(kek_id) or len(raw) != _KEK_BYTES:
                raise KeyRefused("a key-encryption key is not `id` + 32 bytes", "kek_malformed")
        self._current = next(iter(keks))
        self._aeads = {kek_id: _aes256_gcm(raw) for kek_id, raw in keks.items()}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `id:base64` lines, first = current, or one plain base64 line (its id is `k1`).

        To rotate: put the new key above the old one, restart, rewrap the document keys, then remove the old line.
        Raises KeyRefused for a malformed file (naming the line, never its content), OSError if it cannot be read.
        """
        keks: dict[str, bytes] = {}
        for number, line in enumerate(path.read_text("ascii", errors="replace").splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            kek_id, colon, encoded = line.strip().rpartition(":")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise KeyRefused(f"line {number} of the key file is not base64", "kek_malformed") from None
            if not colon and keks:
                raise KeyRefused(f"line {number} of the key file has no id", "kek_malformed")
            kek_id = kek_id if colon else "k1"
            if kek_id in keks:
                raise KeyRefused(f"line {number} of the key file repeats an id", "kek_malformed")
            keks[kek_id] = raw
        return cls(keks)

    @property
    def current(self) -> str:
        """Id of the KEK that wraps new keys."""
        return self._current

    async def wrap(self, secret: bytes, context: bytes) -> bytes:
        """See KeyWrapper."""
        sealed: bytes = self._aeads[self._current].encrypt(secret, context)
        return self._current.encode() + b"\x00" + sealed

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See KeyWrapper."""
        kek_id, _, sealed = wrapped.partition(b"\x00")
        kek = self._aeads.get(kek_id.decode("ascii", errors="replace"))
        if kek is None:
            raise KeyRefused("the key-encryption key of this document is not in the key file", "kek_unknown")
        try:
            secret: bytes = kek.decrypt(sealed, context)
        except tink.TinkError:
            raise KeyRefused("the wrapped key does not open: altered, or of another document", "key_altered") from None
        return secret


class CiphertextSink:
    """Collects ciphertext until it is taken; the file object that Tink writes to."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.closed = False

    @property
    def held(self) -> int:
        """Bytes waiting to be taken."""
        return len(self._held)

    def writable(self) -> bool:
        """Always; Tink asks."""
        return True

    def write(self, block: bytes) -> int:
        """Keep `block`."""
        self._held += block
        return len(block)

    def close(self) -> None:
        """Tink closes its destination; what is held can still be taken."""
        self.closed = True

    def take(self) -> bytearray:
        """Everything written since the last take; the caller's own, not copied once more."""
        taken, self._held = self._held, bytearray()
        return taken


class DocumentKey:
    """The opened key of one document. Lives in memory only, for the length of one call."""

    def __init__(self, document_id: str, primitive: streaming_aead.StreamingAead) -> None:
        self._document = uuid.UUID(document_id).bytes
        self._primitive = primitive

    def encrypting(self, destination: CiphertextSink, item_id: str) -> BinaryIO:
        """A writable stream that puts ciphertext of `item_id` (UUID) into `destination`; `close()` seals the end."""
        stream: BinaryIO = self._primitive.new_encrypting_stream(cast(BinaryIO, destination), self._bound_to(item_id))
        return stream

    def decrypting(self, source: BinaryIO, item_id: str) -> BinaryIO:
        """A readable stream of authenticated plaintext; tink.TinkError from `read`: damage, or a broken source."""
        stream: BinaryIO = self._primitive.new_decrypting_stream(source, self._bound_to(item_id))
        return stream

    def seal(self, item_id: str, data: bytes) -> bytes:
        """Encrypt something small (<= 4 MiB), e.g. a manifest, in the same format as streamed content."""
        if len(data) > SMALL_LIMIT:
            raise ValueError("too long to be sealed in one piece")
        sink = CiphertextSink()
        stream = self.encrypting(sink, item_id)
        stream.write(data)
        stream.close()
        return bytes(sink.take())

    def unseal(self, item_id: str, sealed: bytes) -> bytes:
        """The plaintext of `seal`. Damaged if it was altered, cut, or belongs elsewhere."""
        try:
            return self.decrypting(io.BytesIO(sealed), item_id).read(-1)
        except tink.TinkError:
            raise Damaged("sealed content does not open", "damaged") from None

    def _bound_to(self, item_id: str) -> bytes:
        # Fixed lengths: no other pair of ids gives the same bytes.
        return _CONTENT_LABEL + self._document + uuid.UUID(item_id).bytes


async def new_document_key(keys: KeyWrapper, document_id: str) -> bytes:
    """A fresh content key for one document, wrapped: about 170 bytes to keep in its row. ValueError: not a UUID."""
    handle = tink.new_keyset_handle(_CONTENT_KEY)
    secret = tink.proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
    return await keys.wrap(secret, _wrap_context(document_id))


async def open_document_key(keys: KeyWrapper, wrapped: bytes, document_id: str) -> DocumentKey:
    """The key of `document_id` out of its row. KeyRefused if it was altered, swapped, or its KEK is gone."""
    secret = await keys.unwrap(wrapped, _wrap_context(document_id))
    try:
        handle = tink.proto_keyset_format.parse(secret, secret_key_access.TOKEN)
        return DocumentKey(document_id, handle.primitive(streaming_aead.StreamingAead))
    except tink.TinkError:
        raise KeyRefused("the wrapped key holds no content key", "key_altered") from None


async def derived_secret(keys: KeyWrapper, wrapped: bytes, document_id: str, purpose: bytes) -> bytes:
    """32 bytes for another purpose that follow from the document's key, and are lost with it. KeyRefused."""
    secret = await keys.unwrap(wrapped, _wrap_context(document_id))
    return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(secret)


async def rewrap_document_key(keys: KeyWrapper, wrapped: bytes, document_id: str) -> bytes:
    """The same content key under the current KEK, for KEK rotation. The content itself is not touched."""
    context = _wrap_context(document_id)
    return await keys.wrap(await keys.unwrap(wrapped, context), context)


def _wrap_context(document_id: str) -> bytes:
    return _WRAP_LABEL + uuid.UUID(document_id).bytes


def _aes256_gcm(raw: bytes) -> aead.Aead:
    """A Tink AEAD over raw key bytes: nonce (12), ciphertext, tag (16), without Tink's prefix; any AES-GCM opens it."""
    key_data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmKey",
        value=aes_gcm_pb2.AesGcmKey(version=0, key_value=raw).SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    key = tink_pb2.Keyset.Key(key_data=key_data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    keyset = tink_pb2.Keyset(primary_key_id=1, key=[key]).SerializeToString()
    return tink.proto_keyset_format.parse(keyset, secret_key_access.TOKEN).primitive(aead.Aead)
