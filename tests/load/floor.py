"""The floor that reading a document is measured against: the same framework, one process,
one SELECT and one committed INSERT, no second service. `python -m tests.load.floor PORT DATABASE_URL`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Response

from chassis import clock, db


def make(database_url: str) -> FastAPI:
    """The application; the schema `floor` has the tables `documents` and `records`."""
    pool = db.open_pool(database_url, "floor", size=8)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await pool.open(wait=True)
        yield
        await pool.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/documents/{document_id}")
    async def read(document_id: str) -> Response:
        async with pool.connection() as conn:
            cursor = await conn.execute("SELECT document FROM documents WHERE document_id = %s", (document_id,))
            row = await cursor.fetchone()
            await conn.execute(
                "INSERT INTO records (event_id, object_id, at) VALUES (%s, %s, now())", (clock.new_id(), document_id)
            )
        if row is None:
            return Response(status_code=404)
        return Response(json.dumps(row[0], ensure_ascii=False).encode(), media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        make(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
