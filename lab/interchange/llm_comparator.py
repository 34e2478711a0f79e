"""Comparisons for LLM Comparator (PAIR): one JSON document, left as model A, right as model B.

Its scores run from −1.5 to 1.5, positive where A is better, and count a win from 0.25 on. Half the difference
of the totals, cut at ±1.5, makes that the ± 0.5 of everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.textfiles import replace_surrogates

if TYPE_CHECKING:
    from lab.report.data import CompareReport, ReportAnswer, ReportPair
    from store.queries.judges import JudgeReply

MOST = 1.5
SCORE_PER_POINT = 0.5
NO_MODES = "none"

_SCHEMA: tuple[tuple[str, str], ...] = (
    ("probe_id", "string"),
    ("change", "number"),
    ("total", "per_model_number"),
    ("mean_entropy_nats", "per_model_number"),
    ("word_entropy_nats", "per_model_number"),
    ("words", "per_model_number"),
    ("tokens", "per_model_number"),
    ("failure_modes", "per_model_category"),
)


def to_llm_comparator(report: CompareReport) -> dict[str, Any]:
    """The document; values that are not known are null. A pair without texts has empty ones."""
    replies: dict[int, list[JudgeReply]] = {}
    for judgement in report.judgements:
        for reply in judgement.replies:
            replies.setdefault(reply.place, []).append(reply)
    measured = f"{report.instrument} {report.version}"
    return {
        "metadata": {
            "source_path": f"Lantern Lab comparison {report.id}; score: half the difference (A − B) of "
            f"{measured}, cut at ±{MOST}",
            "custom_fields_schema": [{"name": name, "type": kind} for name, kind in _SCHEMA],
        },
        "models": [{"name": _text(report.left.words)}, {"name": _text(report.right.words)}],
        "examples": [_example(pair, replies.get(pair.place, ())) for pair in report.pairs],
    }


def _example(pair: ReportPair, replies: Sequence[JudgeReply]) -> dict[str, Any]:
    return {
        "input_text": _text(pair.prompt),
        "tags": [_text(pair.domain)] if pair.domain else [],
        "output_text_a": _text(pair.left.text or ""),
        "output_text_b": _text(pair.right.text or ""),
        "score": None if pair.delta is None else comparator_score(pair.delta),
        "individual_rater_scores": [_rating(reply) for reply in replies],
        "custom_fields": {
            "probe_id": _text(pair.probe_id or f"prompt {pair.place + 1}"),
            "change": pair.delta,
            **_both(pair.left, pair.right),
        },
    }


def comparator_score(delta: float) -> float:
    """−1.5 to 1.5, positive where the left side (A) is better."""
    score = max(-MOST, min(MOST, -SCORE_PER_POINT * delta))
    return score or 0.0


def _both(left: ReportAnswer, right: ReportAnswer) -> dict[str, list[Any]]:
    sides = (left, right)
    return {
        "total": [side.total for side in sides],
        "mean_entropy_nats": [side.mean_entropy_nats for side in sides],
        "word_entropy_nats": [side.word_entropy_nats for side in sides],
        "words": [side.words for side in sides],
        "tokens": [side.n_tokens for side in sides],
        "failure_modes": [", ".join(side.modes) or NO_MODES for side in sides],
    }


def _rating(reply: JudgeReply) -> dict[str, Any]:
    """One reply of a judge; flipped when B was shown first. A reply that could not be read has no score."""
    scores: Mapping[str | None, float | None] = {"left": MOST, "tie": 0.0, "right": -MOST, None: None}
    labels = {"left": "A is better", "tie": "tie", "right": "B is better", None: f"error: {reply.error}"}
    return {
        "score": scores[reply.verdict],
        "rating_label": _text(labels[reply.verdict]),
        "is_flipped": reply.shown_first == "right",
        "rationale": _text(reply.reply or ""),
        "custom_fields": {"judge": _text(reply.judge_name), "template": _text(reply.template)},
    }


def _text(text: str) -> str:
    return replace_surrogates(text)
