"""The gRPC server of a service: mTLS with certificates that may change, health on its own port, graceful stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.settings import ServiceSettings

log = logging.getLogger(__name__)

READINESS = "readiness"
_OPTIONS = (
    # Clients resolve names anew only when a connection ends.
    ("grpc.max_connection_age_ms", 90_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
    # A stream holds at most 1 MiB that no handler has taken yet. By default that grows with the speed of the line, and
    # a file that comes faster than the store takes it would gather here.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1024 * 1024),
)


def credentials(settings: ServiceSettings) -> grpc.ServerCredentials:
    """mTLS: clients must show a certificate of the tenant's CA. Files are read again when they change."""
    paths = (settings.tls_key_file, settings.tls_cert_file, settings.tls_ca_file)
    seen = [_modified(paths)]

    def configuration() -> grpc.ServerCertificateConfiguration:
        key, certificate, authority = (path.read_bytes() for path in paths)
        return grpc.ssl_server_certificate_configuration([(key, certificate)], authority)

    good = [configuration()]

    def fetch() -> grpc.ServerCertificateConfiguration:
        # Must not raise: on a half-written Secret the last good certificates stay in use.
        try:
            now = _modified(paths)
            if now != seen[0]:
                good[0] = configuration()
                seen[0] = now
        except OSError as error:
            log.warning("certificates not reloaded", extra={"error": str(error)})
        return good[0]

    return grpc.dynamic_ssl_server_credentials(good[0], fetch, require_client_authentication=True)


def _modified(paths: Sequence[Path]) -> tuple[int, ...]:
    return tuple(path.stat().st_mtime_ns for path in paths)


class Server:
    """One service's listener and its health."""

    def __init__(
        self,
        settings: ServiceSettings,
        interceptor: grpc.aio.ServerInterceptor,
        servicers: Sequence[Callable[[grpc.aio.Server], None]],
    ) -> None:
        self._settings = settings
        self._server = grpc.aio.server(interceptors=[interceptor], options=_OPTIONS)
        for add in servicers:
            add(self._server)
        self._server.add_secure_port(settings.grpc_listen, credentials(settings))
        self.health = Health(settings)

    async def start(self) -> None:
        """Listen; not yet ready until `health.ready(True)`."""
        await self.health.start()
        await self._server.start()

    async def stop(self, drain: float, grace: float) -> None:
        """Say NOT_SERVING, let balancers notice for `drain` seconds, then finish running calls within `grace`."""
        await self.health.leaving(drain)
        await self._server.stop(grace)
        await self.health.stop()


class Health:
    """grpc.health.v1 on a plaintext port of its own: "" is liveness, "readiness" is readiness."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._servicer = health.aio.HealthServicer()
        self._server = grpc.aio.server()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, self._server)
        self._server.add_insecure_port(settings.health_listen)

    async def start(self) -> None:
        """Alive, not ready."""
        await self._servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        await self.ready(False)
        await self._server.start()

    async def ready(self, is_ready: bool) -> None:
        """Tell whether requests should come here."""
        state = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._servicer.set(READINESS, state)

    async def leaving(self, drain: float) -> None:
        """Stop being chosen, then give those who choose time to notice."""
        await self._servicer.enter_graceful_shutdown()
        await asyncio.sleep(drain)

    async def stop(self) -> None:
        """Close the port."""
        await self._server.stop(0)
