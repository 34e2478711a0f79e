"""Capability: is the answer to a checkable probe right? Matches are anchored: "then" does not hold "hen"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from lab.errors import LabError
from lab.measure.answer import answer_of
from lab.measure.instrument import DimensionScore, Reading, Score, Span, text_sha256

NAME = "capability"
VERSION = "1"
# A pattern is searched for in so much of an answer: patterns come from probe files, answers may be endless.
MAX_CHARACTERS = 20_000

_OUTER = " \t\r\n\"'“”‘’«»`*_()[]{}"
_NUMBER = re.compile(r"[-+]?\d[\d.,:]*")


def find_answer(text: str, match: str, answers: Sequence[str]) -> Span | None:
    """Where `text` gives one of the accepted answers; None when it does not.

    `match` is "exact" (the whole text, ignoring case, surrounding quotes or brackets and a final full
    stop), "word" (whole words, ignoring case; a number is not part of a longer one: 7 is not in 17, 7.5,
    1,007 or -7) or "regex" (a case-insensitive search). Raises LabError for another kind or a bad pattern.
    """
    text = text[:MAX_CHARACTERS]
    if match == "exact":
        return _exact(text, answers)
    if match not in ("word", "regex"):
        raise LabError(f"match: expected exact, word or regex, not {match!r}")
    for answer in answers:
        found = _pattern(answer, match).search(text)
        if found:
            return found.span()
    return None


def _exact(text: str, answers: Sequence[str]) -> Span | None:
    bare = _bare(text)
    if bare not in {_bare(answer) for answer in answers}:
        return None
    return len(text) - len(text.lstrip()), len(text.rstrip())


def _bare(text: str) -> str:
    return text.strip(_OUTER).removesuffix(".").strip(_OUTER).casefold()


@lru_cache(maxsize=4096)
def _pattern(answer: str, match: str) -> re.Pattern[str]:
    if match == "regex":
        try:
            return re.compile(answer, re.IGNORECASE)
        except re.error as error:
            raise LabError(f"answers: {answer!r} is no pattern: {error}") from error
    words = r"\s+".join(re.escape(word) for word in answer.split())
    if _NUMBER.fullmatch(answer.strip()):
        # Neither inside a longer number nor behind a minus sign; "10-7" is a difference, not minus seven.
        return re.compile(rf"(?<![\w.,:])(?<!(?<![\w)])[-−]){words}(?![\w%])(?![.,:]\d)")
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


class CapabilityInstrument:
    """Right (1) or wrong (0) by the probe's own `match` and `answers`; None for a probe without them."""

    name = NAME
    version = VERSION
    sha256 = text_sha256(f"{NAME} {VERSION}")
    description = (
        "Right or wrong, by exact, whole-word or pattern match against the probe's accepted answers."
    )
    known_faults: tuple[str, ...] = (
        "An answer that names several candidates passes when one of them is accepted.",
    )

    def score(self, reading: Reading) -> Score:
        """Read the answer without template debris."""
        answer = answer_of(reading.text)
        expected = expectation(reading.probe)
        correct: float | None = None
        spans: tuple[Span, ...] = ()
        if expected is not None:
            found = find_answer(answer.text, *expected)
            correct = float(found is not None)
            spans = (answer.raw_span(*found),) if found else ()
        return Score(
            instrument=self.name,
            version=self.version,
            text_sha256=text_sha256(answer.text),
            total=correct,
            dimensions={"correct": DimensionScore(correct, len(spans), correct or 0.0, spans)},
        )


def expectation(probe: Mapping[str, object]) -> tuple[str, tuple[str, ...]] | None:
    """The probe's `match` and `answers`; None where it has none. Raises LabError where they are unusable."""
    match, answers = probe.get("match", "word"), probe.get("answers")
    if answers is None:
        return None
    if isinstance(answers, str) or not isinstance(answers, Sequence) or not answers:
        raise LabError("answers: expected a list of accepted answers")
    return str(match), tuple(str(answer) for answer in answers)
