"""Configuration of approvals: one frozen object per command, read once from the environment.

`migrate` and `load` read only their own keys, so that `serve` never sees the owner's password.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import PREFIX, Secret, ServiceSettings, SettingsError, load
from services.approvals.cases.domain import CityRules, DissentPolicy
from services.approvals.deadlines.domain import Deadlines
from services.approvals.notices.commands import Reminding
from services.approvals.notices.mail import MailServer
from services.approvals.organisation.domain import DECISION_CLASSES


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What `serve` needs."""

    # postgresql://approvals_app:…@host/kanketsu
    database_url: Secret
    # Public keys of the gateway, which signs identities.
    identity_jwks_file: Path
    # Public keys of documents, which signs read receipts.
    receipt_jwks_file: Path
    # Private key (PEM, Ed25519) that signs who belongs to a unit.
    membership_signing_key_file: Path
    # Connections to the database of this process.
    pool_size: int = 10
    # The unit of the records office: what a unit that ends without a successor owned goes to it (RT-10). "" for none:
    # every unit that ends needs a successor then.
    records_unit: str = ""
    # What a 不同意 does: "advisory", "return" or "escalate" (AP-20).
    dissent_policy: str = DissentPolicy.ADVISORY
    # 差戻し may go to an earlier seat (domain.md 0.6).
    send_back_to_steps: bool = False
    # An urgent case may be 代決 although it is 重要・異例 (AP-12).
    substitute_when_urgent: bool = False
    # A 部長 or 次長 sees what the units below theirs see, and not only through a route (AC-07).
    managers_see_subordinate_units: bool = False
    # The longest 保守時間枠 of a vendor's account, in hours (AC-09).
    maintenance_hours: int = 8
    # Decision classes whose cases may be approved several at once (AP-52); none when empty.
    bulk_approval: tuple[str, ...] = ()
    # Opening days within which a 持回り may be registered (事後登録); 0 where there is none (AP-50).
    walk_around_days: int = 0
    # One 承認 may close the seats right after it that the same person holds (AP-43).
    consecutive_seats: bool = False
    # Who drafts from the post of a 課長 (室長) may decide it from there: 課長起案 (AP-43).
    head_decides_own_draft: bool = False
    # The city's own closed days, 12-29 for every year, 2026-11-04 for once; weekends and holidays are known.
    closed_days: tuple[str, ...] = Deadlines.closed_days
    # Opening days after which 合議, and any other step, counts as overdue (AP-09, LC-13).
    concurrence_days: int = Deadlines.concurrence_days
    step_days: int = Deadlines.step_days

    # Full hour of an opening day from which on reminders are made, and opening days after the last one from which on
    # the unit's escalation list is told too (AP-09, LC-13).
    reminder_hour: int = Reminding.hour
    escalation_days: int = Reminding.escalation_days
    # The mail server for notices; no e-mail is sent when the host is empty.
    mail_host: str = ""
    mail_port: int = 587
    # "starttls", "tls" or "none".
    mail_tls: str = "starttls"
    # Certificates to trust for the mail server beside the system's own.
    mail_ca_file: Path | None = None
    # Sender, and the login when the server asks for one.
    mail_from: str = ""
    mail_user: str = ""
    mail_password: Secret | None = None
    # The address of this installation, as people type it; stands in every e-mail.
    public_url: str = ""

    @property
    def city_rules(self) -> CityRules:
        """What the city has set for the course of a case. SettingsError for a policy, a class or a term that is none."""
        try:
            dissent = DissentPolicy(self.dissent_policy)
        except ValueError:
            words = ", ".join(DissentPolicy)
            raise SettingsError([f"{PREFIX}DISSENT_POLICY: {self.dissent_policy!r} is none of {words}"]) from None
        if unknown := set(self.bulk_approval) - set(DECISION_CLASSES):
            raise SettingsError([f"{PREFIX}BULK_APPROVAL: {sorted(unknown)} are none of {', '.join(DECISION_CLASSES)}"])
        if not 0 <= self.walk_around_days <= 60:
            raise SettingsError([f"{PREFIX}WALK_AROUND_DAYS: {self.walk_around_days} is not 0 to 60 opening days"])
        return CityRules(
            dissent,
            self.send_back_to_steps,
            self.substitute_when_urgent,
            frozenset(self.bulk_approval),
            self.walk_around_days,
            self.consecutive_seats,
            self.head_decides_own_draft,
        )

    @property
    def longest_window(self) -> dt.timedelta:
        """How long a vendor's account may be open at once. SettingsError for less than an hour and more than a day."""
        if not 1 <= self.maintenance_hours <= 24:
            raise SettingsError([f"{PREFIX}MAINTENANCE_HOURS: {self.maintenance_hours} is not 1 to 24 hours"])
        return dt.timedelta(hours=self.maintenance_hours)

    @property
    def deadlines(self) -> Deadlines:
        """The city's calendar and terms. SettingsError for a day or a term that is none."""
        try:
            return Deadlines(self.closed_days, self.concurrence_days, self.step_days)
        except ValueError as error:
            raise SettingsError(
                [f"{PREFIX}CLOSED_DAYS, {PREFIX}CONCURRENCE_DAYS, {PREFIX}STEP_DAYS: {error}"]
            ) from None

    @property
    def reminding(self) -> Reminding:
        """When the city urges. SettingsError for an hour or a term that is none."""
        try:
            return Reminding(self.reminder_hour, self.escalation_days)
        except ValueError as error:
            raise SettingsError([f"{PREFIX}REMINDER_HOUR, {PREFIX}ESCALATION_DAYS: {error}"]) from None

    @property
    def mail_server(self) -> MailServer | None:
        """Where e-mail goes; None without a host. SettingsError for what could not be sent."""
        if not self.mail_host:
            return None
        try:
            return MailServer(
                self.mail_host,
                self.mail_port,
                self.mail_tls,
                self.mail_from,
                self.public_url,
                self.mail_user,
                self.mail_password or "",
                self.mail_ca_file,
            )
        except ValueError as error:
            raise SettingsError([f"{PREFIX}MAIL_…: {error}"]) from None


@dataclass(frozen=True, kw_only=True)
class MigrateSettings:
    """What `migrate` needs: the role that owns the schema."""

    migrate_database_url: Secret


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """What `load` needs: the application's role."""

    database_url: Secret


def read() -> Settings:
    """Settings of `serve`; SettingsError with all problems."""
    return load(Settings, os.environ)


def read_migrate() -> MigrateSettings:
    """Settings of `migrate`."""
    return load(MigrateSettings, _only("MIGRATE_DATABASE_URL"))


def read_load() -> LoadSettings:
    """Settings of `load`."""
    return load(LoadSettings, _only("DATABASE_URL"))


def _only(key: str) -> Mapping[str, str]:
    names = (f"{PREFIX}{key}", f"{PREFIX}{key}_FILE")
    return {name: value for name, value in os.environ.items() if name in names}
