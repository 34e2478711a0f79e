"""The home directory: where it is, who may read it, and what it warns of."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from store.errors import StoreError
from store.home import Home
from store.journal import Journal
from store.service import StoreService
from tests.store.facts import probe


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_explicit_place_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANTERN_HOME", str(tmp_path / "variable"))
    assert Home.resolve(tmp_path / "named").path == tmp_path / "named"
    assert Home.resolve().path == tmp_path / "variable"


def test_without_either_it_is_the_data_directory_of_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANTERN_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    home = Home.resolve()
    assert home.path.name == "lantern-lab"
    assert home.path.is_relative_to(tmp_path)


def test_everything_in_it_is_private(home: Home, service: StoreService) -> None:
    service.append(probe())
    for path in (home.path, *home.path.rglob("*")):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_a_home_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be created.*--home"):
        Home.resolve(tmp_path / "file" / "home")


@pytest.mark.parametrize("folder", ["Dropbox", "OneDrive - Personal", "Mobile Documents", "CloudStorage"])
def test_a_synced_folder_is_noticed(tmp_path: Path, folder: str) -> None:
    notice = Home.resolve(tmp_path / folder / "lab").notice
    assert notice is not None
    assert folder in notice


def test_a_network_file_system_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.home._filesystem", lambda path: "nfs4")
    notice = Home.resolve(tmp_path / "lab").notice
    assert notice is not None
    assert "nfs4" in notice


def test_a_local_disk_is_not(home: Home) -> None:
    assert home.notice is None


def test_the_notice_is_told_once(tmp_path: Path) -> None:
    service = StoreService(Home.resolve(tmp_path / "Dropbox" / "lab"))
    assert len(service.take_notices()) == 1
    assert service.take_notices() == []
    service.close()


def test_journals_are_made_in_it(home: Home) -> None:
    with Journal.open(home, "test") as journal:
        assert journal.path.parent == home.journals
