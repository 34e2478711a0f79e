"""The figures of `lab.measure.words` again, each straight from its definition and in quadratic time."""

from __future__ import annotations

import math
import re
import unicodedata


def entropy_nats(words: list[str]) -> float:
    shares = [words.count(kind) / len(words) for kind in set(words)]
    return -sum(p * math.log(p) for p in shares) if words else 0.0


def window_mean_nats(words: list[str]) -> float | None:
    windows = [words[start : start + 100] for start in range(0, len(words), 10)]
    full = [window for window in windows if len(window) == 100]
    return sum(map(entropy_nats, full)) / len(full) if full else None


def bare(word: str) -> str:
    def is_mark(character: str) -> bool:
        return bool(re.match(r"[!-/:-@\[-`{-~]", character)) or unicodedata.category(character)[0] == "P"

    while word and is_mark(word[0]):
        word = word[1:]
    while word and is_mark(word[-1]):
        word = word[:-1]
    return word.lower()


def mattr50(words: list[str]) -> float | None:
    kept = [bare(word) for word in words if bare(word)]
    windows = [kept[start : start + 50] for start in range(len(kept) - 49)]
    return sum(len(set(window)) / 50 for window in windows) / len(windows) if windows else None


def grams(words: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]


def distinct(words: list[str], size: int) -> float | None:
    all_grams = grams(words, size)
    return len(set(all_grams)) / len(all_grams) if all_grams else None
