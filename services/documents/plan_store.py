# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of the file plan: units and their symbols, classes, folders (FL-01 to FL-04)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from chassis.db import Connection
from services.documents.domain import Class, Folder

_CLASS = (
    "c.class_code, c.large, c.middle, c.small, c.unit_id, c.matter, c.retention, c.basis, c.disclosure,"
    " c.personal_information, c.paper_only, c.after_expiry, c.view_class"
)
_FOLDER = "f.folder_id, f.unit_id, f.fiscal_year, f.class_code, f.name, f.retention"
_CLASS_NAMES = [f.name for f in fields(Class)]
_FOLDER_NAMES = [f.name for f in fields(Folder)]


async def class_of(conn: Connection, class_code: str) -> Class | None:
    """One class."""
    cursor = await conn.execute(f"SELECT {_CLASS} FROM classes AS c WHERE c.class_code = %s", (class_code,))
    row = await cursor.fetchone()
    return None if row is None else Class(**dict(zip(_CLASS_NAMES, row, strict=True)))


async def folder_of(conn: Connection, folder_id: str) -> Folder | None:
    """One folder."""
    cursor = await conn.execute(f"SELECT {_FOLDER} FROM folders AS f WHERE f.folder_id = %s", (folder_id,))
    row = await cursor.fetchone()
    return None if row is None else Folder(**dict(zip(_FOLDER_NAMES, row, strict=True)))


async def classes(conn: Connection, units: Sequence[str]) -> list[Class]:
    """Common classes and those of the units."""
    cursor = await conn.execute(
        f"SELECT {_CLASS} FROM classes AS c WHERE c.unit_id = '' OR c.unit_id = ANY(%s) ORDER BY c.class_code",
        (list(units),),
    )
    return [Class(**dict(zip(_CLASS_NAMES, row, strict=True))) for row in await cursor.fetchall()]


async def every_class(conn: Connection) -> list[Class]:
    """The whole file plan, by code."""
    cursor = await conn.execute(f"SELECT {_CLASS} FROM classes AS c ORDER BY c.class_code")
    return [Class(**dict(zip(_CLASS_NAMES, row, strict=True))) for row in await cursor.fetchall()]


async def folders(conn: Connection, units: Sequence[str], fiscal_year: int, class_code: str) -> list[Folder]:
    """Folders of the units; all years for 0, all classes for ""."""
    cursor = await conn.execute(
        f"SELECT {_FOLDER} FROM folders AS f WHERE f.unit_id = ANY(%(units)s)"
        " AND (%(year)s = 0 OR f.fiscal_year = %(year)s) AND (%(class)s = '' OR f.class_code = %(class)s)"
        " ORDER BY f.fiscal_year DESC, f.folder_id",
        {"units": list(units), "year": fiscal_year, "class": class_code},
    )
    return [Folder(**dict(zip(_FOLDER_NAMES, row, strict=True))) for row in await cursor.fetchall()]


async def insert_folder(conn: Connection, folder: Folder) -> None:
    """A new folder."""
    await conn.execute(
        "INSERT INTO folders (folder_id, unit_id, fiscal_year, class_code, name, retention) VALUES (%s, %s, %s, %s, %s, %s)",
        (folder.folder_id, folder.unit_id, folder.fiscal_year, folder.class_code, folder.name, folder.retention),
    )


async def symbol_of(conn: Connection, unit_id: str) -> str | None:
    """The symbol a unit numbers under, None when the unit is not known here."""
    cursor = await conn.execute("SELECT u.symbol FROM units AS u WHERE u.unit_id = %s", (unit_id,))
    row = await cursor.fetchone()
    return None if row is None else str(row[0])
