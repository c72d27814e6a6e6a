"""Killed at the worst moment (I1, I8, I9): nothing lost, nothing twice, no hole, nothing served unrecorded.

Each test makes one moment and proves that it was this one; what must be true after every one of
them is in promises.py.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import http.client
import json
from urllib.parse import urlsplit

import httpx2
import pytest

from chassis.s3 import S3
from services.documents.blobs.store import StoreConfig
from tests.chaos.moments import (
    SERVICES,
    after_its_beat,
    answer_of,
    assert_refused,
    broker_paused,
    commits_hang,
    committing,
    eventually,
    held_up,
    is_done,
    is_gone,
    locked,
    one,
    rows,
    waits_for,
)
from tests.chaos.work import WORKS, approval, inspection, submission
from tests.patience import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

MIB = 1024 * 1024


# --- the services ---------------------------------------------------------------------------------------------------


def test_killed_before_the_commit(town):
    """In the middle of a transaction that has a number: the number is given back, and nothing was announced."""
    work = submission(town)
    register = "SELECT coalesce(sum(next - 1), 0) FROM registers WHERE register = 'draft'"
    before = one(town, "documents", register)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, locked(town, "documents.outbox"):
        answer = pool.submit(answer_of, work.send)
        until(lambda: waits_for(town, "documents.outbox", holding="documents.registers"))
        town.stack.kill("documents-1")
        assert_refused(answer.result())
    until(lambda: is_gone(town, "documents"))
    assert one(town, "documents", register) == before
    assert (work.waiting(), work.arrived()) == ([], 0)
    town.stack.start_one("documents-1")
    eventually(lambda: is_done(work.send()))
    assert one(town, "documents", register) == before + 1
    eventually(lambda: work.arrived() == 1)


@pytest.mark.parametrize("make", WORKS)
def test_killed_after_the_commit_and_before_the_publish(town, make):
    """The event waits in the outbox; who asks again with the same key gets the answer that was lost."""
    work = make(town)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, commits_hang(town):
        answer = pool.submit(answer_of, work.send)
        until(lambda: committing(town, work.table))
        town.stack.kill(f"{work.service}-1")
        assert committing(town, work.table)
        assert_refused(answer.result())
    until(lambda: is_gone(town, work.service))
    # No relay could see the rows before the process was dead.
    assert (work.waiting(), work.arrived()) == ([0], 0)
    town.stack.start_one(f"{work.service}-1")
    eventually(lambda: work.arrived() == 1)
    eventually(lambda: is_done(work.send()))
    eventually(lambda: work.waiting() == [])


@pytest.mark.parametrize("make", WORKS)
def test_killed_after_the_publish_and_before_the_mark(town, make):
    """The event has arrived, and its outbox does not know so: it may be sent again, and is applied once."""
    work = make(town)
    with contextlib.ExitStack() as held:
        resume = held.enter_context(broker_paused(town))
        assert is_done(work.send())
        held.enter_context(locked(town, f"{work.service}.outbox"))
        resume()
        eventually(lambda: work.arrived() == 1)
        until(lambda: waits_for(town, f"{work.service}.outbox", holding=f"{work.service}.outbox"))
        town.stack.kill(f"{work.service}-1")
        assert work.waiting() == [0]
    until(lambda: is_gone(town, work.service))
    town.stack.start_one(f"{work.service}-1")
    eventually(lambda: work.waiting() == [])
    assert work.arrived() == 1


@pytest.mark.parametrize(
    ("make", "consumer", "table"),
    [
        (submission, "approvals", "approvals.inbox"),
        (approval, "documents", "documents.inbox"),
        (submission, "audit", "audit.entries"),
        (inspection, "audit", "audit.entries"),
    ],
)
def test_killed_after_the_effect_and_before_the_acknowledgement(town, make, consumer, table):
    """The effect is there, neither the broker nor the producer heard so: it comes again and does nothing."""
    work = make(town)
    leaves = one(town, "audit", "SELECT count(*) FROM entries")
    with contextlib.ExitStack() as held:
        resume = held.enter_context(broker_paused(town))
        assert is_done(work.send())
        held.enter_context(commits_hang(town))
        resume()
        until(lambda: committing(town, table))
        town.stack.kill(f"{consumer}-1")
        assert committing(town, table)
    until(lambda: is_gone(town, consumer))
    if consumer == "audit":
        assert one(town, "audit", "SELECT count(*) FROM entries") > leaves
    else:
        eventually(lambda: work.arrived() == 1)
    assert work.waiting() != []
    town.stack.start_one(f"{consumer}-1")
    eventually(lambda: work.waiting() == [])
    assert work.arrived() == 1


def readings(town):
    """A path of each service that records before it answers, its reader, and a word that must not leak."""
    document_id, case_id = town.circulating()
    title = town.person("clerk").document(document_id)[0]["title"]
    return {
        "documents": ("clerk", f"/api/v1/documents/{document_id}", title),
        "approvals": ("clerk", f"/api/v1/cases/{case_id}", document_id),
        "audit": ("auditor", f"/api/v1/audit/entries?document={document_id}", "document.submitted"),
    }


def begun(town, service):
    """A reader, a path, a word of the answer, and the epoch of the process that has just served it."""
    reader, path, word = readings(town)[service]
    person = town.person(reader)
    answer = person.http.get(path)
    assert is_done(answer)
    assert word in answer.text
    return person, path, word, answer.headers["x-access-record"].split("/")[1]


def last_number(town, service, epoch):
    """The last number that the service's database knows of an open epoch."""
    return one(town, service, "SELECT last_seq FROM record_epochs WHERE epoch = %s AND state = 'open'", epoch)


@pytest.mark.parametrize("service", SERVICES)
def test_killed_in_the_middle_of_a_recorders_batch(town, service):
    """Sent to the database and not committed: nobody was answered, whatever the database then makes of it."""
    person, path, word, epoch = begun(town, service)
    table = f"{service}.record_epochs"
    with concurrent.futures.ThreadPoolExecutor(8) as pool, locked(town, table):
        reads = [pool.submit(answer_of, lambda: person.http.get(path)) for _ in range(8)]
        until(lambda: waits_for(town, table))
        town.stack.kill(f"{service}-1")
        for read in reads:
            assert_refused(read.result())
            assert word not in read.result().text
    until(lambda: is_gone(town, service))
    town.stack.start_one(f"{service}-1")
    answer = eventually(lambda: [a for a in [person.http.get(path)] if is_done(a)])[0]
    assert answer.headers["x-access-record"].split("/")[1] != epoch


@pytest.mark.parametrize("service", SERVICES)
def test_killed_after_a_recorders_batch_and_before_the_answer(town, service):
    """After the commit: the records stand, although nobody was answered; that is the right side to err on."""
    person, path, word, epoch = begun(town, service)
    before = last_number(town, service, epoch)
    with concurrent.futures.ThreadPoolExecutor(8) as pool, commits_hang(town):
        reads = [pool.submit(answer_of, lambda: person.http.get(path)) for _ in range(8)]
        until(lambda: committing(town, f"{service}.record_epochs"))
        town.stack.kill(f"{service}-1")
        assert committing(town, f"{service}.record_epochs")
        for read in reads:
            assert_refused(read.result())
            assert word not in read.result().text
    until(lambda: is_gone(town, service))
    assert last_number(town, service, epoch) > before
    town.stack.start_one(f"{service}-1")
    eventually(lambda: is_done(person.http.get(path)))


# --- the gateway, whose records go to audit.AppendRecords ------------------------------------------------------------


LOGINS = "SELECT count(*) FROM entries WHERE action = 'session.login'"
EPOCH = "SELECT epoch, last_seq FROM sources WHERE service = 'gateway' ORDER BY opened_at DESC LIMIT 1"


def newcomers(town, count):
    """Requests with tokens that the gateway has not seen: it records each login before it answers."""
    tokens = [town.stack.access_token("kashiwagi.toshio") for _ in range(count)]

    def ask(token):
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.get(f"{town.stack.url}/api/v1/me", headers=headers, timeout=30)

    return [lambda t=token: ask(t) for token in tokens]


@pytest.mark.parametrize("victim", ["gateway-1", "audit-1"])
def test_killed_in_the_middle_of_the_gateways_batch(town, victim):
    """Before the commit: nobody got in. A gateway that lives uses the same numbers for its next records."""
    asks = newcomers(town, 4)
    with concurrent.futures.ThreadPoolExecutor(4) as pool, locked(town, "audit.sources"):
        before, numbers = one(town, "audit", LOGINS), rows(town, "audit", EPOCH)
        logins = [pool.submit(answer_of, ask) for ask in asks]
        until(lambda: waits_for(town, "audit.sources", holding="audit.entries"))
        town.stack.kill(victim)
        answers = [login.result() for login in logins]
        if victim == "gateway-1":
            assert answers == [None] * 4
        else:
            for answer in answers:
                assert_refused(answer)
    if victim == "audit-1":
        until(lambda: is_gone(town, "audit"))
        assert one(town, "audit", LOGINS) == before
        assert rows(town, "audit", EPOCH) == numbers
    town.stack.start_one(victim)
    for ask in asks:
        eventually(lambda a=ask: is_done(a()))
    # Logins that were refused may be in the log, and say so; those that were not are there.
    assert one(town, "audit", LOGINS + " AND outcome = 'granted'") >= before + 4
    if victim == "audit-1":
        assert one(town, "audit", EPOCH) == numbers[0][0]


@contextlib.contextmanager
def login_committed(town):
    """A login whose record is in the log while nobody knows so yet: yields the request, and its answer to come.

    Other transactions of audit hang in their commits as well. One that has a lock which the login's needs keeps it
    from ever coming to its commit: then all are let go, and another login is begun.
    """
    for _ in range(10):
        (ask,) = newcomers(town, 1)
        after_its_beat(town, "gateway")
        with concurrent.futures.ThreadPoolExecutor(1) as pool, commits_hang(town):
            login = pool.submit(answer_of, ask)
            until(lambda: committing(town, "audit.entries") or held_up(town, "audit"))
            if committing(town, "audit.entries"):
                yield ask, login
                return
    raise AssertionError("other commits were in the way every time")


@pytest.mark.parametrize("victim", ["gateway-1", "audit-1"])
def test_killed_after_the_gateways_record_is_in_the_log(town, victim):
    """After the commit and before the answer: nobody got in; the record counts once, under its number."""
    # With the broker paused, nothing but the login writes to the log.
    with broker_paused(town), login_committed(town) as (ask, login):
        before, epoch = one(town, "audit", LOGINS), one(town, "audit", EPOCH)
        town.stack.kill(victim)
        if victim == "gateway-1":
            # The audit service notices, and stops waiting for what has happened anyway.
            assert login.result() is None
        else:
            assert committing(town, "audit.entries")
            assert_refused(login.result())
    until(lambda: one(town, "audit", LOGINS) == before + 1)
    town.stack.start_one(victim)
    eventually(lambda: is_done(ask()))
    assert one(town, "audit", LOGINS) == before + 2
    if victim == "audit-1":
        # The gateway sent the lost records once more before it went on in the same epoch.
        assert one(town, "audit", EPOCH) == epoch


def test_the_gateway_killed_after_the_effect_and_before_the_answer(town):
    """The person does not know whether it worked, asks again with the same key, and it has worked once."""
    work = submission(town)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, commits_hang(town):
        answer = pool.submit(answer_of, work.send)
        until(lambda: committing(town, work.table))
        town.stack.kill("gateway-1")
        assert answer.result() is None
    eventually(lambda: work.arrived() == 1)
    town.stack.start_one("gateway-1")
    eventually(lambda: is_done(work.send()))
    assert work.arrived() == 1


# --- uploads --------------------------------------------------------------------------------------------------------


class Upload:
    """Half of a file is sent, the connection stays open."""

    def __init__(self, town, document_id, size=24 * MIB):
        url = urlsplit(town.stack.url)
        self.content = hashlib.shake_256(document_id.encode()).digest(size)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        self.connection.putrequest("POST", f"/api/v1/documents/{document_id}/attachments?filename=half.bin")
        for name, value in (
            ("Authorization", f"Bearer {town.person('clerk').token}"),
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", str(size)),
        ):
            self.connection.putheader(name, value)
        self.connection.endheaders()
        self.connection.send(self.content[: size // 2])
        # Not only sent: parts of it are in the store.
        until(lambda: incomplete(town))

    def finish(self):
        """Send the rest; (status, body), None if the connection broke."""
        try:
            rest = memoryview(self.content)[len(self.content) // 2 :]
            for start in range(0, len(rest), MIB):
                self.connection.send(rest[start : start + MIB])
        except OSError:
            # Refused early, or gone: the answer, if there is one, says which.
            pass
        try:
            response = self.connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            self.connection.close()


def incomplete(town):
    """Multipart uploads that have begun and not ended, as the store tells them."""
    keys, bucket = town.stack.keys, town.stack.bucket
    store = S3(
        StoreConfig(
            endpoint=town.stack.s3_url,
            bucket=bucket,
            access_key=keys.read("s3-app-access-key"),
            secret_key=keys.read("s3-app-secret-key"),
        )
    )
    return store.incomplete(bucket, "content/", None)[0]


@pytest.mark.parametrize("victim", ["documents-1", "gateway-1", "store"])
def test_killed_in_the_middle_of_an_upload(town, victim):
    """A clear refusal, nothing visible; what is left in the store is swept (test_what_remains.py)."""
    document = town.draft()
    upload = Upload(town, document["id"])
    town.stack.kill(victim)
    answer = upload.finish()
    if victim == "gateway-1":
        assert answer is None
    else:
        assert (answer[0], answer[1]["reason"]) in ((503, "UNAVAILABLE"), (503, "STORE_UNAVAILABLE"))
    town.stack.start_one(victim)
    clerk = town.person("clerk")
    assert eventually(lambda: clerk.document(document["id"]))[0]["attachments"] == []
    eventually(lambda: town.attach(document["id"]))


def test_an_upload_outlives_everybody_who_has_no_part_in_it(town):
    """approvals, audit and the broker die meanwhile: the file arrives whole."""
    document = town.draft()
    upload = Upload(town, document["id"])
    bystanders = ("approvals-1", "audit-1", "nats")
    for victim in bystanders:
        town.stack.kill(victim)
    for victim in reversed(bystanders):
        town.stack.start_one(victim)
    status, attachment = upload.finish()
    assert status == 201
    assert attachment["sha256"] == hashlib.sha256(upload.content).hexdigest()
    path = f"/api/v1/documents/{document['id']}/attachments/{attachment['id']}/content"
    clerk = town.person("clerk")
    read = eventually(lambda: [a for a in [clerk.http.get(path)] if is_done(a)])[0]
    assert read.content == upload.content
