"""Time-stamp tokens (RFC 3161): what is asked, and whether an answer is about these bytes and from whom we trust.

The CMS and certificate work is rfc3161-client's; what it leaves to its caller is checked here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from hashlib import sha256

from cryptography.x509 import Certificate, ObjectIdentifier, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

_SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
MAX_TOKEN_BYTES = 64 * 1024
QUERY_TYPE = "application/timestamp-query"
# What a fresh token may differ from our clock.
CLOCK = dt.timedelta(minutes=5)


class TokenError(ValueError):
    """The answer is no token over these bytes by a trusted authority; the message says why."""


def roots_of(pem: bytes) -> list[Certificate]:
    """The certificates of a PEM file. ValueError if there is none."""
    return load_pem_x509_certificates(pem)


def request_for(content: bytes) -> TimeStampRequest:
    """A request for a token over SHA-256 of the content, with a nonce, asking for the authority's certificate."""
    return TimestampRequestBuilder(data=content, hash_algorithm=HashAlgorithm.SHA256, nonce=True, cert_req=True).build()


def verify(answer: bytes, content: bytes, roots: Sequence[Certificate], nonce: int | None = None) -> dt.datetime:
    """The time (aware) at which the content existed, as the authority states it. TokenError.

    `nonce` is that of the request: an answer to an older one has another. Certificates count as of the stated time.
    """
    if len(answer) > MAX_TOKEN_BYTES:
        raise TokenError(f"the answer is over {MAX_TOKEN_BYTES} bytes")
    try:
        response = decode_timestamp_response(answer)
        if response.status != 0:
            raise TokenError(f"the authority refused (status {response.status})")
        info = response.tst_info
        if info.message_imprint.hash_algorithm != _SHA256:
            raise TokenError("the token is not over a SHA-256")
        VerifierBuilder(roots=list(roots), nonce=nonce).build().verify(response, sha256(content).digest())
        # DER says UTC.
        return info.gen_time.astimezone(dt.UTC) if info.gen_time.tzinfo else info.gen_time.replace(tzinfo=dt.UTC)
    except TokenError:
        raise
    except (VerificationError, ValueError) as error:
        raise TokenError(str(error)) from error


def verify_fresh(
    answer: bytes, content: bytes, roots: Sequence[Certificate], nonce: int | None, now: dt.datetime
) -> dt.datetime:
    """As `verify`, for an answer that has just come: its time must be about now."""
    stamped_at = verify(answer, content, roots, nonce)
    if abs(stamped_at - now) > CLOCK:
        raise TokenError(f"the token says {stamped_at.isoformat()}, which is not now")
    return stamped_at
