"""Traces, metrics and JSON logs for operations. Never a title, name or text; never the audit log.

A trace follows a request from the browser through services, NATS headers and audit.
Telemetry may be sampled or lost; access records may not, and do not pass through here.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import ServiceSettings

_PROPAGATOR = TraceContextTextMapPropagator()
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
tracer = trace.get_tracer("kanketsu")
_meter = metrics.get_meter("kanketsu")
_requests = _meter.create_histogram("kanketsu.request.duration", unit="ms", description="Time per request and outcome")
_counters: dict[str, metrics.Counter] = {}


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
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service, settings.instance))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for noisy in ("nats", "urllib3", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    resource = Resource.create(
        {
            "service.namespace": "kanketsu",
            "service.name": service,
            "service.instance.id": settings.instance,
            "kanketsu.tenant": settings.tenant,
        }
    )
    ratio = settings.trace_ratio if settings.otlp_endpoint else 0.0
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)))
    # Without an exporter nothing is sampled, but every request still has a trace id to quote.
    trace.set_tracer_provider(provider)
    if not settings.otlp_endpoint:
        return
    endpoint = settings.otlp_endpoint.rstrip("/")
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"), schedule_delay_millis=1000)
    )
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics"), export_interval_millis=15000
    )
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[reader]))


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str = "",
    attributes: Mapping[str, str | int] | None = None,
) -> Iterator[Span]:
    """A span, current inside the block; `parent` is a W3C traceparent, else the current span."""
    context = context_of(parent) if parent else None
    with tracer.start_as_current_span(name, context=context, kind=kind, attributes=dict(attributes or {})) as current:
        yield current


def context_of(trace_parent: str) -> Context:
    """The context a traceparent names."""
    return _PROPAGATOR.extract({"traceparent": trace_parent})


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
    parts = trace_parent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""


def observe_request(name: str, outcome: str, milliseconds: float) -> None:
    """Rate, errors and duration of one request."""
    _requests.record(milliseconds, {"name": name, "outcome": outcome})


def count(name: str, amount: int = 1, **labels: str) -> None:
    """Add to a counter `kanketsu.<name>`; labels must be of few values (never ids)."""
    counter = _counters.get(name)
    if counter is None:
        counter = _counters[name] = _meter.create_counter(f"kanketsu.{name}")
    counter.add(amount, labels)


def stop() -> None:
    """Flush what is buffered."""
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        if isinstance(provider, TracerProvider | MeterProvider):
            provider.shutdown()
