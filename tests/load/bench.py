"""The running system that the scenes measure: one replica of each service, the sample city, many documents."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import yaml

from deploy.local.stack import ROOT, Stack
from deploy.local.system import MIGRATED
from deploy.walkthrough.client import Person
from tests.load.http import Connection

SERVICES = (*MIGRATED, "gateway")
PLAN = yaml.safe_load((ROOT / "deploy" / "walkthrough" / "minoh.yaml").read_text(encoding="utf-8"))


class Bench:
    """Owns the stack, the floor's process, and what scenes share."""

    def __init__(self, state: Path, *, rounds: int, documents: int, entries: int) -> None:
        self.rounds = rounds
        self.documents = documents
        self.entries = entries
        self.started_in: dict[str, float] = {}
        self.stack = Stack(state, report=self._ready)
        self._exits = contextlib.ExitStack()
        self._people: dict[str, Person] = {}
        self._seeded = 0

    def _ready(self, title: str, seconds: float) -> None:
        self.started_in[title] = seconds

    def start(self) -> None:
        """Start everything and load the sample staff and file plan."""
        began = time.monotonic()
        self._exits.enter_context(self.stack)
        self.started_in["stack"] = time.monotonic() - began
        self.stack.load_samples()

    def stop(self) -> None:
        """Stop everything."""
        self._exits.close()

    def person(self, role: str) -> Person:
        """A person of the walkthrough, by bearer token."""
        if role not in self._people:
            token = self.stack.access_token(self.login(role))
            self._people[role] = self._exits.enter_context(Person(self.stack.url, role, token=token))
        return self._people[role]

    def login(self, role: str) -> str:
        """Login of a role of the walkthrough."""
        return str(PLAN["people"][role]["login"]) if role in PLAN["people"] else role

    def connections(self, count: int, role: str = "clerk") -> list[Connection]:
        """Keep-alive connections of one person."""
        return [Connection(self.stack.url, self.person(role).token) for _ in range(count)]

    def resident(self, name: str) -> float:
        """Resident memory of a process, MiB."""
        text = Path(f"/proc/{self.stack.pid(name)}/statm").read_text("utf-8")
        return int(text.split()[1]) * 4096 / 2**20

    def proportional(self, name: str) -> float:
        """Resident memory of a process, MiB, with its share of what several processes have in common."""
        text = Path(f"/proc/{self.stack.pid(name)}/smaps_rollup").read_text("utf-8")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024

    def start_floor(self) -> str:
        """The floor application on the same database; returns its address."""
        with psycopg.connect(self.stack.database_url("postgres"), autocommit=True) as conn:
            conn.execute("CREATE SCHEMA IF NOT EXISTS floor")
            conn.execute("CREATE TABLE IF NOT EXISTS floor.documents (document_id text PRIMARY KEY, document jsonb)")
            conn.execute(
                "CREATE TABLE IF NOT EXISTS floor.records (n bigserial PRIMARY KEY, event_id uuid, object_id text, at timestamptz)"
            )
        port = self.stack.port("http-4")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.load.floor", str(port), self.stack.database_url("postgres")], cwd=ROOT
        )
        self._exits.callback(process.wait)
        self._exits.callback(process.terminate)
        return f"http://localhost:{port}"

    def draft(self, number: int = 0) -> dict[str, object]:
        """A draft of the sample matter."""
        return self.person("clerk").post(
            "/documents",
            {
                "title": f"令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）第{number}号",
                "body": "標記の件について、下記のとおり交付を決定してよろしいか伺います。\n\n記\n\n1 交付決定額　金332,000円",
                "folder_id": PLAN["folder_id"],
                "class_code": PLAN["class_code"],
                "decision_class": "head",
                "disclosure": "partial",
                "personal_information": "personal",
                "amount": 332000,
                "enforcement": {"required": True, "planned_on": "2026-12-01", "method": "post", "addressee": "申請者"},
            },
        )


def median_of(rounds: int, measure: Callable[[], float]) -> float:
    """Median of several rounds."""
    return statistics.median(measure() for _ in range(rounds))
