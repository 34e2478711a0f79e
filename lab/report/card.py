"""The card of an adapter, in Markdown: what was trained on what, how it went, what it has learned (seed 003).

Every figure is computed from the run's records and from the adapter's weights when the card is written; the
table satisfies the formulas beside it, which `lantern adapter lint` checks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lab.adapters.anatomy import Anatomy
from lab.errors import LabError
from lab.report.markdown import plain
from lab.report.words import number, percent
from lab.train.scu.quantities import LN2, Prior, param_bpt, s_ratio
from lab.train.scu.settings import TOKENS_BASIS
from store.records import (
    RUN_ENDS,
    AdapterRecord,
    CheckpointRecord,
    EventRecord,
    MetricRecord,
    ModelRecord,
    Record,
    RunRecord,
)

MOST_ROWS = 8
TOP_MODULES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card is made of. Metrics are by source, in the order of their steps.

    `anatomy` is None for full weights; `kept_step` is the step whose adapter was kept.
    """

    run: RunRecord
    adapter: AdapterRecord
    kept_step: int
    anatomy: Anatomy | None
    model: ModelRecord | None = None
    metrics: Mapping[str, Sequence[MetricRecord]] = field(default_factory=dict)
    events: Sequence[EventRecord] = ()
    checkpoints: Sequence[CheckpointRecord] = ()


def facts_of(
    records: Sequence[Record], adapter: AdapterRecord, kept_step: int, anatomy: Anatomy | None
) -> CardFacts:
    """Sort a run's records. Raises LabError where the run never said what it was going to do."""
    plan = next((record for record in records if isinstance(record, RunRecord)), None)
    if plan is None:
        raise LabError("the run has no record yet: it ended before it began to train")
    metrics: dict[str, list[MetricRecord]] = {}
    for record in records:
        if isinstance(record, MetricRecord):
            metrics.setdefault(record.source, []).append(record)
    return CardFacts(
        run=plan,
        adapter=adapter,
        kept_step=kept_step,
        anatomy=anatomy,
        model=next((record for record in records if isinstance(record, ModelRecord)), None),
        metrics={source: sorted(found, key=lambda m: m.step) for source, found in metrics.items()},
        events=[record for record in records if isinstance(record, EventRecord)],
        checkpoints=[record for record in records if isinstance(record, CheckpointRecord)],
    )


def card(facts: CardFacts) -> str:
    """The whole card."""
    parts = (_head(facts), _configuration(facts), _course(facts), _bits(facts), _learned(facts), _use(facts))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(facts: CardFacts) -> Iterator[str]:
    run, adapter = facts.run, facts.adapter
    settings = run.settings
    yield f"# {plain(run.name)}: {run.objective.upper()} adapter\n"
    yield f"- **Base model**: `{settings['model']}` (id `{run.model_id[:16]}`)"
    yield f"- **Method**: {run.fine_tune_type}, objective {run.objective}{_rank(adapter)}"
    yield f"- **Trainable parameters**: {run.trainable_parameters:,}"
    yield f"- **Adapter**: id `{adapter.id[:16]}`, the weights after step {facts.kept_step:,}"
    yield f"- **Run**: `{run.id}`, {run.at[:16].replace('T', ' ')} UTC\n"


def _rank(adapter: AdapterRecord) -> str:
    if adapter.rank is None or adapter.scale is None:
        return ""
    return f", rank {adapter.rank} (α = {adapter.scale * adapter.rank:g}), {adapter.num_layers} layers"


def _configuration(facts: CardFacts) -> Iterator[str]:
    run, settings = facts.run, facts.run.settings
    yield "## Training configuration\n"
    held_out = f"{run.valid_examples:,} held out (hash `{run.data_sha256[:16]}`)"
    yield f"- **Data**: {run.train_examples:,} examples, {held_out}"
    yield (
        f"- **Updates**: {run.planned_steps:,} planned, batches of {settings['batch_size']} × "
        f"{settings['grad_accumulation_steps']} rows, up to {settings['max_seq_length']:,} tokens a row"
    )
    yield f"- **Optimizer**: {settings['optimizer']}, learning rate {settings['learning_rate']:g}"
    yield f"- **Seed**: {settings['seed']}"
    scu = settings.get("scu")
    if isinstance(scu, Mapping):
        named = ", ".join(f"{key} {_setting(value)}" for key, value in scu.items())
        yield f"- **Controller**: {plain(named)}"
    train = facts.metrics.get("train", ())
    speeds = _real(m.values.get("tokens_per_second") for m in train)
    if speeds:
        yield f"- **Speed**: {median(speeds):,.0f} counted tokens/s, median of {len(speeds):,} updates"
    peaks = _real(m.values.get("peak_memory_bytes") for m in train)
    if peaks:
        yield f"- **Peak memory**: {max(peaks) / 1e9:.2f} GB"
    tokens = sum(_real(m.values.get("tokens") for m in train))
    if tokens:
        yield f"- **Seen**: {tokens:,.0f} counted tokens in {len(train):,} updates"
    yield ""


def _course(facts: CardFacts) -> Iterator[str]:
    yield "## How it went\n"
    ends = [event for event in facts.events if event.name in RUN_ENDS]
    if ends:
        yield f"{ends[-1].name.capitalize()} after step {ends[-1].step:,}: {plain(ends[-1].words)}.\n"
    for event in facts.events:
        if event.level != "info" and event.name not in RUN_ENDS:
            yield f"- step {event.step:,}: {plain(event.words)}"
    held_out = facts.metrics.get("valid", ())
    if held_out:
        yield "\n| Step | Held-out loss (nats) | Perplexity |\n|---|---|---|"
        for metric in _chosen(held_out, facts.kept_step):
            mark = " (kept)" if metric.step == facts.kept_step else ""
            loss, perplexity = metric.values["loss_nats"], metric.values["perplexity"]
            yield f"| {metric.step:,}{mark} | {number(loss, 4)} | {number(perplexity, 2)} |"
        yield ""


def _bits(facts: CardFacts) -> Iterator[str]:
    """The controller's table, and the description length of the kept weights."""
    readings = [m for m in facts.metrics.get("scu", ()) if m.values.get("data_bpt") is not None]
    prior = _prior(facts.run)
    if not readings or prior is None:
        return
    controlled = [metric for metric in readings if metric.values.get("s_hat") is not None]
    readings = controlled or readings
    target = float(facts.run.settings["scu"]["target"])  # type: ignore[index]
    yield f"## Bits (S = P / (D + P), target {100 * target:g}%)\n"
    yield "| Step | Loss | Data BPT | Param BPT | S-ratio | Lambda | State |\n|---|---|---|---|---|---|---|"
    shares = {}
    for metric in _chosen(readings, facts.kept_step):
        bits, weights = metric.values["data_bpt"] or 0.0, metric.values["param_bpt"] or 0.0
        shares[metric.step] = s_ratio(bits, weights)
        yield (
            f"| {metric.step} | {bits * LN2:.4f} | {bits:.4f} | {weights:.6f} | "
            f"{100 * shares[metric.step]:.2f}% | {_significant(metric.values.get('lambda'))} | "
            f"{plain(metric.words.get('state', ''))} |"
        )
    nearest = min(shares, key=lambda step: abs(shares[step] - target))
    yield f"\nOf these, step {nearest} is nearest to the target.\n"
    floor = readings[-1].values.get("floor")
    if floor is not None:
        yield f"At initialization the same weights read S = {100 * floor:.2f}%: that is the floor.\n"
    if facts.anatomy is not None:
        squares = facts.anatomy.sum_squares
        yield "```"
        yield f"Σ(w²) = {squares:.6g}   (sum of squares of the kept weights)"
        yield f"σ = {prior.sigma:g}   N = {prior.tokens:,} tokens ({prior.basis})"
        yield f"Result: {param_bpt(float(f'{squares:.6g}'), prior):.4f} bits/token"
        yield "```\n"


def _learned(facts: CardFacts) -> Iterator[str]:
    anatomy = facts.anatomy
    if anatomy is None:
        return
    yield "## What it has learned\n"
    yield f"| Module | ‖scale·A·B‖ | ‖A‖ | ‖B‖ |{' ‖A − A₀‖ |' if _knows_start(anatomy) else ''}"
    yield "|---|---|---|---|" + ("---|" if _knows_start(anatomy) else "")
    for module in anatomy.top(TOP_MODULES):
        moved = f" {number(module.moved_l2, 3)} |" if _knows_start(anatomy) else ""
        yield (f"| `{module.name}` | {module.change_l2:.3f} | {module.a_l2:.3f} | {module.b_l2:.3f} |{moved}")
    yield f"\n- A (down): std {anatomy.a.std:.5f}, L2 {anatomy.a.l2:.3f}"
    yield f"- B (up): std {anatomy.b.std:.5f}, L2 {anatomy.b.l2:.3f}"
    yield f"- Nearly zero (|w| < 1e-6): {percent(anatomy.near_zero, 2)}"
    if anatomy.sum_squares_from_init is not None:
        yield f"- Σ(w − w₀)²: {anatomy.sum_squares_from_init:.6g}"
    yield ""


def _use(facts: CardFacts) -> Iterator[str]:
    yield "## Use\n"
    yield "```python"
    yield "from mlx_lm import generate, load\n"
    base = json.dumps(str(facts.run.settings["model"]), ensure_ascii=False)
    yield f'model, tokenizer = load({base}, adapter_path="path/to/this/adapter")'
    yield 'print(generate(model, tokenizer, prompt="…", max_tokens=256))'
    yield "```\n"
    yield "Written by Lantern Lab from the run's records."


def _prior(run: RunRecord) -> Prior | None:
    scu = run.settings.get("scu")
    if not isinstance(scu, Mapping) or not scu.get("tokens"):
        return None
    basis = "planned" if scu.get(TOKENS_BASIS, "given") == "planned" else "given"
    return Prior(sigma=float(scu.get("sigma", 0.01)), tokens=int(scu["tokens"]), basis=basis)  # type: ignore[arg-type]


def _chosen(metrics: Sequence[MetricRecord], kept_step: int) -> list[MetricRecord]:
    """At most eight, evenly spread with both ends, and the kept one."""
    if len(metrics) <= MOST_ROWS:
        return list(metrics)
    last = len(metrics) - 1
    places = {round(last * k / (MOST_ROWS - 1)) for k in range(MOST_ROWS)}
    places |= {place for place, metric in enumerate(metrics) if metric.step == kept_step}
    return [metrics[place] for place in sorted(places)]


def _knows_start(anatomy: Anatomy) -> bool:
    return any(module.moved_l2 is not None for module in anatomy.modules)


def _real(values: Any) -> list[float]:
    return [float(value) for value in values if value is not None]


def _significant(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _setting(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
