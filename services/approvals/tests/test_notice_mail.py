"""Notices by e-mail, to a real SMTP server: what a letter says, and what happens when the server is away or refuses."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from chassis import clock, db
from deploy.local.stack import Stack
from services.approvals.notices import mail, store
from services.approvals.notices.mail import MailServer
from services.approvals.tests.conftest import City
from services.approvals.tests.test_acts import CHIEF

SENDER = "kanketsu@city.minoh.example"
ADDRESS = "https://bunsho.city.minoh.example"
PASSWORD = "a word & more"


class Box:
    """Keeps what arrives; `answers` refuses receivers first, in turn."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.receivers: list[str] = []
        self.answers: list[str] = []
        self.logins: list[tuple[str, bool]] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        found = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        self.letters.append(found)
        self.receivers += envelope.rcpt_tos
        return "250 OK"


@asynccontextmanager
async def smtp(box: Box, **options: Any) -> AsyncIterator[int]:
    """A server on a free port of loopback."""
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box, **options), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def server_at(port: int, **changes: Any) -> MailServer:
    values = {"tls": "none", "sender": SENDER, "public_url": ADDRESS} | changes
    return MailServer("127.0.0.1", port, **values)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def alone(city: City, owner: psycopg.AsyncConnection) -> AsyncIterator[None]:
    """Only this test's notices are to be sent; everybody at the desk wants every group by e-mail."""
    await owner.execute("UPDATE notices SET mail_at = NULL WHERE mail_at IS NOT NULL")
    await owner.execute(
        "INSERT INTO notice_choices (staff_id, live, mail, version) SELECT DISTINCT staff_id, '{}'::text [],"
        " ARRAY['urgent', 'turn', 'result', 'deadline'], 1 FROM appointments ON CONFLICT DO NOTHING"
    )
    yield


async def test_a_letter_has_a_number_and_a_kind_and_nothing_else(city: City) -> None:
    """AC-14, AP-50: 「至急の未処理 1件」, the 起案番号 and where to log in; once, with the id of the notice."""
    chief = await city.holder(CHIEF)
    case_id = await city.circulating(urgent=True)
    box = Box()
    async with smtp(box) as port:
        assert await mail.turn(city.pool, server_at(port), clock.now()) == 1
        assert await mail.turn(city.pool, server_at(port), clock.now()) == 0
    (letter,) = box.letters
    ((notice_id, mailed_at),) = await city.rows(
        "SELECT notice_id::text, mailed_at FROM notices WHERE case_id = %s", case_id
    )
    ((address,),) = await city.rows("SELECT email FROM staff WHERE staff_id = %s", chief.staff_id)
    assert box.receivers == [address]
    assert mailed_at is not None
    assert letter["Message-ID"] == f"<{notice_id}@city.minoh.example>"
    assert letter["Subject"] == "【文書管理・電子決裁】至急の未処理 1件"
    assert letter.get_content().replace("\r\n", "\n") == (
        "至急の未処理 1件\n起案番号　箕市第1号\n\n"
        "内容は、次のシステムにログインして確認してください。\nhttps://bunsho.city.minoh.example\n\n"
        "このメールは自動で送信しています。受け取る種類は「通知の設定」で変更できます。\n"
    )


async def test_a_server_that_is_away_holds_up_nobody_and_gets_it_later(city: City) -> None:
    """Acts go on; the letter is tried again after two minutes, then four; the second copy has the same Message-ID."""
    case_id = await city.circulating()
    now = clock.now()
    box = Box()
    async with smtp(box) as port:
        pass
    assert await mail.turn(city.pool, server_at(port), now) == 0
    chief = await city.holder(CHIEF)
    await chief.see(case_id)
    async with smtp(box) as port:
        assert await mail.turn(city.pool, server_at(port), now + dt.timedelta(seconds=119)) == 0, "not yet"
        assert await mail.turn(city.pool, server_at(port), now + dt.timedelta(seconds=121)) == 1
    ((attempts,),) = await city.rows("SELECT mail_attempts FROM notices WHERE case_id = %s", case_id)
    assert attempts == 2


async def test_who_dies_with_a_letter_leaves_it_to_the_next(city: City) -> None:
    """Taken, and perhaps sent, but not confirmed: it comes again, so that a mail server can tell by its Message-ID."""
    await city.circulating()
    now = clock.now()
    async with db.transaction(city.pool) as conn:
        (taken,) = await store.take_letters(conn, now, now - mail.OLDEST, mail.FIRST_WAIT, 50)
    server = server_at(1)
    first = mail.message_of(taken, server, now)
    box = Box()
    async with smtp(box) as port:
        assert await mail.turn(city.pool, server_at(port), now + mail.FIRST_WAIT) == 1
    assert box.letters[0]["Message-ID"] == first["Message-ID"]


async def test_two_replicas_send_a_letter_once(city: City) -> None:
    for _ in range(6):
        await city.circulating()
    now = clock.now()
    box = Box()
    async with smtp(box) as port:
        turns = [mail.turn(city.pool, server_at(port), now) for _ in range(3)]
        assert sum(await asyncio.gather(*turns)) == 6
    assert len({one["Message-ID"] for one in box.letters}) == len(box.letters) == 6


@pytest.mark.parametrize(("answer", "again"), [("450 later", 1), ("550 no such user", 0)])
async def test_a_refused_receiver_is_tried_again_only_where_it_may_help(city: City, answer: str, again: int) -> None:
    """One refused receiver does not hold up the others."""
    await city.circulating()
    await city.circulating()
    now = clock.now()
    box = Box()
    box.answers = [answer]
    async with smtp(box) as port:
        assert await mail.turn(city.pool, server_at(port), now) == 1
        assert await mail.turn(city.pool, server_at(port), now + mail.FIRST_WAIT) == again


async def test_what_was_read_is_too_old_or_has_no_address_is_not_sent(
    city: City, owner: psycopg.AsyncConnection
) -> None:
    chief = await city.holder(CHIEF)
    read, old, nowhere = [await city.circulating() for _ in range(3)]
    await chief.act(await chief.see(read), "hold", "確認中")
    await owner.execute("UPDATE notices SET created_at = created_at - interval '3 days' WHERE case_id = %s", (old,))
    await owner.execute(
        "UPDATE notices SET staff_id = 'S9999' WHERE case_id = %s",
        (nowhere,),
    )
    now = clock.now()
    box = Box()
    async with smtp(box) as port:
        assert await mail.turn(city.pool, server_at(port), now) == 0
    assert box.letters == []
    rows = await city.rows("SELECT case_id::text FROM notices WHERE mail_at IS NOT NULL")
    assert [case_id for (case_id,) in rows] == [nowhere], "who has left may have come back tomorrow"


async def test_an_address_that_is_none_is_given_up(city: City, owner: psycopg.AsyncConnection) -> None:
    """Nothing of it becomes a header."""
    chief = await city.holder(CHIEF)
    ((address,),) = await city.rows("SELECT email FROM staff WHERE staff_id = %s", chief.staff_id)
    await city.circulating()
    set_address = "UPDATE staff SET email = %s WHERE staff_id = %s"
    await owner.execute(set_address, ("a@b.example\nBcc: c@d.example", chief.staff_id))
    box = Box()
    try:
        async with smtp(box) as port:
            assert await mail.turn(city.pool, server_at(port), clock.now()) == 0
    finally:
        await owner.execute(set_address, (address, chief.staff_id))
    assert (box.letters, await city.rows("SELECT 1 FROM notices WHERE mail_at IS NOT NULL")) == ([], [])


async def test_it_gives_up_after_ten_attempts(city: City, owner: psycopg.AsyncConnection) -> None:
    case_id = await city.circulating()
    async with smtp(Box()) as port:
        pass
    await owner.execute("UPDATE notices SET mail_attempts = 9 WHERE case_id = %s", (case_id,))
    assert await mail.turn(city.pool, server_at(port), clock.now()) == 0
    assert await city.rows("SELECT mail_at, mail_attempts FROM notices WHERE case_id = %s", case_id) == [(None, 10)]


# --- TLS and login ------------------------------------------------------------------------------


@pytest.fixture
def context(engines: Stack) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    one = engines.certificate("nats")
    made.load_cert_chain(one.cert_file, one.key_file)
    return made


def authenticator(box: Box) -> Callable[..., AuthResult]:
    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        box.logins.append((data.login.decode(), session.ssl is not None))
        return AuthResult(success=data.password.decode() == PASSWORD)

    return check


async def test_login_over_starttls_with_a_known_certificate(
    city: City, engines: Stack, context: ssl.SSLContext
) -> None:
    await city.circulating()
    now = clock.now()
    box = Box()
    async with smtp(box, tls_context=context, require_starttls=True, authenticator=authenticator(box)) as port:
        good = {"tls": "starttls", "user": "kanketsu", "password": PASSWORD, "ca_file": engines.authority.ca_file}
        stranger = server_at(port, **(good | {"ca_file": None}))
        assert await mail.turn(city.pool, stranger, now) == 0, "nothing is said to a server that nobody vouches for"
        assert box.logins == []
        wrong = server_at(port, **(good | {"password": "x"}))
        assert await mail.turn(city.pool, wrong, now + dt.timedelta(minutes=3)) == 0
        assert await mail.turn(city.pool, server_at(port, **good), now + dt.timedelta(minutes=9)) == 1
    assert box.logins[-1] == ("kanketsu", True)
    assert PASSWORD not in repr(server_at(port, **good))


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "perhaps"},
        {"sender": "市役所"},
        {"public_url": ""},
        {"tls": "none", "user": "kanketsu", "password": PASSWORD},
        {"tls": "tls", "user": "kanketsu", "password": "合言葉"},
    ],
)
def test_what_could_not_be_sent_is_refused_at_start(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"TLS|sender|address|ASCII"):
        server_at(25, **changes)
