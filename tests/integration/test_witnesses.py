"""Two cities witness each other: two whole installations, over HTTP, with the rules of c2sp.org/tlog-witness."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from chassis import clock
from conftest import ROOT
from deploy.local.stack import Stack
from services.audit import note, tlog
from services.audit.domain import fiscal_year, origin
from services.audit.note import COSIGNATURE_V1, SigningKey, VerifierKey
from services.audit.witness.protocol import Submission, encode_submission
from tests.patience import until

pytestmark = pytest.mark.system
CITIES = ("minoh", "toyonaka")


@dataclass
class Installation:
    """One city, seen from outside."""

    stack: Stack
    http: httpx2.Client

    @property
    def log_key(self) -> SigningKey:
        """Its log's key: whoever has it can sign what the city never logged."""
        pem = (self.stack.keys.folder / "log-signing-key.pem").read_bytes()
        return SigningKey.from_pem(origin(f"audit.{self.stack.tenant}.localhost", fiscal_year(clock.today())), pem)

    @property
    def witness_key(self) -> VerifierKey:
        """Its key as a witness."""
        pem = (self.stack.keys.folder / "witness-signing-key.pem").read_bytes()
        key = SigningKey.from_pem(f"witness.{self.stack.tenant}.localhost", pem)
        return SigningKey(key.name, COSIGNATURE_V1, key.key).verifier

    def submit(self, body: bytes) -> httpx2.Response:
        """Ask it to cosign."""
        return self.http.post("/witness/add-checkpoint", content=body)

    def cosigned(self, key: SigningKey) -> bytes | None:
        """The latest checkpoint that it cosigned of a log."""
        digest = hashlib.sha256(key.name.encode()).hexdigest()
        answer = self.http.get(f"/witness/{digest}/checkpoint")
        return answer.content if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def cities(tmp_path_factory) -> Iterator[tuple[Installation, Installation]]:
    """Minoh and Toyonaka, each with the other's keys: what people hand over on paper."""
    folder = tmp_path_factory.mktemp("cities")
    stacks = [Stack(folder / name, tenant=name, samples=ROOT / "samples" / "minoh") for name in CITIES]
    clients: list[httpx2.Client] = []
    try:
        for stack in stacks:
            stack.prepare()
        found = []
        for stack in stacks:
            clients.append(httpx2.Client(base_url=stack.url, timeout=10, trust_env=False))
            found.append(Installation(stack, clients[-1]))
        for one, other in (found, found[::-1]):
            keys = one.stack.keys.folder
            (keys / "witness-logs").write_text(f"yearly {other.log_key.verifier.vkey}\n", encoding="utf-8")
            (keys / "witness-policy").write_text(
                f"witness {other.stack.tenant} {other.witness_key.vkey} {other.stack.url}/witness\n"
                f"quorum {other.stack.tenant}\n",
                encoding="utf-8",
            )
        for stack in stacks:
            stack.start()
        yield found[0], found[1]
    finally:
        for client in clients:
            client.close()
        for stack in stacks:
            stack.stop()


def sizes(answer: bytes, *keys: VerifierKey) -> int:
    """The size of a checkpoint that all these keys have signed."""
    text, signatures = note.open_note(answer, keys)
    assert {one.name for one in signatures} == {key.name for key in keys}
    return note.parse_checkpoint(text).size


def test_each_city_publishes_what_the_other_has_cosigned(cities):
    for one, other in (cities, cities[::-1]):
        until(lambda one=one: one.http.get("/log/checkpoint").status_code == 200, 20)
        published = one.http.get("/log/checkpoint").content
        size = sizes(published, one.log_key.verifier, other.witness_key)
        assert size > 0
        # The other city's own memory says the same, without asking the log.
        remembered = other.cosigned(one.log_key)
        assert remembered is not None
        assert sizes(remembered, one.log_key.verifier, other.witness_key) >= size
        # Growth is followed: asking for a tile that is not there is a record.
        one.http.get("/log/tile/0/999")
        until(
            lambda one=one, other=other, size=size: (
                sizes(one.http.get("/log/checkpoint").content, one.log_key.verifier, other.witness_key) > size
            ),
            20,
        )
        assert one.http.get("/witness/vkey").text.strip() == one.witness_key.vkey
        assert one.http.get("/log/vkey").text.strip() == one.log_key.verifier.vkey


def test_the_status_codes_of_the_protocol(cities):
    """A log of next to nothing in the name of Minoh's next key would be foreign; here Minoh's real key signs."""
    minoh, toyonaka = cities
    until(lambda: toyonaka.cosigned(minoh.log_key) is not None, 20)
    size = sizes(toyonaka.cosigned(minoh.log_key), minoh.log_key.verifier, toyonaka.witness_key)
    root = note.parse_checkpoint(note.parse_note(toyonaka.cosigned(minoh.log_key)).text).root
    key = minoh.log_key
    stranger = SigningKey.from_seed(key.name, bytes(32))
    foreign = SigningKey.from_seed(origin("audit.suita.localhost", 2026), bytes(32))
    far = size + 10**6

    def body(old: int, signer: SigningKey, at: int, root: bytes = tlog.leaf_hash(b"x"), proof=()) -> bytes:
        return encode_submission(Submission(old, tuple(proof), note.sign_checkpoint(signer.name, at, root, signer)))

    stale = toyonaka.submit(body(0, key, far))
    assert stale.status_code == 409
    assert stale.headers["content-type"].split(";")[0] == "text/x.tlog.size"
    assert int(stale.text.removesuffix("\n")) >= size
    known = int(stale.text)
    for submitted, status in (
        (b"old 0\n\n", 400),
        (b"", 400),
        (body(far + 1, key, far), 400),
        (body(0, stranger, far), 403),
        (body(0, foreign, far), 404),
        (body(0, key, 0, root=bytes(32)), 422),
        (b"x" * 65537, 413),
    ):
        assert toyonaka.submit(submitted).status_code == status, (status, submitted[:40])
    # A fork of what it has: another root at the same size, and a larger tree without a proof.
    for beyond in (0, 1, 10**6):
        answer = toyonaka.submit(body(known, key, known + beyond))
        for _ in range(20):
            if answer.status_code != 409:
                break
            # It has cosigned more of the honest log in between, and says how much.
            assert answer.headers["content-type"].split(";")[0] == "text/x.tlog.size"
            known = int(answer.text)
            answer = toyonaka.submit(body(known, key, known + beyond))
        assert answer.status_code == 422, answer.text
    assert root != tlog.leaf_hash(b"x")
    assert toyonaka.http.get("/witness/add-checkpoint").status_code == 405
    assert toyonaka.http.get(f"/witness/{'0' * 64}/checkpoint").status_code == 404
    assert toyonaka.http.get("/witness/zz/checkpoint").status_code == 404


def test_archived_checkpoints_are_served_as_they_were_signed(cities):
    minoh, _ = cities
    year = fiscal_year(clock.today())
    until(lambda: minoh.http.get("/log/checkpoint").status_code == 200, 20)
    found = [size for size in range(1, 60) if minoh.http.get(f"/log/checkpoints/{size}").status_code == 200]
    assert found
    for listed in ("/log/archive", f"/log/{year}/archive"):
        assert {f"checkpoints/{size}" for size in found} <= set(minoh.http.get(listed).text.splitlines())
    assert minoh.http.get(f"/log/{year - 1}/archive").text == ""
    first = minoh.http.get(f"/log/checkpoints/{found[0]}").content
    assert note.open_checkpoint(first, minoh.log_key.verifier).size == found[0]
    assert minoh.http.get(f"/log/{year}/checkpoints/{found[0]}").content == first
    assert minoh.http.get(f"/log/{year - 1}/checkpoints/{found[0]}").status_code == 404
    assert minoh.http.get(f"/log/timestamps/{found[0]}.tsr").status_code == 404


def test_a_witness_that_is_gone_is_an_alarm_for_audit_officers_and_signing_goes_on(cities):
    minoh, toyonaka = cities
    until(lambda: minoh.http.get("/log/checkpoint").status_code == 200, 20)
    assert minoh.http.get("/api/v1/audit/witnesses").status_code == 401
    toyonaka.stack.stop_one("gateway-1")
    before = sizes(minoh.http.get("/log/checkpoint").content, minoh.log_key.verifier, toyonaka.witness_key)
    began = time.monotonic()
    minoh.http.get("/log/tile/0/999")
    assert sizes(minoh.http.get("/log/checkpoint").content, minoh.log_key.verifier, toyonaka.witness_key) >= before
    assert time.monotonic() - began < 5
    toyonaka.stack.start_one("gateway-1")
    until(
        lambda: sizes(minoh.http.get("/log/checkpoint").content, minoh.log_key.verifier, toyonaka.witness_key) > before,
        40,
    )
