"""`lantern --serve`: what it says where it cannot, and what it refuses. Needs nothing installed."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from lab.cli.serve import only_this_site, serve
from lab.errors import LabError


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    with pytest.raises(LabError, match=r"lantern-lab\[serve\]"):
        serve(8000)


class ForbiddenError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)


@pytest.mark.parametrize(
    ("host", "origin", "answered"),
    [
        ("127.0.0.1:8000", None, True),
        ("localhost:8000", "http://localhost:8000", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("127.0.0.1:8000", "http://evil.example", False),
        ("127.0.0.1:8000", "http://127.0.0.1:9000", False),
        ("127.0.0.1:8000", "null", False),
        ("rebound.example:8000", None, False),
        ("127.0.0.1:9000", None, False),
    ],
)
async def test_only_its_own_page_is_answered(
    monkeypatch: pytest.MonkeyPatch, host: str, origin: str | None, answered: bool
) -> None:
    web = ModuleType("aiohttp.web")
    web.middleware = lambda check: check  # type: ignore[attr-defined]
    web.HTTPForbidden = ForbiddenError  # type: ignore[attr-defined]
    package = ModuleType("aiohttp")
    package.web = web  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aiohttp", package)
    monkeypatch.setitem(sys.modules, "aiohttp.web", web)

    async def handler(_: object) -> str:
        return "page"

    request = SimpleNamespace(host=host, headers={} if origin is None else {"Origin": origin})
    check = only_this_site(8000)
    if answered:
        assert await check(request, handler) == "page"
    else:
        with pytest.raises(ForbiddenError):
            await check(request, handler)
