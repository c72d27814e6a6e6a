"""The whole city, running: two replicas of each service on the embedded stack, with the sample staff and file plan."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import psycopg
import pytest
import yaml

from deploy.local import database
from deploy.local.stack import ROOT, Stack
from deploy.walkthrough.client import Person, Refused
from samples.load import draft_of
from samples.minoh.city import City as Samples
from samples.minoh.city import read_city
from tests.collector import Collector, listening
from tests.patience import until

PLAN = yaml.safe_load((ROOT / "deploy" / "walkthrough" / "minoh.yaml").read_text(encoding="utf-8"))
# The class whose cases may be approved several at once here (AP-52); the samples are of another.
BULK_CLASS = "deputy_director"
TODAY = dt.datetime.now(ZoneInfo("Asia/Tokyo")).date().isoformat()


def access_record(entry: dict[str, Any]) -> str:
    """A log entry's record, as X-Access-Record names it."""
    return f"{entry['source']}/{entry['epoch']}/{entry['seq']}"


@dataclass
class City:
    """A running stack and the people of its walkthrough, who are logged in when first asked for."""

    stack: Stack
    samples: Samples = field(default_factory=lambda: read_city(ROOT / "samples" / "minoh"))
    # Of everything the people were answered: the records of what they were served, and each refusal.
    served: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    _people: dict[tuple[str, int], Person] = field(default_factory=dict)
    _exits: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def person(self, role: str, replica: int = 1) -> Person:
        """A person by role in the walkthrough (clerk, chief, deputy, head, stranger, auditor) or by login.

        They come by bearer token, to the gateway replica of that number.
        """
        login = PLAN["people"][role]["login"] if role in PLAN["people"] else role
        if (login, replica) not in self._people:
            url = self.stack.gateway_urls[replica - 1]
            person = Person(url, role, token=self.stack.access_token(login))
            self._people[login, replica] = self._exits.enter_context(self.watched(person))
        return self._people[login, replica]

    def watched(self, person: Person) -> Person:
        """The person, whose answers are kept from now on."""
        person.http.event_hooks["response"].append(self._keep)
        return person

    def _keep(self, response: httpx2.Response) -> None:
        if response.status_code >= 400:
            response.read()
            self.refused.append(Refused(response))
        elif record := response.headers.get("x-access-record"):
            self.served.append(record)

    def sample(self, **fields: Any) -> dict[str, Any]:
        """The sample matter, complete enough to circulate; `fields` replace or add."""
        body = {
            "title": f"令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）{uuid.uuid4().hex[:6]}",
            "body": "標記の件について、下記のとおり交付を決定してよろしいか伺います。\n\n記\n\n1 交付決定額　金332,000円",
            "folder_id": PLAN["folder_id"],
            "class_code": PLAN["class_code"],
            "decision_class": "head",
            "disclosure": "partial",
            "personal_information": "personal",
            "counterparty": "髙﨑 邦夫",
            "amount": 332000,
            "enforcement": {"required": True, "planned_on": "2026-12-01", "method": "post", "addressee": "申請者"},
        }
        return body | fields

    def draft(self, drafter: str = "clerk", **fields: Any) -> dict[str, Any]:
        """A new draft of the sample matter."""
        return self.person(drafter).post("/documents", self.sample(**fields))

    def attach(self, document_id: str, drafter: str = "clerk") -> dict[str, Any]:
        """The sample application, attached."""
        file = PLAN["files"][0]
        path = ROOT / "deploy" / "walkthrough" / file["path"]
        return self.person(drafter).upload(document_id, path, file["name"], file["type"])

    def circulating(self, **fields: Any) -> tuple[str, str]:
        """(document id, case id) of a document with an attachment that waits for the chief."""
        document = self.draft(**fields)
        self.attach(document["id"])
        case_id = self.person("clerk").submit(document["id"])["case_id"]
        until(lambda: self.may("chief", case_id, "approve"))
        return document["id"], case_id

    def may(self, role: str, case_id: str, action: str) -> bool:
        """Whether the person may act so on the case now."""
        case = self.person(role).get(f"/cases/{case_id}")
        return any(action in step["allowed_actions"] for step in case["steps"])

    def act(self, role: str, case_id: str, action: str, comment: str = "", **more: Any) -> dict[str, Any]:
        """Act as soon as it is the person's turn."""
        until(lambda: self.may(role, case_id, action))
        return until(lambda: self.person(role).act(case_id, action, comment, **more))

    def login(self, staff_id: str) -> str:
        """The login of one of the sample staff."""
        return next(row["login"] for row in self.samples.staff if row["staff_id"] == staff_id)

    def holder(self, post_id: str) -> str:
        """The login of who holds the post today."""
        staff_id = self.samples.holder(post_id, dt.date.fromisoformat(TODAY))
        assert staff_id is not None, post_id
        return self.login(staff_id)

    def submitted(self, key: str, **fields: Any) -> tuple[str, str, str]:
        """(drafter's login, document id, case id) of a sample document by its key, that begins to circulate."""
        row = next(row for row in self.samples.documents if row["key"] == key)
        drafter = self.login(row["drafter"])
        document_id = self.person(drafter).post("/documents", draft_of(row) | fields)["id"]
        case_id = self.person(drafter).submit(document_id)["case_id"]
        until(lambda: self.person(drafter).get(f"/cases/{case_id}"))
        return drafter, document_id, case_id

    @contextlib.contextmanager
    def away(self, role: str) -> Iterator[None]:
        """The person is on record as absent meanwhile."""
        now = dt.datetime.now(ZoneInfo("Asia/Tokyo"))
        span = {"from": now.isoformat(), "to": (now + dt.timedelta(days=2)).isoformat()}
        absence = self.person(role).post("/absences", span | {"reason_code": "business_trip"})
        try:
            yield
        finally:
            self.person(role).request("DELETE", f"/absences/{absence['id']}")

    def on_case(self, role: str, case_id: str, what: str, **body: Any) -> dict[str, Any]:
        """An act on the case itself, once the person sees it: recall, withdraw, replace, circulate, ask-substitute."""
        person = self.person(role)
        case = until(lambda: person.get(f"/cases/{case_id}"))
        return person.post(f"/cases/{case_id}/{what}", body, etag=f'"{case["version"]}"')

    def sees(self, role: str, document_id: str) -> bool:
        """Whether the person may see the document now."""
        return self.person(role).http.get(f"/api/v1/documents/{document_id}").status_code == 200

    def decided(self, **fields: Any) -> tuple[str, str]:
        """(document id, case id) of a decided document whose content is locked."""
        document_id, case_id = self.circulating(**fields)
        self.act("chief", case_id, "approve")
        self.act("deputy", case_id, "approve")
        self.act("head", case_id, "decide")
        until(lambda: self.locked(document_id))
        return document_id, case_id

    def locked(self, document_id: str) -> bool:
        """Whether every object of the decided document carries its retention, its approval sheet too."""
        files = self.person("clerk").document(document_id)[0]["attachments"]
        return any(item["sheet"] for item in files) and all(item["locked_until"] for item in files)

    def write(self, role: str, document_id: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST on a document with its current ETag."""
        person = self.person(role)
        _, etag = person.document(document_id)
        return person.post(f"/documents/{document_id}/{what}", body, etag=etag)

    def completed(self, **fields: Any) -> tuple[str, str]:
        """(document id, case id) of a completed document."""
        document_id, case_id = self.decided(**fields)
        me = self.person("chief").get("/me")["staff_id"]
        sent = {"enforced_on": TODAY, "method": "post", "addressee": "申請者", "collated_by": me}
        self.write("clerk", document_id, "enforce", sent)
        self.write("clerk", document_id, "complete", {"completed_on": TODAY, "folder_id": PLAN["folder_id"]})
        return document_id, case_id

    @contextlib.contextmanager
    def transferred(self, staff_id: str, post_id: str) -> Iterator[None]:
        """As if the person had moved to this post today; afterwards they are back."""
        with psycopg.connect(self.stack.database_url(database.SUPERUSER), autocommit=True) as conn:
            conn.execute("SET search_path = approvals")
            conn.execute(
                "UPDATE appointments SET valid_to = %s WHERE staff_id = %s AND valid_to = 'infinity'", (TODAY, staff_id)
            )
            conn.execute(
                "INSERT INTO appointments (staff_id, post_id, kind, valid_from) VALUES (%s, %s, 'main', %s)",
                (staff_id, post_id, TODAY),
            )
            try:
                yield
            finally:
                conn.execute("DELETE FROM appointments WHERE staff_id = %s AND post_id = %s", (staff_id, post_id))
                conn.execute(
                    "UPDATE appointments SET valid_to = 'infinity' WHERE staff_id = %s AND valid_to = %s",
                    (staff_id, TODAY),
                )

    def close(self) -> None:
        """Close everybody's connections."""
        self._exits.close()


@pytest.fixture(scope="session")
def new_city(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Callable[..., City]]:
    """Starts a city of its own: `new_city("chaos", overrides=…)`. Stopped and removed at the end of the session;
    after a failure it stays, for whoever looks for the reason."""
    with contextlib.ExitStack() as exits:

        def remove(stack: Stack) -> None:
            if not request.session.testsfailed:
                stack.remove()

        def start(name: str, *, replicas: int = 2, **options: Any) -> City:
            state: Path = tmp_path_factory.mktemp(name) / "state"
            stack = Stack(state, replicas=replicas, **options)
            exits.callback(remove, stack)
            exits.enter_context(stack)
            stack.load_samples()
            city = City(stack)
            exits.callback(city.close)
            return city

        yield start


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Receives the spans of the shared city."""
    with listening() as running:
        yield running


@pytest.fixture(scope="session")
def city(new_city: Callable[..., City], collector: Collector) -> City:
    """The one city that tests share which break nothing. Every request is traced."""
    common = {"RESEND_AFTER": "3", "RECOVER_AFTER": "15", "OTLP_ENDPOINT": collector.url, "TRACE_RATIO": "1"}
    own = {"gateway": {"CANARY_INTERVAL": "5"}, "approvals": {"BULK_APPROVAL": BULK_CLASS, "CONSECUTIVE_SEATS": "true"}}
    return new_city("city", overrides={"*": common, **own})
