"""Many documents, quickly: rows copied from one real document, with the titles of the sample city.

Only for measuring. It goes around the API because 20,000 drafts would take longer than the bench.
"""

from __future__ import annotations

import json
import random

import psycopg
import yaml

from chassis import clock
from deploy.local.stack import ROOT
from services.documents import textkey
from tests.load.bench import PLAN

# Share of the documents that belong to the clerk's own unit.
OWN_SHARE = 0.1


async def floor(superuser_url: str, document_id: str, document: dict[str, object]) -> None:
    """The one document of the floor application."""
    async with await psycopg.AsyncConnection.connect(superuser_url) as conn:
        await conn.execute(
            "INSERT INTO floor.documents (document_id, document) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (document_id, json.dumps(document)),
        )


async def documents(superuser_url: str, template: str, count: int) -> list[str]:
    """`count` documents like `template`, spread over the units; returns the ids the clerk may see."""
    titles = [row["title"] for row in yaml.safe_load((ROOT / "samples/minoh/documents.yaml").read_text("utf-8"))]
    units = [
        line.split(",")[0]
        for line in (ROOT / "samples/minoh/organisation/units.csv").read_text("utf-8").splitlines()[1:]
    ]
    chance = random.Random(20)
    own: list[str] = []
    async with await psycopg.AsyncConnection.connect(superuser_url) as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("SET search_path = documents")
        columns = await _columns(conn, "documents")
        copied = ", ".join(c for c in columns if c not in ("document_id", "title", "unit_id", "state", "version"))
        await conn.execute(
            "CREATE TEMPORARY TABLE many (document_id uuid, title text, unit_id text, search text[], key text) ON COMMIT DROP"
        )
        async with conn.cursor().copy("COPY many FROM STDIN") as copy:
            for number in range(count):
                unit = PLAN["unit_id"] if chance.random() < OWN_SHARE else chance.choice(units)
                title = f"{chance.choice(titles)}（その{number}）"
                key = textkey.fold(title)
                document_id = clock.new_id()
                if unit == PLAN["unit_id"]:
                    own.append(document_id)
                await copy.write_row((document_id, title, unit, textkey.lexemes(key, [unit]), key))
        await conn.execute(
            f"INSERT INTO documents (document_id, title, unit_id, state, version, {copied})"
            f" SELECT many.document_id, many.title, many.unit_id, 2, 2, {', '.join(f'd.{c}' for c in copied.split(', '))}"
            " FROM many, documents AS d WHERE d.document_id = %s".encode(),
            (template,),
        )
        await conn.execute(
            "INSERT INTO document_texts (document_id, search, key) SELECT document_id, array_to_tsvector(search), key FROM many"
        )
        await conn.execute(
            "INSERT INTO viewers (document_id, principal, reason, valid_from)"
            " SELECT document_id, 'unit:' || unit_id, 'owner_unit', now() FROM many"
        )
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as conn:
        await conn.execute("VACUUM ANALYZE documents.documents, documents.document_texts, documents.viewers")
    return own


async def _columns(conn: psycopg.AsyncConnection, table: str) -> list[str]:
    cursor = await conn.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'documents' AND table_name = %s",
        (table,),
    )
    return [str(row[0]) for row in await cursor.fetchall()]
