"""The gateway's configuration; the only place of this service that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chassis.settings import PREFIX, Secret, ServiceSettings, load

LONGEST_CANARY_INTERVAL = 300


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """Settings of `serve`."""

    # host:port of plain HTTP; TLS ends at the edge of the cluster.
    http_listen: str
    # The address people type, without a path: "https://bunsho.city.example.jp".
    public_url: str
    # The city's name as pages show it; the tenant when empty.
    tenant_name: str = ""
    # Private Ed25519 key (PEM) that signs identities for the services.
    identity_signing_key_file: Path
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: Secret
    # Certificates to trust for the issuer beside the system's own.
    oidc_ca_file: Path | None = None
    # Claim of ID and access tokens that names the login known to the organisation.
    oidc_login_claim: str = "sub"
    # Audience of access tokens that programs present.
    api_audience: str = "kanketsu-api"
    # Audience of the directory's program, at /scim/v2 alone; its token also has the role "directory_writer".
    scim_audience: str = "kanketsu-scim"
    # Addresses of the services: "host:port,host:port" or a gRPC name.
    documents_target: str
    approvals_target: str
    audit_target: str
    # Bytes of one attachment, and of any other request body.
    upload_limit: int = 104_857_600
    body_limit: int = 1_048_576
    # Networks (CIDR) that may use the gateway; all when empty (SC-21).
    allowed_networks: tuple[str, ...] = ()
    # Networks (CIDR) whose verifiers may fetch the entries of the log without a login. Checkpoints and
    # hash tiles say nothing about anybody and are open; entries are for audit officers else (SC-06).
    log_networks: tuple[str, ...] = ()
    # Networks (CIDR) from which other municipalities' logs may ask for our cosignature; none when empty.
    witness_networks: tuple[str, ...] = ()
    # Proxies whose X-Forwarded-For and -Proto are believed.
    trusted_proxies: tuple[str, ...] = ()
    # Seconds: a session ends after this much idleness, and after this much in all.
    session_idle: int = 1_800
    session_absolute: int = 36_000
    # Seconds a session, and what a login may do, are remembered in this process.
    session_memory: float = 5.0
    principals_memory: float = 3.0
    # Seconds requests in flight may take when the process is asked to stop.
    grace: int = 20
    # Folder of the operator's fonts, asked for the glyphs that the bundled ones lack (NM-02).
    fonts: Path | None = None
    # Seconds between two looks for new notices, for all open pages together.
    notices_interval: float = 2.0
    # Seconds between two rounds of the canary; more than five minutes would be no watch, and are refused.
    canary_interval: int = 300

    def problems(self) -> list[str]:
        """Also a canary that would sleep."""
        problems = super().problems()
        if not 1 <= self.canary_interval <= LONGEST_CANARY_INTERVAL:
            problems.append(f"{PREFIX}CANARY_INTERVAL: from 1 to {LONGEST_CANARY_INTERVAL}")
        return problems

    @property
    def is_secure(self) -> bool:
        """Whether people come over https; decides cookie names, Secure and HSTS."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def public_origin(self) -> str:
        """Scheme, host and port of the public address, as browsers send it in Origin."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def issuer_origin(self) -> str:
        """Scheme, host and port of the identity provider."""
        parts = urlsplit(self.oidc_issuer)
        return f"{parts.scheme}://{parts.netloc}"


def read() -> Settings:
    """From KANKETSU_* variables; SettingsError with every problem otherwise."""
    return load(Settings, os.environ)
