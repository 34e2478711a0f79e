"""Measure a wick folder on the shipped probes: what issue and card claim about it, each figure computed here.

Decoding is mlx-lm's own batch generator, so that the figures hold for plain mlx-lm too.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.measure.capability import find_answer
from lab.measure.words import measure
from lab.seeds import SEEDS

TEMPERATURE, TOP_P, MAX_TOKENS = 0.7, 0.9, 320
STOP_WORDS = frozenset(
    [
        *("a", "an", "the", "of", "to", "in", "on", "for", "and", "or", "at", "by", "with", "from", "their"),
        *("his", "her", "its", "one", "two", "three", "own", "old", "new"),
    ]
)

FEATURES: dict[str, Callable[[str], float]] = {
    "words": lambda text: len(text.split()),
    "paragraphs": lambda text: len([part for part in text.split("\n\n") if part.strip()]),
    "questions": lambda text: text.count("?"),
    "perspectives": lambda text: _hits(
        r"perspective|if you were|put yourself|someone who|one could argue|another view|they might", text
    ),
    "nuance": lambda text: _hits(
        r"however|on the other hand|tension|paradox|dilemma|not simply|not merely|yet ", text
    ),
    "images": lambda text: _hits(r"like an? |as if|as though|think of|picture|imagine|as with an? ", text),
    "deflection": lambda text: _hits(
        r"not able to|i cannot|as a language model|important to note|just an assistant", text
    ),
}


@dataclass(frozen=True)
class Probe:
    """One shipped probe, with what its file says about judging it."""

    id: str
    prompt: str
    subjects: tuple[str, ...]
    fields: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An answer's text without special tokens, and whether the model ended it itself."""

    text: str
    ended: bool


@dataclass(frozen=True)
class Manner:
    """Means over the answers of one condition; shares are between 0 and 1."""

    answers: int
    ended_share: float
    repeated_4gram_share: float
    mean_words: float
    subject_mention_share: float
    features: dict[str, float]


def probes(*names: str) -> list[Probe]:
    """The probes of the named files in `seeds/probes`, in file order."""
    found: list[Probe] = []
    for name in names:
        raw = yaml.safe_load((SEEDS / "probes" / f"{name}.yaml").read_text(encoding="utf-8"))
        for entry in raw["probes"]:
            found.append(Probe(entry["id"], entry["prompt"], tuple(entry.get("subjects", ())), entry))
    return found


def repeated_4gram_share(text: str) -> float:
    """Share of 4-grams of lower-cased words that occurred earlier in the text; 0 below four words."""
    return measure(text.lower()).repeated_4gram_share or 0.0


def mentions_subject(text: str, subjects: Iterable[str]) -> bool:
    """Whether a content word of any subject occurs in the text, plural and case ignored."""
    words = {_stem(word) for word in re.findall(r"[\w']+", text.lower())}
    wanted = {_stem(word) for subject in subjects for word in re.findall(r"[\w']+", subject.lower())}
    return bool(words & {word for word in wanted if word not in STOP_WORDS})


def _stem(word: str) -> str:
    return word.removesuffix("'s").removesuffix("s")


def _hits(pattern: str, text: str) -> float:
    return float(len(re.findall(pattern, text.lower())))


def manner(answers: Sequence[Answer], asked: Sequence[Probe]) -> Manner:
    """Means of one condition over answers and the probes that they answer."""
    texts = [answer.text for answer in answers]
    return Manner(
        len(answers),
        statistics.fmean(answer.ended for answer in answers),
        statistics.fmean(repeated_4gram_share(text) for text in texts),
        statistics.fmean(len(text.split()) for text in texts),
        statistics.fmean(
            mentions_subject(text, probe.subjects) for text, probe in zip(texts, asked, strict=True)
        ),
        {name: statistics.fmean(feature(text) for text in texts) for name, feature in FEATURES.items()},
    )


def paired(before: Sequence[Answer], after: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Mean paired difference of every feature with its 95 % interval (normal approximation over probes)."""
    result: dict[str, dict[str, float]] = {}
    for name, feature in FEATURES.items():
        deltas = [feature(right.text) - feature(left.text) for left, right in zip(before, after, strict=True)]
        mean = statistics.fmean(deltas)
        margin = 1.96 * statistics.stdev(deltas) / math.sqrt(len(deltas))
        result[name] = {"difference": mean, "low": mean - margin, "high": mean + margin}
    return result


def correct(answer: str, item: dict[str, Any]) -> bool:
    """Whether a capability answer is right by its item's matching rule (see capability.yaml)."""
    try:
        return find_answer(answer, str(item["match"]), [str(entry) for entry in item["answers"]]) is not None
    except LabError as error:
        raise LabError(f"capability probe {item['id']}: {error}") from error


def behavior(answer: str) -> str:
    """What an answer does with a direction: "push-back", "suggest" or "accept", by its opening words."""
    text = answer.lower()
    if re.search(
        r"i would not|not a good direction|worries me|^no, |^stop|^wait|cannot be undone|not honest", text
    ):
        return "push-back"
    if re.search(
        r"consider|alternativ|instead|option|another way|different approach|better idea|possibilit", text
    ):
        return "suggest"
    return "accept"


class Subject:
    """A loaded wick, asked in batches with seeded sampling."""

    def __init__(self, folder: Path) -> None:
        from mlx_lm import load

        self.model, self.tokenizer = load(str(folder))[:2]

    def ask(
        self, prompts: Sequence[str], system: str = "", seed: int = 0, max_tokens: int = MAX_TOKENS
    ) -> list[Answer]:
        """One sampled answer for each prompt at the default temperature and top-p."""
        import mlx.core as mx
        from mlx_lm import batch_generate
        from mlx_lm.sample_utils import make_sampler

        opening = [{"role": "system", "content": system}] if system else []
        encoded = [
            self.tokenizer.apply_chat_template(
                [*opening, {"role": "user", "content": prompt}], add_generation_prompt=True
            )
            for prompt in prompts
        ]
        mx.random.seed(seed)
        response = batch_generate(
            self.model,
            self.tokenizer,
            encoded,
            max_tokens=max_tokens,
            return_token_ids=True,
            sampler=make_sampler(temp=TEMPERATURE, top_p=TOP_P),
        )
        return [
            Answer(self.tokenizer.decode(ids, skip_special_tokens=True), len(ids) < max_tokens)
            for ids in response.token_ids
        ]


def check(folder: Path, seed: int = 0) -> dict[str, Any]:
    """All acceptance figures of the model in `folder`, as a JSON-ready dictionary."""
    subject = Subject(folder)
    core = probes(*sorted(path.stem for path in (SEEDS / "probes").glob("core*.yaml")))
    kernel = (SEEDS / "kernels" / "lantern.txt").read_text(encoding="utf-8").strip()
    prompts = [probe.prompt for probe in core]
    plain, lit = subject.ask(prompts, "", seed), subject.ask(prompts, kernel, seed)
    return {
        "seed": seed,
        "sampling": {"temperature": TEMPERATURE, "top_p": TOP_P, "max_tokens": MAX_TOKENS},
        "baseline": asdict(manner(plain, core)),
        "kernel": asdict(manner(lit, core)),
        "kernel_minus_baseline": paired(plain, lit),
        "capability": _capability(subject, seed),
        "direction": _direction(subject, seed),
    }


def _capability(subject: Subject, seed: int) -> dict[str, Any]:
    items = probes("capability")
    answers = subject.ask([item.prompt for item in items], "", seed, max_tokens=64)
    right = [correct(answer.text, item.fields) for answer, item in zip(answers, items, strict=True)]
    by_domain: dict[str, list[bool]] = {}
    for item, passed in zip(items, right, strict=True):
        by_domain.setdefault(item.fields["domain"], []).append(passed)
    return {
        "items": len(items),
        "right_share": statistics.fmean(right),
        "by_domain": {name: statistics.fmean(values) for name, values in sorted(by_domain.items())},
    }


def _direction(subject: Subject, seed: int) -> dict[str, Any]:
    items = probes("direction")
    answers = subject.ask([item.prompt for item in items], "", seed, max_tokens=160)
    result: dict[str, Any] = {}
    for kind in ("accept", "pushback"):
        seen = Counter(
            behavior(answer.text)
            for answer, item in zip(answers, items, strict=True)
            if item.fields["kind"] == kind
        )
        result[kind] = {name: count / seen.total() for name, count in sorted(seen.items())}
    return result


def write(folder: Path, seed: int = 0) -> Path:
    """Check the folder and store the figures beside its record, for the card."""
    path = folder / "check.json"
    path.write_text(json.dumps(check(folder, seed), indent=1) + "\n", encoding="utf-8")
    return path
