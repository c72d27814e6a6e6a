"""The drafter's own route as the page carries and changes it (AP-54)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.pages import own_route
from services.gateway.pages.own_route import Route, Seat

CHIEF, HEAD = Seat("approve", "P-040-03-03"), Seat("approve", "P-040-03-01")
FINANCE, CONTRACTS = Seat("concur", "P-020-04-01"), Seat("concur", "P-020-05-01")
DIRECTOR = Seat("decide", "P-040-00-01")
ROUTE: Route = ((CHIEF,), (HEAD,), (FINANCE, CONTRACTS), (DIRECTOR,))
LEGAL = Seat("review", "P-020-02-01")
RULE, ADDED = "事務専決規程第5条", "起案者の追加"


def planned(**changes: Any) -> dict[str, Any]:
    step = {"kind": "approve", "mandatory": True, "order": 2, "parallel": False, "unit_name": "環境政策室"}
    return step | {"post_title": "室長", "post_id": "P-040-03-01", "basis": RULE} | changes


@given(st.lists(st.lists(st.integers(0, 999), min_size=1, max_size=3), min_size=1, max_size=8))
def test_a_page_carries_a_route_as_it_is(posts: list[list[int]]) -> None:
    route = tuple(tuple(Seat("concur", f"P:{post:03}") for post in sorted(stage)) for stage in posts)
    assert own_route.read(own_route.carried(route)) == route


def test_what_no_page_wrote_is_left_out() -> None:
    assert own_route.read(["", "1:approve", "x:approve:P-040-03-03", "-1:approve:P"]) == ()


def test_a_seat_moves_past_its_neighbour_or_out_of_its_stage() -> None:
    """AP-54, AP-08."""
    assert own_route.moved(ROUTE, HEAD.post_id, -1) == ((HEAD,), (CHIEF,), (FINANCE, CONTRACTS), (DIRECTOR,))
    assert own_route.moved(ROUTE, HEAD.post_id, 1) == ((CHIEF,), (FINANCE, CONTRACTS), (HEAD,), (DIRECTOR,))
    assert own_route.moved(ROUTE, FINANCE.post_id, -1) == ((CHIEF,), (HEAD,), (FINANCE,), (CONTRACTS,), (DIRECTOR,))
    assert own_route.moved(ROUTE, FINANCE.post_id, 1) == ((CHIEF,), (HEAD,), (CONTRACTS,), (FINANCE,), (DIRECTOR,))
    assert own_route.moved(ROUTE, CHIEF.post_id, -1) == ROUTE
    assert own_route.moved(ROUTE, "P-999", 1) == ROUTE


def test_a_seat_is_added_after_a_stage_or_into_it_and_never_after_the_decider() -> None:
    """AP-01, AP-54."""
    assert own_route.added(ROUTE, LEGAL, "after:0")[0] == (LEGAL,)
    assert own_route.added(ROUTE, LEGAL, "after:3") == (*ROUTE[:3], (LEGAL,), (DIRECTOR,))
    assert own_route.added(ROUTE, LEGAL, "with:2") == (ROUTE[0], (HEAD, LEGAL), *ROUTE[2:])
    for tampered in ("after:4", "with:0x", "", "after:99"):
        assert own_route.added(ROUTE, LEGAL, tampered) == (*ROUTE[:3], (LEGAL,), (DIRECTOR,))


def test_the_last_seat_of_a_stage_takes_it_along() -> None:
    assert own_route.without(ROUTE, CHIEF.post_id) == ROUTE[1:]
    assert own_route.without(ROUTE, FINANCE.post_id) == (*ROUTE[:2], (CONTRACTS,), (DIRECTOR,))


def test_each_row_says_what_may_be_done_or_why_not() -> None:
    """AP-54: what the rules ask for stays, with the reason; an added seat moves up to the decider."""
    first, second, review, decider = own_route.rows(
        [
            planned(mandatory=False, basis=ADDED),
            planned(mandatory=False, order=3, parallel=True, basis=ADDED),
            planned(kind="review", order=4),
            planned(kind="decide", order=5),
        ],
        RULE,
    )
    assert (first["up"], first["down"], second["up"], second["down"]) == (False, True, True, True)
    assert review["fixed"] == "規程で定められた審査のため外せません"
    assert decider["fixed"] == "決裁者は外せません"
    last = own_route.rows([planned(mandatory=False, basis=ADDED), planned(kind="decide", order=3)], RULE)[0]
    assert (last["up"], last["down"]) == (False, False)


def test_a_seat_of_the_own_line_moves_past_added_seats_alone() -> None:
    """AP-06: 担当主査 before 室長補佐, wherever the seat between them goes."""
    chief, added, deputy, _ = own_route.rows(
        [
            planned(mandatory=False, post_title="担当主査"),
            planned(mandatory=False, order=3, basis=ADDED),
            planned(mandatory=False, order=4, post_title="室長補佐"),
            planned(kind="decide", order=5),
        ],
        RULE,
    )
    assert [(one["up"], one["down"]) for one in (chief, added, deputy)] == [(False, True), (True, True), (True, False)]
    below, above, _ = own_route.rows(
        [planned(mandatory=False), planned(mandatory=False, order=3), planned(kind="decide", order=4)], RULE
    )
    assert (below["fixed"], below["up"], below["down"]) == ("", False, False)
    assert (above["fixed"], above["up"], above["down"]) == ("", False, False)


def test_places_are_all_before_the_decider() -> None:
    rows = own_route.rows([planned(), planned(kind="decide", order=3)], RULE)
    assert own_route.places(rows) == [
        ("after:1", "環境政策室　室長の次"),
        ("after:0", "起案の次"),
        ("with:1", "環境政策室　室長と同時"),
    ]


def test_a_post_is_found_by_unit_title_or_name() -> None:
    posts = [
        {"post_id": "P-020-04-01", "unit_id": "020-04", "title": "室長", "holder_staff_ids": ["s1"]},
        {"post_id": "P-020-04-02", "unit_id": "020-04", "title": "室長補佐", "holder_staff_ids": ["s2"]},
    ]
    units, names = {"020-04": "財政経営室"}, {"staff:s1": "山﨑 由紀子", "staff:s2": "葛城 拓也"}

    def found(query: str, most: int = 30) -> tuple[list[str], bool]:
        hits, more = own_route.found(query, posts, units, names, most)
        return [post_id for post_id, _ in hits], more

    assert found("財政") == (["P-020-04-01", "P-020-04-02"], False)
    assert found("財政　室長", most=1) == (["P-020-04-01"], True)
    assert found("葛城拓也") == found("葛城 拓也") == found("財政 補佐") == (["P-020-04-02"], False)
    assert found("道路") == found("　") == ([], False)
