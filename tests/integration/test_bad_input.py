"""Bad input gets a clear error and nothing is half-done; forged and foreign identities get nothing."""

from __future__ import annotations

import time
import uuid

import grpc
import httpx2
import pytest

from chassis.identity import Identity, Signer
from deploy.walkthrough.client import Refused
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.documents.v1 import documents_service_pb2_grpc as rpc
from tests.conftest import PLAN, TODAY

pytestmark = pytest.mark.system


def refusal(person, method, path, **options):
    with pytest.raises(Refused) as caught:
        person.request(method, path, **options)
    return caught.value


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": "長" * 10_000}, "title"),
        ({"title": ""}, "title"),
        ({"title": "件名\x00改ざん"}, "title"),
        ({"class_code": "9999-99-99"}, "class_code"),
        ({"folder_id": "F-無い"}, "folder_id"),
        ({"decision_class": "emperor"}, "decision_class"),
        ({"amount": -1}, "amount"),
        ({"amount": "三十万"}, "amount"),
        ({"disclosure": "perhaps"}, "disclosure"),
        ({"unknown_field": 1}, "unknown_field"),
    ],
)
def test_wrong_fields_of_a_draft_are_named(city, change, field):
    body = {"title": "伺い", "class_code": PLAN["class_code"], "folder_id": PLAN["folder_id"]} | change
    answer = refusal(city.person("clerk"), "POST", "/documents", json=body)
    assert answer.status == 422
    assert field in [error["field"].split(".")[0] for error in answer.problem["errors"]]
    assert all(error["detail"] for error in answer.problem["errors"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"received_on": "2026-11-01", "arrived_on": "2026-11-02"}, "received_on"),
        ({"received_on": "2026-02-30"}, "received_on"),
        ({"received_on": "令和8年"}, "received_on"),
        ({"sender_kind": "ghost"}, "sender_kind"),
        ({"unit_id": "U-999"}, "unit_id"),
        ({"title": ""}, "title"),
    ],
)
def test_wrong_fields_of_a_receipt_are_named_and_use_no_number(city, change, field):
    """LC-01, NB-05."""
    clerk = city.person("clerk")
    before = clerk.get("/receipts", limit=1)["items"]
    body = {
        "title": "申請書",
        "sender_kind": "citizen",
        "medium": "post",
        "arrived_on": TODAY,
        "received_on": TODAY,
        "unit_id": PLAN["unit_id"],
        "class_code": PLAN["class_code"],
    }
    answer = refusal(clerk, "POST", "/receipts", json=body | change)
    assert answer.status == 422
    assert field in [error["field"] for error in answer.problem["errors"]]
    assert clerk.get("/receipts", limit=1)["items"] == before


def test_an_incomplete_draft_does_not_circulate_and_says_what_is_missing(city):
    """LC-04."""
    clerk = city.person("clerk")
    document = clerk.post("/documents", {"title": "伺い", "class_code": PLAN["class_code"]})
    _, etag = clerk.document(document["id"])
    plan = {"route_plan_id": str(uuid.uuid4())}
    answer = refusal(clerk, "POST", f"/documents/{document['id']}/submit", json=plan, headers={"If-Match": etag})
    assert answer.status in (409, 422)
    assert {"body", "folder_id"} <= {error["field"] for error in answer.problem["errors"]}


@pytest.mark.parametrize("group", [0, -1, 101])
def test_a_step_out_of_every_order_is_named(city, group):
    """AP-08: groups are counted from one."""
    step = {"kind": "concur", "post_id": "P-020-04-01", "group": group}
    answer = refusal(city.person("clerk"), "POST", f"/documents/{city.draft()['id']}/route", json={"steps": [step]})
    assert answer.status == 422
    assert [(error["field"], error["problem"]) for error in answer.problem["errors"]] == [
        ("steps.0.group", "OUT_OF_RANGE")
    ]


def test_writes_on_existing_things_need_the_version(city):
    document = city.draft()
    clerk = city.person("clerk")
    path = f"/documents/{document['id']}"
    assert refusal(clerk, "PATCH", path, json={"title": "新しい件名について（伺い）"}).status == 428
    stale = refusal(clerk, "PATCH", path, json={"title": "新しい件名"}, headers={"If-Match": '"99"'})
    assert stale.status == 412


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[]", b'"x"', b"null", b'{"title": "\xed\xa0\x80"}'])
def test_bodies_that_are_no_json_objects_are_refused(city, body):
    answer = refusal(
        city.person("clerk"), "POST", "/documents", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status in (400, 422)


@pytest.mark.parametrize("cursor", ["x", "eyJ9", "'; DROP TABLE documents --", "A" * 5000])
def test_a_cursor_we_did_not_make_is_refused(city, cursor):
    assert refusal(city.person("clerk"), "GET", "/documents", params={"cursor": cursor}).status in (400, 422)


@pytest.mark.parametrize("identifier", ["x", "%00", "..%2f..%2fetc", "1' OR '1'='1", "𠮷" * 50])
def test_identifiers_that_are_none_are_simply_not_there(city, identifier):
    response = city.person("clerk").http.get(f"/api/v1/documents/{identifier}")
    assert response.status_code in (404, 422)


def test_without_a_login_there_is_nothing(city):
    for path in ("/api/v1/me", "/api/v1/documents", "/api/v1/audit/entries", "/api/v1/receipts"):
        response = httpx2.get(city.stack.url + path)
        assert response.status_code == 401, path
    assert httpx2.get(city.stack.url + "/api/v1/me", headers={"Authorization": "Bearer x.y.z"}).status_code == 401


def call(city, peer, token, timeout=3.0):
    """A call to documents by a peer of our own choice."""
    certificate = city.stack.certificate(peer)
    credentials = grpc.ssl_channel_credentials(
        city.stack.authority.ca_file.read_bytes(),
        certificate.key_file.read_bytes(),
        certificate.cert_file.read_bytes(),
    )
    metadata = (("kanketsu-identity", token),) if token else ()
    with grpc.secure_channel(
        city.stack.targets("documents").split(",")[0], credentials, (("grpc.ssl_target_name_override", "localhost"),)
    ) as channel:
        stub = rpc.DocumentsServiceStub(channel)
        return stub.ListDocuments(pb.ListDocumentsRequest(), timeout=timeout, metadata=metadata)


CLERK = Identity(
    staff_id="S0072",
    tenant="minoh",
    principals=("staff:S0072", "post:P-040-03-05", "unit:U-040-03"),
    posts={"P-040-03-05": "U-040-03"},
    acting_post="P-040-03-05",
)


def test_forged_expired_and_foreign_identities_are_nobody(city):
    signer = Signer(city.stack.keys.folder / "identity-signing-key.pem")
    forger = Signer(city.stack.keys.folder / "receipt-signing-key.pem")
    stranger = Identity(staff_id="S0072", tenant="ikeda", principals=CLERK.principals, posts=CLERK.posts)
    assert call(city, "gateway", signer.identity(CLERK, "documents")) is not None
    for token in (
        "",
        "x.y.z",
        forger.identity(CLERK, "documents"),
        signer.identity(CLERK, "documents", time.time() - 3600),
        signer.identity(CLERK, "approvals"),
        signer.identity(stranger, "documents"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(city, "gateway", token)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_service_is_not_a_caller_even_with_a_good_identity(city):
    signer = Signer(city.stack.keys.folder / "identity-signing-key.pem")
    for peer in ("approvals", "audit", "nats"):
        with pytest.raises(grpc.RpcError) as caught:
            call(city, peer, signer.identity(CLERK, "documents"))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_call_without_a_deadline_is_refused(city):
    signer = Signer(city.stack.keys.folder / "identity-signing-key.pem")
    with pytest.raises(grpc.RpcError) as caught:
        call(city, "gateway", signer.identity(CLERK, "documents"), timeout=None)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_without_a_certificate_there_is_no_connection(city):
    ca = grpc.ssl_channel_credentials(city.stack.authority.ca_file.read_bytes())
    target = city.stack.targets("documents").split(",")[0]
    with grpc.secure_channel(target, ca, (("grpc.ssl_target_name_override", "localhost"),)) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            rpc.DocumentsServiceStub(channel).ListDocuments(pb.ListDocumentsRequest(), timeout=3)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
