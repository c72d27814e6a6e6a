"""Settings are complete, typed, secret where they must be, and refuse what they do not know."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis.settings import Secret, ServiceSettings, SettingsError, describe, load

REQUIRED = {
    "KANKETSU_TENANT": "minoh",
    "KANKETSU_TLS_CERT_FILE": "/tls/cert.pem",
    "KANKETSU_TLS_KEY_FILE": "/tls/key.pem",
    "KANKETSU_TLS_CA_FILE": "/tls/ca.pem",
    "KANKETSU_NATS_URL": "tls://localhost:4222",
    "KANKETSU_NATS_NKEY_SEED": "SUAsecret",
}


@dataclass(frozen=True, kw_only=True)
class Example(ServiceSettings):
    limit: int = 5
    verbose: bool = False
    networks: tuple[str, ...] = ()


def test_values_are_typed_and_defaults_apply():
    settings = load(Example, REQUIRED | {"KANKETSU_LIMIT": "7", "KANKETSU_NETWORKS": "10.0.0.0/8, 192.168.0.0/16"})
    assert settings.tenant == "minoh"
    assert settings.limit == 7
    assert settings.verbose is False
    assert settings.networks == ("10.0.0.0/8", "192.168.0.0/16")
    assert settings.tls_ca_file == Path("/tls/ca.pem")


def test_a_secret_comes_from_a_mounted_file(tmp_path):
    seed = tmp_path / "seed"
    seed.write_text("SUAfromfile\n", encoding="utf-8")
    environ = {k: v for k, v in REQUIRED.items() if k != "KANKETSU_NATS_NKEY_SEED"}
    settings = load(Example, environ | {"KANKETSU_NATS_NKEY_SEED_FILE": str(seed)})
    assert settings.nats_nkey_seed == "SUAfromfile"


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        load(Example, {"KANKETSU_TENNANT": "箕面", "KANKETSU_LIMIT": "many", "KANKETSU_VERBOSE": "yes"})
    text = str(caught.value)
    assert "KANKETSU_TENNANT: unknown setting" in text
    assert "KANKETSU_TENANT: required" in text
    assert "KANKETSU_LIMIT:" in text
    assert "KANKETSU_VERBOSE: expected true or false" in text


def test_a_value_given_twice_is_refused(tmp_path):
    seed = tmp_path / "seed"
    seed.write_text("SUAother", encoding="utf-8")
    with pytest.raises(SettingsError, match="given twice"):
        load(Example, REQUIRED | {"KANKETSU_NATS_NKEY_SEED_FILE": str(seed)})


def test_an_unreadable_file_is_a_problem_not_a_crash(tmp_path):
    environ = {k: v for k, v in REQUIRED.items() if k != "KANKETSU_NATS_NKEY_SEED"}
    with pytest.raises(SettingsError, match="cannot read"):
        load(Example, environ | {"KANKETSU_NATS_NKEY_SEED_FILE": str(tmp_path / "absent")})


def test_secrets_are_never_printed():
    settings = load(Example, REQUIRED)
    assert "SUAsecret" not in repr(settings)
    assert describe(settings)["nats_nkey_seed"] == "<redacted>"
    assert repr(Secret("x")) == "<redacted>"
