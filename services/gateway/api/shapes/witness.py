"""Witnesses of the log."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


class Witness(Shape):
    name: str = Field(description="As the policy file calls it.")
    verifier_key: str
    log_year: int | None
    size: int = Field(description="Leaves of our log that it is known to have seen.")
    answered_at: str | None
    problem: str = Field(description="Why its last answer was not good; empty if it was.")


class WitnessList(Shape):
    items: list[Witness]
    next_cursor: str | None
    signed_size: int
    published_size: int = Field(description="Of the largest checkpoint with the cosignatures it needs.")
    lagging: bool = Field(description="Whether a record has waited too long for cosignatures.")
