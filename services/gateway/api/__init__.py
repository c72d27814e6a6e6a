"""The JSON API under /api/v1, one module per noun; thin over `actions`."""

from services.gateway.api import (
    archive,
    audit,
    cases,
    certificates,
    documents,
    evidence,
    files,
    filing,
    health,
    log,
    organisation,
    receipts,
    reorganisation,
    reviews,
    rules,
    session,
    templates,
    witness,
)

# In the order of matching: what is asked most comes first.
ROUTERS = (
    documents.router,
    files.router,
    cases.router,
    receipts.router,
    organisation.router,
    reorganisation.router,
    filing.router,
    rules.router,
    templates.router,
    evidence.router,
    certificates.router,
    audit.router,
    reviews.router,
    log.router,
    archive.router,
    witness.router,
    session.router,
    health.router,
)
