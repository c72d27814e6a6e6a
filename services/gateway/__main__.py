"""`python -m services.gateway serve | openapi`."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI

from chassis import paper, process, telemetry
from chassis.settings import describe
from services.gateway import settings as configuration
from services.gateway.api import openapi
from services.gateway.app import Gateway, create_app

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Ends the streams to open pages first: they would hold up the end of everything else for the whole grace time."""

    app: FastAPI

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        gateway: Gateway = self.app.state.gateway
        gateway.open_pages.close()
        await super().shutdown(sockets)


async def serve() -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished within the grace time."""
    settings = configuration.read()
    telemetry.start("gateway", settings)
    # It would write the address of every token request.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    paper.use(settings.fonts)
    log.info("starting", extra={"settings": describe(settings)})
    host, _, port = settings.http_listen.rpartition(":")
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=65,
        timeout_graceful_shutdown=settings.grace,
    )
    server = _Server(config)
    server.app = app
    # The server answers these signals and then raises them once more: that must not look like a crash.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    await server.serve()
    await asyncio.get_running_loop().run_in_executor(None, telemetry.stop)


def main(arguments: list[str]) -> None:
    """The command line."""
    match arguments:
        case ["serve"]:
            process.run(serve())
        case ["openapi"]:
            sys.stdout.write(json.dumps(openapi.document(), ensure_ascii=False, indent=2) + "\n")
        case _:
            sys.exit("usage: python -m services.gateway serve|openapi")


if __name__ == "__main__":
    main(sys.argv[1:])
