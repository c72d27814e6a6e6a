"""A small OTLP/HTTP collector: keeps every span the services send, for tests that follow a trace."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """What the tests ask about."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str


@dataclass
class Collector:
    """Listens on a free loopback port."""

    spans: list[Span] = field(default_factory=list)
    url: str = ""

    def of_trace(self, trace_id: str) -> list[Span]:
        """Spans of one trace, so far."""
        return [span for span in list(self.spans) if span.trace_id == trace_id]


@contextmanager
def listening() -> Iterator[Collector]:
    """A running collector."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                collector.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = next(
            (a.value.string_value for a in resource.resource.attributes if a.key == "service.name"), "unknown"
        )
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name, service)
