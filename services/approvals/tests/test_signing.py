"""As what somebody signs who holds a post in another's place (AP-19): the words, and on a case from the inbox to the 鑑."""

from __future__ import annotations

import dataclasses

import pytest

from services.approvals.organisation.domain import AppointmentKind, Holder, Seat, called, signing_title
from services.approvals.tests.conftest import snapshot_of
from services.approvals.tests.test_acts import CHIEF, DEPUTY, HEAD, appointed, people, transferred
from services.approvals.tests.test_organisation import resolve

MAYOR, VICE_MAYOR = "P-000-00-01", "P-000-00-02"


async def posts_of(city, staff_id):
    ((login,),) = await city.rows("SELECT login FROM staff WHERE staff_id = %s", staff_id)
    return (await resolve(city, login)).posts


@pytest.mark.parametrize(
    ("kind", "post", "own", "signs_as"),
    [
        ("deputizing", ("箕面市", "市長", "body_head"), ("箕面市", "副市長", "vice_mayor"), "市長職務代理者副市長"),
        ("acting", ("総務課", "課長", "head"), ("総務部", "部長", "director"), "総務課長事務取扱総務部長"),
        (
            "deputizing",
            ("総務課", "課長", "head"),
            ("総務課", "課長補佐", "deputy_head"),
            "総務課長職務代理者総務課長補佐",
        ),
        (
            "acting",
            ("市政統括", "市政統括監", "director"),
            ("箕面市", "副市長", "vice_mayor"),
            "市政統括監事務取扱副市長",
        ),
        ("main", ("総務課", "課長", "head"), ("総務課", "課長", "head"), "課長"),
        ("concurrent", ("総務課", "課長", "head"), ("人事室", "室長", "head"), "課長"),
        ("joint", ("選挙管理委員会事務局", "局長", "head"), ("総務課", "課長", "head"), "局長"),
    ],
)
def test_who_stands_in_signs_with_both_posts(kind, post, own, signs_as):
    """AP-19; 兼務 and 併任 sign with the post's own title."""
    assert signing_title(AppointmentKind(kind), post[1], called(*post), called(*own)) == signs_as


def test_a_seat_shows_who_does_its_duties():
    """AP-19: beside a hindered holder the 職務代理者; a vacant post its title."""
    mayor = Holder("S0001", "槇村 隆之", AppointmentKind.MAIN)
    vice = Holder("S0002", "柏木 俊夫", AppointmentKind.DEPUTIZING, own_post="副市長")
    seat = Seat(MAYOR, "市長", "body_head", "U-000", "箕面市", holders=(vice, mayor))
    assert (seat.shown_title, seat.signed_by(mayor)) == ("市長職務代理者副市長", "市長")
    assert dataclasses.replace(seat, holders=()).shown_title == "市長"


@pytest.mark.parametrize(("kind", "said"), [("acting", "事務取扱"), ("deputizing", "職務代理者")])
async def test_the_label_goes_with_the_act(city, kind, said):
    """AP-19, AP-40: before the act as who holds it today, afterwards as signed, whatever becomes of the appointment."""
    chief, deputy, head = await people(city, CHIEF, DEPUTY, HEAD)
    director = (await city.holder("P-040-00-01")).staff_id
    label = f"環境政策室長{said}市民部長"
    case_id = await city.circulating()
    for person in (chief, deputy):
        await person.act(await person.see(case_id), "approve")
    async with transferred(city, head.staff_id, HEAD), appointed(city, director, HEAD, kind) as acting:
        assert {one.post_id: one.signs_as for one in await posts_of(city, director)}[HEAD] == label
        case = await acting.see(case_id)
        assert (case.steps[2].post_title, case.steps[2].staff_id) == (label, director)
        await acting.act(case, "decide", "適当と認める。")
    case = await chief.see(case_id)
    assert (case.decisions[-1].post_title, case.decisions[-1].appointment) == (label, kind)
    assert case.steps[2].post_title == label
    told = snapshot_of((await city.envelopes(case_id))[-1])
    assert [seat.post_title for seat in told.seats if seat.kind == "decide"] == [label]
    assert (told.decisions[-1].post_title, told.decisions[-1].appointment) == (label, kind)


async def test_a_deputy_of_the_mayor_and_a_joint_appointment(city):
    """AP-19: a 職務代理者 acts beside the hindered holder and is shown first; 併任 has a word of its own."""
    vice = (await city.holder(VICE_MAYOR)).staff_id
    async with appointed(city, vice, MAYOR, "deputizing"), appointed(city, vice, "P-140-04-02", "joint") as person:
        posts = await posts_of(city, vice)
        assert [(one.post_id, one.kind, one.signs_as) for one in posts] == [
            (VICE_MAYOR, "main", "副市長"),
            (MAYOR, "deputizing", "市長職務代理者副市長"),
            ("P-140-04-02", "joint", posts[2].title),
        ]
        (mayor,) = [one for one in (await person.call("ListPosts", unit_id="U-000")).posts if one.post_id == MAYOR]
        assert list(mayor.holder_staff_ids) == [vice, "S0001"]
