"""Brings the documents of a sample city to life over the HTTP API, as its staff would: `python -m samples.load`.

Every document reaches its state through the real steps: receive, draft, attach, circulate, act,
dispatch, complete. Running it again changes nothing: every write carries a key of its own.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from deploy.walkthrough.client import Person, Refused

MINOH = Path(__file__).parent / "minoh"
JST = ZoneInfo("Asia/Tokyo")
PATIENCE = 30.0
# Documents are independent of each other; more at once only wait for the same two cores.
WORKERS = 4

Row = dict[str, Any]


@dataclass
class Loader:
    """Loads one city into one deployment."""

    url: str
    city: Path
    _people: dict[str, Person] = field(default_factory=dict)
    _logins: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _receipts: dict[str, str] = field(default_factory=dict)

    def load(self) -> int:
        """Everything; returns the number of documents. Raises Refused at the first refusal."""
        staff = (self.city / "organisation" / "staff.csv").read_text(encoding="utf-8").splitlines()
        self._logins = {line.split(",")[0]: line.split(",")[3] for line in staff[1:]}
        receipts = yaml.safe_load((self.city / "receipts.yaml").read_text(encoding="utf-8"))
        documents = yaml.safe_load((self.city / "documents.yaml").read_text(encoding="utf-8"))
        for receipt in receipts:
            self._receipts[receipt["key"]] = self._receive(receipt)
        with ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(self._document, row) for row in documents]:
                done.result()
        for person in self._people.values():
            person.http.close()
        return len(documents)

    def person(self, staff_id: str) -> Person:
        """A logged-in staff member."""
        with self._lock:
            if staff_id not in self._people:
                person = Person(self.url, staff_id)
                person.log_in(self._logins[staff_id])
                self._people[staff_id] = person
            return self._people[staff_id]

    def _receive(self, row: Row) -> str:
        names = (
            "title sender_kind sender_name sender_reference arrived_on received_on backdated_reason medium "
            "unit_id due_on class_code"
        )
        body = {name: row[name] for name in names.split() if row.get(name)}
        clerk = self.person(row["clerk"])
        answer = clerk.request("POST", "/receipts", json=body, headers={"Idempotency-Key": f"sample-{row['key']}"})
        return str(answer.json()["id"])

    def _document(self, row: Row) -> None:
        drafter, key = self.person(row["drafter"]), f"sample-{row['key']}"
        body = draft_of(row)
        if row.get("receipt"):
            body["receipt_ids"] = [self._receipts[row["receipt"]]]
        created = drafter.request("POST", "/documents", json=body, headers={"Idempotency-Key": key}).json()
        document_id = created["id"]
        present = {item["file_name"] for item in drafter.document(document_id)[0]["attachments"]}
        for file in row.get("attachments", []):
            if file["name"] not in present:
                drafter.upload(document_id, self.city / "files" / file["file"], file["name"], file["content_type"])
        if row["state"] == "draft" or drafter.document(document_id)[0]["state"] != "drafting":
            return
        case_id = drafter.submit(document_id)["case_id"]
        for act in row.get("acts", []):
            self._act(act, case_id)
        if row["state"] in ("enforced", "completed"):
            self._finish(row, document_id)

    def _act(self, act: Row, case_id: str) -> None:
        person = self.person(act["actor"])
        if act["action"] == "withdraw":
            case = _until(lambda: person.get(f"/cases/{case_id}"))
            person.post(f"/cases/{case_id}/withdraw", {"comment": act["comment"]}, etag=f'"{case["version"]}"')
        else:
            _until(lambda: person.act(case_id, act["action"], act.get("comment") or ""))

    def _finish(self, row: Row, document_id: str) -> None:
        drafter = self.person(row["drafter"])
        today = dt.datetime.now(JST).date().isoformat()
        _until(lambda: drafter.document(document_id)[0]["state"] == "decided")
        enforcement = row.get("enforcement") or {}
        if enforcement.get("required"):
            body = {
                "enforced_on": today,
                "method": enforcement.get("method", "post"),
                "addressee": enforcement.get("addressee", ""),
                "collated_by": row["acts"][0]["actor"],
            }
            self._write(drafter, document_id, "enforce", body)
        if row["state"] == "completed":
            body = {"completed_on": today, "folder_id": row["folder_id"]}
            self._write(drafter, document_id, "complete", body)

    def _write(self, person: Person, document_id: str, what: str, body: Row) -> None:
        """A write on a document whose version may still move because its content is being locked."""

        def write() -> object:
            _, etag = person.document(document_id)
            try:
                return person.post(f"/documents/{document_id}/{what}", body, etag=etag)
            except Refused as refusal:
                if refusal.status == 412:
                    return None
                raise

        _until(write)


def draft_of(row: Row) -> Row:
    """A row of documents.yaml as the body of POST /documents."""
    names = (
        "title subtitle body folder_id class_code decision_class disclosure personal_information "
        "counterparty amount enforcement"
    )
    body = {name: row[name] for name in names.split() if row.get(name) is not None}
    enforcement = body.get("enforcement", {})
    return body | {"enforcement": {name: value for name, value in enforcement.items() if value not in ("", None)}}


def _until(probe: Any) -> Any:
    """Ask until the answer is true: facts take some milliseconds to travel between the services."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if answer := probe():
                return answer
            problem: Exception | None = None
        except LookupError as error:
            problem = error
        except Refused as refusal:
            if refusal.status not in (404, 412):
                raise
            problem = refusal
        if time.monotonic() > deadline:
            raise problem or TimeoutError("the services did not agree in time")
        time.sleep(0.05)


def main() -> int:
    """Parse the command line and load."""
    parser = argparse.ArgumentParser(prog="samples.load", description=__doc__)
    parser.add_argument("--url", required=True, help="the gateway")
    parser.add_argument("--city", type=Path, default=MINOH, help="folder of the city")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        count = Loader(options.url, options.city).load()
    except Refused as refusal:
        print(f"見本の文書を登録できませんでした: {refusal}")
        return 1
    print(f"見本の文書 {count} 件を登録しました（{time.monotonic() - started:.1f} 秒）")
    return 0


if __name__ == "__main__":
    sys.exit(main())
