"""Parts that everybody needs go away and come back: clear refusals meanwhile, and nobody has to lend a hand after."""

from __future__ import annotations

import concurrent.futures
import contextlib
import random
import threading
import uuid

import httpx2
import pytest

from deploy.walkthrough.client import Person, Refused
from tests.chaos.moments import (
    NOT_NOW,
    answer_of,
    assert_refused,
    broker_paused,
    commits_hang,
    eventually,
    is_done,
    locked,
    one,
    rows,
)
from tests.chaos.work import approval, submission
from tests.patience import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


class Crowd:
    """People who repeat a piece of work, each in a thread, until the end of the block."""

    def __init__(self):
        self._pool = concurrent.futures.ThreadPoolExecutor(16)
        self._people = []
        self._home = threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._home.set()
        self._pool.shutdown()
        for person in self._people:
            person.result()

    def repeat(self, work, people):
        """So many people do `work` again and again."""
        self._people += [self._pool.submit(self._repeat, work) for _ in range(people)]

    def _repeat(self, work):
        while not self._home.is_set():
            work()

    def insist(self, ask):
        """The same request, with the same key, until it succeeds; None when it is time to go home."""
        while not self._home.is_set():
            answer = answer_of(ask)
            if answer is not None and is_done(answer):
                return answer
        return None


def test_the_broker_stopped_and_its_data_wiped(town):
    """The outboxes refill it, the inboxes know what was there before, people log in anew."""
    _, case_id = town.circulating()
    taken, held = approval(town), submission(town)
    with Person(town.stack.url, "browser") as browser:
        browser.log_in("kashiwagi.toshio")
        assert browser.http.get("/api/v1/me").status_code == 200
        with contextlib.ExitStack() as locks:
            resume = locks.enter_context(broker_paused(town))
            assert is_done(taken.send())
            assert is_done(held.send())
            for table in ("approvals.outbox", "approvals.inbox"):
                locks.enter_context(locked(town, table))
            resume()
            # One event was applied, and its sender knows nothing of it; the other was published, and not applied.
            eventually(lambda: taken.arrived() == 1)
            eventually(lambda: held.waiting() not in ([], [0]))
            town.stack.kill("approvals-1")
            town.stack.stop_one("nats")
            town.stack.wipe_nats()
        assert taken.waiting() == [0]
        assert held.arrived() == 0
        # A service starts and works without a broker; who has a session is not told that they had none.
        town.stack.start_one("approvals-1")
        eventually(lambda: town.act("chief", case_id, "approve"))
        answer = eventually(lambda: [a for a in [browser.http.get("/api/v1/me")] if a.status_code != 200])[0]
        assert (answer.status_code, answer.json()["reason"]) == (503, "SESSIONS_UNAVAILABLE")
        town.stack.start_one("nats")
        eventually(lambda: (held.arrived(), held.waiting()) == (1, []))
        eventually(lambda: taken.waiting() == [])
        assert taken.arrived() == 1
        eventually(lambda: town.act("deputy", case_id, "approve"))
        eventually(lambda: town.act("head", case_id, "decide"))
        answer = eventually(lambda: [a for a in [browser.http.get("/api/v1/me")] if a.status_code != 503])[0]
        assert (answer.status_code, answer.json()["reason"]) == (401, "SIGN_IN_REQUIRED")
        browser.log_in("kashiwagi.toshio")
        assert browser.http.get("/api/v1/me").status_code == 200


def test_the_database_restarted_under_load(town):
    """Stopped, and killed: readers get the document or a refusal, writers get their number once, however often asked."""
    document_id, _ = town.circulating()
    clerk = town.person("clerk")
    title = clerk.document(document_id)[0]["title"]
    read, written, refused = [], [], []

    def look():
        answer = answer_of(lambda: clerk.http.get(f"/api/v1/documents/{document_id}"))
        if answer is not None and answer.is_success:
            assert answer.json()["title"] == title
            read.append(answer.headers["x-access-record"])
        else:
            assert_refused(answer)
            refused.append(answer.json()["reason"])

    def draft():
        body = town.sample(title=f"令和8年度補助金の交付決定について（伺い）{uuid.uuid4().hex}")
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer = crowd.insist(lambda: clerk.http.post("/api/v1/documents", json=body, headers=headers))
        if answer is None:
            return
        document, etag = answer.json(), answer.headers["etag"]
        path = f"/api/v1/documents/{document['id']}"
        answer = crowd.insist(lambda: clerk.http.post(f"{path}/route", json={}))
        if answer is None:
            return
        plan = {"route_plan_id": answer.json()["route_plan_id"]}
        headers = {"If-Match": etag, "Idempotency-Key": str(uuid.uuid4())}
        answer = crowd.insist(lambda: clerk.http.post(f"{path}/submit", json=plan, headers=headers))
        if answer is not None:
            written.append((body["title"], answer.json()["draft_number"]))

    def more(reads=60, writes=2):
        goal = len(read) + reads, len(written) + writes
        until(lambda: len(read) >= goal[0] and len(written) >= goal[1], 60)

    with Crowd() as crowd:
        crowd.repeat(look, 6)
        crowd.repeat(draft, 2)
        more()
        town.stack.restart("postgres")
        more()
        town.stack.kill("postgres")
        until(lambda: "DATABASE_UNAVAILABLE" in refused)
        town.stack.start_one("postgres")
        more()
    for asked, number in written:
        assert rows(town, "documents", "SELECT draft_number FROM documents WHERE title = %s", asked) == [(number,)]


def test_the_database_commits_and_does_not_say_so(town):
    """As when its standby is away: nobody is answered, and the records whose fate was unknown count once."""
    document_id, _ = town.circulating()
    clerk = town.person("clerk")
    path = f"/api/v1/documents/{document_id}"
    epoch = clerk.http.get(path).headers["x-access-record"].split("/")[1]
    with commits_hang(town):
        answer = clerk.http.get(path)
        assert_refused(answer)
        # On a busy machine the reader's own time may be over first.
        assert answer.json()["reason"] in ("NOT_RECORDED", "DEADLINE_EXCEEDED")
    answer = eventually(lambda: [a for a in [clerk.http.get(path)] if is_done(a)])[0]
    assert answer.headers["x-access-record"].split("/")[1] == epoch


def test_the_store_down(town):
    """Registration goes on, content says clearly that it is away, and the lock of a decision catches up."""
    document_id, case_id = town.circulating()
    town.act("chief", case_id, "approve")
    town.act("deputy", case_id, "approve")
    clerk = town.person("clerk")
    attachment = clerk.document(document_id)[0]["attachments"][0]["id"]
    content = f"/api/v1/documents/{document_id}/attachments/{attachment}/content"
    town.stack.kill("store")
    answer = clerk.http.get(content)
    assert_refused(answer)
    assert answer.json()["reason"] == "STORE_UNAVAILABLE"
    draft = town.draft()
    with pytest.raises(Refused) as caught:
        town.attach(draft["id"])
    assert (caught.value.status, caught.value.reason) == (503, "STORE_UNAVAILABLE")
    town.act("head", case_id, "decide")
    eventually(lambda: clerk.document(document_id)[0]["state"] == "decided")
    assert not town.locked(document_id)
    town.stack.start_one("store")
    eventually(lambda: town.locked(document_id))
    assert is_done(clerk.http.get(content))
    town.attach(draft["id"])


def test_killed_in_any_order_while_work_goes_on(town):
    """Everything dies once while three people work; what they were told has happened has happened."""
    chance = random.Random(20261123)
    approved: list[tuple[str, str]] = []
    steps: list[str] = []

    def work():
        try:
            document = town.draft()
            steps.append("drafted")
            case_id = town.person("clerk").submit(document["id"])["case_id"]
            steps.append("submitted")
            town.act("chief", case_id, "approve")
            steps.append("approved")
            approved.append((document["id"], case_id))
        except httpx2.TransportError:
            # The gateway died: nobody was told anything.
            pass
        except Refused as refusal:
            # Not now: the next piece of work then.
            if refusal.status not in NOT_NOW:
                raise

    victims = ["documents-1", "approvals-1", "audit-1", "gateway-1", "nats", "postgres", "store"]
    chance.shuffle(victims)
    with Crowd() as crowd:
        crowd.repeat(work, 3)
        for victim in victims:
            goal = len(steps) + chance.randint(1, 6)
            until(lambda g=goal: len(steps) >= g, 60)
            town.stack.kill(victim)
            town.stack.start_one(victim)
        goal = len(approved) + 1
        until(lambda: len(approved) >= goal, 60)
    for document_id, case_id in approved:
        acts = "SELECT count(*) FROM decisions WHERE case_id = %s AND action = 'approve'"
        assert one(town, "approvals", acts, case_id) == 1
        eventually(
            lambda d=document_id: one(town, "documents", "SELECT state FROM documents WHERE document_id = %s", d) == 2
        )
