"""What happens around every RPC, once: caller, identity, deadline, span, errors, refusals recorded.

Handlers raise DomainError and never abort themselves; this is the only place that turns an
error into a status, and one of the three that catch everything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from opentelemetry.trace import SpanKind

from chassis import telemetry
from chassis.errors import DomainError, Kind
from chassis.identity import METADATA_KEY, Identity, IdentityVerifier, unauthenticated
from chassis.recorder import DENIED, Access, Recorder

log = logging.getLogger(__name__)

# We answer this much before the caller's deadline, so that it sees our error and not its own time-out.
SHAVE_SECONDS = 0.02
# Less than this is not worth beginning.
MINIMUM_SECONDS = 0.1

_identity: ContextVar[Identity] = ContextVar("identity")


def identity() -> Identity:
    """The verified caller of the RPC being served."""
    return _identity.get()


@dataclass(frozen=True)
class Refusal:
    """How a refused call of one RPC stands in the log."""

    action: str
    object_type: str
    # Field of the request that names the object, "" when none does.
    id_field: str = ""
    # The action for a `purpose` of the request, where it is another one.
    by_purpose: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """Who may call a service, as data."""

    # Short name of the service, the audience of identities, e.g. "documents".
    service: str
    # Full RPC service name → peers (by certificate) that may call it.
    callers: Mapping[str, frozenset[str]]
    # RPC name → how a refusal is recorded.
    refusals: Mapping[str, Refusal]


class Guard(grpc.aio.ServerInterceptor):
    """The one interceptor."""

    def __init__(self, policy: Policy, tenant: str, verifier: IdentityVerifier, recorder: Recorder) -> None:
        self._policy = policy
        self._tenant = tenant
        self._verifier = verifier
        self._recorder = recorder
        # Each method's wrapped handler; the methods are those of the servicers and never change.
        self._handlers: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of the method, once."""
        method = handler_call_details.method
        if method not in self._handlers:
            handler = await continuation(handler_call_details)
            if handler is None:
                return handler
            self._handlers[method] = self._wrapped(method, handler)
        return self._handlers[method]

    def _wrapped(self, method: str, handler: Any) -> Any:
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming(method, handler.unary_stream), **codec)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._single(method, handler.stream_unary), **codec)
        return grpc.unary_unary_rpc_method_handler(self._single(method, handler.unary_unary), **codec)

    def _single(self, method: str, handler: Callable[..., Awaitable[Message]]) -> Callable[..., Awaitable[Message]]:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            started = time.perf_counter()
            trailer, metadata = _Trailer(method), _metadata(context)
            with telemetry.span(method, kind=SpanKind.SERVER, parent=metadata.get("traceparent", "")):
                try:
                    remaining = self._enter(method, context, metadata)
                    async with asyncio.timeout(remaining - SHAVE_SECONDS):
                        answer = await handler(request, context)
                    trailer.finish("OK", started)
                    return answer
                except Exception as error:
                    status = await self._refuse(method, request, error)
                trailer.finish(status.reason, started)
            await _abort(context, self._policy.service, status, started)
            raise AssertionError("abort raises")

        return call

    def _streaming(
        self, method: str, handler: Callable[..., AsyncIterator[Message]]
    ) -> Callable[..., AsyncIterator[Message]]:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
            started = time.perf_counter()
            trailer, metadata = _Trailer(method), _metadata(context)
            status: DomainError | None = None
            with telemetry.span(method, kind=SpanKind.SERVER, parent=metadata.get("traceparent", "")):
                try:
                    self._enter(method, context, metadata)
                    async for message in handler(request, context):
                        yield message
                    trailer.finish("OK", started)
                except Exception as error:
                    status = await self._refuse(method, request, error)
                    trailer.finish(status.reason, started)
            if status is not None:
                await _abort(context, self._policy.service, status, started)

        return call

    def _enter(self, method: str, context: grpc.aio.ServicerContext[Any, Any], metadata: Mapping[str, str]) -> float:
        """Check caller, deadline and identity; returns the seconds left."""
        service = method.split("/")[1]
        if not (_peers(context, self._tenant) & self._policy.callers.get(service, frozenset())):
            raise DomainError(Kind.DENIED, "CALLER_NOT_ALLOWED", "this peer may not call this service")
        remaining = context.time_remaining()
        if remaining is None:
            raise DomainError(Kind.INVALID, "DEADLINE_REQUIRED", "calls must carry a deadline")
        if remaining < MINIMUM_SECONDS:
            raise DomainError(Kind.DEADLINE, "DEADLINE_EXCEEDED", "too little time left")
        token = metadata.get(METADATA_KEY, "")
        if not token:
            raise unauthenticated("no identity")
        _identity.set(self._verifier.verify(token))
        return float(remaining)

    async def _refuse(self, method: str, request: object, error: Exception) -> DomainError:
        """The refusal to answer with; denials and hidden things are recorded first."""
        if isinstance(error, asyncio.TimeoutError):
            return DomainError(Kind.DEADLINE, "DEADLINE_EXCEEDED", "the time allowed is over")
        if not isinstance(error, DomainError):
            log.exception("bug", extra={"method": method})
            return DomainError(Kind.INTERNAL, "INTERNAL", f"error id {telemetry.current_trace_id() or 'none'}")
        if error.kind in (Kind.NOT_FOUND, Kind.DENIED, Kind.UNAUTHENTICATED):
            refusal = self._policy.refusals.get(method.rsplit("/", 1)[1], Refusal("rpc.refused", "rpc"))
            try:
                await self._recorder.record(
                    Access(
                        actor=_identity.get(Identity(staff_id="unknown", tenant=self._tenant)),
                        action=refusal.by_purpose.get(getattr(request, "purpose", ""), refusal.action),
                        object_type=refusal.object_type,
                        object_id=str(getattr(request, refusal.id_field, "")) if refusal.id_field else "",
                        outcome=DENIED,
                        reason=error.reason,
                    )
                )
            except DomainError as unrecorded:
                return unrecorded
        return error


class _Trailer:
    """The one log line of a call."""

    def __init__(self, method: str) -> None:
        self._method = method.rsplit("/", 1)[1]

    def finish(self, outcome: str, started: float) -> None:
        elapsed = (time.perf_counter() - started) * 1000
        telemetry.observe_request(self._method, outcome, elapsed)
        level = logging.DEBUG if outcome == "OK" else logging.INFO
        log.log(level, "call", extra={"method": self._method, "outcome": outcome, "ms": round(elapsed, 1)})


async def _abort(context: grpc.aio.ServicerContext[Any, Any], service: str, error: DomainError, started: float) -> None:
    code = grpc.StatusCode[error.kind.value]
    info = ErrorInfo(reason=error.reason, domain=service, metadata=error.metadata)
    status = Status(code=getattr(Code, error.kind.value), message=error.message, details=[_packed(info)])
    if error.fields:
        bad = BadRequest()
        for violation in error.fields[:20]:
            bad.field_violations.add(field=violation.field, description=violation.problem)
        status.details.append(_packed(bad))
    trailers: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
    if (context.time_remaining() or 0.0) < time.perf_counter() - started:
        # Clients try again what is unavailable. A try as long as this one would end in a time-out and hide the reason.
        trailers.append(("grpc-retry-pushback-ms", "-1"))
    await context.abort(code, error.message, trailing_metadata=tuple(trailers))


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _metadata(context: grpc.aio.ServicerContext[Any, Any]) -> dict[str, str]:
    """What is text of a call's metadata."""
    return {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}


def _peers(context: grpc.aio.ServicerContext[Any, Any], tenant: str) -> set[str]:
    """Names of the peer's certificate that belong to this tenant: urn:kanketsu:<tenant>:<service>."""
    prefix = f"urn:kanketsu:{tenant}:"
    names = context.auth_context().get("x509_subject_alternative_name", [])
    texts = [name.decode(errors="replace") for name in names]
    return {text.removeprefix(prefix) for text in texts if text.startswith(prefix)}
