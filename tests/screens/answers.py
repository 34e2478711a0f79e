"""Answers for tests of the screens: made of any text, with reproducible statistics."""

from __future__ import annotations

from typing import Any

from lab.decode.types import Sampling
from lab.protocol import Ask
from screens.workbench import Answer
from tests.screens.fake_engine import pieces, statistics


def finished_answer(text: str, generation_id: str = "g", seed: int = 1, **asked: Any) -> Answer:
    """A finished answer whose record says `text`; its tokens are pieces of it."""
    fields: dict[str, Any] = {"probe_battery": "core", "probe_id": "P004_PROBE", "kernel_name": "lantern.txt"}
    prompt = "What does the river ask of the nurse?"
    ask = Ask(**{"prompt": prompt, "sampling": Sampling(), "seed": seed, **fields, **asked})
    answer = Answer(ask, "r", state="finished", generation_id=generation_id, model_name="wick")
    answer.tokens = [statistics(n, piece, 100 + n, seed) for n, piece in enumerate(pieces(text))]
    answer.record = {
        "id": generation_id,
        "text": text,
        "finish_reason": "stop",
        "n_tokens": len(answer.tokens),
        "tokens_per_second": 80.0,
        "peak_memory_bytes": 300_000_000,
    }
    return answer
