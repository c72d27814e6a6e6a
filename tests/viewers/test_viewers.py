"""AC-10 「閲覧者は増えない」: in any organisation, on any route, whatever happens, nobody sees more than they would on paper."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from chassis import clock
from services.approvals.cases.domain import CityRules, DissentPolicy
from services.approvals.tests import conftest as approvals
from services.documents.retention import fiscal_year
from services.documents.tests import conftest as documents
from services.documents.tests.conftest import blobs
from tests.viewers import town
from tests.viewers.histories import Histories

__all__ = ["blobs"]

# Towns per run; the long run sets more. So many documents are on their way at once, and others after them.
TOWNS = int(os.environ.get("KANKETSU_TEST_TOWNS", "3"))
AT_ONCE = 6
MOVES = 160
# What has to have happened somewhere, or the test proves less than it says.
HAPPENED = {
    "draft unit", "draft designated", "draft section", "draft department", "draft city", "submit first", "submit minor", "submit substantive", "approve", "concur",
    "dissent", "decide", "hold", "pull_up", "send_back", "substitute", "post_view", "confirm", "RecallCase",
    "ReplaceVersion", "CirculateCase", "AskSubstitute", "AskPullUp", "complete", "exchange", "move", "leave", "also", "rebuild",
    "abolish", "rehouse", "refused", "glass", "glass closed", "agreed designated",
}  # fmt: skip


@pytest.mark.timeout(60 + 60 * TOWNS)
async def test_nobody_sees_more_than_on_paper_and_nobody_less(engines, blobs, migrated_database, tmp_path):
    """AC-01, AC-02, AC-05, AC-08, AC-10, AC-11, AC-13, AP-17, AP-40, AP-41, AP-42: over all staff, after everything that happens."""
    done: Counter[str] = Counter()
    for seed in range(TOWNS):
        rng = random.Random(seed)
        here = town.build(rng, fiscal_year(clock.today()))
        folder = tmp_path / f"town-{seed}"
        town.write(here, folder / "files")
        rules = CityRules(rng.choice(list(DissentPolicy)), rng.random() < 0.5, rng.random() < 0.5)
        for name in ("a", "d"):
            (folder / name).mkdir()
        where = await migrated_database("approvals"), await migrated_database("documents")
        async with (
            approvals.running(engines, where[0], folder / "a", folder / "files", rules) as city,
            documents.running(engines, blobs, where[1], folder / "d", folder / "files") as house,
        ):
            histories = Histories(here, city, house, rng, done)
            for place in range(AT_ONCE):
                await histories.draft(place)
            await histories.check()
            for _ in range(MOVES):
                await histories.move()
            await histories.check()
    assert set(done) >= HAPPENED, f"{HAPPENED - set(done)} never happened: {done}"
