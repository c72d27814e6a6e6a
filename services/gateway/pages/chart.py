"""A month as bars, drawn on the server: plain SVG without script or inline style; the same numbers stand beside it as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 744, 200
LEFT, BOTTOM, TOP = 56, 24, 8


class Bar(NamedTuple):
    """One day: the whole bar, and the part of it that was refused, from the ground up. In the drawing's own units."""

    x: float
    width: float
    y: float
    height: float
    denied_y: float
    denied_height: float
    label: str
    closed: bool


class Tick(NamedTuple):
    """A line across and the number beside it."""

    y: float
    label: str


class Chart(NamedTuple):
    """Everything the template draws."""

    width: int
    height: int
    ground: float
    left: int
    bars: list[Bar]
    ticks: list[Tick]


def chart_of(days: Sequence[tuple[str, int, int, bool]]) -> Chart:
    """Bars for (label, accesses, denied, closed). The scale ends at a round number at or above the highest."""
    top = round_up(max((accesses for _, accesses, _, _ in days), default=0))
    ground = HEIGHT - BOTTOM
    scale = (ground - TOP) / top
    step = (WIDTH - LEFT) / max(len(days), 1)
    bars = [
        Bar(
            x=round(LEFT + place * step + step * 0.15, 2),
            width=round(step * 0.7, 2),
            y=round(ground - accesses * scale, 2),
            height=round(accesses * scale, 2),
            denied_y=round(ground - denied * scale, 2),
            denied_height=round(denied * scale, 2),
            label=label,
            closed=closed,
        )
        for place, (label, accesses, denied, closed) in enumerate(days)
    ]
    ticks = [Tick(round(ground - top * part * scale / 2, 2), f"{top * part // 2:,}") for part in (0, 1, 2)]
    return Chart(WIDTH, HEIGHT, ground, LEFT, bars, ticks)


def round_up(highest: int) -> int:
    """The next of 10, 20, 50, 100, 200, … so that halves are whole."""
    step = 10
    while True:
        for factor in (1, 2, 5):
            if highest <= step * factor:
                return step * factor
        step *= 10
