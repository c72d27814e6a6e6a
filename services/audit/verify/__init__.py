"""The offline verifier: reads a log as a stranger would, from a folder or a URL, and believes only the key.

Recomputes every leaf hash, every tile and the root; checks signature and cosignatures, older and archived checkpoints
and their time-stamps, and that the numbers of every source are complete. Needs no database and no service. Memory does
not grow with the log, only with its sources.
"""

from services.audit.verify.command import Options, main
from services.audit.verify.files import LogFiles, LogFolder, Unreachable, open_log
from services.audit.verify.finding import Finding
from services.audit.verify.verification import Summary, Verification

__all__ = [
    "Finding",
    "LogFiles",
    "LogFolder",
    "Options",
    "Summary",
    "Unreachable",
    "Verification",
    "main",
    "open_log",
]
