"""Time-stamps (RFC 3161) over archived checkpoints: a token by an authority that the caller trusts, over these bytes."""

import datetime as dt
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from rfc3161_client import VerificationError, Verifier, VerifierBuilder, decode_timestamp_response

MAX_TOKEN_BYTES = 64 * 1024
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")


class TimestampError(ValueError):
    """The token does not say that these bytes existed at some time."""


class Authority:
    """A time-stamp authority, by the certificates of those who vouch for it."""

    def __init__(self, ca_file: Path) -> None:
        """From PEM: self-signed certificates are trusted, others complete the chain. ValueError, OSError."""
        builder = VerifierBuilder()
        for certificate in x509.load_pem_x509_certificates(ca_file.read_bytes()):
            if certificate.issuer == certificate.subject:
                builder = builder.add_root_certificate(certificate)
            else:
                builder = builder.add_intermediate_certificate(certificate)
        self._verifier: Verifier = builder.build()

    def verify(self, response: bytes, content: bytes) -> dt.datetime:
        """The time at which the authority saw `content`, from a DER TimeStampResp whose imprint is its SHA-256.

        TimestampError if it does not say that.
        """
        try:
            token = decode_timestamp_response(response)
            imprint = token.tst_info.message_imprint
            if imprint.hash_algorithm != _SHA256 or imprint.message != sha256(content).digest():
                raise TimestampError("is of other bytes than this checkpoint")
            self._verifier.verify_message(token, content)
            return token.tst_info.gen_time.astimezone(dt.UTC)
        except (VerificationError, ValueError) as error:
            if isinstance(error, TimestampError):
                raise
            raise TimestampError(f"is no time-stamp of this authority: {error}") from error
