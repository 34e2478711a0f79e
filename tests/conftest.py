"""What every test shares: Hypothesis without deadlines, and a home that is never the user's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

FEWEST_WORKERS, MOST_WORKERS = 3, 8

settings.register_profile("lab", deadline=None)
settings.load_profile("lab")


@pytest.fixture(autouse=True, scope="session")
def a_home_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test may touch the real home: whatever does not name one gets this."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANTERN_HOME", str(home))
        patch.delenv("LANTERN_MODEL", raising=False)
        yield home


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: many a test waits for a terminal or another process."""
    return min(max((os.cpu_count() or 1) + 1, FEWEST_WORKERS), MOST_WORKERS)
