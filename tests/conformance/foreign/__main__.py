"""`python -m tests.conformance.foreign [SECONDS]`."""

from __future__ import annotations

import sys

from tests.conformance import foreign
from tests.conformance.golang import NotAtHand

try:
    print(foreign.build(float(sys.argv[1]) if len(sys.argv) > 1 else 600))
except NotAtHand as reason:
    sys.exit(f"the foreign verifiers are not at hand: {reason}")
