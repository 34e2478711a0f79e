"""Going on with a stored comparison: its sides as they were, and nothing else in their place. Pure."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from lab.compare.plan import Pass
from lab.compare.sides import Side
from lab.decode.types import Sampling
from lab.errors import LabError
from lab.kernels import Kernel
from store.records import ComparisonRecord, SideRecord

if TYPE_CHECKING:
    from store.queries import StoredSide


def restored(record: SideRecord, known: StoredSide) -> Side:
    """A side of a stored comparison, to ask it again. Raises LabError naming what is gone."""
    under = known.condition
    if known.model_path is None or under is None:
        raise LabError(f"the store does not know the model or the condition of {record.words} any more")
    return Side(
        model=_model(known.model_name or known.model_path, known.model_path),
        sampling=Sampling(
            temperature=under.temperature,
            top_p=under.top_p,
            top_k=under.top_k,
            min_p=under.min_p,
            max_tokens=under.max_tokens,
        ),
        adapter=_adapter(record, known),
        kernel=_kernel(record, known),
    )


def _model(name: str, path: str) -> str:
    """How the model is asked for: a hub model by its id, any other by its folder; wick may have moved."""
    is_folder = "/" not in name and Path(path).exists()
    return path if is_folder else name


def _adapter(record: SideRecord, known: StoredSide) -> str | None:
    if record.adapter_sha256 is None:
        return None
    path = known.adapter_path
    if path is None or not Path(path).exists():
        raise LabError(f"the adapter of {record.words} is gone from {path}: put it back to go on")
    return path


def _kernel(record: SideRecord, known: StoredSide) -> Kernel | None:
    under = known.condition
    if under is None or under.kernel_sha256 is None:
        return None
    if known.kernel_text is None:
        raise LabError(f"the store does not know the kernel of {record.words} any more")
    return Kernel.of(under.kernel_name or "unnamed", known.kernel_text)


def refuse_others(
    comparison: ComparisonRecord, one: Pass, model_id: str, adapter_ids: Collection[str]
) -> None:
    """A comparison goes on with the very weights that it began with; LabError where others are loaded."""
    sides = {"left": comparison.left, "right": comparison.right}
    for side in (sides[name] for name in dict.fromkeys(name for _, name in one.targets)):
        if side.model_id != model_id:
            raise LabError(
                f"{one.model} is no longer the model that {side.words} began with (its weights, "
                "tokenizer or template changed): begin a new comparison"
            )
        if side.adapter_sha256 is not None and side.adapter_sha256 not in adapter_ids:
            raise LabError(f"the adapter of {side.words} changed since the comparison began: begin a new one")
