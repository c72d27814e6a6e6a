"""Every action of the log is an OCSF 1.3 event with all that its class requires (schema.ocsf.io, ocsf/ocsf-schema)."""

from __future__ import annotations

import dataclasses
import json

import pytest

from chassis import clock
from services.audit.entry import OUTCOMES, encode
from services.audit.siem import domain
from services.audit.tests.making import NOW, event_leaf, view_leaf
from services.gateway.pages.vocabulary import RECORDED_ACTIONS

# Required attributes of the base event and of each class, by its definition under events/ in the schema's repository.
BASE = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
REQUIRED = {
    domain.AUTHENTICATION: {"user"},
    domain.ENTITY: {"entity"},
    domain.API: {"actor", "api", "src_endpoint"},
    domain.FILE: {"actor", "file", "src_endpoint"},
}
# Activities that each class knows, beside 0 (unknown) and 99 (other).
ACTIVITIES = {
    domain.AUTHENTICATION: range(1, 6),
    domain.ENTITY: range(1, 5),
    domain.API: range(1, 5),
    domain.FILE: range(1, 17),
}
SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}


def check(event: dict) -> None:
    """Against the schema's tables. AssertionError names what is wrong."""
    class_uid = event["class_uid"]
    assert (BASE | REQUIRED[class_uid]) - set(event) == set()
    assert event["category_uid"] == class_uid // 1000
    assert event["activity_id"] == 99 or event["activity_id"] in ACTIVITIES[class_uid]
    assert event["type_uid"] == class_uid * 100 + event["activity_id"]
    # An activity that is "other" must say its name.
    assert event["activity_name"]
    assert SEVERITIES[event["severity_id"]] == event["severity"]
    assert (event["status_id"], event["status"]) in {(1, "Success"), (2, "Failure")}
    assert isinstance(event["time"], int)
    assert event["metadata"]["version"] == "1.3.0"
    assert event["metadata"]["product"]["name"]
    # Objects that need at least one of their names.
    assert event["actor"]["user"]["uid"]
    assert event["src_endpoint"].get("ip") or event["src_endpoint"]["name"]
    if class_uid == domain.FILE:
        assert event["file"]["name"]
        assert event["file"]["type_id"] in (1, 2)
    elif class_uid == domain.ENTITY:
        assert event["entity"].get("uid") or event["entity"]["name"]
    elif class_uid == domain.API:
        assert event["api"]["operation"]
    else:
        assert event["service"]["name"]
        assert event["user"]["uid"]


@pytest.mark.parametrize("action", RECORDED_ACTIONS)
def test_every_action_that_the_product_records_is_mapped(action):
    assert action in domain._SESSIONS or action.partition(".")[0] in domain.FAMILIES, "give its family a class"
    assert action in domain._SESSIONS or action.partition(".")[2] in domain.VERBS, "say what kind of act it is"
    leaves = [
        event_leaf(action=action, object_type=action.partition(".")[0], outcome=outcome, reason="NOT_PERMITTED")
        for outcome in OUTCOMES
    ]
    bare = event_leaf(action=action, staff_id="", object_id="", object_type="", object_version=0)
    for index, leaf in enumerate([*leaves, bare]):
        event = domain.event(encode(leaf), "audit.minoh.example/2026", index)
        check(event)
        assert event["metadata"]["event_code"] == action
        assert event["status_id"] == (1 if leaf.outcome == "granted" else 2)
        assert (event["severity_id"] == 1) <= (leaf.outcome == "granted")


def test_nothing_of_a_leaf_is_lost_and_nothing_is_added():
    leaf = dataclasses.replace(
        view_leaf(clock.new_id(), 7),
        terminal="10.40.3.17",
        session_id="s-1",
        version_digest="ab" * 32,
        trace_id="cd" * 16,
        detail={"note": "備考「髙﨑」"},
    )
    entry = encode(leaf)
    event = json.loads(domain.line(entry, "audit.minoh.example/2026", 41))
    assert json.dumps(event["unmapped"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == entry
    assert (event["class_uid"], event["activity_name"]) == (domain.FILE, "Open")
    assert event["file"] == {"name": "D-1", "type_id": 1, "uid": "D-1", "version": "ab" * 32}
    assert event["src_endpoint"] == {"ip": "10.40.3.17"}
    assert event["actor"] == {
        "session": {"uid": "s-1"},
        "user": {"groups": [{"type": "unit", "uid": "U-040-03"}], "uid": "S0123"},
    }
    assert event["metadata"]["uid"] == leaf.event_id
    assert (event["metadata"]["log_name"], event["metadata"]["sequence"]) == ("audit.minoh.example/2026", 41)
    assert event["time"] == int(NOW.timestamp() * 1000)


@pytest.mark.parametrize(
    ("action", "class_uid", "activity"),
    [
        ("session.login", domain.AUTHENTICATION, "Logon"),
        ("session.denied", domain.AUTHENTICATION, "Logon"),
        ("session.logout", domain.AUTHENTICATION, "Logoff"),
        ("document.viewed", domain.FILE, "Open"),
        ("document.listed", domain.FILE, "Preview"),
        ("attachment.downloaded", domain.FILE, "Download"),
        ("document.deleted", domain.FILE, "Delete"),
        ("content.locked", domain.FILE, "Lock"),
        ("audit.exported", domain.FILE, "Download"),
        ("receipt.registered", domain.ENTITY, "Create"),
        ("case.closed", domain.ENTITY, "Update"),
        ("epoch.open", domain.API, "Create"),
        ("nobody.knows", domain.API, "nobody.knows"),
    ],
)
def test_acts_are_what_a_siem_expects(action, class_uid, activity):
    found, number, name = domain.classify(action)
    assert (found, name) == (class_uid, activity)
    assert (number == 99) == (action == "nobody.knows")
