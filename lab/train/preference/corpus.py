"""The corpus of a preference run: pairs to train on, pairs held out, and general rows to practice beside."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.train.data.rows import split_file
from lab.train.hooks import Corpus
from lab.train.preference.data import read_pairs
from lab.train.preference.items import Pair, encode_pairs
from lab.train.settings import TrainSettings
from lab.train.sft import read_replay


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    pairs: list[Pair]
    notices: list[str]
    sha256: str


def read_corpus(loaded: LoadedModel, settings: TrainSettings, single_answers: bool) -> Corpus:
    """Read train, valid and replay data. Raises LabError when there is nothing to train on."""
    data = Path(settings.data).expanduser()
    train_file, valid_file = split_file(data, "train"), split_file(data, "valid")
    if train_file is None:
        raise LabError(f"{data}: expected a directory with train.jsonl, or a JSONL file, of pairs")
    train = _read(train_file, loaded, settings, single_answers)
    valid = None if valid_file is None else _read(valid_file, loaded, settings, single_answers)
    replay = None if settings.replay is None else read_replay(settings.replay, loaded, settings)
    hashes = [source.sha256 for source in (train, valid, replay) if source is not None]
    notices = [*train.notices, *(valid.notices if valid else ())]
    notices += replay.encoding.notices(settings.max_seq_length) if replay else []
    return Corpus(
        train=train.pairs,
        valid=valid.pairs if valid else (),
        replay=replay.encoding.examples if replay else (),
        notices=(*notices, *_overlap(train, valid)),
        sha256=hashlib.sha256("".join(hashes).encode()).hexdigest(),
    )


def _read(path: Path, loaded: LoadedModel, settings: TrainSettings, single_answers: bool) -> _Source:
    file = read_pairs(path, single_answers)
    encoding = encode_pairs(
        file.rows,
        loaded.tokenizer,
        source=path,
        max_seq_length=settings.max_seq_length,
        keep_duplicates=settings.allow_repeats,
    )
    encoding.notes.bad = sorted([*encoding.notes.bad, *file.bad], key=lambda bad: bad.line)
    return _Source(path, encoding.pairs, encoding.notices(settings.max_seq_length), file.sha256)


def _overlap(train: _Source, valid: _Source | None) -> list[str]:
    if valid is None:
        return ["no held-out pairs (valid.jsonl): the best checkpoint cannot be known, the last is kept"]
    trained = {pair.sha256 for pair in train.pairs}
    shared = [pair.line for pair in valid.pairs if pair.sha256 in trained]
    if not shared:
        return []
    return [f"{valid.path}: {len(shared)} of its pairs are trained on too (first: line {shared[0]})"]
