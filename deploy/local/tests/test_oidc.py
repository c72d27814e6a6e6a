"""The OIDC provider over HTTP: code flow with PKCE, exact addresses, nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import urllib3
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.local import system
from deploy.local.stack import Stack

LOGIN = "makimura.takayuki"


def _get(engines: Stack, path: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", engines.issuer + path, redirect=False, retries=False)


def _post(engines: Stack, path: str, fields: dict[str, str], **headers: str) -> urllib3.BaseHTTPResponse:
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return urllib3.request(
        "POST", engines.issuer + path, body=urlencode(fields), headers=form, redirect=False, retries=False
    )


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Flow:
    """One login, step by step."""

    def __init__(self, engines: Stack) -> None:
        self.engines = engines
        self.verifier = secrets.token_urlsafe(48)
        self.request = {
            "response_type": "code",
            "client_id": system.OIDC_CLIENT_ID,
            "redirect_uri": f"{engines.url}/callback",
            "scope": "openid profile",
            "state": "状態 & 1=2",
            "nonce": "一回限り",
            "code_challenge": _challenge(self.verifier),
            "code_challenge_method": "S256",
        }

    def page(self, **changes: str | None) -> urllib3.BaseHTTPResponse:
        """The login page."""
        merged = {**self.request, **changes}
        return _get(self.engines, "/authorize?" + urlencode({name: v for name, v in merged.items() if v is not None}))

    def choose(self, login: str = LOGIN) -> urllib3.BaseHTTPResponse:
        """POST the page's form."""
        return _post(self.engines, "/authorize", {**self.request, "login": login})

    def code(self, login: str = LOGIN) -> str:
        """The code at the redirect address."""
        return _query(self.choose(login))["code"]

    def redemption(self, code: str) -> dict[str, str]:
        """The form that redeems a code."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.request["redirect_uri"],
            "code_verifier": self.verifier,
            "client_id": system.OIDC_CLIENT_ID,
            "client_secret": self.engines.keys.read("oidc-client-secret"),
        }

    def redeem(self, code: str, **changes: str) -> urllib3.BaseHTTPResponse:
        """POST it."""
        return _post(self.engines, "/token", {**self.redemption(code), **changes})


def _query(answer: urllib3.BaseHTTPResponse) -> dict[str, str]:
    assert answer.status == 303, answer.data
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


@pytest.fixture
def flow(engines: Stack) -> Flow:
    return Flow(engines)


def test_discovery_says_what_is_there(engines: Stack) -> None:
    found = _get(engines, "/.well-known/openid-configuration").json()
    assert found["issuer"] == engines.issuer
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["response_types_supported"] == ["code"]
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"):
        assert found[name].startswith(engines.issuer + "/")


def test_a_person_logs_in(engines: Stack, flow: Flow) -> None:
    query = _query(flow.choose())
    assert query["state"] == "状態 & 1=2"
    assert query["iss"] == engines.issuer
    tokens = flow.redeem(query["code"]).json()
    keys = KeySet.import_key_set(_get(engines, "/jwks").json())
    claims = jwt.decode(tokens["id_token"], keys, ["RS256"]).claims
    assert claims["iss"] == engines.issuer
    assert (claims["sub"], claims["aud"], claims["nonce"]) == (LOGIN, system.OIDC_CLIENT_ID, "一回限り")
    assert claims["name"] == "槇村 隆之"
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    access = jwt.decode(tokens["access_token"], keys, ["RS256"])
    assert access.header["typ"] == "at+jwt"
    assert (access.claims["aud"], access.claims["sub"]) == ("kanketsu-api", LOGIN)
    assert 0 < access.claims["exp"] - access.claims["iat"] == tokens["expires_in"]


def test_published_keys_are_public(engines: Stack) -> None:
    [key] = _get(engines, "/jwks").json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}


def test_a_code_works_once(flow: Flow) -> None:
    code = flow.code()
    assert flow.redeem(code).status == 200
    assert flow.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("verifier", ["", "短い", "a" * 43, "a" * 200])
def test_a_wrong_verifier_is_refused_and_burns_the_code(flow: Flow, verifier: str) -> None:
    code = flow.code()
    refusal = flow.redeem(code, code_verifier=verifier)
    assert (refusal.status, refusal.json()["error"]) == (400, "invalid_grant")
    assert flow.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
    ],
)
def test_pkce_is_required(flow: Flow, changes: dict[str, str | None]) -> None:
    assert _query(flow.page(**changes))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"response_mode": "fragment"}, "invalid_request"),
    ],
)
def test_other_flows_are_refused_at_the_client(flow: Flow, changes: dict[str, str | None], error: str) -> None:
    assert _query(flow.page(**changes))["error"] == error


@pytest.mark.parametrize(
    "tail", ["/callback/", "/callback?x=1", "/callback#f", "/Callback", "/", "@evil.example/callback", "/callback%2f"]
)
def test_redirect_addresses_are_exact(engines: Stack, flow: Flow, tail: str) -> None:
    answer = flow.page(redirect_uri=engines.url + tail)
    assert answer.status == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize("changes", [{"client_id": "誰か"}, {"client_id": None}, {"redirect_uri": None}])
def test_strangers_get_a_page_and_no_redirect(flow: Flow, changes: dict[str, str | None]) -> None:
    answer = flow.page(**changes)
    assert answer.status == 400
    assert "Location" not in answer.headers
    assert "ログインを始められません" in answer.data.decode()


def test_a_parameter_given_twice_is_refused(engines: Stack, flow: Flow) -> None:
    evil = urlencode({"redirect_uri": "https://evil.example/"})
    assert _get(engines, f"/authorize?{urlencode(flow.request)}&{evil}").status == 400
    body = urlencode(flow.request) + f"&login={LOGIN}&{evil}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (
        urllib3.request("POST", f"{engines.issuer}/authorize", body=body, headers=headers, redirect=False).status == 400
    )


def test_the_token_needs_the_address_of_the_code(engines: Stack, flow: Flow) -> None:
    assert flow.redeem(flow.code(), redirect_uri=f"{engines.url}/").json()["error"] == "invalid_grant"


@pytest.mark.parametrize("changes", [{"client_secret": "ちがう"}, {"client_id": "誰か"}, {"client_secret": ""}])
def test_the_client_must_know_its_secret(flow: Flow, changes: dict[str, str]) -> None:
    refusal = flow.redeem(flow.code(), **changes)
    assert (refusal.status, refusal.json()["error"]) == (401, "invalid_client")


def test_the_secret_may_come_as_basic(engines: Stack, flow: Flow) -> None:
    fields = flow.redemption(flow.code())
    pair = f"{fields.pop('client_id')}:{fields.pop('client_secret')}"
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    assert _post(engines, "/token", fields, **headers).status == 200
    for nonsense in ("Basic !!", "Basic " + base64.b64encode(b"\xff\xfe").decode()):
        assert _post(engines, "/token", fields, Authorization=nonsense).status == 401


def test_only_codes_are_redeemed(flow: Flow) -> None:
    for kind in ("password", "client_credentials", "refresh_token", ""):
        assert flow.redeem("x", grant_type=kind).json()["error"] == "unsupported_grant_type"


def test_userinfo_wants_an_access_token(engines: Stack, flow: Flow) -> None:
    tokens = flow.redeem(flow.code()).json()

    def ask(token: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            "GET", f"{engines.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"}, retries=False
        )

    assert ask(tokens["access_token"]).json()["sub"] == LOGIN
    for wrong in (tokens["id_token"], tokens["access_token"][:-4] + "AAAA", "", "x.y.z"):
        assert ask(wrong).status == 401


def test_the_page_works_without_script_and_leaves_the_origin_for_nothing(engines: Stack, flow: Flow) -> None:
    answer = flow.page()
    html = answer.data.decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert f"form-action 'self' {engines.url};" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert "<script" not in html
    assert re.findall(r'(?:href|src)="([^"]*)"', html) == ["/style.css"]
    assert _get(engines, "/style.css").status == 200
    # Everything is a form control, reached by Tab and pressed by Enter, with a name of its own.
    assert html.count('<button type="submit" name="login"') > 60
    assert '<label for="login">' in html
    for name in ("環境政策室", "競艇事業局", "消防本部", "市立病院", "祇󠄀園 美帆", "早瀨 邦彦", "室長補佐", "不在"):
        assert name in html, name
    assert re.search(r"環境政策室</h3>\s*<ul.*?室長補佐.*?</ul>", html, re.DOTALL)


def test_state_is_escaped_on_the_page(flow: Flow) -> None:
    html = flow.page(state='"><script>alert(1)</script>').data.decode()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_name_from_the_suggestions_can_be_typed(flow: Flow) -> None:
    assert "code" in _query(flow.choose("槇村 隆之（makimura.takayuki）"))


@pytest.mark.parametrize("typed", ["", "だれか", "makimura", "（）", "' OR 1=1 --", "槇村" * 5000])
def test_unknown_people_are_told_so(flow: Flow, typed: str) -> None:
    answer = flow.choose(typed)
    assert answer.status == 400
    html = answer.data.decode()
    assert "その職員は見つかりません" in html
    assert 'aria-describedby="unknown"' in html


def test_logout_returns_to_known_addresses_only(engines: Stack) -> None:
    back = _get(engines, "/logout?" + urlencode({"post_logout_redirect_uri": f"{engines.url}/", "state": "戻"}))
    assert (back.status, _query(back)) == (303, {"state": "戻"})
    assert _get(engines, "/logout?" + urlencode({"post_logout_redirect_uri": "https://evil.example/"})).status == 400
    assert "ログアウトしました" in _get(engines, "/logout").data.decode()


def test_the_stack_logs_anybody_in(engines: Stack) -> None:
    keys = KeySet.import_key_set(_get(engines, "/jwks").json())
    assert jwt.decode(engines.access_token(LOGIN), keys, ["RS256"]).claims["sub"] == LOGIN
