"""Approving under load: acts, inbox and routes, in an empty city and beside a hundred thousand open cases."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import Callable, Sequence

import psycopg

from tests.load.bench import Bench
from tests.load.http import CLIENTS, Connection, close, drive, p95
from tests.load.report import Row, budget

OPEN_CASES = 100_000
WAITING = 5_000
SUSTAINED = 2_048
# A case of the sample city whose route has 合議 and 審査, and goes up to 市長.
MAYORS = {
    "title": "第4次箕面市環境基本計画（素案）に係る意見公募の実施について（伺い）",
    "body": "下記のとおり意見公募を実施してよろしいか伺います。",
    "folder_id": "F-2026-0403-01-01",
    "class_code": "0403-01-01",
    "decision_class": "body_head",
    "disclosure": "open",
    "personal_information": "none",
}


async def approve(bench: Bench) -> list[Row]:
    """The act of one person alone; of 16 at once without a pause; and how soon the next approver can open it."""
    alone: list[float] = []
    acts: list[float] = []
    visible: list[float] = []
    for _ in range(bench.rounds):
        alone += await approve_all(bench, await cases_to_approve(bench, CLIENTS), clients=1)
        acts += await approve_all(bench, await cases_to_approve(bench, CLIENTS * 8))
        await approve_all(bench, await cases_to_approve(bench, CLIENTS * 2), visible=visible)
    return [
        Row("approve p95, one client", p95(alone), "ms", note=f"median {statistics.median(alone):.0f}"),
        budget(
            "approve p95 at 16 clients", p95(acts), "ms", 50, least=False, note=f"median {statistics.median(acts):.0f}"
        ),
        budget(
            "next approver sees it, p95",
            p95(visible),
            "ms",
            300,
            least=False,
            note=f"median {statistics.median(visible):.0f}",
        ),
    ]


async def approve_all(
    bench: Bench,
    queue: list[tuple[str, tuple[str, bytes, str]]],
    *,
    clients: int = CLIENTS,
    visible: list[float] | None = None,
    pause: float = 0,
) -> list[float]:
    """Milliseconds of each approval; `visible` gets how long the next approver then waited for the document.

    `pause`: seconds between two acts of a client.
    """
    chief, deputy = bench.connections(clients, "chief"), bench.connections(clients, "deputy")
    times: list[float] = []

    async def client(number: int) -> None:
        while queue:
            document_id, (path, body, etag) = queue.pop()
            key = f"Idempotency-Key: {uuid.uuid4()}\r\n"
            headers = f"Content-Type: application/json\r\nIf-Match: {etag}\r\n{key}"
            started = time.perf_counter()
            answer = await chief[number].request("POST", path, body, headers)
            acted = time.perf_counter()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {answer.body[:300]!r}")
            times.append((acted - started) * 1000)
            if visible is not None:
                await _until_seen(deputy[number], document_id, acted)
                visible.append((time.perf_counter() - acted) * 1000)
            if pause:
                await asyncio.sleep(pause)

    await asyncio.gather(*(client(number) for number in range(clients)))
    await close(chief + deputy)
    return times


async def cases_to_approve(bench: Bench, count: int) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Documents that wait for the chief, each with the request that approves it; made before the clock runs."""
    cases = await asyncio.gather(*(asyncio.to_thread(waiting_case, bench, n) for n in range(count)))
    bodies = await asyncio.gather(*(asyncio.to_thread(act_of, bench, case) for case in cases))
    return [(document_id, body) for (document_id, _), body in zip(cases, bodies, strict=True)]


async def _until_seen(connection: Connection, document_id: str, since: float) -> None:
    """Ask as a page that waits would, 50 times a second."""
    while (await connection.request("GET", f"/api/v1/documents/{document_id}")).status != 200:
        if time.perf_counter() - since > 20:
            raise RuntimeError("the next approver never saw the document")
        await asyncio.sleep(0.02)


def waiting_case(bench: Bench, number: int) -> tuple[str, str]:
    clerk = bench.person("clerk")
    document_id = str(bench.draft(number)["id"])
    case_id = str(clerk.submit(document_id)["case_id"])
    return document_id, case_id


def act_of(bench: Bench, case: tuple[str, str]) -> tuple[str, bytes, str]:
    chief = bench.person("chief")
    deadline = time.monotonic() + 20
    while True:
        try:
            found = chief.get(f"/cases/{case[1]}")
            document, _ = chief.document(case[0])
            break
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    step = next(step for step in found["steps"] if "approve" in step["allowed_actions"])
    body = {
        "action": "approve",
        "comment": "",
        "version_digest": document["version_digest"],
        "read_receipt": document["read_receipt"],
    }
    return f"/api/v1/cases/{case[1]}/steps/{step['step_id']}/act", json.dumps(body).encode(), f'"{found["version"]}"'


async def desk(bench: Bench) -> list[Row]:
    """Acts, the inbox of somebody for whom 5,000 cases wait, and routes, beside 100,000 open cases."""
    # A connection plans a statement anew for its first executions: those acts are of no figure.
    await approve_all(bench, await cases_to_approve(bench, CLIENTS * 4))
    few: list[float] = []
    for _ in range(bench.rounds):
        few += await approve_all(bench, await cases_to_approve(bench, CLIENTS * 8))
    await _crowd(bench)
    many: list[float] = []
    for _ in range(bench.rounds):
        many += await approve_all(bench, await cases_to_approve(bench, CLIENTS * 8))
    queue = await cases_to_approve(bench, SUSTAINED)
    began = time.perf_counter()
    await approve_all(bench, queue)
    rate = SUSTAINED / (time.perf_counter() - began)
    inbox = await _asked(bench, "chief", "GET", "/api/v1/inbox?limit=50", good=_titled)
    route, longest = [
        await _asked(bench, "clerk", "POST", f"/api/v1/documents/{one['id']}/route", b"{}")
        for one in (
            await asyncio.to_thread(bench.draft, 1),
            await asyncio.to_thread(bench.person("clerk").post, "/documents", MAYORS),
        )
    ]
    beside = f"{OPEN_CASES} open cases"
    return [
        budget("act p95 at 16 clients beside many cases", p95(many), "ms", 50, least=False, note=beside),
        Row("act median: many open cases ÷ few", statistics.median(many) / statistics.median(few), "", note=beside),
        budget("acts sustained at 16 clients", rate, "/s", 300, least=True, note=f"{SUSTAINED} acts, {beside}"),
        budget("inbox p95, one client", p95(inbox), "ms", 50, least=False, note=f"{WAITING} waiting, with titles"),
        budget("route generated, p95, one client", p95(route), "ms", 20, least=False, note="4 seats"),
        budget("route up to the mayor generated, p95", p95(longest), "ms", 20, least=False, note="10 seats"),
    ]


async def _crowd(bench: Bench) -> None:
    """The open cases beside which work goes on; WAITING of them for the same seat, the others for posts of their own."""
    document_id, case_id = await asyncio.to_thread(waiting_case, bench, 0)
    await asyncio.to_thread(act_of, bench, (document_id, case_id))
    await copy_case(
        bench.stack.database_url("postgres"),
        case_id,
        OPEN_CASES,
        ("documents.documents", "documents.cases", "documents.viewers", "approvals.cases", "approvals.steps"),
        post_id=f"CASE WHEN many.n <= {WAITING} THEN o.post_id ELSE 'P-' || many.n %% 2000 END",
    )


def _titled(body: bytes) -> bool:
    """Every line of the inbox has its title: what a person gets, and not the half that approvals knows."""
    items = json.loads(body)["items"]
    return len(items) == 50 and all(item.get("title") for item in items)


async def _asked(
    bench: Bench, role: str, method: str, path: str, body: bytes = b"", good: Callable[[bytes], bool] = bool
) -> list[float]:
    """Milliseconds of a request that one person repeats, round after round; `good` looks at each answer."""
    [connection] = bench.connections(1, role)

    async def work(_: int, connection: Connection) -> bool:
        headers = "" if method == "GET" else f"Content-Type: application/json\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
        answer = await connection.request(method, path, body, headers)
        if answer.status not in (200, 201) or not good(answer.body):
            raise RuntimeError(f"{answer.status} {answer.body[:300]!r}")
        return True

    await drive([connection], work, 1)
    times: list[float] = []
    for _ in range(bench.rounds):
        times += (await drive([connection], work, 2)).times
    await close([connection])
    return times


async def copy_case(superuser_url: str, case_id: str, count: int, tables: Sequence[str], *, post_id: str) -> None:
    """The rows of a case and what belongs to it, `count` times with ids of their own.

    `post_id`: whose the steps are, as SQL over the copy's number `many.n` and the row `o`.
    """
    async with await psycopg.AsyncConnection.connect(superuser_url) as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute(
            "CREATE TEMPORARY TABLE many ON COMMIT DROP AS SELECT uuidv7() AS case_id, uuidv7() AS document_id, n"
            f" FROM generate_series(1, {count}) AS n".encode()
        )
        values = {
            "case_id": "many.case_id",
            "document_id": "many.document_id",
            "step_id": "uuidv7()",
            "post_id": post_id,
        }
        source = await (
            await conn.execute("SELECT document_id FROM approvals.cases WHERE case_id = %s", (case_id,))
        ).fetchone()
        if source is None:
            raise RuntimeError(f"no case {case_id}")
        for table in tables:
            schema, _, name = table.partition(".")
            cursor = await conn.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
                " AND is_identity = 'NO'",
                (schema, name),
            )
            columns = [str(row[0]) for row in await cursor.fetchall()]
            chosen = ", ".join(values.get(column, f"o.{column}") for column in columns)
            # A view by right of the unit names no case.
            column, key = ("document_id", source[0]) if "document_id" in columns else ("case_id", case_id)
            await conn.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM many, {table} AS o"
                f" WHERE o.{column} = %s".encode(),
                (key,),
            )
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as conn:
        await conn.execute(f"VACUUM ANALYZE {', '.join(tables)}".encode())
