"""What is configured of witnesses and time-stamps: read at start, refused in words when it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.settings import SettingsError, load
from conftest import ROOT
from deploy.local.authority import Keys
from services.audit import outside
from services.audit.note import COSIGNATURE_V1, SigningKey
from services.audit.settings import Settings
from services.audit.tests.test_processes import Replica

NAME = "witness.minoh.example"


@pytest.fixture
def configure(engines, place, buckets, tmp_path):
    """`configure(WITNESS_NAME=…)`: what is read, with a witness key and an empty list at hand."""
    private, _ = Keys(tmp_path).signing_key("witness")
    (tmp_path / "logs").write_text("# 豊中市、吹田市\n", encoding="utf-8")
    (tmp_path / "policy").write_text("quorum none\n", encoding="utf-8")
    environment = Replica(engines, place, buckets, 1, tmp_path).environment
    log_pem = Path(environment["KANKETSU_LOG_SIGNING_KEY_FILE"])

    def configure(**more: str) -> outside.Outside:
        words = {
            "key": private,
            "logs": tmp_path / "logs",
            "policy": tmp_path / "policy",
            "log_key": log_pem,
            "root": ROOT,
        }
        extra = {f"KANKETSU_{name}": value.format_map(words) for name, value in more.items()}
        settings = load(Settings, environment | extra)
        return outside.read(settings, SigningKey.from_pem("audit.minoh.example/2000", log_pem.read_bytes()))

    return configure


WITNESS = {"WITNESS_NAME": NAME, "WITNESS_KEY_FILE": "{key}", "WITNESS_LOGS_FILE": "{logs}"}


def test_without_configuration_nobody_is_asked_and_nothing_is_cosigned(configure):
    found = configure()
    assert found.witness is None
    assert not found.policy.demands
    assert found.tasks(None, None) == []


def test_a_witness_signs_under_its_name_with_its_own_kind_of_key(configure):
    found = configure(**WITNESS, WITNESS_POLICY_FILE="{policy}")
    assert found.witness is not None
    assert (found.witness.key.name, found.witness.key.algorithm) == (NAME, COSIGNATURE_V1)
    assert found.witness.logs.logs == ()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"WITNESS_NAME": NAME}, "needs all three"),
        ({"WITNESS_KEY_FILE": "{key}"}, "needs all three"),
        (WITNESS | {"WITNESS_NAME": ""}, "not a key name"),
        (WITNESS | {"WITNESS_KEY_FILE": "{log_key}"}, "a key of its own"),
        (WITNESS | {"WITNESS_KEY_FILE": "{logs}"}, "not an unencrypted PEM"),
        (WITNESS | {"WITNESS_LOGS_FILE": "{policy}"}, "line 1: expected"),
        ({"WITNESS_POLICY_FILE": "{logs}"}, "no quorum line"),
        ({"WITNESS_POLICY_FILE": "/nonexistent"}, "WITNESS_POLICY_FILE"),
        ({"TSA_URL": "https://tsa.example"}, "required with KANKETSU_TSA_URL"),
        ({"TSA_URL": "https://tsa.example", "TSA_CA_FILE": "{logs}"}, "TSA_CA_FILE"),
    ],
)
def test_what_cannot_be_used_is_refused_at_start(configure, more, problem):
    with pytest.raises(SettingsError, match=problem):
        configure(**more)
