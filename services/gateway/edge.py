"""Around every request, once: span, allowed networks, body size, security headers, the last catch. Plain ASGI.

This is the one place of the gateway that catches everything, so that no error leaves without a trace id.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanKind
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import telemetry
from services.gateway.errors import Refusal, refusal
from services.gateway.settings import Settings

if TYPE_CHECKING:
    from services.gateway.app import Gateway

log = logging.getLogger(__name__)

# Where files arrive; a form around a file needs some room of its own.
_UPLOAD: Final = re.compile(r"/(api/v1/)?documents/[^/]+/attachments")
_FORM_ROOM: Final = 65_536
# Asked by the machinery that runs us, from addresses of its own.
_OPEN_TO_ALL: Final = frozenset({"/healthz", "/readyz"})
# Other municipalities' logs come here, from networks of their own, and nowhere else.
_SUBMISSIONS: Final = "/witness/add-checkpoint"


class Edge:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._networks = [ipaddress.ip_network(network) for network in settings.allowed_networks]
        self._witness_networks = [ipaddress.ip_network(network) for network in settings.witness_networks]
        self._upload_limit = settings.upload_limit + _FORM_ROOM
        self._body_limit = settings.body_limit
        self._headers = _security_headers(settings.issuer_origin, secure=settings.is_secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = dict(scope["headers"])
        trace_parent = headers.get(b"traceparent", b"").decode("latin-1")
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._secure(message)
            await send(message)

        with telemetry.span(f"HTTP {scope['method']}", kind=SpanKind.SERVER, parent=trace_parent) as span:
            try:
                limit = self._upload_limit if _UPLOAD.fullmatch(scope["path"]) else self._body_limit
                refused = await self._refuse(scope, headers, limit)
                if refused is None:
                    await self._app(scope, _limited(receive, limit), answer)
                else:
                    await _gateway(scope).refuse(Request(scope), refused)(scope, receive, answer)
            except ClientDisconnect:
                log.info("the client went away", extra={"path": _template(scope)})
            except Exception:
                log.exception("request failed", extra={"path": _template(scope), "begun": bool(status)})
                if not status:
                    await _gateway(scope).refuse(Request(scope), refusal("INTERNAL"))(scope, receive, answer)
                # An answer that has begun cannot be taken back: leaving it unfinished makes the server
                # break the connection, so that nobody takes the part for the whole.
            template = _template(scope)
            span.update_name(f"{scope['method']} {template}")
            span.set_attribute("http.response.status_code", status)
        telemetry.observe_request(f"{scope['method']} {template}", str(status), (time.perf_counter() - started) * 1000)

    async def _refuse(self, scope: Scope, headers: dict[bytes, bytes], limit: int) -> Refusal | None:
        """A reason not to look at the request at all."""
        if not self._is_allowed(scope):
            try:
                await _gateway(scope).sign_in.deny_network(Request(scope))
            except Refusal as refused:
                return refused
        length = headers.get(b"content-length", b"0")
        return refusal("TOO_LARGE") if length.isdigit() and int(length[:19]) > limit else None

    def _is_allowed(self, scope: Scope) -> bool:
        networks = self._networks
        if scope["path"] == _SUBMISSIONS:
            networks = self._witness_networks
        elif not networks or scope["path"] in _OPEN_TO_ALL:
            return True
        client = scope.get("client")
        try:
            address = ipaddress.ip_address(client[0] if client else "")
        except ValueError:
            return False
        return any(address in network for network in networks)

    def _secure(self, message: Message) -> None:
        headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
        own_policy = any(name == b"content-security-policy" for name, _ in headers)
        headers.extend(self._headers[1:] if own_policy else self._headers)
        message["headers"] = headers


def _limited(receive: Receive, limit: int) -> Receive:
    """Counts what arrives; a body without an announced size cannot exceed the limit either."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
        return message

    return counted


def _security_headers(issuer: str, *, secure: bool) -> Sequence[tuple[bytes, bytes]]:
    """The content security policy first: answers that carry their own keep it."""
    policy = (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
        f"base-uri 'none'; form-action 'self' {issuer}; frame-ancestors 'none'"
    )
    headers = [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ]
    if secure:
        headers.append(("strict-transport-security", "max-age=31536000; includeSubDomains"))
    return [(name.encode(), value.encode()) for name, value in headers]


def _gateway(scope: Scope) -> Gateway:
    gateway: Gateway = scope["app"].state.gateway
    return gateway


def _template(scope: Scope) -> str:
    """The route as written in the code: names of operations are few, addresses are not."""
    route = scope.get("route")
    return str(getattr(route, "path", "unknown"))
