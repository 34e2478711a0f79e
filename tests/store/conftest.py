"""A home of its own for every test, and a service that is closed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.home import Home
from store.service import StoreService


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


@pytest.fixture
def service(home: Home) -> Iterator[StoreService]:
    service = StoreService(home, "test")
    yield service
    service.close()
