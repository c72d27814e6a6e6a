"""Becomes another program that dies with the process that started it.

Run as `python -I -S launch.py PARENT SIGNAL UID GID -- command…`; uid and gid may be `-`. Needs
nothing but the standard library, and changes the account only after Python itself is loaded.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drop to the account, ask the kernel for SIGNAL at the parent's death, exec."""
    parent, signal_number, uid, gid = arguments[0], int(arguments[1]), arguments[2], arguments[3]
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    # After setuid: a change of account clears the request.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # If the parent died before the request, the signal will never come.
    if os.getppid() != int(parent):
        sys.exit(f"parent {parent} is gone")
    command = arguments[5:]
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
