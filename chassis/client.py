"""Calls from the gateway to a service: mTLS, a deadline on every call, identity and trace in the metadata.

An error comes back as the same DomainError the service raised.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from opentelemetry.trace import SpanKind

from chassis import telemetry
from chassis.errors import DomainError, FieldViolation, Kind
from chassis.identity import METADATA_KEY
from chassis.settings import ServiceSettings

# Every write carries a request_id, so trying again is safe for all methods.
_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)
_KINDS = {kind.value: kind for kind in Kind}

Request = TypeVar("Request", contravariant=True)
Response = TypeVar("Response", covariant=True)


class Unary(Protocol[Request, Response]):
    """A unary stub method."""

    def __call__(
        self, request: Request, *, timeout: float, metadata: tuple[tuple[str, str], ...]
    ) -> Awaitable[Response]: ...


def channel(settings: ServiceSettings, target: str, *, retries: bool = True) -> grpc.aio.Channel:
    """A channel to `target`: a gRPC name ("dns:///documents:7000") or "host:port,host:port" addresses.

    Without `retries` each call is made once.
    """
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.enable_retries", int(retries)),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]
    if "://" not in target and ":///" not in target:
        target = f"ipv4:{target}"
        options.append(("grpc.ssl_target_name_override", "localhost"))
    credentials = grpc.ssl_channel_credentials(
        settings.tls_ca_file.read_bytes(), settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes()
    )
    return grpc.aio.secure_channel(target, credentials, options=options)


def metadata(token: str) -> tuple[tuple[str, str], ...]:
    """Identity and trace of a call."""
    trace_parent = telemetry.current_trace_parent()
    return ((METADATA_KEY, token),) + ((("traceparent", trace_parent),) if trace_parent else ())


async def call(name: str, method: Unary[Request, Response], request: Request, token: str, timeout: float) -> Response:
    """One unary call; raises the service's DomainError, or UNAVAILABLE / DEADLINE of our own."""
    with telemetry.span(name, kind=SpanKind.CLIENT):
        try:
            return await method(request, timeout=timeout, metadata=metadata(token))
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from None


def error_of(error: grpc.aio.AioRpcError) -> DomainError:
    """The DomainError behind a failed call."""
    kind = _KINDS.get(error.code().name, Kind.INTERNAL)
    if error.code() is grpc.StatusCode.CANCELLED:
        kind = Kind.UNAVAILABLE
    reason, fields, details = kind.name, [], {}
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        try:
            status = Status.FromString(value if isinstance(value, bytes) else value.encode())
        except DecodeError:
            continue
        for detail in status.details:
            if detail.Is(ErrorInfo.DESCRIPTOR):
                info = ErrorInfo()
                detail.Unpack(info)
                reason, details = info.reason, dict(info.metadata) | {"service": info.domain}
            elif detail.Is(BadRequest.DESCRIPTOR):
                bad = BadRequest()
                detail.Unpack(bad)
                fields = [FieldViolation(v.field, v.description) for v in bad.field_violations]
    return DomainError(kind, reason, error.details() or "", fields, details)


async def stream(messages: AsyncIterator[Response]) -> AsyncIterator[Response]:
    """The messages of a streaming call, with errors translated."""
    try:
        async for message in messages:
            yield message
    except grpc.aio.AioRpcError as error:
        raise error_of(error) from None
