"""Word entropy: how varied the words of a text are. Pure, linear in the length of the text.

This is not the predictive entropy of a model's tokens (`lab.measure.predictive`); the two are never mixed.
Word entropy grows with length (it cannot exceed ln n), so it is always shown with n and with companions that
correct for length.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

WINDOW_WORDS = 100
WINDOW_STRIDE = 10
MATTR_WORDS = 50

_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


@dataclass(frozen=True, slots=True)
class WordEntropy:
    """What `measure` says of a text; words are `text.split()`, case and punctuation kept. None: undefined.

    Attributes:
        word_entropy_nats: H_w = −Σ (c/n) ln(c/n) over types with counts c; 0 for an empty text (seed 000).
        words: n, the number of words.
        types: K, the number of distinct words.
        per_ln_n: H_w / ln n, the share of the most that n words can have; None below 2 words.
        window_mean_nats: mean H_w of the windows of 100 words that start at word 0, 10, 20, … and lie wholly
            in the text, so that texts of different lengths compare. None below 100 words: no window fits, and
            a shorter one would bring the length effect back.
        miller_madow_nats: H_w + (K − 1) / 2n, corrected for the bias of small samples (Miller 1955).
        mattr50: mean type-token ratio over every window of 50 words, lower-cased and stripped of outer
            punctuation, words that are nothing else left out (Covington & McFall 2010). None below 50 words.
        distinct1: K / n (Li et al. 2016); None for an empty text.
        distinct2: distinct word bigrams / bigrams; None below 2 words.
        repeated_4gram_share: 1 − distinct 4-grams / 4-grams (seq-rep-4, Welleck et al. 2020); None below 4.
    """

    word_entropy_nats: float
    words: int
    types: int
    per_ln_n: float | None
    window_mean_nats: float | None
    miller_madow_nats: float
    mattr50: float | None
    distinct1: float | None
    distinct2: float | None
    repeated_4gram_share: float | None


def measure(text: str) -> WordEntropy:
    """Word entropy of `text` and its length-adjusted companions, in nats."""
    words = text.split()
    n = len(words)
    ids = _number(words)
    counts = Counter(ids)
    entropy = _entropy_nats(counts.values(), n)
    bigrams = _number(_pairs(ids, ids[1:]))
    # A 4-gram is a bigram and the bigram two words on.
    n_4grams = max(n - 3, 0)
    distinct_4grams = len(set(_pairs(bigrams, bigrams[2:])))
    return WordEntropy(
        word_entropy_nats=entropy,
        words=n,
        types=len(counts),
        per_ln_n=_ratio(entropy, math.log(n)) if n else None,
        window_mean_nats=_window_mean_nats(ids),
        miller_madow_nats=entropy + (len(counts) - 1) / (2 * n) if n else 0.0,
        mattr50=_mattr(_number(filter(None, map(bare_word, words)))),
        distinct1=_ratio(len(counts), n),
        distinct2=_ratio(len(set(bigrams)), len(bigrams)),
        repeated_4gram_share=1 - distinct_4grams / n_4grams if n_4grams else None,
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _number(items: Iterable[Hashable]) -> list[int]:
    """Equal items get equal numbers, from 0 in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(item, len(numbers)) for item in items]


def _pairs(firsts: Sequence[int], seconds: Sequence[int]) -> Iterator[int]:
    """One integer for each pair of numbers, as pairs of small integers cost several times the memory."""
    base = max(seconds, default=0) + 1
    return (first * base + second for first, second in zip(firsts, seconds, strict=False))


def _entropy_nats(counts: Iterable[int], n: int) -> float:
    """−Σ (c/n) ln(c/n) = ln n − Σ c ln c / n."""
    if n == 0:
        return 0.0
    return max(0.0, math.log(n) - math.fsum(c * math.log(c) for c in counts) / n)


def _window_mean_nats(ids: Sequence[int]) -> float | None:
    """Mean entropy over the windows; Σ c ln c is kept up to date as words enter and leave."""
    n_windows = (len(ids) - WINDOW_WORDS) // WINDOW_STRIDE + 1
    if n_windows < 1:
        return None
    c_ln_c = [0.0] + [c * math.log(c) for c in range(1, WINDOW_WORDS + 1)]
    counts = [0] * (max(ids) + 1)
    inside = total = 0.0
    for end in range(WINDOW_WORDS + (n_windows - 1) * WINDOW_STRIDE):
        if end >= WINDOW_WORDS:
            if end % WINDOW_STRIDE == 0:
                total += inside
            leaving = counts[ids[end - WINDOW_WORDS]]
            counts[ids[end - WINDOW_WORDS]] = leaving - 1
            inside += c_ln_c[leaving - 1] - c_ln_c[leaving]
        entering = counts[ids[end]]
        counts[ids[end]] = entering + 1
        inside += c_ln_c[entering + 1] - c_ln_c[entering]
    total += inside
    return max(0.0, math.log(WINDOW_WORDS) - total / WINDOW_WORDS / n_windows)


def _mattr(ids: Sequence[int]) -> float | None:
    """Mean number of types over every window of 50, divided by 50."""
    n_windows = len(ids) - MATTR_WORDS + 1
    if n_windows < 1:
        return None
    counts = [0] * (max(ids) + 1)
    types = total = 0
    for end, entering in enumerate(ids):
        if end >= MATTR_WORDS:
            leaving = ids[end - MATTR_WORDS]
            counts[leaving] -= 1
            types -= counts[leaving] == 0
        types += counts[entering] == 0
        counts[entering] += 1
        if end >= MATTR_WORDS - 1:
            total += types
    return total / n_windows / MATTR_WORDS


def bare_word(word: str) -> str:
    """`word` lower-cased without the punctuation around it."""
    if word.isalnum():
        return word.lower()
    start, end = 0, len(word)
    while start < end and _is_punctuation(word[start]):
        start += 1
    while end > start and _is_punctuation(word[end - 1]):
        end -= 1
    return word[start:end].lower()


@lru_cache(maxsize=4096)
def _is_punctuation(character: str) -> bool:
    """Unicode punctuation, and the ASCII signs that Unicode calls symbols; marks and emoji are not."""
    return character in _ASCII_PUNCTUATION or unicodedata.category(character).startswith("P")
