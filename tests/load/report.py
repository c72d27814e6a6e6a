"""One row per figure: what was measured, what came out, what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD = """# Benchmarks

Made by `make bench`, client and servers on the same machine. A rate is the median of several rounds, a p95 that of all
answers of all rounds; a reorganisation and what is sustained are one run each. Ratios are of two things measured in the
same run. Newest first.
"""


@dataclass(frozen=True)
class Row:
    """A figure and its budget. `met` is None where there is no budget."""

    what: str
    value: float
    unit: str
    budget: str = ""
    met: bool | None = None
    note: str = ""

    def line(self) -> str:
        """For the terminal."""
        mark = {True: "✓", False: "✗", None: "·"}[self.met]
        return f"{mark} {self.what}: {self.value:.4g} {self.unit}  {self.budget}  {self.note}".rstrip()


def budget(what: str, value: float, unit: str, limit: float, *, least: bool, note: str = "") -> Row:
    """A row with a budget: at least or at most `limit`."""
    met = value >= limit if least else value <= limit
    return Row(what, value, unit, f"{'≥' if least else '≤'} {limit:g} {unit}".strip(), met, note)


def append(path: Path, when: str, commit: str, machine: str, rows: Sequence[Row]) -> None:
    """Put a new table at the top of the file."""
    before = path.read_text(encoding="utf-8").removeprefix(HEAD) if path.exists() else ""
    lines = [
        f"\n## {when}, {commit}\n",
        f"{machine}\n",
        "| figure | value | budget | met | note |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        lines.append(f"| {row.what} | {row.value:.4g} {row.unit} | {row.budget} | {met} | {row.note} |")
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + "\n".join(lines) + "\n" + before, encoding="utf-8")
