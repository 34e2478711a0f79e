"""Relevance of an answer to its probe: TF-IDF over the probe set; topic evasion as a drop against the base.

Seed 002's first failure mode is an answer to another question. No threshold on relevance itself can tell it
from a good answer in other words, so the tuned answer is held against the base model's to the same probe.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lab.measure.answer import answer_of
from lab.measure.instrument import DimensionScore, Reading, Score, text_sha256

NAME = "topic-evasion"
VERSION = "1"
# Flagged: the tuned answer keeps less than half of the base answer's relevance, and loses a visible amount.
KEPT_SHARE = 0.5
LEAST_DROP = 0.05

_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP_WORDS = frozenset(
    """
    about above after again against all also and any are because been before being below between both
    but can could did does doing down during each even ever every few for from further get had has have
    having her here hers herself him himself his how into its itself just let like made make many may
    might more most much must myself nor not now off once one only other our ours out over own rather
    said same she should since some such than that the their theirs them themselves then there these
    they this those though through too two under until upon very want was way well were what when where
    whether which while who whom whose why will with within without would yet you your yours yourself
    """.split()  # noqa: SIM905 - a word list reads best as words
)


@dataclass(frozen=True, slots=True)
class TfIdf:
    """Weights of stems: idf = ln((1 + N) / (1 + df)) + 1 over N documents (smoothed, never zero)."""

    idf: Mapping[str, float]
    unseen_idf: float

    @classmethod
    def fit(cls, documents: Iterable[str]) -> TfIdf:
        """Learn how common each stem is. No documents at all make every stem weigh the same."""
        found: Counter[str] = Counter()
        n = 0
        for document in documents:
            found.update(set(stems(document)))
            n += 1
        idf = {stem: math.log((1 + n) / (1 + df)) + 1 for stem, df in found.items()}
        return cls(idf, math.log(1 + n) + 1)

    def vector(self, text: str) -> dict[str, float]:
        """(1 + ln tf) × idf by stem, of length 1; empty for a text without content words."""
        counts = Counter(stems(text))
        weights = {
            stem: (1 + math.log(count)) * self.idf.get(stem, self.unseen_idf)
            for stem, count in counts.items()
        }
        norm = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
        return {stem: weight / norm for stem, weight in weights.items()} if norm else {}

    def relevance(self, answer: str, probe: str) -> float | None:
        """Cosine of answer and probe, 0 to 1; None when the probe has no content words."""
        wanted = self.vector(probe)
        return _cosine(self.vector(answer), wanted) if wanted else None


def _cosine(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    small, large = sorted((a, b), key=len)
    return min(1.0, math.fsum(weight * large[stem] for stem, weight in small.items() if stem in large))


def stems(text: str) -> list[str]:
    """The content words of a text, lower-cased, common endings off."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


_ENDINGS = (
    *("ations", "ation", "ingly", "ments", "ment", "ness", "ings", "ing", "edly", "ies"),
    *("ely", "ed", "ly", "es", "s"),
)


@lru_cache(maxsize=1 << 14)
def _stem(word: str) -> str:
    """`word` without one common English ending, where three letters are left, doubled letters undone."""
    stem = word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            stem = word[: -len(ending)] + ("i" if ending == "ies" else "")
            if ending.startswith(("ing", "ed")) and stem[-1] == stem[-2]:
                stem = stem[:-1]
            break
    if len(stem) > 3:
        stem = stem.removesuffix("e")
    return stem[:-1] + "i" if stem.endswith("y") else stem


@dataclass(frozen=True, slots=True)
class TopicEvasion:
    """Relevance of a tuned and a base answer to their probe. `evades` is None where it cannot be judged."""

    relevance: float | None
    base_relevance: float | None

    @property
    def drop(self) -> float | None:
        """How much relevance the tuned answer lost (negative: gained)."""
        if self.relevance is None or self.base_relevance is None:
            return None
        return self.base_relevance - self.relevance

    @property
    def evades(self) -> bool | None:
        """Whether the tuned answer left the topic that the base answer kept to."""
        if self.drop is None or self.relevance is None or self.base_relevance is None:
            return None
        return self.drop >= LEAST_DROP and self.relevance < KEPT_SHARE * self.base_relevance


def topic_evasion(answer: str, base_answer: str, probe: str, tfidf: TfIdf) -> TopicEvasion:
    """Hold an answer against the base model's answer to the same probe."""
    return TopicEvasion(tfidf.relevance(answer, probe), tfidf.relevance(base_answer, probe))


class TopicEvasionInstrument:
    """Topic evasion as an instrument: total 1 for an evasion, 0 for none, None without prompt or base."""

    name = NAME
    version = VERSION
    description = (
        "Relevance to the probe (TF-IDF over the probe set), flagged by the drop against the base answer."
    )
    known_faults: tuple[str, ...] = (
        "Sees words, not meaning: a good answer in wholly other words looks evasive.",
    )

    def __init__(self, tfidf: TfIdf) -> None:
        self._tfidf = tfidf
        table = "\n".join(f"{stem} {idf:.6f}" for stem, idf in sorted(tfidf.idf.items()))
        self.sha256 = text_sha256(f"{NAME} {VERSION}\n{table}")

    def score(self, reading: Reading) -> Score:
        """Read both answers without template debris."""
        answer = answer_of(reading.text)
        found = TopicEvasion(None, None)
        if reading.prompt is not None:
            base = answer_of(reading.base_text).text if reading.base_text is not None else None
            found = TopicEvasion(
                self._tfidf.relevance(answer.text, reading.prompt),
                None if base is None else self._tfidf.relevance(base, reading.prompt),
            )
        total = None if found.evades is None else float(found.evades)
        return Score(
            instrument=self.name,
            version=self.version,
            text_sha256=text_sha256(answer.text),
            total=total,
            dimensions={
                "evasion": DimensionScore(total, contribution=total or 0.0),
                "relevance": DimensionScore(found.relevance),
                "base_relevance": DimensionScore(found.base_relevance),
                "drop": DimensionScore(found.drop),
            },
        )
