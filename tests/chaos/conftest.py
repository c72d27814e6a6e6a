"""A city that may be broken: one replica of everything, so that nobody else helps out."""

from __future__ import annotations

import pytest

from tests.chaos.moments import SERVICES
from tests.chaos.promises import Promises


@pytest.fixture(scope="session")
def town(new_city):
    """Impatient where waiting would prove nothing: events are sent again after a second, and so on."""
    return new_city(
        "chaos",
        replicas=1,
        overrides={
            "*": {"RESEND_AFTER": "1", "RECOVER_AFTER": "15"},
            "documents": {"SWEEP_AFTER": "6"},
            "gateway": {"SESSION_MEMORY": "1"},
        },
    )


@pytest.fixture(scope="session")
def promises(town):
    return Promises(town)


@pytest.fixture(autouse=True)
def whole_again(town, promises):
    """After every test all parts run, and all promises hold."""
    yield
    for name in ("postgres", "nats", "store", *(f"{service}-1" for service in (*SERVICES, "gateway"))):
        if not town.stack.is_running(name):
            town.stack.start_one(name)
    promises.assert_kept()
