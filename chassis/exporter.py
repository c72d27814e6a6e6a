"""Where traces and metrics go: an OTLP endpoint. Loaded by `telemetry` only when there is one."""

from __future__ import annotations

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from chassis.settings import ServiceSettings

SPANS_EVERY_MS = 1_000
METRICS_EVERY_MS = 15_000


def start(service: str, settings: ServiceSettings) -> None:
    """Send spans and metrics of this process, named by service, instance and tenant, to `otlp_endpoint`."""
    resource = Resource.create(
        {
            "service.namespace": "kanketsu",
            "service.name": service,
            "service.instance.id": settings.instance,
            "kanketsu.tenant": settings.tenant,
        }
    )
    endpoint = settings.otlp_endpoint.rstrip("/")
    tracers = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)))
    spans = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    tracers.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=SPANS_EVERY_MS))
    trace.set_tracer_provider(tracers)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics"), export_interval_millis=METRICS_EVERY_MS
    )
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[reader]))


def stop() -> None:
    """Flush what is buffered."""
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        if isinstance(provider, TracerProvider | MeterProvider):
            provider.shutdown()
