"""Style as numbers, and how far it drifts: what a text is written like, whatever it says. Pure.

Drift is the root mean square, over features, of the change of their means, in standard deviations of the
base's answers. Two sets of answers of one and the same model also differ, by sampling: that distance, with
other seeds, is the floor, and what counts is how far the drift lies above it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.measure.answer import answer_of

RESAMPLES = 2000

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE = re.compile(r"[^.!?…]+[.!?…]*")
_FUNCTION_WORDS = frozenset(
    """
    the a an and or but if then than that this these those of to in on at by for with from as is are was were
    be been it its not no so such there here which who what when where how
    """.split()  # noqa: SIM905 - a word list reads best as words
)
_FIRST_PERSON = frozenset({"i", "me", "my", "mine", "we", "us", "our", "ours", "i'm", "i've", "i'd", "i'll"})
_SECOND_PERSON = frozenset({"you", "your", "yours", "yourself", "you're", "you've", "you'd", "you'll"})
_MARKUP = re.compile(r"(?m)^\s*(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|>|```|\|)|\*\*|`")

FEATURES = (
    *("log_words", "words_per_sentence", "sentence_spread", "letters_per_word", "function_words"),
    *("first_person", "second_person", "contractions", "questions", "exclamations", "commas", "markup"),
    *("paragraphs", "distinct_words"),
)
"""Names of the features, in order. Shares are of words, or of sentences for questions and exclamations."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far style moved, in standard deviations of the base: `distance`, the `floor` that sampling alone
    makes, and `excess`, distance less floor, with a 95 % interval over probes."""

    distance: float
    floor: float
    excess: float
    lower: float | None
    upper: float | None
    n: int
    strongest: tuple[tuple[str, float], ...]


def style(text: str) -> Doubles:
    """The features of an answer `(features,)`; an empty text has zeros throughout."""
    answer = answer_of(text).text
    words = [word.lower().replace("’", "'") for word in _WORD.findall(answer)]
    if not words:
        return np.zeros(len(FEATURES))
    sentences = [len(_WORD.findall(one)) for one in _SENTENCE.findall(answer)]
    sentences = [length for length in sentences if length] or [len(words)]
    n, n_sentences = len(words), len(sentences)

    def share(known: frozenset[str]) -> float:
        return sum(word in known for word in words) / n

    return np.array(
        [
            math.log1p(n),
            float(np.mean(sentences)),
            float(np.std(sentences)),
            sum(map(len, words)) / n,
            share(_FUNCTION_WORDS),
            share(_FIRST_PERSON),
            share(_SECOND_PERSON),
            sum("'" in word for word in words) / n,
            answer.count("?") / n_sentences,
            answer.count("!") / n_sentences,
            answer.count(",") / n,
            len(_MARKUP.findall(answer)) / n,
            math.log1p(len([part for part in answer.split("\n\n") if part.strip()])),
            len(set(words)) / n,
        ]
    )


def drift(base: Doubles, tuned: Doubles, again: Doubles, *, seed: int = 0, confidence: float = 0.95) -> Drift:
    """Drift from `base` to `tuned`, answers with the same seeds; `again` are base answers with others.

    All are `(probes, features)`, row for row of the same probe. A feature that never varies in the base is
    measured by its spread over all answers. Intervals draw probes again (percentile bootstrap).
    """
    n = len(base)
    scale = np.std(base, axis=0, ddof=1) if n > 1 else np.zeros(base.shape[1])
    everywhere = np.std(np.concatenate([base, tuned, again]), axis=0)
    scale = np.where(scale > 0, scale, everywhere)
    moved = np.where(scale > 0, (tuned - base) / np.where(scale > 0, scale, 1.0), 0.0)
    stayed = np.where(scale > 0, (again - base) / np.where(scale > 0, scale, 1.0), 0.0)
    distance, floor = _rms(moved.mean(axis=0)), _rms(stayed.mean(axis=0))
    lower = upper = None
    if n > 1:
        rows = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
        drawn = _rms(moved[rows].mean(axis=1)) - _rms(stayed[rows].mean(axis=1))
        lower, upper = (float(q) for q in np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]))
    means = moved.mean(axis=0)
    order = np.argsort(-np.abs(means))[:3]
    strongest: Sequence[tuple[str, float]] = [(FEATURES[i], float(means[i])) for i in order if means[i]]
    return Drift(float(distance), float(floor), float(distance - floor), lower, upper, n, tuple(strongest))


def _rms(values: Doubles) -> Doubles:
    return np.asarray(np.sqrt(np.mean(np.square(values), axis=-1)))
