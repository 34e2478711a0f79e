"""A store, and reports on comparisons in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.home import Home
from store.service import StoreService


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StoreService]:
    with StoreService(Home.resolve(tmp_path / "home"), "test") as service:
        yield service
