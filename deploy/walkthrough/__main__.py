"""The main job in seven steps, over HTTP, against any running deployment: `make walkthrough`.

Prints each step with its time and result and stops, with exit code 1, at the first that fails.
It is the smoke test of operations teams: it leaves one completed document behind.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import psycopg
import yaml
from minio.error import S3Error

from deploy.local.stack import DEFAULT_STATE, Stack
from deploy.walkthrough.client import LoginFailed, Person, Refused
from deploy.walkthrough.logcopy import copy_log

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
JST = ZoneInfo("Asia/Tokyo")
# How long a fact may take to travel between the services before the walk gives up, seconds.
PATIENCE = 20.0


class StepFailed(Exception):
    """A step did not do what it must."""


@dataclass
class Walk:
    """What the steps share."""

    url: str
    plan: dict[str, Any]
    folder: Path
    # State folder of an embedded stack, when the deployment is one; it has the keys for step 7.
    state: Path | None
    people: dict[str, Person] = field(default_factory=dict)
    document_id: str = ""
    case_id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def expect(condition: object, message: str) -> None:
    """Fail the step unless the condition holds."""
    if not condition:
        raise StepFailed(message)


def wait_for(what: str, probe: Callable[[], Any]) -> Any:
    """Ask until the answer is true or patience ends; a 404 or 409 meanwhile is only 'not yet'."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = None
        try:
            answer = probe()
        except Refused as refused:
            if refused.status not in (404, 409):
                raise
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise StepFailed(f"{what}: not within {PATIENCE:.0f} s")
        time.sleep(0.05)


@contextmanager
def refused(status: int, what: str) -> Iterator[None]:
    """The block must be refused with this status."""
    try:
        yield
    except Refused as problem:
        expect(problem.status == status, f"{what}: {problem}, expected {status}")
        return
    raise StepFailed(f"{what}: was not refused")


def receive(walk: Walk) -> str:
    """1. 収受."""
    today = dt.datetime.now(JST).date().isoformat()
    receipt = walk.people["clerk"].post(
        "/receipts",
        {
            "title": "浄化槽設置整備事業補助金交付申請書",
            "sender_kind": "citizen",
            "sender_name": "髙﨑 邦夫",
            "received_on": today,
            "arrived_on": today,
            "medium": "post",
            "unit_id": walk.plan["unit_id"],
            "class_code": walk.plan["class_code"],
        },
    )
    walk.facts["receipt"] = receipt
    return f"収受番号 {receipt['receipt_number']}"


def draft(walk: Walk) -> str:
    """2. 起案."""
    clerk = walk.people["clerk"]
    document = clerk.post(
        "/documents",
        {
            "title": "令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）",
            "body": "標記の件について、別添のとおり申請があり、要件を満たしていると認められますので、\n"
            "下記のとおり交付を決定し、申請者に通知してよろしいか伺います。\n\n記\n\n1 交付決定額　金332,000円",
            "folder_id": walk.plan["folder_id"],
            "class_code": walk.plan["class_code"],
            "decision_class": "head",
            "disclosure": "partial",
            "personal_information": "personal",
            "counterparty": "髙﨑 邦夫",
            "amount": 332000,
            "enforcement": {
                "required": True,
                "planned_on": dt.datetime.now(JST).date().isoformat(),
                "method": "post",
                "addressee": "申請者",
            },
            "receipt_ids": [walk.facts["receipt"]["id"]],
        },
    )
    walk.document_id = document["id"]
    for file in walk.plan["files"]:
        clerk.upload(walk.document_id, HERE / file["path"], file["name"], file["type"])
    stranger = walk.people["stranger"]
    with refused(404, "another unit's draft"):
        stranger.document(walk.document_id)
    return f"起案 {walk.document_id}、添付 {len(walk.plan['files'])} 件"


def circulate(walk: Walk) -> str:
    """3. 回議・決裁, with one approver absent."""
    clerk, chief, deputy, head = (walk.people[name] for name in ("clerk", "chief", "deputy", "head"))
    now = dt.datetime.now(JST)
    me = deputy.get("/me")
    absence = deputy.post(
        "/absences",
        {
            "staff_id": me["staff_id"],
            "from": now.isoformat(),
            "to": (now + dt.timedelta(hours=8)).isoformat(),
            "reason_code": "business_trip",
        },
    )
    try:
        submitted = clerk.submit(walk.document_id)
        walk.case_id = submitted["case_id"]
        wait_for("the chief's inbox", lambda: _waiting(chief, walk.case_id))
        document, _ = wait_for("the chief's view", lambda: chief.document(walk.document_id))
        pdf = document["attachments"][0]
        content = chief.request(
            "GET", f"/documents/{walk.document_id}/attachments/{pdf['id']}/content?disposition=inline"
        ).content
        expect(len(content) == pdf["size"], "the PDF did not arrive whole")
        chief.act(walk.case_id, "approve", "申請書類及び算定額を確認しました。")
        case = wait_for("the head's turn", lambda: _with_action(head, walk.case_id, "decide"))
        skipped = [step for step in case["steps"] if step["staff_id"] == me["staff_id"]]
        expect(skipped and skipped[0]["post_view"], "the absent deputy is not marked 後閲")
        head.act(walk.case_id, "decide")
    finally:
        deputy.request("DELETE", f"/absences/{absence['id']}")
    locked = wait_for("the lock of the content", lambda: _locked(clerk, walk.document_id))
    walk.facts["decided"] = locked
    return f"起案番号 {submitted['draft_number']}、室長決裁、{locked['attachments'][0]['locked_until'][:10]} まで保全"


def enforce_and_complete(walk: Walk) -> str:
    """4. 施行・完結."""
    clerk = walk.people["clerk"]
    today = dt.datetime.now(JST).date().isoformat()
    chief = walk.people["chief"].get("/me")["staff_id"]
    _, etag = clerk.document(walk.document_id)
    sent = clerk.post(
        f"/documents/{walk.document_id}/enforce",
        {"enforced_on": today, "method": "post", "addressee": "申請者", "collated_by": chief},
        etag=etag,
    )
    _, etag = clerk.document(walk.document_id)
    completed = clerk.post(
        f"/documents/{walk.document_id}/complete",
        {"completed_on": today, "folder_id": walk.plan["folder_id"]},
        etag=etag,
    )
    walk.facts["completed"] = completed
    expect(completed["retention_until"].endswith("-03-31"), "the retention does not end on a 31 March")
    wait_for("the locks of 完結", lambda: _all_locked(clerk, walk.document_id))
    return f"施行番号 {sent['dispatch_number']}、保存期間満了 {completed['retention_until']}"


def look_from_outside(walk: Walk) -> str:
    """5. Another unit sees nothing; the absent one does the 後閲."""
    stranger, deputy = walk.people["stranger"], walk.people["deputy"]
    found = stranger.get("/documents", q="浄化槽")
    expect(found["items"] == [], "another unit finds the document")
    expect(set(found) == {"items", "next_cursor"}, "the list hints at more than it shows")
    with refused(404, "another unit's document"):
        stranger.document(walk.document_id)
    with refused(404, "another unit's case"):
        stranger.get(f"/cases/{walk.case_id}")
    hidden, absent = (_problem(stranger, f"/documents/{i}") for i in (walk.document_id, "0" * 8 + walk.document_id[8:]))
    expect(hidden == absent, "hidden and absent are not the same answer")
    case = wait_for("the 後閲", lambda: _with_action(deputy, walk.case_id, "post_view"))
    deputy.act(walk.case_id, "post_view", "後閲しました。")
    return f"他所属には何も見えない、後閲 {next(s for s in case['steps'] if s['post_view'])['staff_name']}"


def audit(walk: Walk) -> str:
    """6. The audit officer sees every access and verifies the log."""
    officer = walk.people["auditor"]
    wanted = {"document.created", "document.submitted", "attachment.read", "document.decided", "document.completed"}

    def complete() -> list[dict[str, Any]] | None:
        entries = list(officer.items("/audit/entries", document=walk.document_id, limit=500))
        return entries if wanted <= {entry["action"] for entry in entries} else None

    entries = wait_for("the entries of this document", complete)
    denied = [entry for entry in entries if entry["outcome"] == "denied"]
    expect(denied, "the refused looks of the other unit are not in the log")
    verify_log(officer, walk.folder / "log")
    evidence = officer_evidence(walk)
    return f"記録 {len(entries)} 件（拒否 {len(denied)}）、ログの検証 合格、証拠 {evidence}"


def verify_log(officer: Person, folder: Path) -> None:
    """Copy the log and run the offline verifier; any finding fails the step."""
    shutil.rmtree(folder, ignore_errors=True)
    key = copy_log(officer, folder)
    command = ["-m", "services.audit", "verify", "--log", str(folder), "--key", str(key)]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    expect(done.returncode == 0, f"the offline verifier says: {done.stdout}{done.stderr}")


def officer_evidence(walk: Walk) -> str:
    """The evidence zip of the completed document holds manifest, files and proof."""
    content = walk.people["clerk"].request("GET", f"/documents/{walk.document_id}/evidence").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        expect(archive.testzip() is None, "the evidence zip is damaged")
        names = archive.namelist()
        manifest = json.loads(archive.read("manifest.json"))
    sheets = [one["sheet"] for one in manifest["attachments"] if one["sheet"]]
    expect(sheets == ["decided", "completed"], "the manifest misses an approval sheet")
    expect(len(manifest["attachments"]) == len(walk.plan["files"]) + 2, "the manifest misses an attachment")
    return f"{len(names)} ファイル"


def attack(walk: Walk) -> str:
    """7. Nobody changes the completed document: not through the API, not in SQL, not in the store."""
    clerk = walk.people["clerk"]
    _, etag = clerk.document(walk.document_id)
    with refused(409, "a change through the API"):
        clerk.request("PATCH", f"/documents/{walk.document_id}", json={"title": "改ざん"}, headers={"If-Match": etag})
    if walk.state is None:
        return "API は拒否。SQL とオブジェクトストアは、鍵のある場所（--state）からのみ試せます"
    stack = Stack.attached(walk.state)
    with psycopg.connect(stack.database_url("documents_app")) as conn:
        try:
            conn.execute("UPDATE documents SET title = '改ざん' WHERE document_id = %s", (walk.document_id,))
        except psycopg.Error as error:
            sql = type(error).__name__
            conn.rollback()
        else:
            raise StepFailed("the application's database role changed a completed document")
        rows = conn.execute(
            "SELECT object_key, version_id FROM attachments WHERE document_id = %s", (walk.document_id,)
        ).fetchall()
    store = stack.s3()
    expect(rows, "no attachment rows")
    for object_key, version_id in rows:
        try:
            store.remove_object(stack.bucket, object_key, version_id=version_id)
        except S3Error as error:
            code = error.code
        else:
            raise StepFailed("the application's key deleted a locked object")
    return f"三つとも拒否: API 409、SQL {sql}、オブジェクトストア {code}"


def _waiting(person: Person, case_id: str) -> bool:
    return any(item["case_id"] == case_id for item in person.items("/inbox"))


def _with_action(person: Person, case_id: str, action: str) -> dict[str, Any] | None:
    case = person.get(f"/cases/{case_id}")
    return case if any(action in step["allowed_actions"] for step in case["steps"]) else None


def _locked(person: Person, document_id: str) -> dict[str, Any] | None:
    document = _all_locked(person, document_id)
    return document if document is not None and document["state"] == "decided" else None


def _all_locked(person: Person, document_id: str) -> dict[str, Any] | None:
    document, _ = person.document(document_id)
    return document if all(item["locked_until"] for item in document["attachments"]) else None


def _problem(person: Person, path: str) -> dict[str, Any]:
    try:
        person.get(path)
    except Refused as refusal:
        return {key: value for key, value in refusal.problem.items() if key != "trace_id"}
    raise StepFailed(f"{path} was not refused")


STEPS: tuple[tuple[str, Callable[[Walk], str]], ...] = (
    ("収受", receive),
    ("起案", draft),
    ("回議・決裁", circulate),
    ("施行・完結", enforce_and_complete),
    ("所属外・後閲", look_from_outside),
    ("監査", audit),
    ("改ざんの試み", attack),
)


def walk_through(url: str, plan: dict[str, Any], state: Path | None, say: Callable[[str], None] = print) -> bool:
    """All steps; True when every one succeeded."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        walk = Walk(url.rstrip("/"), plan, Path(folder), state)
        say(f"{walk.url} で主な仕事を最初から最後まで行います。")
        began = time.monotonic()
        try:
            for role, how in plan["people"].items():
                walk.people[role] = stack.enter_context(Person(walk.url, role, how.get("token", "")))
                if "login" in how:
                    walk.people[role].log_in(how["login"])
        except (LoginFailed, httpx2.HTTPError) as error:
            say(f"✗ ログイン  {error}")
            return False
        say(f"✓ 0 ログイン      {time.monotonic() - began:6.2f} s  {len(walk.people)} 人")
        for number, (title, step) in enumerate(STEPS, start=1):
            started = time.monotonic()
            try:
                result = step(walk)
            except (StepFailed, Refused, LookupError, httpx2.HTTPError, psycopg.Error) as error:
                say(f"✗ {number} {title}  {time.monotonic() - started:6.2f} s  {type(error).__name__}: {error}")
                return False
            say(f"✓ {number} {title}  {time.monotonic() - started:6.2f} s  {result}")
        say(f"完了 {time.monotonic() - began:.1f} s")
        return True


def main() -> int:
    """Parse the command line and walk."""
    parser = argparse.ArgumentParser(prog="walkthrough", description=__doc__)
    parser.add_argument("--url", help="the deployment; default: the stack that `make up` started")
    parser.add_argument("--people", type=Path, default=HERE / "minoh.yaml", help="who walks (YAML)")
    parser.add_argument("--state", type=Path, help="state folder of an embedded stack, for the attacks of step 7")
    options = parser.parse_args()
    plan = yaml.safe_load(options.people.read_text("utf-8"))
    state, url = options.state, options.url
    if url is None:
        state = state or DEFAULT_STATE
        if not (state / "state.json").exists():
            print("動いているシステムがありません。先に make up を実行するか、URL=… を指定してください。")
            return 1
        url = Stack.attached(state).url
    return 0 if walk_through(url, plan, state) else 1


if __name__ == "__main__":
    sys.exit(main())
