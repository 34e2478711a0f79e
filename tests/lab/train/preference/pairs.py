"""Pairs for tests: token by token, and as files."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.train.preference.items import Pair, pair_of
from tests.lab.train.runs import WORDS
from tests.models import VOCAB

LENGTHS = ((7, 9, 4), (3, 2, 11), (19, 5, 6), (1, 8, 3))
"""Of prompts, chosen and rejected answers: no two alike, a prompt of one token among them."""


def pairs(lengths: Sequence[tuple[int, int, int]] = LENGTHS, seed: int = 0) -> list[Pair]:
    """Pairs of random tokens; a length of 0 leaves an answer out."""
    dice = np.random.default_rng(seed)

    def tokens(n: int) -> np.ndarray:
        return dice.integers(3, VOCAB, size=n).astype(np.int32)

    return [pair_of(*(tokens(n) for n in three), sha256=f"{seed}-{row}") for row, three in enumerate(lengths)]


def pair_rows(count: int, split: str = "train", longest: int = 12, seed: int = 7) -> list[dict[str, Any]]:
    """Rows of which no two ask the same; the chosen answers are about stones, the others about rivers."""
    dice = random.Random(f"{seed}-{split}")

    def answer(word: str) -> str:
        return " ".join([word, *(dice.choice(WORDS) for _ in range(dice.randint(1, longest)))])

    return [
        {
            "prompt": f"{split} {row}: what of the {dice.choice(WORDS)}?",
            "chosen": answer("stone"),
            "rejected": answer("river"),
        }
        for row in range(count)
    ]


def write_pairs(folder: Path, train: int = 24, valid: int = 6, longest: int = 12) -> Path:
    """A data directory of pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("valid", valid)):
        write_rows(folder / f"{split}.jsonl", pair_rows(count, split, longest))
    return folder


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
