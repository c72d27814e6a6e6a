"""Notices by e-mail: a number and a kind, never a title or a name (AC-14). Sent beside all acts, never in their way.

Every attempt is booked before it is made, so each letter is with one replica, comes at least once, and always with the
same Message-ID: a mail server or a reader that gets it twice can tell.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import smtplib
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from chassis import clock, db
from chassis.db import Pool
from chassis.errors import DomainError
from services.approvals import words
from services.approvals.notices import domain, store
from services.approvals.notices.store import Letter

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
SMTP_TIMEOUT_SECONDS: Final = 10.0
BATCH: Final = 50
# The second attempt comes so much later, each further one after twice the wait; a batch ends well before that.
FIRST_WAIT: Final = dt.timedelta(minutes=2)
BATCH_SECONDS: Final = 60.0
MOST_ATTEMPTS: Final = 10
# News of the day before yesterday is none.
OLDEST: Final = dt.timedelta(days=2)
TLS_MODES: Final = ("starttls", "tls", "none")


@dataclass(frozen=True)
class MailServer:
    """The city's mail server. ValueError for what no e-mail could be sent with."""

    host: str
    port: int
    tls: str
    sender: str
    public_url: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if self.tls not in TLS_MODES:
            raise ValueError(f"TLS is one of {', '.join(TLS_MODES)}")
        if not domain.is_address(self.sender):
            raise ValueError("the sender is no e-mail address")
        if not self.public_url.startswith(("https://", "http://")):
            raise ValueError("the public address of the installation is needed")
        if self.user and self.tls == "none":
            raise ValueError("a password is never sent without TLS")
        if not (self.user + self.password).isascii():
            raise ValueError("user and password are ASCII: SMTP servers and the standard library know no other")


async def run(pool: Pool, server: MailServer) -> None:
    """Until cancelled."""
    while True:
        try:
            sent = await turn(pool, server, clock.now())
        except DomainError as error:
            log.warning("e-mail waits", extra={"error": error.message})
            sent = 0
        if sent < BATCH:
            await asyncio.sleep(LOOK_SECONDS)


async def turn(pool: Pool, server: MailServer, now: dt.datetime) -> int:
    """Send what is due; returns how many letters the mail server took.

    Crash before the end: what was sent is sent again later, with the same Message-ID.
    """
    async with db.transaction(pool) as conn:
        letters = await store.take_letters(conn, now, now - OLDEST, FIRST_WAIT, BATCH)
    sendable = [one for one in letters if domain.is_address(one.address)]
    sent, refused = await asyncio.to_thread(_send, server, sendable, now) if sendable else ([], [])
    hopeless = [one.notice_id for one in letters if one not in sendable or one.attempts >= MOST_ATTEMPTS]
    async with db.transaction(pool) as conn:
        if sent:
            await store.mailed(conn, sent, now)
        await store.give_up(conn, [*hopeless, *refused], now - OLDEST)
    return len(sent)


def message_of(letter: Letter, server: MailServer, now: dt.datetime) -> EmailMessage:
    """The letter as it travels."""
    kind = words.NOTICES[letter.kind]
    made = EmailMessage()
    made["From"] = server.sender
    made["To"] = letter.address
    made["Subject"] = f"【文書管理・電子決裁】{kind} 1件"
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<{letter.notice_id}@{server.sender.partition('@')[2]}>"
    # RFC 3834: no out-of-office reply to us.
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(
        f"{kind} 1件\n"
        f"起案番号　{letter.draft_number or '（なし）'}\n\n"
        f"内容は、次のシステムにログインして確認してください。\n{server.public_url}\n\n"
        "このメールは自動で送信しています。受け取る種類は「通知の設定」で変更できます。\n"
    )
    return made


def _send(server: MailServer, letters: Sequence[Letter], now: dt.datetime) -> tuple[list[str], list[str]]:
    """In a thread: over one connection, until time is up. Returns what was taken, and what never will be."""
    taken: list[str] = []
    refused: list[str] = []
    ends = time.monotonic() + BATCH_SECONDS
    try:
        with _connected(server) as connection:
            for letter in letters:
                if time.monotonic() > ends:
                    break
                try:
                    connection.send_message(message_of(letter, server, now))
                    taken.append(letter.notice_id)
                except smtplib.SMTPRecipientsRefused as error:
                    # 5xx: that address will not be better tomorrow.
                    if all(code >= 500 for code, _ in error.recipients.values()):
                        refused.append(letter.notice_id)
                except smtplib.SMTPResponseException as error:
                    log.warning("an e-mail waits", extra={"notice": letter.notice_id, "code": error.smtp_code})
    except (OSError, smtplib.SMTPException) as error:
        # Its text may quote what we sent.
        log.warning("the mail server does not take e-mail", extra={"error": type(error).__name__})
    return taken, refused


def _connected(server: MailServer) -> smtplib.SMTP:
    """A connection that is ready to take letters."""
    context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    if server.tls == "tls":
        made: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=SMTP_TIMEOUT_SECONDS, context=context)
    else:
        made = smtplib.SMTP(server.host, server.port, timeout=SMTP_TIMEOUT_SECONDS)
    try:
        if server.tls == "starttls":
            made.starttls(context=context)
        if server.user:
            made.login(server.user, server.password)
    except (OSError, smtplib.SMTPException):
        made.close()
        raise
    return made
