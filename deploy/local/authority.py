"""The stack's own certificate authority and its key files.

One CA for the tenant's services, a second one for the inside of the object store, and the
signing keys, secrets and passwords that an operations team would otherwise mount.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = timedelta(days=3650)
CERTIFICATE_LIFETIME = timedelta(days=397)
# A certificate this close to its end is issued again at the next start.
RENEW_BEFORE = timedelta(days=30)


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 whole or not at all (temporary file, fsync, rename)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def ensure_private(path: Path, make: Callable[[], bytes]) -> Path:
    """`path`, made with `make()` when it does not exist; never changed when it does."""
    if not path.exists():
        write_private(path, make())
    return path


@dataclass(frozen=True)
class Certificate:
    """Where one certificate and its key are (PEM)."""

    cert_file: Path
    key_file: Path


class Authority:
    """A certificate authority in a folder of its own: `ca.pem`, `ca.key` and `<name>.pem`, `<name>.key`.

    Certificates name `localhost`, 127.0.0.1 and the URI `urn:kanketsu:<tenant>:<name>`, the name by
    which services decide who may call them.
    """

    def __init__(self, folder: Path, tenant: str, common_name: str, *, renew_before: timedelta = RENEW_BEFORE) -> None:
        self.folder = folder
        self.tenant = tenant
        self.ca_file = folder / "ca.pem"
        self._ca_key_file = folder / "ca.key"
        self._common_name = common_name
        self._renew_before = renew_before

    def certificate(self, name: str) -> Certificate:
        """The certificate of `name`, issued if it is missing, of another CA, or about to end."""
        cert_file, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        ca, ca_key = self._authority()
        if not (cert_file.exists() and key_file.exists() and self._still_good(cert_file, ca)):
            self._issue(name, ca, ca_key, cert_file, key_file)
        return Certificate(cert_file, key_file)

    def _still_good(self, cert_file: Path, ca: x509.Certificate) -> bool:
        certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
        try:
            certificate.verify_directly_issued_by(ca)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return certificate.not_valid_after_utc - datetime.now(UTC) > self._renew_before

    def _issue(
        self,
        name: str,
        ca: x509.Certificate,
        ca_key: ec.EllipticCurvePrivateKey,
        cert_file: Path,
        key_file: Path,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        alternative_names = x509.SubjectAlternativeName(
            [
                x509.DNSName("localhost"),
                x509.IPAddress(ip_address("127.0.0.1")),
                x509.UniformResourceIdentifier(f"urn:kanketsu:{self.tenant}:{name}"),
            ]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + CERTIFICATE_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(alternative_names, critical=False)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        # The key first: a certificate without its key is issued again, so a crash between is harmless.
        write_private(key_file, private_pem(key))
        write_private(cert_file, certificate.public_bytes(serialization.Encoding.PEM))

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        if self.ca_file.exists() and self._ca_key_file.exists():
            key = serialization.load_pem_private_key(self._ca_key_file.read_bytes(), password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{self._ca_key_file}: not an EC key")
            return x509.load_pem_x509_certificate(self.ca_file.read_bytes()), key
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        subject = _name(self._common_name)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._ca_key_file, private_pem(key))
        write_private(self.ca_file, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate, key


class Keys:
    """The key and secret files of one tenant, all of mode 0600 in one folder of mode 0700."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def signing_key(self, name: str) -> tuple[Path, Path]:
        """An Ed25519 key: private PEM (PKCS #8) and its public JWKS; `kid` is the RFC 7638 thumbprint."""
        private = ensure_private(
            self.folder / f"{name}-signing-key.pem", lambda: private_pem(ed25519.Ed25519PrivateKey.generate())
        )
        public = ensure_private(self.folder / f"{name}-jwks.json", lambda: _jwks(private))
        return private, public

    def rsa_key(self, name: str) -> Path:
        """An RSA key of 2048 bits, private PEM (PKCS #8)."""
        return ensure_private(
            self.folder / f"{name}-signing-key.pem",
            lambda: private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        )

    def random_key(self, name: str) -> Path:
        """32 random bytes, base64."""
        return ensure_private(self.folder / name, lambda: base64.b64encode(secrets.token_bytes(32)) + b"\n")

    def password(self, name: str) -> Path:
        """A random secret of 43 URL-safe characters."""
        return ensure_private(self.folder / name, lambda: secrets.token_urlsafe(32).encode())

    def text(self, name: str, content: str) -> Path:
        """A file with exactly this content; rewritten only when it differs."""
        path = self.folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            write_private(path, content.encode())
        return path

    def read(self, name: str) -> str:
        """The content of a secret file."""
        return (self.folder / name).read_text(encoding="utf-8").strip()


def private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    """PKCS #8, PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _jwks(private: Path) -> bytes:
    key = serialization.load_pem_private_key(private.read_bytes(), password=None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError(f"{private}: not an Ed25519 key")
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    # RFC 7638: the thumbprint is over exactly these members in this order.
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    thumbprint = hashlib.sha256(json.dumps(jwk, separators=(",", ":")).encode()).digest()
    return json.dumps({"keys": [jwk | {"kid": _base64url(thumbprint), "use": "sig"}]}).encode()


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
