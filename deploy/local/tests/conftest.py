"""One stack without services for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL, NATS, the S3 server and the OIDC provider."""
    with Stack(tmp_path_factory.mktemp("engines") / "state", services=False) as stack:
        yield stack
    assert stack.leftovers() == []
    stack.remove()
