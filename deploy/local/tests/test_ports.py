"""Blocks of ports: never shared, and free when their holder is gone."""

from __future__ import annotations

import socket
import subprocess
import sys

from deploy.local import ports


def test_two_holders_get_different_blocks_even_when_they_wish_the_same() -> None:
    first = ports.reserve()
    second = ports.reserve(first.base)
    try:
        assert abs(first.base - second.base) >= ports.BLOCK
    finally:
        first.release()
        second.release()


def test_a_released_block_is_given_again() -> None:
    first = ports.reserve()
    first.release()
    again = ports.reserve(first.base)
    again.release()
    assert again.base == first.base


def test_a_block_with_a_busy_port_is_passed_over() -> None:
    first = ports.reserve()
    first.release()
    with socket.create_server(("127.0.0.1", first.base + 7)):
        other = ports.reserve(first.base)
        other.release()
    assert other.base != first.base


def test_a_block_is_passed_over_when_a_derived_port_is_busy() -> None:
    first = ports.reserve()
    first.release()
    with socket.create_server(("127.0.0.1", first.base + 3 + ports.GRPC_OFFSET)):
        other = ports.reserve(first.base)
        other.release()
    assert other.base != first.base


def test_the_kernel_frees_the_block_of_a_killed_holder() -> None:
    program = (
        "from deploy.local import ports; import time; b = ports.reserve(); print(b.base, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        base = int(holder.stdout.readline())
        while_held = ports.reserve(base)
        while_held.release()
        holder.kill()
    afterwards = ports.reserve(base)
    afterwards.release()
    assert while_held.base != base
    assert afterwards.base == base
