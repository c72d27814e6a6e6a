"""No setting of any service puts an alarm off: records that stop are noticed within minutes (SC-05)."""

from __future__ import annotations

import dataclasses
import importlib

import pytest

from chassis.settings import SettingsError, load

SERVICES = ("documents", "approvals", "audit", "gateway")
REFUSED = [
    (name, value) for name in ("resend_after", "recover_after") for value in ("601", "1e9", "inf", "nan", "0", "-5")
]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_no_service_may_be_silent_for_long(service, name, value):
    """The overdue alarm and the recovery of a dead process's records cannot be put off."""
    cls = importlib.import_module(f"services.{service}.settings").Settings
    required = {
        one.name
        for one in dataclasses.fields(cls)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    }
    environment = {f"KANKETSU_{one.upper()}": "x" for one in required}
    load(cls, environment)
    with pytest.raises(SettingsError) as refused:
        load(cls, environment | {f"KANKETSU_{name.upper()}": value})
    assert refused.value.problems == [f"KANKETSU_{name.upper()}: from 1 to 600 seconds"]
