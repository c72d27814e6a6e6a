"""Server-rendered pages: read the form, one client call, a template or a 303. No rule lives here."""

from __future__ import annotations

import os

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

from services.gateway.pages import (
    added_seats,
    assignments,
    audit,
    body_templates,
    breakglass,
    bulk,
    cases,
    documents,
    drafts,
    files,
    follow_ups,
    home,
    memos,
    notices,
    organisation,
    pull_ups,
    receipts,
    reorganisation,
    repeating,
    reviews,
    routes,
    rules,
    search,
    session,
    templates,
    vendors,
    walk_around,
)
from services.gateway.pages.desk import error_page
from services.gateway.pages.rendering import HERE

__all__ = ["error_page", "install"]

# Fixed paths before those with an id in the same place ("/documents/new" before "/documents/{document_id}").
_ROUTERS = (home.router, bulk.router, receipts.router, drafts.router, routes.router, files.router, search.router)
_ROUTERS_WITH_IDS = (
    documents.router,
    cases.router,
    added_seats.router,
    pull_ups.router,
    walk_around.router,
    reviews.router,
    audit.router,
    organisation.router,
    rules.router,
    templates.router,
    body_templates.router,
    follow_ups.router,
    repeating.router,
    notices.router,
    session.router,
    reorganisation.router,
    vendors.router,
    breakglass.router,
    assignments.router,
    memos.router,
)


class _KeptForAYear(StaticFiles):
    """Static files; their addresses carry a digest of their content, so browsers need not ask again."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if b"v=" in scope.get("query_string", b""):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def install(app: FastAPI) -> None:
    """Add the pages and their files to the application."""
    for router in (*_ROUTERS, *_ROUTERS_WITH_IDS):
        app.include_router(router, include_in_schema=False)
    app.mount("/static", _KeptForAYear(directory=HERE / "static"), name="static")
