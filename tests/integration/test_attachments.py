"""Files go in and out as streams, whole or not at all, encrypted, and under the name they were given."""

from __future__ import annotations

import base64
import hashlib
import http.client
import unicodedata
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from deploy.walkthrough.client import Refused
from tests.patience import until

pytestmark = pytest.mark.system

MIB = 1024 * 1024


def blob(size, seed=1):
    """Bytes that are the same every time and do not compress."""
    return hashlib.shake_256(seed.to_bytes(4, "big")).digest(size)


def upload(city, document_id, content, *, name="試験.bin", headers=None):
    return city.person("clerk").request(
        "POST",
        f"/documents/{document_id}/attachments",
        params={"filename": name},
        content=content,
        headers={"Content-Type": "application/octet-stream"} | (headers or {}),
    )


def download(city, document_id, attachment_id, headers=None):
    return city.person("clerk").http.get(
        f"/api/v1/documents/{document_id}/attachments/{attachment_id}/content", headers=headers or {}
    )


@pytest.fixture
def document_id(city):
    return city.draft()["id"]


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 3 * MIB + 17])
def test_what_goes_in_comes_out(city, document_id, size):
    content = blob(size)
    answer = upload(city, document_id, content).json()
    assert answer["size"] == size
    assert answer["sha256"] == hashlib.sha256(content).hexdigest()
    response = download(city, document_id, answer["id"])
    assert response.content == content
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-access-record"].startswith("documents.")


def test_ranges(city, document_id):
    content = blob(2 * MIB + 5)
    attachment = upload(city, document_id, content).json()["id"]
    last = len(content) - 1
    for asked, first, end in (
        ("bytes=0-0", 0, 0),
        ("bytes=1048570-1048590", 1048570, 1048590),
        ("bytes=2097152-", 2097152, last),
        ("bytes=-7", last - 6, last),
        (f"bytes=5-{last + 100}", 5, last),
    ):
        response = download(city, document_id, attachment, {"Range": asked})
        assert response.status_code == 206, asked
        assert response.headers["content-range"] == f"bytes {first}-{end}/{len(content)}"
        assert response.content == content[first : end + 1]
    refused = download(city, document_id, attachment, {"Range": f"bytes={len(content)}-"})
    assert refused.status_code == 416
    assert refused.headers["content-range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize(
    "name",
    [
        "髙橋・山﨑の申請書.pdf",
        unicodedata.normalize("NFD", "がぎぐ・パピプの調書.xlsx"),
        "神\ufa19\u845b\U000e0100城.txt",
        'quote"と;semicolon.txt',
    ],
)
def test_names_are_kept_as_given(city, document_id, name):
    """NM-05: the bytes of the name stay; only a path in front of it goes."""
    answer = upload(city, document_id, b"x", name=name).json()
    assert answer["file_name"] == name
    response = download(city, document_id, answer["id"])
    assert f"filename*=UTF-8''{quote(name, safe='')}" in response.headers["content-disposition"].replace("%20", "%20")


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\temp\\申請書.pdf", "/tmp/申請書.pdf"])
def test_a_path_in_front_of_the_name_goes(city, document_id, name):
    answer = upload(city, document_id, b"x", name=name).json()
    assert answer["file_name"] == name.replace("\\", "/").rsplit("/", 1)[1]


@pytest.mark.parametrize("name", ["申請書\u202efdp.exe", "a\u2066b.pdf", "a\nb.pdf", "", "..", "長" * 300])
def test_deceptive_and_impossible_names_are_refused(city, document_id, name):
    with pytest.raises(Refused) as caught:
        upload(city, document_id, b"x", name=name)
    assert caught.value.status == 422
    assert caught.value.problem["errors"][0]["field"] in ("filename", "file_name")


def test_a_wrong_digest_leaves_nothing(city, document_id):
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    with pytest.raises(Refused) as caught:
        upload(city, document_id, b"content", headers={"Repr-Digest": f"sha-256=:{wrong}:"})
    assert caught.value.reason == "DIGEST_MISMATCH"
    assert city.person("clerk").document(document_id)[0]["attachments"] == []


def raw(city, document_id, announced, sent):
    """A request whose body is not what its header says; the connection is then closed."""
    url = urlsplit(city.stack.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    token = city.person("clerk").token
    connection.putrequest("POST", f"/api/v1/documents/{document_id}/attachments?filename=a.bin")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(announced))
    connection.endheaders()
    connection.send(sent)
    return connection


def test_too_large_is_refused_before_the_body_is_read(city, document_id):
    connection = raw(city, document_id, 101 * MIB, b"")
    response = connection.getresponse()
    assert response.status == 413
    connection.close()


def objects_of(city, document_id):
    with psycopg.connect(city.stack.database_url("documents_owner")) as conn:
        return conn.execute(
            "SELECT count(*) FROM documents.attachments WHERE document_id = %s", (document_id,)
        ).fetchone()[0]


def test_a_broken_upload_leaves_nothing_visible(city, document_id):
    for sent in (0, 1000, 6 * MIB):
        raw(city, document_id, 8 * MIB, blob(sent)).close()
    until(lambda: objects_of(city, document_id) == 0)
    assert city.person("clerk").document(document_id)[0]["attachments"] == []
    # The document is not stuck: the next upload works.
    upload(city, document_id, b"whole")
    assert len(city.person("clerk").document(document_id)[0]["attachments"]) == 1


def test_the_store_holds_ciphertext_only(city, document_id):
    content = "交付申請書 髙﨑邦夫".encode() * 1000
    upload(city, document_id, content)
    with psycopg.connect(city.stack.database_url("documents_owner")) as conn:
        key, version = conn.execute(
            "SELECT object_key, version_id FROM documents.attachments WHERE document_id = %s", (document_id,)
        ).fetchone()
    stored = city.stack.s3("admin").get_object(city.stack.bucket, key, version_id=version).read()
    assert "申請書".encode() not in stored
    assert "申請" not in key


def test_an_attachment_of_another_document_is_not_served_through_ours(city, document_id):
    other = city.draft()["id"]
    attachment = upload(city, other, b"secret").json()["id"]
    assert download(city, document_id, attachment).status_code == 404


def test_a_paper_only_class_takes_no_electronic_content(city):
    """Decision 13: 住民情報系 stays on paper."""
    clerk = city.person("clerk")
    paper = [item for item in clerk.get("/classes")["items"] if item["paper_only"]]
    if not paper:
        rows = (city.stack.samples / "classes.csv").read_text("utf-8").splitlines()
        code, unit = next((r.split(",")[0], r.split(",")[4]) for r in rows[1:] if ",true," in r)
        drafter = _someone_of(city, unit)
    else:
        code, drafter = paper[0]["class_code"], "clerk"
    document = city.person(drafter).post("/documents", {"title": "課税台帳の閲覧について（伺い）", "class_code": code})
    with pytest.raises(Refused) as caught:
        city.person(drafter).request(
            "POST",
            f"/documents/{document['id']}/attachments",
            params={"filename": "台帳.pdf"},
            content=b"x",
            headers={"Content-Type": "application/pdf"},
        )
    assert caught.value.reason == "PAPER_ONLY"


def _someone_of(city, unit):
    organisation = city.stack.samples / "organisation"
    posts = {
        r.split(",")[0] for r in (organisation / "posts.csv").read_text("utf-8").splitlines() if r.split(",")[1] == unit
    }
    staff = next(
        r.split(",")[0]
        for r in (organisation / "appointments.csv").read_text("utf-8").splitlines()
        if r.split(",")[1] in posts and r.endswith(",")
    )
    rows = (organisation / "staff.csv").read_text("utf-8").splitlines()
    return next(r.split(",")[3] for r in rows if r.startswith(f"{staff},"))
