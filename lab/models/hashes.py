"""What identifies a model: hashes of its weights, its tokenizer and its chat template."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WEIGHTS_CACHE = "weights-sha256.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "added_tokens.json",
    "special_tokens_map.json",
)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(files: Iterable[Path], cache_dir: Path | None) -> str:
    """One hash for all weight files: a single file's own SHA-256, or that of the list of names and hashes.

    With `cache_dir`, a file whose path, size and modification time are known is not read again.
    """
    known = _read_cache(cache_dir)
    hashes = {}
    for path in sorted(files):
        status = path.stat()
        key = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
        hashes[path.name] = known[key] = known.get(key) or file_sha256(path)
    if cache_dir is not None:
        _write_cache(cache_dir, known)
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    return text_sha256("".join(f"{digest}  {name}\n" for name, digest in hashes.items()))


def tokenizer_sha256(folder: Path, eos_token_ids: Iterable[int]) -> str:
    """Hash of the tokenizer's files and of the tokens that end an answer; the chat template is left out."""
    parts: dict[str, Any] = {"eos_token_ids": sorted(eos_token_ids)}
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            parts[name] = file_sha256(folder / name)
    config = folder / "tokenizer_config.json"
    if config.is_file():
        settings = json.loads(config.read_text(encoding="utf-8"))
        parts[config.name] = {key: value for key, value in settings.items() if key != "chat_template"}
    return json_sha256(parts)


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_sha256(value: Mapping[str, Any]) -> str:
    """SHA-256 of a value as canonical JSON."""
    return text_sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str))


def _read_cache(cache_dir: Path | None) -> dict[str, str]:
    if cache_dir is None:
        return {}
    try:
        content = json.loads((cache_dir / WEIGHTS_CACHE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_cache(cache_dir: Path, known: Mapping[str, str]) -> None:
    """Replace the cache in one step, for several processes may load models at once. Failing is harmless."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=cache_dir, prefix=WEIGHTS_CACHE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(known, file)
        Path(temporary).replace(cache_dir / WEIGHTS_CACHE)
    except OSError:
        return
