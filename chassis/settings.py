"""Configuration: one frozen object per service, read once from the environment.

Every key starts with KANKETSU_. `FOO_FILE` gives the value of `foo` from a mounted file.
Unknown keys are refused, so that a typo cannot switch something off silently.
"""

from __future__ import annotations

import dataclasses
import socket
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "KANKETSU_"
LONGEST_SILENCE = 600
"""Seconds: a lost event is sent again and a dead process is noticed within ten minutes, whatever is configured."""


class Secret(str):
    """A value that is never printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<redacted>"


class SettingsError(Exception):
    """All that is wrong with the configuration, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What all services share."""

    # The municipality, e.g. "minoh". Identities of other tenants are refused.
    tenant: str
    # Name of this process among its replicas; part of every access record's source.
    instance: str = dataclasses.field(default_factory=socket.gethostname)
    # Certificate, key and CA of the tenant; used to serve, to call and for NATS.
    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    # tls://host:port, comma separated for a cluster.
    nats_url: str
    nats_nkey_seed: Secret
    # host:port
    grpc_listen: str = "127.0.0.1:0"
    # host:port of the plaintext health service; nothing else listens there.
    health_listen: str = "127.0.0.1:0"
    # OTLP/HTTP base address; no telemetry leaves the process when empty.
    otlp_endpoint: str = ""
    # Share of new traces that are sampled, 0..1.
    trace_ratio: float = 0.05
    log_level: str = "INFO"
    # Seconds after which an event that a consumer has not confirmed is sent again.
    resend_after: float = 30.0
    # Seconds of silence after which another replica closes an epoch of access records as crashed.
    # A living process writes three times as often, and at least every minute.
    recover_after: float = 180.0

    def __post_init__(self) -> None:
        if problems := self.problems():
            raise SettingsError(problems)

    def problems(self) -> list[str]:
        """What would stop the service or the log half-way, and so is refused before it starts; subclasses add theirs."""
        return [
            f"{PREFIX}{name.upper()}: from 1 to {LONGEST_SILENCE} seconds"
            for name in ("resend_after", "recover_after")
            if not 1 <= getattr(self, name) <= LONGEST_SILENCE
        ]


if typing.TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = typing.TypeVar("T", bound="DataclassInstance")


def load(cls: type[T], environ: Mapping[str, str]) -> T:
    """Build `cls` (a frozen dataclass) from the environment, or raise SettingsError with every problem."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    values: dict[str, object] = {}
    problems: list[str] = []
    for key in sorted(environ):
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX).lower()
        text = environ[key]
        if name not in fields and name.endswith("_file") and name.removesuffix("_file") in fields:
            name = name.removesuffix("_file")
            try:
                text = Path(text).read_text(encoding="utf-8").strip()
            except OSError as error:
                problems.append(f"{key}: cannot read {text}: {error.strerror}")
                continue
        if name not in fields:
            problems.append(f"{key}: unknown setting")
            continue
        if name in values:
            problems.append(f"{key}: given twice (as value and as file)")
            continue
        try:
            values[name] = _parse(text, hints[name])
        except ValueError as error:
            problems.append(f"{key}: {error}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values and not any(p.startswith(f"{PREFIX}{name.upper()}") for p in problems):
            problems.append(f"{PREFIX}{name.upper()}: required")
    if problems:
        raise SettingsError(problems)
    return cls(**values)


def describe(settings: DataclassInstance) -> dict[str, str]:
    """The settings as printed at start: secrets redacted."""
    return {
        field.name: repr(value) if isinstance(value, Secret) else str(value)
        for field in dataclasses.fields(settings)
        for value in [getattr(settings, field.name)]
    }


def _parse(text: str, hint: object) -> object:
    if hint is Secret:
        return Secret(text)
    if hint is str:
        return text
    if hint is Path:
        return Path(text)
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"expected true or false, got {text!r}")
        return text.lower() == "true"
    if hint is int:
        return int(text)
    if hint is float:
        return float(text)
    if typing.get_origin(hint) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(hint, types.UnionType):
        inner = [arm for arm in typing.get_args(hint) if arm is not type(None)]
        return _parse(text, inner[0])
    raise ValueError(f"unsupported type {hint}")
