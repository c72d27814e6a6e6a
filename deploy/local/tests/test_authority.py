"""Certificates and keys: what they name, who can read them, and that they stay."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import KeySet, OKPKey

from deploy.local.authority import CERTIFICATE_LIFETIME, Authority, Keys


def _load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_certificate_names_loopback_and_the_service(tmp_path: Path) -> None:
    ca = Authority(tmp_path, "minoh", "箕面市の試験用 CA")
    certificate = _load(ca.certificate("documents").cert_file)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:kanketsu:minoh:documents"]
    certificate.verify_directly_issued_by(_load(ca.ca_file))


def test_certificates_stay_until_they_are_about_to_end(tmp_path: Path) -> None:
    ca = Authority(tmp_path, "minoh", "CA")
    first = ca.certificate("audit").cert_file.read_bytes()
    assert ca.certificate("audit").cert_file.read_bytes() == first
    hasty = Authority(tmp_path, "minoh", "CA", renew_before=CERTIFICATE_LIFETIME + timedelta(days=1))
    renewed = hasty.certificate("audit").cert_file
    assert renewed.read_bytes() != first
    assert _load(renewed).not_valid_after_utc > datetime.now(UTC) + timedelta(days=390)


def test_a_certificate_of_another_authority_is_replaced(tmp_path: Path) -> None:
    theirs = Authority(tmp_path / "theirs", "minoh", "CA").certificate("gateway")
    ours = Authority(tmp_path / "ours", "minoh", "CA")
    mine = ours.certificate("gateway")
    mine.cert_file.write_bytes(theirs.cert_file.read_bytes())
    _load(ours.certificate("gateway").cert_file).verify_directly_issued_by(_load(ours.ca_file))


def test_every_file_is_private(tmp_path: Path) -> None:
    Authority(tmp_path / "tls", "minoh", "CA").certificate("documents")
    keys = Keys(tmp_path / "keys")
    keys.signing_key("identity")
    keys.rsa_key("oidc")
    keys.random_key("kek")
    keys.password("postgres-password")
    files = [path for folder in ("tls", "keys") for path in (tmp_path / folder).iterdir()]
    assert len(files) == 9
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_signature_verifies_with_the_published_key_of_its_thumbprint(tmp_path: Path) -> None:
    private, public = Keys(tmp_path).signing_key("receipt")
    key = OKPKey.import_key(private.read_bytes())
    jwks = json.loads(public.read_text(encoding="utf-8"))
    assert jwks["keys"][0]["kid"] == key.thumbprint()
    assert "d" not in jwks["keys"][0]
    token = jws.serialize_compact({"alg": "Ed25519", "kid": key.thumbprint()}, "閲覧".encode(), key, ["Ed25519"])
    assert jws.deserialize_compact(token, KeySet.import_key_set(jwks), ["Ed25519"]).payload.decode() == "閲覧"


def test_keys_are_made_once(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in Keys(tmp_path).signing_key("log")}
    first["kek"] = Keys(tmp_path).random_key("kek").read_bytes()
    assert len(base64.b64decode(first["kek"])) == 32
    Keys(tmp_path).signing_key("log")
    Keys(tmp_path).random_key("kek")
    assert {name: (tmp_path / name).read_bytes() for name in first} == first


@given(content=st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=200))
def test_text_files_hold_exactly_what_was_written(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    keys = Keys(tmp_path_factory.mktemp("keys"))
    for _ in range(2):
        assert keys.text("url", content).read_bytes() == content.encode()
