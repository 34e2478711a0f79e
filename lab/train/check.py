"""A look at a run before it starts: real batches as the model will see them, and one real step, measured.

`python -m lab.train.check --home HOME` reads settings as JSON on stdin and prints the report as JSON, for
screens, whose process loads no model. The step is made on a copy in memory; nothing is written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.train.settings import TrainSettings, from_mapping
from store.errors import StoreError
from store.home import Home

if TYPE_CHECKING:
    from lab.train.hooks import Corpus

SHOWN_OVERLAPS = 5
OTHER_ROWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a row: what it reads, and whether its tokens are learned or only read."""

    text: str
    learned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row of a real batch. `line` is that of its file, `name` which answer of a pair it is."""

    line: int
    tokens: int
    learned: int
    pieces: tuple[Piece, ...]
    name: str = ""

    @property
    def title(self) -> str:
        """ "line 3, chosen · 40 tokens, 12 learned"."""
        named = f", {self.name}" if self.name else ""
        return f"line {self.line}{named} · {self.tokens} tokens, {self.learned} learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One update on the batch with the most tokens, and how long the whole run will take at its speed."""

    batch_tokens: int
    step_ms: float
    tokens_per_second: float
    peak_memory_bytes: int
    run_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was seen. `padded_share` is the share of a pass's batches that is padding."""

    examples: int
    held_out: int
    replay: int
    steps: int
    tokens: int
    padded_share: float
    trainable_parameters: int
    backend: str
    batch: tuple[ShownRow, ...]
    notices: tuple[str, ...]
    overlaps: tuple[str, ...]
    measured: Measured


def check(settings: TrainSettings, home: Home) -> Check:
    """Load model and data, look at them, and measure. Raises LabError where the run could not start."""
    from dataclasses import replace

    from lab.models.load import load
    from lab.train.layers import make_trainable
    from lab.train.plan import make_order, make_plan
    from lab.train.wiring import build_hooks

    loaded = load(settings.model, cache_dir=home.cache)
    hooks = build_hooks(replace(settings, monitors=None), loaded)
    corpus = hooks.objective.read(loaded, settings)
    order = make_order(settings, corpus)
    plan = make_plan(settings, corpus, order)
    batches = [_items(corpus, batch) for batch in order.epoch(0)]
    widths = [len(batch) * max(item.length for item in batch) for batch in batches]
    read = [sum(item.length for item in batch) for batch in batches]
    largest = max(range(len(batches)), key=widths.__getitem__)
    _prepare(hooks, loaded, corpus, order.epoch(0)[largest].train)
    trainable = make_trainable(loaded, settings)
    measured = _measure(settings, loaded, hooks, batches[largest], widths[largest])
    micro_batch_s = measured[0] / widths[largest]
    return Check(
        examples=len(corpus.train),
        held_out=len(corpus.valid),
        replay=len(corpus.replay),
        steps=plan.steps,
        tokens=plan.tokens,
        padded_share=1.0 - sum(read) / sum(widths),
        trainable_parameters=trainable,
        backend=loaded.backend,
        batch=tuple(row for item in batches[0] for row in shown_rows(item, loaded.tokenizer)),
        notices=(*corpus.notices, *_repeats(home, settings, corpus, plan.passes)),
        overlaps=tuple(_overlaps(settings)),
        measured=Measured(
            batch_tokens=read[largest],
            step_ms=measured[0] * 1e3,
            tokens_per_second=read[largest] / measured[0],
            peak_memory_bytes=measured[1],
            run_seconds=micro_batch_s * sum(widths) / len(widths) * plan.micro_batches,
        ),
    )


def _repeats(home: Home, settings: TrainSettings, corpus: Corpus, passes: float) -> list[str]:
    """Why a run would be refused for what earlier ones have seen, or that it would see it again."""
    from lab.train.data.ledger import repeats

    try:
        said = repeats(home, settings, corpus, passes)
    except LabError as refusal:
        return [f"the run would be refused: {refusal}"]
    return [] if said is None else [said]


def shown_rows(item: Any, tokenizer: Any) -> list[ShownRow]:
    """An example, or both answers of a pair, in the words of its tokens, parted where learning begins."""
    from lab.train.preference.items import Pair

    if not isinstance(item, Pair):
        ids, start = item.token_ids.tolist(), max(item.start, 1)
        return [_shown_row(item.line, "", ids[:start], ids[start:], tokenizer)]
    answers = (("chosen", item.chosen), ("rejected", item.rejected))
    return [
        _shown_row(item.line, name, item.prompt.tolist(), answer.tolist(), tokenizer)
        for name, answer in answers
        if len(answer)
    ]


def _shown_row(
    line: int, name: str, prompt: Sequence[int], answer: Sequence[int], tokenizer: Any
) -> ShownRow:
    parts = ((prompt, False), (answer, True))
    return ShownRow(
        line=line,
        tokens=len(prompt) + len(answer),
        learned=len(answer),
        pieces=tuple(Piece(text=tokenizer.decode(part), learned=learned) for part, learned in parts if part),
        name=name,
    )


def shortened(text: str, most: int) -> str:
    """A long text with its middle left out."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _items(corpus: Corpus, batch: Any) -> list[Any]:
    items = [corpus.train[row] for row in batch.train] + [corpus.replay[row] for row in batch.replay]
    return sorted(items, key=lambda item: item.length)


def _prepare(hooks: Any, loaded: Any, corpus: Corpus, rows: Sequence[int]) -> None:
    """What the objective needs for these rows (KTO: and for some others to compare with); kept nowhere."""
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from lab.train.hooks import Preparation
    from lab.train.net import split
    from lab.train.ranks import Ranks

    others = [row for row in range(min(OTHER_ROWS, len(corpus.train))) if row not in rows]
    some = replace(corpus, train=[corpus.train[row] for row in (*rows, *others)], valid=())
    with TemporaryDirectory(prefix="lantern-check-") as cache:
        preparation = Preparation(loaded, split(loaded.model), some, Path(cache), Ranks(), lambda _: None)
        hooks.objective.prepare(preparation)


def _measure(
    settings: TrainSettings, loaded: Any, hooks: Any, items: Sequence[Any], width: int
) -> tuple[float, int]:
    """Seconds of an update on this batch (of the second: the first one allocates), and peak bytes."""
    from contextlib import nullcontext

    from lab.models.runtime import mx
    from lab.train.layers import recomputed_activations
    from lab.train.net import split
    from lab.train.optimizers import make_optimizer
    from lab.train.ranks import Ranks
    from lab.train.step import Stepper

    loaded.model.train()
    net = split(loaded.model)
    stepper = Stepper(net, hooks.objective, make_optimizer(settings))
    mx.reset_peak_memory()
    seconds = 0.0
    with recomputed_activations(loaded.model) if settings.grad_checkpoint else nullcontext():
        for _ in range(2):
            began_s = time.perf_counter()
            hooks.objective.foresee(net, items, Ranks())
            stepper.add(items)
            stepper.update(settings.learning_rate)
            seconds = time.perf_counter() - began_s
    return seconds, mx.get_peak_memory()


def _overlaps(settings: TrainSettings) -> Iterable[str]:
    """Benchmark probes that the training data gives away: what they measure afterwards is memory."""
    from lab.probes.batteries import shipped
    from lab.thermometer.overlap import ProbeIndex
    from lab.train.data.rows import split_file

    path = split_file(Path(settings.data), "train")
    if path is None:
        return []
    index = ProbeIndex(probe for probe in shipped() if probe.battery != "general")
    found = [
        f"line {overlap.line}: {overlap.where} of probe {overlap.battery}/{overlap.probe_id}"
        for example in _examples(path, settings)
        for overlap in index.overlaps(example)
    ]
    more = [f"… and {len(found) - SHOWN_OVERLAPS:,} more"] if len(found) > SHOWN_OVERLAPS else []
    return found[:SHOWN_OVERLAPS] + more


def _examples(path: Path, settings: TrainSettings) -> Iterable[Any]:
    from lab.thermometer.rows import Example
    from lab.train.data.rows import read_rows
    from lab.train.preference.data import read_pairs

    if settings.objective == "sft":
        return [_as_example(row) for row in read_rows(path, settings).rows]
    return [
        Example(row.line, row.messages[-1].content, answer)
        for row in read_pairs(path, single_answers=settings.objective == "kto").rows
        for answer in (row.chosen, row.rejected)
        if answer is not None
    ]


def _as_example(row: Any) -> Any:
    from lab.thermometer.rows import Example

    if not row.messages:
        return Example(row.line, None, row.text)
    said = {message["role"]: str(message["content"]) for message in row.messages}
    return Example(row.line, said.get("user"), said.get("assistant", ""))


def read_check(values: Mapping[str, Any]) -> Check:
    """A report as `main` prints it."""
    rows = tuple(
        ShownRow(**{**row, "pieces": tuple(Piece(**piece) for piece in row["pieces"])})
        for row in values["batch"]
    )
    return Check(
        **{
            **values,
            "batch": rows,
            "notices": tuple(values["notices"]),
            "overlaps": tuple(values["overlaps"]),
            "measured": Measured(**values["measured"]),
        }
    )


def main() -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="lab.train.check")
    parser.add_argument("--home", required=True, type=Path)
    home = Home.resolve(parser.parse_args().home)
    try:
        report = check(from_mapping(json.load(sys.stdin)), home)
    except (LabError, StoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
