"""Witnesses of the log."""

from __future__ import annotations

from kanketsu.audit.v1 import witness_service_pb2 as pb
from services.gateway.views import View, moment


def witness(message: pb.Witness) -> View:
    """How one witness of our log fares."""
    return {
        "name": message.name,
        "verifier_key": message.verifier_key,
        "log_year": message.log_year or None,
        "size": message.size,
        "answered_at": moment(message, "answered_at"),
        "problem": message.problem,
    }
