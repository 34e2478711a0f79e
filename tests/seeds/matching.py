"""A slow, literal reading of the matching rules in `seeds/probes/capability.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def accepts(item: Mapping[str, Any], answer: str) -> bool:
    """Whether an answer to a capability probe counts as right."""
    rule = {"exact": _exact, "word": _word, "regex": _regex}[item["match"]]
    return any(rule(accepted, answer.strip()) for accepted in item["answers"])


def _exact(accepted: str, answer: str) -> bool:
    return answer.rstrip(".").strip("\"'`“”‘’()[]").rstrip(".").lower() == accepted.lower()


def _word(accepted: str, answer: str) -> bool:
    is_number = accepted.replace(",", "").replace(".", "").isdigit()
    before = r"(?<![\w-])(?<!\d[.,])" if is_number else r"(?<!\w)"
    after = r"(?!\w)(?![.,]\d)" if is_number else r"(?!\w)"
    return re.search(before + re.escape(accepted) + after, answer, re.IGNORECASE) is not None


def _regex(pattern: str, answer: str) -> bool:
    return re.search(pattern, answer, re.IGNORECASE) is not None
