"""Proofs, logs by year and the export over HTTP: checked as a stranger would, and given only to whom they are for."""

from __future__ import annotations

import base64
import hashlib
import json

import httpx2
import pytest

from deploy.walkthrough.client import Refused
from services.audit import note, tlog
from tests.conftest import TODAY
from tests.patience import until

pytestmark = pytest.mark.system

YEAR = int(TODAY[:4]) - (TODAY[5:7] < "04")


def files_of(person, path, **query):
    """The three files of a proof, as downloaded."""
    found = {}
    for form in ("tlog-proof", "leaf", "vkey"):
        answer = person.request("GET", path, params=query | {"format": form})
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-access-record"]
        found[form] = answer.content
    return found["tlog-proof"], found["leaf"], found["vkey"].decode()


def checked(file, leaf, vkey):
    """The leaf, once the file proves it under the key (c2sp.org/tlog-proof)."""
    head, _, signed = file.partition(b"\n\n")
    magic, index, *hashes = head.decode().split("\n")
    assert magic == "c2sp.org/tlog-proof@v1"
    checkpoint = note.open_checkpoint(signed, note.VerifierKey.parse(vkey))
    proof = [base64.b64decode(one) for one in hashes]
    number = int(index.removeprefix("index "))
    assert tlog.verify_inclusion(tlog.leaf_hash(leaf), number, checkpoint.size, proof, checkpoint.root)
    assert checkpoint.origin.endswith(f"/{YEAR}")
    return json.loads(leaf)


def refused(person, path, **query):
    with pytest.raises(Refused) as error:
        person.request("GET", path, params=query)
    return error.value


def test_whoever_was_served_gets_the_proof_of_it_and_nobody_elses(city):
    clerk, auditor, stranger = (city.person(role) for role in ("clerk", "auditor", "stranger"))
    document_id = city.draft()["id"]
    record = clerk.request("GET", f"/documents/{document_id}").headers["x-access-record"]
    until(lambda: clerk.get("/audit/proofs", record=record), patient_with=(404, 503))
    for who in (clerk, auditor):
        leaf = checked(*files_of(who, "/audit/proofs", record=record))
        assert (leaf["action"], leaf["object"]["id"]) == ("document.viewed", document_id)
        assert record.endswith(f"/{leaf['source']['epoch']}/{leaf['source']['seq']}")
    body = clerk.get("/audit/proofs", record=record)
    assert (body["year"], json.loads(body["leaf"])["object"]["id"]) == (YEAR, document_id)
    plain = clerk.http.get("/api/v1/audit/proofs", params={"record": record}, headers={"Accept": "text/plain"})
    assert plain.text.startswith("c2sp.org/tlog-proof@v1\n")
    # SC-06: hidden and absent are the same.
    absent = record.rpartition("/")[0] + "/999999999"
    hidden, missing = (refused(stranger, "/audit/proofs", record=one).problem for one in (record, absent))
    assert {**hidden, "trace_id": ""} == {**missing, "trace_id": ""}
    assert hidden["status"] == 404
    read = auditor.get("/audit/entries", actor=leaf["actor"]["staff"], action="audit.read", limit=10)["items"]
    assert read


def test_a_completed_document_is_proven_to_who_may_read_it(city):
    document_id, _ = city.completed()
    path = f"/documents/{document_id}/proof"
    until(lambda: city.person("clerk").get(path), patient_with=(503,))
    leaf = checked(*files_of(city.person("clerk"), path))
    assert (leaf["action"], leaf["object"]["id"]) == ("document.completed", document_id)
    assert refused(city.person("stranger"), path).status == 404
    draft = city.draft()["id"]
    early = refused(city.person("clerk"), f"/documents/{draft}/proof")
    assert (early.status, early.reason) == (409, "WRONG_STATE")
    page = city.person("clerk").http.get(f"/documents/{document_id}", headers={"Accept": "text/html"})
    assert f"/api/v1{path}?format=tlog-proof" in page.text


def test_an_officers_page_of_an_entry_leads_to_its_proof(city):
    auditor = city.person("auditor")
    page = auditor.http.get(f"/audit/{YEAR}/0", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "証明書（.tlog-proof）" in page.text
    assert f"/api/v1/audit/entries/0?year={YEAR}&amp;format=tlog-proof" in page.text
    checked(*files_of(auditor, "/audit/entries/0", year=YEAR))
    assert refused(auditor, "/audit/entries/0", year=YEAR - 1).status == 404
    assert refused(city.person("clerk"), "/audit/entries/0", year=YEAR, format="tlog-proof").status == 403


def test_each_years_log_has_its_own_place(city):
    with httpx2.Client(base_url=city.stack.gateway_urls[0], timeout=20) as nobody:
        years = nobody.get("/log/years").json()["items"]
        assert [(one["year"], one["closed"]) for one in years] == [(YEAR, False)]
        vkey = nobody.get(f"/log/{YEAR}/vkey").text
        assert vkey == nobody.get("/log/vkey").text
        signed = nobody.get(f"/log/{YEAR}/checkpoint").content
        checkpoint = note.open_checkpoint(signed, note.VerifierKey.parse(vkey))
        assert checkpoint.origin == years[0]["origin"]
        tile = tlog.Tile(0, 0, tlog.width_at(checkpoint.size, 0, 0))
        content = nobody.get(f"/log/{YEAR}/{tile.path}")
        assert content.content == nobody.get(f"/log/{tile.path}").content
        assert len(content.content) == tile.width * 32
        bundle = tile.path.replace("tile/0", "tile/entries")
        assert nobody.get(f"/log/{YEAR}/{bundle}").status_code == 401
        for path in (f"{YEAR - 1}/checkpoint", f"{YEAR - 1}/vkey", f"{YEAR - 1}/tile/0/000.p/1", "1999/checkpoint"):
            assert nobody.get(f"/log/{path}").status_code in (404, 422), path


def test_officers_take_the_log_as_ocsf_events_and_that_is_recorded(city):
    auditor = city.person("auditor")
    day = {"from": f"{TODAY}T00:00:00+09:00"}
    answer = auditor.request("GET", "/audit/entries.ndjson", params=day)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    events = [json.loads(line) for line in answer.content.splitlines()]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    places = {(event["metadata"]["log_name"], event["metadata"]["sequence"]) for event in events}
    assert len(places) == len(events) > 0
    assert {event["metadata"]["version"] for event in events} == {"1.3.0"}
    record = answer.headers["x-access-record"]
    [entry] = until(lambda: auditor.get("/audit/entries", record=record)["items"])
    assert (entry["action"], entry["detail"]) == ("audit.exported", {"format": "ocsf"})
    # What comes out is what is in the log: the leaf is in `unmapped`, byte for byte once it is canonical again.
    last = events[0]
    leaf = json.dumps(last["unmapped"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    kept = auditor.get(f"/audit/entries/{last['metadata']['sequence']}")["entry"]["leaf"]
    assert hashlib.sha256(leaf).digest() == hashlib.sha256(kept.encode()).digest()
    nothing = auditor.request("GET", "/audit/entries.ndjson", params={"to": "2001-01-01T00:00:00Z"})
    assert nothing.content == b""
    error = refused(city.person("clerk"), "/audit/entries.ndjson")
    assert (error.status, error.reason) == (403, "NOT_PERMITTED")
