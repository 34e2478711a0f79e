"""Which format a row of a preference file is in, told by its columns; a file may mix them."""

from __future__ import annotations

from typing import Any

from lab.errors import LabError
from lab.preference.formats import FORMATS, PairFormat, Row

EXPECTED = (
    "prompt, chosen and rejected (texts or messages), chosen and rejected alone (whole chats), "
    "or prompt, completion and label"
)


def format_of(row: Any) -> PairFormat:
    """The format that reads this row. Raises LabError saying what was expected."""
    if not isinstance(row, dict):
        raise LabError(f"expected an object with {EXPECTED}")
    if "completion" in row and "label" in row:
        return FORMATS["kto"]
    if "chosen" in row and "rejected" in row:
        return FORMATS[_paired(row)]
    found = ", ".join(map(str, row)) or "nothing"
    raise LabError(f"expected {EXPECTED}; found {found}"[:300])


def as_messages(row: Any) -> Any:
    """mlx-lm-lora's ORPO form, an answer as `{"messages": […]}`, as the others have it: the list itself."""
    if not isinstance(row, dict):
        return row
    return {
        name: value["messages"]
        if name in ("chosen", "rejected") and isinstance(value, dict) and "messages" in value
        else value
        for name, value in row.items()
    }


def _paired(row: Row) -> str:
    if "conversations" in row:
        return "sharegpt"
    if "instruction" in row:
        return "alpaca"
    chats = isinstance(row["chosen"], list)
    if "prompt" not in row or (chats and len(row["chosen"]) > 1 and isinstance(row["prompt"], str)):
        return "trl-implicit"
    return "trl-chat" if chats else "trl" if "system" not in row else "mlx-lm-lora"
