"""Signed notes, verifier keys, checkpoints and cosignatures: what makes a tree head a promise.

Formats byte for byte: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature (Ed25519 only).
Pure except for the signature arithmetic, which `cryptography` does.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.audit.tlog import EMPTY_ROOT, HASH_SIZE

ED25519 = 0x01
COSIGNATURE_V1 = 0x04

MAX_NOTE_BYTES = 512 * 1024
MAX_SIGNATURES = 64
_MAX_SIZE = 2**63 - 1
_DASH = b"\xe2\x80\x94 "


class NoteError(ValueError):
    """The note is not well formed, or not signed as required."""


class UntrustedNote(NoteError):
    """No signature by a key we were given."""


class ForgedNote(NoteError):
    """A signature line under a key we were given that the key did not make."""


# --- keys -------------------------------------------------------------------------------------------------------


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unb64(text: str, what: str) -> bytes:
    """Strict: standard alphabet, padded, and the one spelling of these bytes."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise NoteError(f"{what} is not base64") from error
    if _b64(data) != text:
        raise NoteError(f"{what} is not canonical base64")
    return data


def _check_name(name: str) -> str:
    if not name or "+" in name or any(char.isspace() or ord(char) < 0x20 for char in name):
        raise NoteError(f"not a key name: {name[:80]!r}")
    return name


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """The four bytes that mark this key's lines: SHA-256(name || 0x0A || type || public key)[:4]."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name. `algorithm` is ED25519 (logs) or COSIGNATURE_V1 (witnesses)."""

    name: str
    algorithm: int
    public_key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.algorithm not in (ED25519, COSIGNATURE_V1):
            raise NoteError(f"key type {self.algorithm:#04x} is not supported")
        if len(self.public_key) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """From `name+hash+key`. NoteError if it is malformed or its hash does not belong to it."""
        parts = vkey.strip().split("+", 2)
        if len(parts) != 3 or not re.fullmatch("[0-9a-f]{8}", parts[1]):
            raise NoteError("a verifier key has the form name+hash+key")
        data = _unb64(parts[2], "the key")
        if not data:
            raise NoteError("the key is empty")
        key = cls(parts[0], data[0], data[1:])
        if key.key_id.hex() != parts[1]:
            raise NoteError(f"the hash in the key of {parts[0]} does not belong to it")
        return key

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, self.algorithm, self.public_key)

    @property
    def vkey(self) -> str:
        """The form people exchange: `name+hash+key`."""
        return f"{self.name}+{self.key_id.hex()}+{_b64(bytes([self.algorithm]) + self.public_key)}"

    def check(self, text: bytes, signature: bytes) -> bool:
        """Did this key sign exactly this text? `signature` is the line's base64 content without the key id."""
        message = text
        if self.algorithm == COSIGNATURE_V1:
            if len(signature) != 8 + 64:
                return False
            message = cosigned_message(text, int.from_bytes(signature[:8], "big"))
            signature = signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key under a name. `repr` never shows the seed."""

    name: str
    algorithm: int
    key: Ed25519PrivateKey

    def __post_init__(self) -> None:
        _check_name(self.name)

    @classmethod
    def from_seed(cls, name: str, seed: bytes, algorithm: int = ED25519) -> "SigningKey":
        if len(seed) != 32:
            raise NoteError("an Ed25519 seed has 32 bytes")
        return cls(name, algorithm, Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> "SigningKey":
        """A log's key from an unencrypted PKCS #8 file. NoteError if it holds no Ed25519 key."""
        # Whoever only verifies reads no PEM, and this brings in much.
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise NoteError("the signing key is not an unencrypted PEM private key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise NoteError("the signing key is not Ed25519")
        return cls(name, ED25519, key)

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """From `PRIVATE+KEY+name+hash+base64(0x01 || seed)`. NoteError if malformed."""
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise NoteError("a signing key has the form PRIVATE+KEY+name+hash+key")
        data = _unb64(parts[4], "the signing key")
        if len(data) != 33:
            raise NoteError("a signing key has 33 bytes")
        signer = cls.from_seed(parts[2], data[1:], data[0])
        if signer.verifier.key_id.hex() != parts[3]:
            raise NoteError(f"the hash in the signing key of {parts[2]} does not belong to it")
        return signer

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.algorithm, self.key.public_key().public_bytes_raw())

    @property
    def private_form(self) -> str:
        """`PRIVATE+KEY+…`: a secret, for a file that only the log's process reads."""
        seed = bytes([self.algorithm]) + self.key.private_bytes_raw()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{_b64(seed)}"

    def sign(self, text: bytes, timestamp: int | None = None) -> bytes:
        """One signature line, newline included. `timestamp` (unix seconds) is for cosignatures, and only those."""
        if (self.algorithm == COSIGNATURE_V1) != (timestamp is not None):
            raise NoteError("a cosignature has a timestamp, a signature has none")
        stamp, message = b"", text
        if timestamp is not None:
            stamp, message = timestamp.to_bytes(8, "big"), cosigned_message(text, timestamp)
        content = self.verifier.key_id + stamp + self.key.sign(message)
        return _DASH + f"{self.name} {_b64(content)}\n".encode()


def cosigned_message(text: bytes, timestamp: int) -> bytes:
    """What a witness signs: "as of `timestamp` (unix seconds) this is the largest consistent tree I have seen"."""
    return b"cosignature/v1\ntime %d\n" % timestamp + text


# --- notes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signature:
    """One line: who says to have signed, with which key, and the signature itself."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def timestamp(self) -> int:
        """Unix seconds of a cosignature."""
        return int.from_bytes(self.signature[:8], "big")


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text (ending in a newline) and its signature lines, parsed and not yet believed."""

    text: bytes
    signatures: tuple[Signature, ...]


def parse_note(note: bytes) -> SignedNote:
    """Splits a note. NoteError if malformed: not UTF-8, control characters, no blank line, no or too many signature
    lines, or more than 512 KiB."""
    if len(note) > MAX_NOTE_BYTES:
        raise NoteError(f"a note of {len(note)} bytes is too long")
    try:
        note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("the note is not UTF-8") from error
    if any(byte < 0x20 and byte != 0x0A for byte in note):
        raise NoteError("the note contains control characters")
    split = note.rfind(b"\n\n")
    if split < 0:
        raise NoteError("the note has no signatures")
    text, lines = note[: split + 1], note[split + 2 :]
    if not lines.endswith(b"\n"):
        raise NoteError("the last signature line is cut")
    rows = lines[:-1].split(b"\n")
    if len(rows) > MAX_SIGNATURES:
        raise NoteError(f"the note has {len(rows)} signatures")
    return SignedNote(text, tuple(_parse_signature(row) for row in rows))


def _parse_signature(row: bytes) -> Signature:
    parts = row.removeprefix(_DASH).decode().split(" ")
    if not row.startswith(_DASH) or len(parts) != 2:
        raise NoteError("malformed signature line")
    name = _check_name(parts[0])
    content = _unb64(parts[1], f"the signature under {name}")
    if len(content) < 5:
        raise NoteError(f"the signature under {name} is too short")
    return Signature(name, content[:4], content[4:])


def open_note(note: bytes, keys: Iterable[VerifierKey]) -> tuple[bytes, list[Signature]]:
    """The text and those signatures that `keys` made. Lines of unknown keys are ignored, as the format demands.

    ForgedNote: a line under a known key does not verify. UntrustedNote: no line under a known key.
    """
    parsed = parse_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    good = []
    for signature in parsed.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not key.check(parsed.text, signature.signature):
            raise ForgedNote(f"the signature under {key.name} does not belong to this text")
        good.append(signature)
    if not good:
        names = ", ".join(f"{line.name}+{line.key_id.hex()}" for line in parsed.signatures)
        raise UntrustedNote(f"signed by {names}, not by the given key")
    return parsed.text, good


def sign_note(text: bytes, *lines: bytes) -> bytes:
    """A note from its text and the lines that `SigningKey.sign` made over it."""
    return text + b"\n" + b"".join(lines)


# --- checkpoints ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: `size` leaves with this root. Our own have no extension lines; others' are kept as they came."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> bytes:
        """The note text that is signed."""
        lines = (self.origin, str(self.size), _b64(self.root), *self.extensions)
        return ("\n".join(lines) + "\n").encode()


_DECIMAL = re.compile("0|[1-9][0-9]{0,18}", re.ASCII)


def parse_checkpoint(text: bytes) -> Checkpoint:
    """From a note's text. NoteError if it is not three or more non-empty lines of origin, size and root."""
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise NoteError("the checkpoint is not UTF-8") from error
    if len(lines) < 4 or lines[-1] or "" in lines[:-1]:
        raise NoteError("a checkpoint has three or more lines, none empty")
    if not _DECIMAL.fullmatch(lines[1]) or int(lines[1]) > _MAX_SIZE:
        raise NoteError(f"not a tree size: {lines[1][:40]!r}")
    root = _unb64(lines[2], "the root")
    if len(root) != HASH_SIZE:
        raise NoteError(f"a root has {HASH_SIZE} bytes, not {len(root)}")
    checkpoint = Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:-1]))
    if checkpoint.size == 0 and root != EMPTY_ROOT:
        raise NoteError("an empty tree with the root of another")
    return checkpoint


def sign_checkpoint(origin: str, size: int, root: bytes, signer: SigningKey) -> bytes:
    """A checkpoint as it is published: no extension lines, one signature under the log's name."""
    text = Checkpoint(origin, size, root).text
    return sign_note(text, signer.sign(text))


def open_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that `key` signed. NoteError (and its kinds) if it is not; the key's name must be
    the checkpoint's origin, so that no log can speak for another."""
    text, _ = open_note(note, [key])
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != key.name:
        raise NoteError(f"the checkpoint is of {checkpoint.origin}, the key of {key.name}")
    return checkpoint
