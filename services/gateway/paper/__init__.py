"""The papers of the gateway: one `.typ` file per kind, drawn by `chassis.paper`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chassis import paper

HERE: Final = Path(__file__).resolve().parent


async def render(name: str, data: Mapping[str, Any], made_at: dt.datetime) -> bytes:
    """The PDF of `<name>.typ` over the data. The same data and time give the same bytes."""
    return await paper.render(HERE / f"{name}.typ", data, made_at)
