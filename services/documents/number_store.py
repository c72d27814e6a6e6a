"""SQL of registers and numbers (NB-01 to NB-06)."""

from __future__ import annotations

import datetime as dt

from chassis.db import Connection
from services.documents.domain import Number
from services.documents.store import one


async def issue_number(
    conn: Connection, *, register: str, symbol: str, fiscal_year: int, issued_to: str, issued_by: str, now: dt.datetime
) -> Number:
    """The next number of a register.

    Its row stays locked until the commit, so concurrent issuers wait; a rollback gives the number
    back (NB-05). Taken as late as possible in a transaction.
    """
    cursor = await conn.execute(
        "INSERT INTO registers (register, symbol, fiscal_year, next) VALUES (%s, %s, %s, 2)"
        " ON CONFLICT (register, symbol, fiscal_year) DO UPDATE SET next = registers.next + 1 RETURNING next - 1",
        (register, symbol, fiscal_year),
    )
    row = await one(cursor)
    number = Number(register=register, symbol=symbol, fiscal_year=fiscal_year, number=int(row[0]))
    await conn.execute(
        "INSERT INTO numbers (register, symbol, fiscal_year, number, written, issued_to, issued_at, issued_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (register, symbol, fiscal_year, number.number, number.written, issued_to, now, issued_by),
    )
    return number


async def numbers_of(conn: Connection, issued_to: str) -> list[Number]:
    """All numbers of a document or receipt, oldest first."""
    cursor = await conn.execute(
        "SELECT n.register, n.symbol, n.fiscal_year, n.number FROM numbers AS n WHERE n.issued_to = %s ORDER BY n.issued_at",
        (issued_to,),
    )
    return [
        Number(register=row[0], symbol=row[1], fiscal_year=row[2], number=row[3]) for row in await cursor.fetchall()
    ]


async def cancel_numbers(conn: Connection, issued_to: str, reason: str, now: dt.datetime) -> None:
    """欠番(取消): the numbers stay consumed, with the reason (NB-06)."""
    await conn.execute(
        "INSERT INTO number_cancellations (register, symbol, fiscal_year, number, reason, cancelled_at)"
        " SELECT n.register, n.symbol, n.fiscal_year, n.number, %s, %s FROM numbers AS n WHERE n.issued_to = %s"
        " ON CONFLICT DO NOTHING",
        (reason, now, issued_to),
    )
