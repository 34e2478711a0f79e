"""`lantern --serve`: the lab in a browser on this machine, through textual-serve.

Loopback only. A page of another site could still reach a loopback server, so requests must name this one as
their host and, where a browser says it, as their origin.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
HOSTS = (HOST, "localhost")


def serve(port: int) -> None:
    """Serve until Ctrl-C; each tab of the browser is a lab of its own on the same store.

    Raises LabError when textual-serve is not installed.
    """
    try:
        from textual_serve.server import Server
    except ImportError:
        raise LabError("--serve needs textual-serve: pip install 'lantern-lab[serve]'") from None

    class LocalServer(Server):  # type: ignore[misc,unused-ignore]
        async def _make_app(self) -> web.Application:
            app: web.Application = await super()._make_app()
            app.middlewares.append(only_this_site(port))
            return app

    command = shlex.join([sys.executable, "-m", "screens.entry"])
    try:
        LocalServer(command, host=HOST, port=port, title="Lantern Lab").serve()
    except OSError as error:
        raise LabError(f"port {port} cannot be served on: {error.strerror or error}; try --port") from error


def only_this_site(port: int) -> Any:
    """An aiohttp middleware that refuses what another site's page asks."""
    from aiohttp import web

    hosts = {f"{name}:{port}" for name in HOSTS}

    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if request.host not in hosts or (origin is not None and origin.removeprefix("http://") not in hosts):
            raise web.HTTPForbidden(text="this lab serves its own page only")
        return await handler(request)

    return web.middleware(check)
