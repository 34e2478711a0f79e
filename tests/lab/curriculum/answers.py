"""Candidates for tests: distinct answers of several sentences, and copies of them in disguise."""

from __future__ import annotations

import random
import re
from typing import Any

from lab.curriculum.candidates import Candidate

NOUNS, VERBS, MANNERS, FILLERS = (
    words.split()
    for words in (
        "river boat archive key server nurse teacher map town name voice light door stone clinic garden",
        "carries keeps loses remembers opens shows hides asks counts mends follows answers",
        "slowly gladly at night by hand without a word in spring for them twice again alone",
        "well perhaps indeed still also here there now then once maybe surely quite rather",
    )
)


def text(seed: int, sentences: int = 12) -> str:
    """An answer of so many sentences; two of different seeds share their words but few pairs of them."""
    dice = random.Random(seed)
    made = []
    for _ in range(sentences):
        words = [dice.choice(kind) for kind in (NOUNS, VERBS, NOUNS, MANNERS, NOUNS, VERBS, MANNERS)]
        made.append(f"The {' '.join(words)}.")
    return " ".join(made)


def paraphrase(original: str, seed: int, share: float) -> str:
    """A copy in disguise: some words replaced, neighbours swapped, a sentence less, an opening."""
    dice = random.Random(seed)
    sentences = re.split(r"(?<=\.)\s+", original)
    changed = [
        " ".join(dice.choice(FILLERS) if dice.random() < share else word for word in sentence.split())
        for sentence in sentences
    ]
    place = dice.randrange(len(changed) - 1)
    changed[place], changed[place + 1] = changed[place + 1], changed[place]
    if dice.random() < 0.5:
        changed.pop(dice.randrange(len(changed)))
    if dice.random() < 0.5:
        changed.insert(0, "Here is another way to look at it.")
    return " ".join(changed)


def candidate(number: int, **changes: Any) -> Candidate:
    """Answer `number`, to probe number // 4, distinct from all others."""
    fields: dict[str, Any] = {
        "id": f"g{number:04d}",
        "source": "self",
        "cluster": f"P{number // 4:02d}",
        "variant": ("original", "urgency", "cultural", "perspective")[number % 4],
        "prompt": f"Question {number // 4}, asked in the {number % 4}th way?",
        "answer": text(number),
        "finish_reason": "stop",
        "score": 14.0 + number % 3,
        "probe_battery": "core",
        "probe_id": f"P{number // 4:02d}_{number % 4}",
        "domain": "Hypnos",
        "seed": number,
    }
    return Candidate(**{**fields, **changes})


def candidates(count: int) -> list[Candidate]:
    return [candidate(number) for number in range(count)]
