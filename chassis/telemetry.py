"""Traces, metrics and JSON logs for operations. Never a title, name or text; never the audit log.

A trace follows a request from the browser through services, NATS headers and audit.
Telemetry may be sampled or lost; access records may not, and do not pass through here.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
import re
import sys
from collections.abc import Mapping
from types import TracebackType

from opentelemetry import metrics, trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import ServiceSettings

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_is_exported = False
tracer = trace.get_tracer("kanketsu")
_meter = metrics.get_meter("kanketsu")
_requests = _meter.create_histogram("kanketsu.request.duration", unit="ms", description="Time per request and outcome")
_counters: dict[str, metrics.Counter] = {}
_levels: dict[str, metrics._Gauge] = {}


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the trace id of the current span."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._fixed = {"service": service, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; extra fields become keys."""
        line: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, tz=dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._fixed,
        }
        if trace_id := current_trace_id():
            line["trace_id"] = trace_id
        line.update({key: value for key, value in record.__dict__.items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start(service: str, settings: ServiceSettings) -> None:
    """Logs to standard output; traces and metrics to the OTLP endpoint if there is one."""
    global _is_exported
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service, settings.instance))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for noisy in ("nats", "urllib3", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if settings.otlp_endpoint:
        # Loaded only where it is used: the exporter's own libraries weigh more than the rest of this module.
        from chassis import exporter

        exporter.start(service, settings)
        _is_exported = True


class _Current:
    """Makes a span current inside the block and ends it. An error marks it by its class alone: messages say more."""

    __slots__ = ("_span", "_token")

    def __init__(self, started: Span) -> None:
        self._span = started

    def __enter__(self) -> Span:
        self._token = attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        detach(self._token)
        if kind is not None:
            self._span.set_status(Status(StatusCode.ERROR, kind.__name__))
        self._span.end()


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str = "",
    attributes: Mapping[str, str | int] | None = None,
) -> _Current:
    """A span, current inside the block; `parent` is a W3C traceparent, else the current span."""
    if _is_exported:
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        return _Current(tracer.start_span(name, context=context, kind=kind, attributes=attributes))
    # Nothing is sampled without an exporter, but every request still has a trace id to quote.
    trace_id = int(trace_id_of(parent) or "0", 16) if parent else trace.get_current_span().get_span_context().trace_id
    return _Current(
        NonRecordingSpan(SpanContext(trace_id or random.getrandbits(128), random.getrandbits(64), is_remote=False))
    )


def current_trace_parent() -> str:
    """W3C traceparent of the current span, "" outside one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


def current_trace_id() -> str:
    """32 hex digits, "" outside a span."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def trace_id_of(trace_parent: str) -> str:
    """The trace id inside a traceparent, "" when there is none."""
    found = _TRACE_PARENT.fullmatch(trace_parent)
    return found[1] if found else ""


def observe_request(name: str, outcome: str, milliseconds: float) -> None:
    """Rate, errors and duration of one request."""
    _requests.record(milliseconds, {"name": name, "outcome": outcome})


def count(name: str, amount: int = 1, **labels: str) -> None:
    """Add to a counter `kanketsu.<name>`; labels must be of few values (never ids)."""
    counter = _counters.get(name)
    if counter is None:
        counter = _counters[name] = _meter.create_counter(f"kanketsu.{name}")
    counter.add(amount, labels)


def level(name: str, value: float, **labels: str) -> None:
    """What `kanketsu.<name>` stands at now; labels must be of few values (never ids)."""
    gauge = _levels.get(name)
    if gauge is None:
        gauge = _levels[name] = _meter.create_gauge(f"kanketsu.{name}")
    gauge.set(value, labels)


def stop() -> None:
    """Flush what is buffered."""
    if _is_exported:
        from chassis import exporter

        exporter.stop()
