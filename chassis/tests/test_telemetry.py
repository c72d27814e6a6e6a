"""Every request has a trace id to quote, also where nothing is exported; spans say no more of an error than its class."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from chassis import telemetry

PARENT = "00-257acfde18deb01e84087d1fac558718-0ddfe246cd5ba38a-01"


@pytest.fixture
def exported(monkeypatch):
    """What a process with an exporter hands in."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("test"))
    monkeypatch.setattr(telemetry, "_is_exported", True)
    return spans


def test_without_an_exporter_a_trace_goes_on_and_every_span_has_an_id_of_its_own():
    assert telemetry.current_trace_id() == ""
    with telemetry.span("受付", parent=PARENT):
        assert telemetry.current_trace_id() == "257acfde18deb01e84087d1fac558718"
        outer = telemetry.current_trace_parent()
        with telemetry.span("決裁"):
            inner = telemetry.current_trace_parent()
    assert [parent.split("-")[1] for parent in (outer, inner)] == ["257acfde18deb01e84087d1fac558718"] * 2
    assert len({parent.split("-")[2] for parent in (outer, inner, PARENT)}) == 3
    assert telemetry.current_trace_id() == ""


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "nonsense",
        "00-00000000000000000000000000000000-0ddfe246cd5ba38a-01",
        "00-zz7acfde18deb01e84087d1fac558718-0ddfe246cd5ba38a-01",
    ],
)
def test_without_a_parent_a_new_trace_begins(broken):
    ids = []
    for _ in range(2):
        with telemetry.span("受付", parent=broken):
            ids.append(telemetry.current_trace_id())
    assert len(set(ids)) == 2
    assert all(len(one) == 32 and int(one, 16) for one in ids)


def test_with_an_exporter_spans_form_a_tree_under_the_callers(exported):
    with telemetry.span("受付", parent=PARENT):
        with telemetry.span("決裁", attributes={"step": 2}):
            pass
    inner, outer = exported.get_finished_spans()
    assert inner.parent.span_id == outer.context.span_id
    assert outer.parent.span_id == int("0ddfe246cd5ba38a", 16)
    assert dict(inner.attributes) == {"step": 2}


def test_an_error_marks_the_span_and_leaves_its_message_out(exported):
    with pytest.raises(ValueError, match="山田"):
        with telemetry.span("受付"):
            raise ValueError("山田 太郎 様の申請")
    (span,) = exported.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "山田" not in span.to_json()
    assert "ValueError" in span.to_json()
