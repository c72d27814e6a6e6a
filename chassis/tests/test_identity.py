"""Only a fresh identity of this tenant, for this service, signed by a known key, is somebody."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from chassis.errors import DomainError
from chassis.identity import Identity, IdentityVerifier, KeyVerifier, Signer

CLERK = Identity(
    staff_id="S0042",
    tenant="minoh",
    principals=("staff:S0042", "post:P-040-03-C", "unit:U-040-03"),
    roles=frozenset({"clerk"}),
    posts={"P-040-03-C": "U-040-03"},
    acting_post="P-040-03-C",
    terminal="10.1.2.3",
    session_id="箕面",
)


@pytest.fixture
def keys(tmp_path):
    def make(name):
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        private = tmp_path / f"{name}.pem"
        private.write_bytes(pem)
        key = OKPKey.import_key(pem)
        public = tmp_path / f"{name}.json"
        public.write_text(json.dumps({"keys": [key.as_dict(private=False) | {"kid": key.thumbprint()}]}), "utf-8")
        return Signer(private), public

    return make


@pytest.fixture
def signed(keys):
    signer, public = keys("gateway")
    return signer, IdentityVerifier(public, "minoh", "documents")


def refused(verifier, token, now=None):
    with pytest.raises(DomainError) as caught:
        verifier.verify(token, now)
    assert caught.value.reason == "UNAUTHENTICATED"
    return str(caught.value)


def test_an_identity_survives_the_journey(signed):
    signer, verifier = signed
    token = signer.identity(CLERK, "documents")
    assert verifier.verify(token) == CLERK
    assert verifier.verify(token) == CLERK
    assert CLERK.acting_unit == "U-040-03"


def test_an_expired_identity_is_nobody_even_when_it_was_known(signed):
    signer, verifier = signed
    now = time.time()
    token = signer.identity(CLERK, "documents", now)
    verifier.verify(token, now)
    assert "expired" in refused(verifier, token, now + 66)


def test_an_identity_from_the_future_is_refused(signed):
    signer, verifier = signed
    assert "not yet valid" in refused(verifier, signer.identity(CLERK, "documents", time.time() + 3600))


def test_a_token_for_another_service_is_refused(signed):
    signer, verifier = signed
    assert "another service" in refused(verifier, signer.identity(CLERK, "approvals"))


def test_another_tenants_token_is_refused_even_with_our_key(signed):
    signer, verifier = signed
    stranger = Identity(staff_id="S0042", tenant="ikeda", posts={})
    assert "another tenant" in refused(verifier, signer.identity(stranger, "documents"))


def test_a_key_of_another_city_is_refused(signed, keys):
    _, verifier = signed
    forger, _ = keys("forger")
    assert "bad signature" in refused(verifier, forger.identity(CLERK, "documents"))


def test_a_long_lived_token_is_refused(signed):
    signer, verifier = signed
    now = int(time.time())
    token = signer.sign({"sub": "S0042", "aud": "documents", "tenant": "minoh", "iat": now, "exp": now + 3600})
    assert "too long" in refused(verifier, token)


def _part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_unsigned_and_symmetric_tokens_are_refused(signed, algorithm):
    _, verifier = signed
    claims = {"sub": "S0042", "aud": "documents", "tenant": "minoh"}
    refused(verifier, f"{_part({'alg': algorithm})}.{_part(claims)}.{_part('x')}")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "…", "eyJ.eyJ.sig"])
def test_garbage_is_refused(signed, token):
    refused(signed[1], token)


def test_every_changed_character_of_a_token_is_noticed(signed, keys):
    signer, public = keys("documents")
    verifier = KeyVerifier(public)
    token = signer.sign({"doc": "d1", "ver": "00ff", "sub": "S0042"})
    assert verifier.claims(token)["doc"] == "d1"
    # The last characters of each base64 part may carry unused bits; every other one matters.
    last = {token.index(".") - 1, token.rindex(".") - 1, len(token) - 1}
    for position in sorted(set(range(len(token))) - last):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(DomainError):
            verifier.claims(changed)
