"""Waiting for a fact to travel: bounded, and never a blind sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deploy.walkthrough.client import Refused


def until(probe: Callable[[], Any], seconds: float = 20.0, patient_with: tuple[int, ...] = (404, 409, 412)) -> Any:
    """The first true answer of `probe`; statuses in `patient_with` only mean 'not yet'."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = probe()
            if last:
                return last
        except LookupError as error:
            last = error
        except Refused as refusal:
            if refusal.status not in patient_with:
                raise
            last = refusal
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds} s: {last!r}")
