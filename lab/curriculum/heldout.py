"""Texts that a model is not trained on, and how likely it finds them, alone or with an adapter.

`general` is `seeds/heldout/general.jsonl`, which is neither a probe battery nor ever replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lab.curriculum.gate_plan import GENERAL
from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.models.runtime import mx
from lab.seeds import SEEDS
from lab.train.data.examples import Example, encode
from lab.train.data.rows import Row, chat_row, read_rows, split_file
from lab.train.loss import token_nll
from lab.train.net import Net, split
from lab.train.settings import TrainSettings
from lab.train.sft import Sft

GENERAL_FILE = SEEDS / "heldout" / "general.jsonl"
MAX_TOKENS = 2048
BATCH_ROWS = 8

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TextLosses:
    """Mean losses of texts in nats per counted token `(texts,)`, and how many tokens count in each."""

    nats: Floats
    tokens: Floats

    @property
    def perplexity(self) -> float:
        """Of all tokens together."""
        return float(np.exp((self.nats * self.tokens).sum() / self.tokens.sum()))


def read_texts(data: str, loaded: LoadedModel) -> list[Example]:
    """The texts of `data`: "general", a data directory (its valid.jsonl), or a JSONL file.

    Of a chat or completion only the answer counts, of a text everything. Raises LabError.
    """
    if data == GENERAL:
        path: Path | None = GENERAL_FILE
    else:
        folder = Path(data).expanduser()
        path = folder if folder.is_file() else split_file(folder, "valid")
    if path is None:
        raise LabError(f"{data}: expected {GENERAL}, a directory with valid.jsonl, or a JSONL file")
    rows = read_rows(path, TrainSettings(data=str(path))).rows
    if not loaded.tokenizer.has_chat_template:
        rows = tuple(_as_text(row) for row in rows)
    return encode_rows(rows, loaded, str(path))


def encode_pairs(pairs: Sequence[tuple[str, str]], loaded: LoadedModel, source: str) -> list[Example]:
    """Prompts with answers, each as an example of which the answer counts, in order, none left out."""
    rows = [chat_row(number, prompt, answer) for number, (prompt, answer) in enumerate(pairs, start=1)]
    if not loaded.tokenizer.has_chat_template:
        rows = [_as_text(row) for row in rows]
    examples = encode_rows(rows, loaded, source, keep_duplicates=True)
    if len(examples) != len(pairs):
        raise LabError(f"{source}: {len(pairs) - len(examples)} of its answers cannot be read by this model")
    return examples


def encode_rows(
    rows: Sequence[Row], loaded: LoadedModel, source: str, *, keep_duplicates: bool = False
) -> list[Example]:
    """Rows as examples, in their order."""
    found: list[Example] = []
    for masked in (True, False):
        some = [row for row in rows if bool(row.messages) == masked]
        if some:
            found += encode(
                some,
                loaded.tokenizer,
                source=source,
                mask_prompt=masked,
                max_seq_length=MAX_TOKENS,
                keep_duplicates=keep_duplicates,
            ).examples
    return sorted(found, key=lambda example: example.line)


def text_losses(
    loaded: LoadedModel,
    examples: Sequence[Example],
    variant: str | None,
    *,
    net: Net | None = None,
    batch_rows: int = BATCH_ROWS,
) -> TextLosses:
    """The loss of every text with the adapter `variant`, or on the model alone."""
    net = net or split(loaded.model)
    objective = Sft()
    totals = np.zeros(len(examples))
    order = sorted(range(len(examples)), key=lambda row: examples[row].length)
    for first in range(0, len(order), batch_rows):
        rows = order[first : first + batch_rows]
        batch = objective.collate([examples[row] for row in rows])
        with loaded.gate.open([variant] * len(rows)):
            nll = token_nll(net, batch.inputs, batch.positions, batch.targets)
            summed = mx.zeros((batch.rows,)).at[batch.owners].add(nll.astype(mx.float32))
            mx.eval(summed)
        totals[rows] = np.array(summed)
    tokens = np.array([example.learned for example in examples], dtype=np.float64)
    return TextLosses(totals / tokens, tokens)


def _as_text(row: Row) -> Row:
    """A chat for a model without a template: what was said, a paragraph each."""
    if not row.messages:
        return row
    return replace(row, messages=(), text="\n\n".join(str(message["content"]) for message in row.messages))
