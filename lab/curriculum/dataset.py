"""A data directory as mlx-lm reads it, with a manifest that says of every row where it came from.

The rows are in one order whatever the order in which answers were made, so that equal answers give equal
files; the files' hashes are the data's identity, for ids in the manifest differ from run to run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.curriculum.candidates import Candidate
from lab.curriculum.sieve import Dropped
from lab.errors import LabError
from lab.outfiles import write_file
from lab.textfiles import replace_surrogates

MANIFEST = "manifest.json"
FORM = "lantern-data-1"
SPLITS = ("train", "valid")


@dataclass(frozen=True, slots=True)
class DataRow:
    """A row to be written, and what a person said of it ("accept" or "edit"; None: nothing)."""

    candidate: Candidate
    split: str
    review: str | None = None

    @property
    def line(self) -> str:
        """The row as it stands in the file."""
        chat = [
            {"role": "user", "content": self.candidate.prompt},
            {"role": "assistant", "content": self.candidate.answer},
        ]
        return replace_surrogates(json.dumps({"messages": chat}, ensure_ascii=False)) + "\n"


@dataclass(frozen=True, slots=True)
class DataSet:
    """What is to be written; `about` is what the manifest says of all of it."""

    rows: tuple[DataRow, ...]
    dropped: tuple[Dropped, ...]
    about: Mapping[str, Any]

    def files(self) -> dict[str, str]:
        """The text of each file, by name."""
        return {f"{split}.jsonl": "".join(row.line for row in self.of(split)) for split in SPLITS}

    def of(self, split: str) -> list[DataRow]:
        """The rows of one split, in their order."""
        found = [row for row in self.rows if row.split == split]
        return sorted(found, key=lambda row: _order(row.candidate))

    @property
    def sha256(self) -> str:
        """The identity of the data: what the files say."""
        return hashlib.sha256("".join(sorted(_hashes(self.files()).values())).encode()).hexdigest()


def write(data: DataSet, folder: Path) -> dict[str, Any]:
    """Write the directory, the manifest last; the manifest. Raises LabError when it cannot be written."""
    files = data.files()
    manifest = _manifest(data, files)
    for name, text in files.items():
        if text:
            write_file(folder / name, text)
        else:
            (folder / name).unlink(missing_ok=True)
    write_file(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a directory. Raises LabError when there is none, or when the data was changed since."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("form") != FORM:
        raise LabError(f"{path}: expected a manifest of the form {FORM}")
    for name, sha256 in manifest["files"].items():
        if _sha256_of(folder / name) != sha256:
            raise LabError(f"{folder / name} is not what its manifest says: it was changed, make it anew")
    return manifest


def edited(candidate: Candidate, text: str) -> Candidate:
    """A candidate with a person's text in place of the answer's."""
    return replace(candidate, answer=text.strip())


def _manifest(data: DataSet, files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "form": FORM,
        **data.about,
        "sha256": data.sha256,
        "files": {name: sha256 for name, sha256 in _hashes(files).items() if files[name]},
        "counts": {split: len(data.of(split)) for split in SPLITS},
        "clusters": {split: sorted({row.candidate.cluster for row in data.of(split)}) for split in SPLITS},
        "rows": [
            {"file": f"{split}.jsonl", "line": line, **_origin(row.candidate), "review": row.review}
            for split in SPLITS
            for line, row in enumerate(data.of(split), start=1)
        ],
        "dropped": [
            {**_origin(one.candidate), "step": one.step, "why": one.why}
            for one in sorted(data.dropped, key=lambda one: _order(one.candidate))
        ],
    }


def _origin(one: Candidate) -> dict[str, Any]:
    return {
        "id": one.id,
        "source": one.source,
        "cluster": one.cluster,
        "variant": one.variant,
        "probe_battery": one.probe_battery,
        "probe_id": one.probe_id,
        "domain": one.domain,
        "seed": one.seed,
        "score": one.score,
    }


def _order(one: Candidate) -> tuple[str, str, str, int, str, str]:
    return (one.cluster, one.variant, one.source, one.seed or 0, one.prompt, one.answer)


def _hashes(files: Mapping[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in files.items()}


def _sha256_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
