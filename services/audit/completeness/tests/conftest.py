"""The log's own fixtures, for what stands beside it."""

from services.audit.tests.conftest import buckets, keys, place, pool, superuser, vault

__all__ = ["buckets", "keys", "place", "pool", "superuser", "vault"]
