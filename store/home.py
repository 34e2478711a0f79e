"""Where the lab keeps everything: one private directory with journals, the DuckDB file and settings.

The place is, in this order: what the caller says, `LANTERN_HOME`, the platform's user data directory.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from store.errors import StoreError

HOME_VARIABLE = "LANTERN_HOME"
SYNCED_FOLDERS = (
    "Mobile Documents",
    "CloudStorage",
    "Dropbox",
    "OneDrive",
    "Google Drive",
    "GoogleDrive",
    "Nextcloud",
    "pCloudDrive",
)
NETWORK_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs"})


@dataclass(frozen=True, slots=True)
class Home:
    """The lab's directory. Directories are 0700 and files 0600: answers and probes are private."""

    path: Path
    notice: str | None = None

    @classmethod
    def resolve(cls, explicit: Path | None = None) -> Home:
        """Find the home and create what is missing of it. Raises StoreError when that is impossible.

        `notice` says in one line why the place is a poor one (a synced folder, a network file system).
        """
        path = _chosen(explicit).expanduser().absolute()
        home = cls(path, _warning(path))
        try:
            for directory in home._directories():
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the lab's home {path} cannot be created ({error.strerror}): choose another place with "
                f"--home or {HOME_VARIABLE}"
            ) from error
        if not os.access(path, os.W_OK | os.X_OK):
            raise StoreError(f"the lab's home {path} is not writable: choose another with --home")
        return home

    @property
    def journals(self) -> Path:
        """Append-only JSONL, one file per process: the truth."""
        return self.path / "journals"

    @property
    def database(self) -> Path:
        """The DuckDB projection of the journals; it can be rebuilt from them at any time."""
        return self.path / "lab.duckdb"

    @property
    def wal(self) -> Path:
        """The write-ahead log that DuckDB keeps beside the database."""
        return self.path / "lab.duckdb.wal"

    @property
    def gate_lock(self) -> Path:
        """First lock of the turnstile (see `store.lease`)."""
        return self.path / "gate.lock"

    @property
    def data_lock(self) -> Path:
        """Second lock of the turnstile: whoever holds it may attach the database."""
        return self.path / "data.lock"

    @property
    def backups(self) -> Path:
        """Backups made without naming a place."""
        return self.path / "backups"

    @property
    def aside(self) -> Path:
        """What was replaced: databases that could not be opened, what was there before a restore."""
        return self.path / "aside"

    @property
    def tmp(self) -> Path:
        """Spill space of DuckDB and half-made files; its contents may be deleted when no lab runs."""
        return self.path / "tmp"

    @property
    def config(self) -> Path:
        """Settings a person may edit: keymap, themes, state of the terminal."""
        return self.path / "config"

    @property
    def cache(self) -> Path:
        """What can be computed again, such as hashes of model files."""
        return self.path / "cache"

    def _directories(self) -> tuple[Path, ...]:
        return (self.path, self.journals, self.backups, self.aside, self.tmp, self.config, self.cache)


def _chosen(explicit: Path | None) -> Path:
    if explicit is not None:
        return explicit
    if from_environment := os.environ.get(HOME_VARIABLE):
        return Path(from_environment)
    from platformdirs import user_data_path

    return user_data_path("lantern-lab", appauthor=False)


def _warning(path: Path) -> str | None:
    synced = next((part for part in path.parts if part.startswith(SYNCED_FOLDERS)), None)
    if synced:
        return (
            f"the home {path} is in a synced folder ({synced}), which can damage the database while it is in "
            "use; choose a local place with --home"
        )
    filesystem = _filesystem(path)
    if filesystem in NETWORK_FILESYSTEMS:
        return (
            f"the home {path} is on a network file system ({filesystem}), where file locks are unreliable; "
            "choose a local place with --home"
        )
    return None


def _filesystem(path: Path) -> str | None:
    """The type of the file system that holds `path`, from the mount table; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    deepest: tuple[str, str | None] = ("", None)
    for fields in (line.split(" ") for line in mounts):
        point = fields[1].replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(deepest[0]):
            deepest = (point, fields[2])
    return deepest[1]
