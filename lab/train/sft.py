"""Supervised fine-tuning: the tokens of the answers, each counted once, padding and prompts never."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.models.runtime import mx, on_cpu
from lab.train.data.examples import Encoding, Example, encode
from lab.train.data.rows import RowFile, general_rows, read_rows, split_file
from lab.train.hooks import Array, Corpus, Findings, Losses, Preparation
from lab.train.loss import token_nll
from lab.train.net import Net
from lab.train.ranks import Ranks
from lab.train.settings import Replay, TrainSettings

GENERAL = "general"
GPU_PAD_TO = 32
"""On a GPU a new shape is a new program to compile; the CPU takes every length as it is."""


@dataclass(frozen=True, slots=True)
class SftBatch:
    """Token ids `(rows, length)` without the last; for every counted token where, which, and whose it is."""

    inputs: Array
    positions: Array
    targets: Array
    owners: Array
    rows: int


class Sft:
    """The objective "sft": mean cross-entropy in nats per counted token."""

    name = "sft"
    per_token = True

    def read(self, loaded: LoadedModel, settings: TrainSettings) -> Corpus:
        """Read train, valid and replay data."""
        data = Path(settings.data).expanduser()
        train_file = split_file(data, "train")
        if train_file is None:
            raise LabError(f"{data}: expected a directory with train.jsonl, or a JSONL file")
        valid_file = split_file(data, "valid")
        train = _read(train_file, loaded, settings)
        valid = None if valid_file is None else _read(valid_file, loaded, settings)
        replay = None if settings.replay is None else read_replay(settings.replay, loaded, settings)
        sources = [source for source in (train, valid, replay) if source is not None]
        return Corpus(
            train=train.encoding.examples,
            valid=valid.encoding.examples if valid else (),
            replay=replay.encoding.examples if replay else (),
            notices=(*_notices(sources, settings), *_overlap(train, valid)),
            sha256=hashlib.sha256("".join(source.sha256 for source in sources).encode()).hexdigest(),
        )

    def collate(self, items: Sequence[Example]) -> SftBatch:
        """Pad to the longest item; its last token is only a target."""
        longest = max(item.length for item in items) - 1
        length = longest if on_cpu() else -(-longest // GPU_PAD_TO) * GPU_PAD_TO
        inputs = np.zeros((len(items), length), dtype=np.int32)
        positions, targets, owners = [], [], []
        for row, item in enumerate(items):
            inputs[row, : item.length - 1] = item.token_ids[:-1]
            first = max(item.start, 1)
            positions.append(np.arange(first - 1, item.length - 1, dtype=np.int32) + row * length)
            targets.append(item.token_ids[first:])
            owners.append(np.full(item.length - first, row, dtype=np.int32))
        return SftBatch(
            inputs=mx.array(inputs),
            positions=mx.array(np.concatenate(positions)),
            targets=mx.array(np.concatenate(targets)),
            owners=mx.array(np.concatenate(owners)),
            rows=len(items),
        )

    def losses(self, net: Net, batch: SftBatch) -> Losses:
        """The summed loss of every row, and how many tokens it counts."""
        nll = token_nll(net, batch.inputs, batch.positions, batch.targets)
        totals = mx.zeros((batch.rows,)).at[batch.owners].add(nll)
        weights = mx.zeros((batch.rows,)).at[batch.owners].add(mx.ones_like(nll))
        return Losses(totals, weights)

    def prepare(self, preparation: Preparation) -> str | None:
        """Nothing needs the untouched model."""
        return None

    def foresee(self, net: Net, items: Sequence[Example], ranks: Ranks) -> None:
        return

    def metric_names(self) -> Sequence[str]:
        return ()

    def observe(self, step: int, metrics: Mapping[str, float]) -> Findings:
        return Findings()

    def set(self, key: str, value: object) -> str:
        """There is nothing to set."""
        raise LabError(f"objective.{key}: sft has no settings")

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        return


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or the shipped data, as tokens."""

    path: str
    encoding: Encoding
    sha256: str


def _read(path: Path, loaded: LoadedModel, settings: TrainSettings) -> Source:
    file = read_rows(path, settings)
    encoding = encode(
        file.rows,
        loaded.tokenizer,
        source=path,
        mask_prompt=settings.mask_prompt,
        max_seq_length=settings.max_seq_length,
        keep_duplicates=settings.allow_repeats,
    )
    _add_bad(encoding, file)
    return Source(str(path), encoding, file.sha256)


def read_replay(replay: Replay, loaded: LoadedModel, settings: TrainSettings) -> Source:
    """The general data that a run practices beside its own."""
    if replay.data != GENERAL:
        path = split_file(Path(replay.data).expanduser(), "train")
        if path is None:
            raise LabError(
                f"replay.data: {replay.data}: expected a data directory, a JSONL file or {GENERAL}"
            )
        return _read(path, loaded, settings)
    rows = general_rows()
    encoding = encode(
        rows,
        loaded.tokenizer,
        source="the shipped general questions",
        mask_prompt=settings.mask_prompt,
        max_seq_length=settings.max_seq_length,
    )
    digest = hashlib.sha256("".join(row.sha256 for row in rows).encode()).hexdigest()
    return Source(GENERAL, encoding, digest)


def _add_bad(encoding: Encoding, file: RowFile) -> None:
    encoding.bad = sorted([*encoding.bad, *file.bad], key=lambda bad: bad.line)


def _notices(sources: Sequence[Source], settings: TrainSettings) -> list[str]:
    return [line for source in sources for line in source.encoding.notices(settings.max_seq_length)]


def _overlap(train: Source, valid: Source | None) -> list[str]:
    if valid is None:
        return ["no held-out data (valid.jsonl): the best checkpoint cannot be known, the last is kept"]
    trained = {example.sha256 for example in train.encoding.examples}
    shared = [example.line for example in valid.encoding.examples if example.sha256 in trained]
    if not shared:
        return []
    return [f"{valid.path}: {len(shared)} of its rows are in the training data too (first: line {shared[0]})"]
