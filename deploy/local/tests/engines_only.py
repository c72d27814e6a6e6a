"""A supervisor of a stack without services, as `demo` runs one: `python -m deploy.local.tests.engines_only STATE`.

Prints "ready" when everything is.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.local import supervisor
from deploy.local.stack import Stack


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    stack = Stack(Path(sys.argv[1]), services=False)
    sys.exit(supervisor.run(stack, _print, lambda title, seconds: None, lambda: _print("ready"), samples=False))
