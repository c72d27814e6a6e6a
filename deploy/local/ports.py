"""Loopback ports for one stack: a block of numbers that no other stack on this machine uses.

A block is held by binding a name in Linux's abstract socket namespace, so that two stacks that
start at the same moment cannot choose the same one; the kernel frees it when the holder dies.
"""

from __future__ import annotations

import random
import socket

# Below the range the kernel gives to outgoing connections (32768…), with room for port + 10000.
FIRST, LAST, BLOCK = 18000, 22700, 50
# SeaweedFS derives its gRPC ports so.
GRPC_OFFSET = 10000
LOOPBACK = "127.0.0.1"


class NoFreePorts(Exception):
    """Every block is taken."""


class PortBlock:
    """BLOCK consecutive ports from `base`, held until `release()` or the end of this process."""

    def __init__(self, base: int, holder: socket.socket) -> None:
        self.base = base
        self._holder = holder

    def release(self) -> None:
        """Let others have the block."""
        self._holder.close()


def reserve(preferred: int | None = None) -> PortBlock:
    """The preferred block if it is free, else another free one."""
    bases = list(range(FIRST, LAST, BLOCK))
    random.shuffle(bases)  # not a secret: it only makes collisions rare
    if preferred in bases:
        bases.remove(preferred)
        bases.insert(0, preferred)
    for base in bases:
        block = _hold(base)
        if block is None:
            continue
        if all(is_free(port) and is_free(port + GRPC_OFFSET) for port in range(base, base + BLOCK)):
            return block
        block.release()
    raise NoFreePorts(f"no {BLOCK} consecutive free ports between {FIRST} and {LAST}")


def is_free(port: int) -> bool:
    """Whether nothing listens on the port on loopback."""
    with socket.socket() as probe:
        # A connection that was closed lately must not make the port look taken: servers reuse it as well.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _hold(base: int) -> PortBlock | None:
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder.bind(f"\0kanketsu-ports-{base}")
    except OSError:
        holder.close()
        return None
    return PortBlock(base, holder)
