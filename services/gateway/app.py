"""The gateway as an ASGI application: its parts, their life, its routes, and how refusals are answered.

`create_app(settings)` is all a test needs; the parts start and stop with the application's lifespan.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from urllib.parse import quote

import nats.errors
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from nats.aio.msg import Msg
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis import tally
from chassis.broker import Broker
from chassis.errors import DomainError
from chassis.recorder import Recorder
from services.gateway import api, pages
from services.gateway.api import openapi
from services.gateway.canary import Canary
from services.gateway.clients import open_clients
from services.gateway.edge import Edge
from services.gateway.errors import Refusal, problem, refusal, refusal_of, refusal_of_http, refusal_of_validation
from services.gateway.live import OpenPages
from services.gateway.oidc import Provider
from services.gateway.openings import Openings
from services.gateway.people import People
from services.gateway.recording import AuditSink
from services.gateway.scim import api as scim_api
from services.gateway.scim import messages
from services.gateway.scim.caller import DirectoryAccess
from services.gateway.sessions import Sessions
from services.gateway.settings import Settings
from services.gateway.signin import SignIn

log = logging.getLogger(__name__)

# The organisation changed: what is remembered about people is stale (ADR-0012).
DIRECTORY_SUBJECT = "kanketsu.approvals.directory.>"

ErrorPage = Callable[[Request, Refusal], Response]


class Gateway:
    """The parts of one gateway process; `request.app.state.gateway`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clients = open_clients(settings)
        self.broker = Broker(settings, "gateway")
        self.sessions = Sessions(self.broker, settings)
        self.openings = Openings(self.sessions)
        self.provider = Provider(settings)
        self.people = People(self.clients, settings.principals_memory)
        self.recorder = Recorder(
            "gateway", settings.instance, AuditSink(self.clients), recover_after=settings.recover_after
        )
        self.open_pages = OpenPages(self.clients, settings.notices_interval)
        self.canary = Canary(settings, self.clients, self.recorder)
        self.sign_in = SignIn(settings, self.sessions, self.provider, self.people, self.recorder)
        self.directory = DirectoryAccess(settings, self.provider, self.sign_in)
        # How a refusal looks to a person.
        self.error_page: ErrorPage = pages.error_page
        self._has_been_ready = False

    def refuse(self, request: Request, refused: Refusal) -> Response:
        """A page for people, problem+json for programs, SCIM's own errors for SCIM; who is not signed in goes to the login and back."""
        path = request.url.path
        if path.startswith("/scim/"):
            return messages.error(refused, request)
        if path.startswith(("/api/", "/log/")) or "text/html" not in request.headers.get("accept", ""):
            return problem(refused, request)
        if refused.reason == "SIGN_IN_REQUIRED" and request.method == "GET":
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"/login?next={quote(path + query, safe='')}", 302)
        return self.error_page(request, refused)

    def dependencies(self) -> dict[str, bool]:
        """What answers now."""
        return {
            "documents": self.clients.documents.is_ready,
            "approvals": self.clients.approvals.is_ready,
            "audit": self.clients.audit.is_ready,
            "sessions": self.sessions.is_connected,
        }

    def is_ready(self, states: dict[str, bool]) -> bool:
        """Ready once everything has answered.

        A dependency that fails later fails for every replica alike: people then need our explanation,
        not an empty list of servers.
        """
        self._has_been_ready = self._has_been_ready or all(states.values())
        return self._has_been_ready

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Background work for as long as the application lives."""
        recording = _start(self.recorder.run())
        others = [
            _start(self.broker.run()),
            _start(self._follow_directory()),
            _start(tally.report_for_ever(self.clients.answered, self.recorder, "gateway", "answered")),
            _start(self.canary.run()),
            _start(self.open_pages.run()),
        ]
        try:
            yield
        finally:
            try:
                await self.clients.answered.report(self.recorder, "gateway", "answered")
            except DomainError as error:
                log.warning("counts of answers are lost", extra={"error": error.message})
            recording.cancel()
            await asyncio.wait([recording])
            await self.recorder.close()
            for task in others:
                task.cancel()
            await asyncio.wait(others)
            await self.provider.close()
            await self.clients.close()

    async def _follow_directory(self) -> None:
        async def forget(_: Msg) -> None:
            self.people.forget()

        await self.broker.ready()
        try:
            await self.broker.client.subscribe(DIRECTORY_SUBJECT, cb=forget)
        except nats.errors.Error as error:
            # Only slower then: what is remembered ends after seconds anyway.
            log.warning("changes of the organisation are not followed", extra={"error": repr(error)})
        await asyncio.Event().wait()


def create_app(settings: Settings) -> FastAPI:
    """The application. Connections open with its lifespan, not here."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gateway = Gateway(settings)
        app.state.gateway = gateway
        async with gateway.running():
            yield

    app = FastAPI(
        title=openapi.TITLE,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=True,
        # The edge makes the one span of a request; the framework's own would carry messages of errors.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        middleware=[Middleware(Edge, settings=settings)],
        lifespan=lifespan,
    )
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(DomainError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    for router in api.ROUTERS:
        app.include_router(router)
    app.include_router(scim_api.router)
    pages.install(app)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """The one way from an error to an answer."""
    gateway: Gateway = request.app.state.gateway
    return gateway.refuse(request, as_refusal(error, request))


def as_refusal(error: Exception, request: Request) -> Refusal:
    """What an expected error is over HTTP; INTERNAL for anything else."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, DomainError):
        return refusal_of(error)
    if isinstance(error, RequestValidationError):
        return refusal_of_validation(error, request.headers.get("content-type", ""))
    if isinstance(error, HTTPException):
        return refusal_of_http(error)
    return refusal("INTERNAL")


def _start(coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """A background task. One that ends by itself ends the process: better restarted than half alive."""
    task = asyncio.create_task(coroutine)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("a background task ended", exc_info=task.exception())
            signal.raise_signal(signal.SIGTERM)

    task.add_done_callback(ended)
    return task
