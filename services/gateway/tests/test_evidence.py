"""The evidence of a completed document verifies by itself, and every change to it is found."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
import time
import zipfile

import pypdfium2
import pytest
import yaml

from chassis.clock import JST
from deploy.local.stack import ROOT
from deploy.walkthrough.client import Person, Refused

pytestmark = pytest.mark.system

PLAN = yaml.safe_load((ROOT / "deploy" / "walkthrough" / "minoh.yaml").read_text(encoding="utf-8"))
NAMES = ["交付申請書（髙﨑）.pdf", "会議/か\u3099い議事録.txt"]

SENT_BACK = "同意書の写しがありません。"


def until(question):
    """The first answer that is not a refusal and not None; facts travel between services."""
    for _ in range(150):
        try:
            answer = question()
        except (Refused, LookupError):
            answer = None
        if answer is not None:
            return answer
        time.sleep(0.1)
    raise AssertionError("it never happened")


@pytest.fixture(scope="module")
def completed(city):
    """A clerk who completed a document, and its id."""
    people = {}
    for role in ("clerk", "chief", "deputy", "head"):
        people[role] = Person(city.url, role, token=city.access_token(PLAN["people"][role]["login"]))
    clerk = people["clerk"]
    today = dt.datetime.now(JST).date().isoformat()
    document = clerk.post(
        "/documents",
        {
            "title": "令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）",
            "body": "標記の件について、下記のとおり交付を決定してよろしいか伺います。",
            "folder_id": PLAN["folder_id"],
            "class_code": PLAN["class_code"],
            "decision_class": "head",
            "disclosure": "partial",
            "personal_information": "personal",
            "amount": 332000,
            "enforcement": {"required": True, "planned_on": today, "method": "post", "addressee": "申請者"},
        },
    )
    path = f"/documents/{document['id']}"
    for number, name in enumerate(NAMES):
        content = f"内容{number}".encode() * 100_000
        clerk.request("POST", f"{path}/attachments", params={"filename": name}, content=content)
    first = clerk.submit(document["id"])["case_id"]
    until(lambda: people["chief"].act(first, "send_back", SENT_BACK))
    until(lambda: clerk.get(path)["state"] == "sent_back" or None)
    case_id = clerk.submit(document["id"])["case_id"]
    until(lambda: people["chief"].act(case_id, "approve", "確認しました。"))
    until(lambda: people["deputy"].act(case_id, "approve"))
    until(lambda: people["head"].act(case_id, "decide", "適当と認めます。"))
    until(lambda: clerk.get(path)["state"] == "decided" or None)
    sent = {"enforced_on": today, "method": "post", "addressee": "申請者", "collated_by": "S0070"}
    clerk.post(f"{path}/enforce", sent, etag=clerk.document(document["id"])[1])
    with pytest.raises(Refused) as early:
        clerk.get(f"{path}/evidence")
    assert (early.value.status, early.value.reason) == (409, "WRONG_STATE")
    clerk.post(f"{path}/complete", etag=clerk.document(document["id"])[1])
    yield clerk, document["id"]
    for person in people.values():
        person.http.close()


@pytest.fixture(scope="module")
def archive(completed):
    """The zip."""
    clerk, document_id = completed
    response = until(lambda: clerk.request("GET", f"/documents/{document_id}/evidence"))
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["x-access-record"]
    assert "filename*=UTF-8''" in response.headers["content-disposition"]
    return zipfile.ZipFile(io.BytesIO(response.content))


def verify(folder):
    done = subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify.py"], capture_output=True, text=True, encoding="utf-8", timeout=30
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def test_the_evidence_verifies_without_the_system(archive, tmp_path):
    assert archive.testzip() is None
    archive.extractall(tmp_path)
    code, report = verify(tmp_path)
    assert code == 0, report
    assert "一致しない" not in report
    assert report.count("正しい") == 14
    names = {"README.pdf", "README.txt", "verify.py", "manifest.json", "decisions.json", "leaf.json", "log.vkey"}
    assert names | {"completed.tlog-proof", "checkpoint"} <= {*archive.namelist()}
    assert len(pypdfium2.PdfDocument(archive.read("README.pdf"))) == 2
    assert "checkpoint に連署した証人" in archive.read("README.txt").decode()
    files = sorted(name for name in archive.namelist() if name.startswith("files/"))
    assert len(files) == 4, "two attachments and the approval sheets of 決裁 and 完結"
    assert [name[9:] for name in files[2:]] == ["鑑（決裁時）.pdf", "鑑（完結時）.pdf"]
    assert all(len(pypdfium2.PdfDocument(archive.read(name))) == 1 for name in files[2:])
    assert all("/" not in name.removeprefix("files/") for name in files)
    comments = [one["comment"] for one in json.loads(archive.read("decisions.json"))]
    assert "確認しました。" in comments
    (earlier,) = json.loads(archive.read("manifest.json"))["earlier_cases"]
    assert [one["comment"] for one in earlier["decisions"]] == [SENT_BACK], "AP-53"


def changed_byte(name):
    def change(folder):
        path = next(folder.glob(name))
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(bytes(raw))

    return change


def replaced(name, old, new):
    def change(folder):
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def added_file(folder):
    (folder / "files" / "05_後から.txt").write_text("なかったもの", encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        changed_byte("files/01_*"),
        changed_byte("files/02_*"),
        changed_byte("files/03_*"),
        changed_byte("files/04_*"),
        added_file,
        lambda folder: next(folder.glob("files/01_*")).unlink(),
        replaced("manifest.json", "332000", "932000"),
        replaced("decisions.json", "適当と認めます。", "不適当と認めます。"),
        replaced("leaf.json", "granted", "denied"),
        replaced("completed.tlog-proof", "\nindex ", "\nindex 1"),
        replaced("completed.tlog-proof", "/20", "/21"),
        changed_byte("log.vkey"),
        changed_byte("checkpoint"),
        replaced("decisions.json", "decide", "reject"),
    ],
    ids=range(14),
)
def test_every_change_is_found(archive, tmp_path, change):
    archive.extractall(tmp_path)
    change(tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "verify.py"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=30,
    )
    assert done.returncode != 0, done.stdout


def test_each_file_of_the_evidence_is_recorded_as_a_download(city, completed, archive):
    _, document_id = completed
    token = city.access_token(PLAN["people"]["auditor"]["login"])
    with Person(city.url, "auditor", token=token) as auditor:

        def downloads():
            items = list(auditor.items("/audit/entries", document=document_id, action="attachment.downloaded"))
            return items if len(items) >= len(NAMES) + 2 else None

        assert {item["actor"]["staff_id"] for item in until(downloads)} == {"S0072"}
        # And the whole as an export of the document (AC-15).
        exported = list(auditor.items("/audit/entries", document=document_id, action="document.exported"))
        assert {item["actor"]["staff_id"] for item in exported} == {"S0072"}
