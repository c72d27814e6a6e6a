"""Fixtures of the gateway's tests: settings for parts alone, and a running city for the whole."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.types import ASGIApp

from chassis.settings import Secret, load
from deploy.local.stack import Stack
from services.gateway.app import create_app
from services.gateway.settings import Settings

Serve = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a free port of loopback; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(app, log_config=None, lifespan="auto", ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await task


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Settings of a gateway whose parts are used alone; nothing connects by itself."""

    def make(**changes: Any) -> Settings:
        values: dict[str, Any] = {
            "tenant": "minoh",
            "tls_cert_file": Path("gateway.pem"),
            "tls_key_file": Path("gateway.key"),
            "tls_ca_file": Path("ca.pem"),
            "nats_url": "tls://127.0.0.1:1",
            "nats_nkey_seed": Secret("S"),
            "http_listen": "127.0.0.1:0",
            "public_url": "https://bunsho.city.minoh.example",
            "identity_signing_key_file": Path("identity.pem"),
            "oidc_issuer": "https://login.city.minoh.example",
            "oidc_client_id": "kanketsu",
            "oidc_client_secret": Secret("a secret & more"),
            "documents_target": "127.0.0.1:1",
            "approvals_target": "127.0.0.1:1",
            "audit_target": "127.0.0.1:1",
        }
        return Settings(**(values | changes))

    return make


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One replica of everything, with the sample staff and file plan."""
    with Stack(tmp_path_factory.mktemp("gateway") / "state") as stack:
        stack.load_samples()
        yield stack


@pytest.fixture
def gateway(city: Stack) -> Serve:
    """`async with gateway(upload_limit=1000) as http`: another gateway of the city, with other settings."""

    @asynccontextmanager
    async def serve(headers: dict[str, str] | None = None, **changes: str) -> AsyncIterator[httpx2.AsyncClient]:
        environ = dict(city.environment("gateway-1")) | {"KANKETSU_INSTANCE": "gateway-test"}
        environ |= {f"KANKETSU_{name.upper()}": value for name, value in changes.items()}
        app = create_app(load(Settings, environ))
        async with serving(app) as url, httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as http:
            for _ in range(200):
                if (await http.get("/readyz")).status_code == 200:
                    break
                await asyncio.sleep(0.05)
            yield http

    return serve
