"""Everything from grammar to model folder: train (or resume), export, measure, write the card."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.wick import card, check, export


def build(run: Path, target: Path, recipe: dict[str, Any] | None = None, ranks: int = 2) -> Path:
    """Build wick into folder `target`, with its work files in `run`; returns the path of the card.

    `recipe` changes fields of `lab.wick.pretrain.Recipe`. An interrupted run goes on from its checkpoint.
    """
    if importlib.util.find_spec("torch") is None:
        raise LabError("building wick needs PyTorch: install it with `pip install 'lantern-lab[wick]'`")
    from lab.wick import pretrain

    try:
        chosen = pretrain.Recipe(**(recipe or {}))
    except TypeError as wrong:
        raise LabError(f"wick recipe: {wrong}; its fields are those of lab.wick.pretrain.Recipe") from wrong
    pretrain.train(run, chosen, ranks=ranks)
    export.export(run, target)
    check.write(target)
    return card.write(target)
