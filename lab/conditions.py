"""Conditions: under what an answer was made. Two answers are comparable where their conditions' ids agree."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from store.journal import utc_now
from store.records import ConditionRecord

if TYPE_CHECKING:
    from lab.decode.types import Sampling
    from lab.kernels import Kernel

BASELINE = "baseline"


def condition(kernel: Kernel | None, sampling: Sampling) -> ConditionRecord:
    """The record of a kernel (None: baseline) and sampling settings.

    The id is the SHA-256 of every other field but `at` as sorted JSON, so the same settings have the same id
    in every process.
    """
    settings = {
        "name": kernel.name if kernel else BASELINE,
        "kernel_name": kernel.name if kernel else None,
        "kernel_sha256": kernel.sha256 if kernel else None,
        "temperature": float(sampling.temperature),
        "top_p": float(sampling.top_p),
        "top_k": int(sampling.top_k),
        "min_p": float(sampling.min_p),
        "max_tokens": int(sampling.max_tokens),
    }
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return ConditionRecord(
        id=hashlib.sha256(canonical.encode()).hexdigest(),
        name=str(settings["name"]),
        kernel_name=kernel.name if kernel else None,
        kernel_sha256=kernel.sha256 if kernel else None,
        temperature=float(sampling.temperature),
        top_p=float(sampling.top_p),
        top_k=int(sampling.top_k),
        min_p=float(sampling.min_p),
        max_tokens=int(sampling.max_tokens),
        at=utc_now(),
    )
