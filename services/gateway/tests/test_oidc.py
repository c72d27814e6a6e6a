"""Login at a real HTTP provider that may be told to lie: only a whole and fresh answer for us is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.gateway import oidc
from services.gateway.errors import Refusal
from services.gateway.tests.conftest import serving

KEY = RSAKey.generate_key(2048)
OTHER_KEY = RSAKey.generate_key(2048)


@dataclass
class Liar:
    """An identity provider; `claims` and the rest say how it deviates."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    keys: list[RSAKey] = field(default_factory=lambda: [KEY])
    signed_with: Any = field(default_factory=lambda: KEY)
    algorithm: str = "RS256"
    metadata: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    seen: list[Request] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    nonce: str = ""

    async def discovery(self, request: Request) -> JSONResponse:
        self.seen.append(request)
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "end_session_endpoint": f"{self.issuer}/logout",
                "authorization_response_iss_parameter_supported": True,
            }
            | self.metadata
        )

    async def jwks(self, request: Request) -> JSONResponse:
        self.seen.append(request)
        return JSONResponse(
            {"keys": [key.as_dict(private=False) | {"kid": key.thumbprint(), "use": "sig"} for key in self.keys]}
        )

    async def token(self, request: Request) -> JSONResponse:
        async with request.form() as form:
            self.forms.append({name: str(value) for name, value in form.items()})
        self.seen.append(request)
        if self.status != 200:
            return JSONResponse({"error": "invalid_grant"}, self.status)
        access = "an access token"
        digest = hashlib.sha256(access.encode()).digest()[:16]
        at_hash = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return JSONResponse({"access_token": access, "id_token": self.sign({"nonce": self.nonce, "at_hash": at_hash})})

    def sign(self, more: dict[str, Any]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "katsuragi.takuya", "aud": "kanketsu", "iat": now, "exp": now + 300}
        claims |= more | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.signed_with.thumbprint()}
        return jwt.encode(header, claims, self.signed_with, algorithms=[self.algorithm])


@pytest_asyncio.fixture
async def liar():
    one = Liar()
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", one.discovery),
            Route("/jwks", one.jwks),
            Route("/token", one.token, methods=["POST"]),
        ]
    )
    async with serving(app) as url:
        one.issuer = url
        yield one


@pytest_asyncio.fixture
async def provider(liar, make_settings):
    one = oidc.Provider(make_settings(oidc_issuer=liar.issuer))
    yield one
    await one.close()


async def log_in(provider, liar, **answer):
    attempt = oidc.new_attempt("/documents")
    liar.nonce = attempt.nonce
    given = {"code": "c0de", "state": attempt.state, "iss": liar.issuer} | answer
    return await provider.finish(attempt, {name: value for name, value in given.items() if value is not None})


async def test_the_browser_is_sent_with_pkce_state_and_nonce(provider, liar):
    attempt = oidc.new_attempt("/")
    url = urlsplit(await provider.authorization_url(attempt))
    query = {name: value for name, (value,) in parse_qs(url.query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
    assert query["code_challenge"] == challenge
    assert query["code_challenge_method"] == "S256"
    assert (query["state"], query["nonce"]) == (attempt.state, attempt.nonce)
    assert query["redirect_uri"] == "https://bunsho.city.minoh.example/callback"
    assert len(attempt.state) >= 43


async def test_a_whole_answer_is_a_login(provider, liar):
    login = await log_in(provider, liar)
    assert login.login == "katsuragi.takuya"
    (form,) = liar.forms
    assert form["grant_type"] == "authorization_code"
    assert 43 <= len(form["code_verifier"]) <= 128
    scheme, _, pair = liar.seen[1].headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(pair) == b"kanketsu:a%20secret%20%26%20more"


async def test_the_secret_goes_into_the_form_where_the_provider_wants_it_there(provider, liar):
    liar.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await log_in(provider, liar)
    assert liar.forms[0]["client_secret"] == "a secret & more"
    assert "authorization" not in liar.seen[1].headers


NOW = time.time()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://login.city.ikeda.example"},
        {"aud": "another-client"},
        {"aud": ["kanketsu", "another"], "azp": "another"},
        {"aud": ["kanketsu", "another"]},
        {"azp": "another"},
        {"aud": None},
        {"exp": int(NOW) - 3600},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"iat": int(NOW) - 7200},
        {"iat": int(NOW) + 3600},
        {"iat": None},
        {"nonce": "of another attempt"},
        {"nonce": None},
        {"at_hash": "b2YgYW5vdGhlciB0b2tlbg"},
        {"sub": None},
        {"sub": ""},
        {"sub": 42},
        {"sub": "a" * 300},
    ],
    ids=[f"wrong-{number}" for number in range(20)],
)
async def test_a_token_that_is_not_for_us_now_is_no_login(provider, liar, claims):
    liar.claims = claims
    with pytest.raises(Refusal) as caught:
        await log_in(provider, liar)
    assert caught.value.reason == "LOGIN_FAILED"


@pytest.mark.parametrize(
    "answer",
    [
        {"state": "of another browser"},
        {"state": None},
        {"code": None},
        {"error": "access_denied"},
        {"iss": "https://login.city.ikeda.example"},
        {"iss": None},
    ],
    ids=str,
)
async def test_an_answer_to_another_question_is_no_login_and_redeems_nothing(provider, liar, answer):
    with pytest.raises(Refusal) as caught:
        await log_in(provider, liar, **answer)
    assert caught.value.reason == "LOGIN_FAILED"
    assert liar.forms == []


async def test_a_code_the_provider_does_not_know_is_no_login(provider, liar):
    liar.status = 400
    with pytest.raises(Refusal) as caught:
        await log_in(provider, liar)
    assert caught.value.reason == "LOGIN_FAILED"


async def test_a_provider_in_trouble_is_not_the_persons_fault(provider, liar, make_settings):
    liar.status = 502
    with pytest.raises(Refusal) as caught:
        await log_in(provider, liar)
    assert (caught.value.reason, caught.value.status) == ("LOGIN_UNAVAILABLE", 503)
    nobody = oidc.Provider(make_settings(oidc_issuer="http://127.0.0.1:9"))
    with pytest.raises(Refusal) as caught:
        await nobody.authorization_url(oidc.new_attempt("/"))
    assert caught.value.reason == "LOGIN_UNAVAILABLE"
    assert await nobody.logout_url("") == ""
    await nobody.close()


async def test_discovery_of_another_issuer_is_refused(provider, liar):
    liar.metadata = {"issuer": "https://login.city.ikeda.example"}
    with pytest.raises(Refusal) as caught:
        await provider.metadata()
    assert caught.value.reason == "LOGIN_UNAVAILABLE"


async def test_a_forged_signature_is_no_login(provider, liar):
    """Another key under the known key id, no signature, and a shared secret where a public key is expected."""
    liar.signed_with = OTHER_KEY
    with pytest.raises(Refusal):
        await log_in(provider, liar)
    good = liar.sign({}).split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    mac = hmac.digest(KEY.as_pem(private=False), f"{head}.{good[1]}".encode(), "sha256")
    by_secret = f"{head}.{good[1]}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for token in (
        f"{unsigned}.{good[1]}.",
        f"{good[0]}.{good[1]}.AAAA",
        by_secret,
        "x",
        "x.y.z",
        "",
        "é.é.é",
        "a" * 10_000,
    ):
        with pytest.raises(Refusal) as caught:
            await provider.access(token)
        assert caught.value.reason == "TOKEN_INVALID", token


async def test_a_symmetric_key_in_the_published_set_is_ignored(provider, liar):
    secret = OctKey.import_key(b"known to everybody who reads the set")
    await provider.metadata()
    liar.keys = [KEY, secret]
    liar.signed_with, liar.algorithm = secret, "HS256"
    with pytest.raises(Refusal):
        await provider.access(liar.sign({"aud": "kanketsu-api"}))


async def test_a_new_key_is_fetched_once_and_strangers_do_not_make_us_ask_again(provider, liar):
    liar.claims = {"aud": "kanketsu-api"}
    await provider.access(liar.sign({}))
    fetched = len(liar.seen)
    await provider.access(liar.sign({}))
    assert len(liar.seen) == fetched
    old = liar.sign({})
    liar.keys, liar.signed_with = [KEY, OTHER_KEY], OTHER_KEY
    # Keys were fetched a moment ago: an unknown key id asks again only after a while.
    with pytest.raises(Refusal):
        await provider.access(liar.sign({}))
    assert len(liar.seen) == fetched
    when, keys = provider._keys
    provider._keys = (when - oidc.KEYS_SECONDS, keys)
    await provider.access(liar.sign({}))
    await provider.access(old)
    assert len(liar.seen) == fetched + 1


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({}, True),
        ({"aud": ["kanketsu-api", "another"]}, True),
        ({"aud": "kanketsu"}, False),
        ({"iss": "https://login.city.ikeda.example"}, False),
        ({"exp": int(NOW) - 3600}, False),
        ({"exp": None}, False),
        ({"nbf": int(NOW) + 3600}, False),
        ({"nbf": "later"}, False),
        ({"sub": None}, False),
    ],
    ids=[f"program-{number}" for number in range(9)],
)
async def test_access_tokens_of_programs(provider, liar, claims, good):
    liar.claims = {"aud": "kanketsu-api"} | claims
    if good:
        login, expires = await provider.access(liar.sign({}))
        assert login == "katsuragi.takuya"
        assert expires > time.time()
    else:
        with pytest.raises(Refusal) as caught:
            await provider.access(liar.sign({}))
        assert caught.value.reason == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({}, set()),
        ({"scope": "openid directory_writer"}, {"openid", "directory_writer"}),
        ({"scp": ["directory_writer"]}, {"directory_writer"}),
        ({"roles": ["directory_writer", 7], "scope": None}, {"directory_writer"}),
        ({"roles": {"directory_writer": True}, "groups": ["directory_writer"]}, set()),
    ],
    ids=range(5),
)
async def test_a_program_of_its_own_audience_has_the_roles_that_the_issuer_gave(provider, liar, claims, roles):
    liar.claims = {"aud": "kanketsu-scim", "sub": "entra-provisioning"} | claims
    program = await provider.program(liar.sign({}), "kanketsu-scim")
    assert (program.subject, program.roles) == ("entra-provisioning", roles)
    with pytest.raises(Refusal) as caught:
        await provider.access(liar.sign({}))
    assert caught.value.reason == "TOKEN_INVALID", "it is no login of the JSON API"


async def test_another_claim_may_name_the_login(liar, make_settings):
    provider = oidc.Provider(make_settings(oidc_issuer=liar.issuer, oidc_login_claim="preferred_username"))
    liar.claims = {"aud": "kanketsu-api", "sub": "3f1c", "preferred_username": "katsuragi.takuya"}
    assert (await provider.access(liar.sign({})))[0] == "katsuragi.takuya"
    await provider.close()


async def test_logout_at_the_provider(provider, liar):
    url = urlsplit(await provider.logout_url("the id token"))
    query = parse_qs(url.query)
    assert query["id_token_hint"] == ["the id token"]
    assert query["post_logout_redirect_uri"] == ["https://bunsho.city.minoh.example/"]
    liar.metadata = {"end_session_endpoint": None}
    fresh = oidc.Provider(replace(provider._settings))
    assert await fresh.logout_url("") == ""
    await fresh.close()
