"""Train wick with PyTorch: resumable, logged, the same data for the same seed.

Needs the optional extra `[wick]` (PyTorch). Everything that export and card need lies in the run folder:
`tokenizer.json`, `model.safetensors`, `record.json`, `log.jsonl`; `checkpoint.pt` is what a run resumes from.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import platform
import time
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, distributed
from torch.nn import functional

from lab.errors import LabError
from lab.wick import tokenizer as wick_tokenizer
from lab.wick.batches import Batch, Encoder, stream, window
from lab.wick.corpus import Corpus, digest
from lab.wick.llama_torch import Llama, LlamaShape

HELD_OUT_SEED_OFFSET = 1_000_000
HELD_OUT_BATCHES = 16
DIGEST_SHEAVES = 700


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights.

    Learning rates are peaks. The first `flat_steps` run at the peak, which is fast and noisy; the rest starts
    at `second_rate` of it and falls to zero, which lets fine structure such as copying form.
    """

    seed: int = 7
    steps: int = 2600
    hidden: int = 192
    layers: int = 4
    intermediate: int = 512
    heads: int = 4
    kv_heads: int = 4
    vocabulary: int = wick_tokenizer.VOCABULARY
    tokenizer_sheaves: int = wick_tokenizer.TRAINING_SHEAVES
    batch_tokens: int = 3000
    batches_per_step: int = 2
    matrix_lr: float = 0.005
    other_lr: float = 0.003
    warmup_steps: int = 60
    flat_steps: int = 900
    second_rate: float = 0.3
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    autocast: str = "bfloat16"

    def shape(self) -> LlamaShape:
        return LlamaShape(
            self.vocabulary, self.hidden, self.layers, self.intermediate, self.heads, self.kv_heads
        )


def rate(recipe: Recipe, step: int) -> float:
    """Share of the peak learning rate at `step`: linear warm-up, flat, a drop, then linear decay to zero."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    if step < recipe.flat_steps:
        return 1.0
    return recipe.second_rate * (recipe.steps - step) / (recipe.steps - recipe.flat_steps)


def optimizers(model: Llama, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the embedding and the norms."""
    inner = [weight for name, weight in model.named_parameters() if "layers" in name and weight.ndim == 2]
    rest = [weight for name, weight in model.named_parameters() if "layers" not in name or weight.ndim != 2]
    return [
        torch.optim.Muon(
            inner, lr=recipe.matrix_lr, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(rest, lr=recipe.other_lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def batch_loss(model: Llama, batch: Batch, autocast: str) -> tuple[Tensor, float]:
    """Weighted sum of −ln p over the batch's tokens, in nats, and the sum of the weights."""
    tokens, weights = torch.from_numpy(batch.tokens), torch.from_numpy(batch.weights)[:, 1:]
    prefix = torch.from_numpy(batch.prefix)
    enabled = autocast != "float32"
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        hidden = model.hidden_states(tokens[:, :-1], prefix)
        wanted = weights > 0
        logits = model.logits(hidden[wanted])
    nll = functional.cross_entropy(logits.float(), tokens[:, 1:][wanted], reduction="none")
    return (nll * weights[wanted]).sum(), float(weights.sum())


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def held_out_loss(model: Llama, batches: list[Batch], autocast: str) -> dict[str, float]:
    """Mean weighted loss in nats per weighted token, by manner."""
    sums: dict[str, list[float]] = {}
    for batch in batches:
        loss, weight = batch_loss(model, batch, autocast)
        entry = sums.setdefault(batch.manner, [0.0, 0.0])
        entry[0] += float(loss)
        entry[1] += weight
    return {manner: total / weight for manner, (total, weight) in sorted(sums.items())}


@dataclasses.dataclass
class Progress:
    """How far a run is; `batches` is the data cursor."""

    step: int = 0
    batches: int = 0
    tokens: int = 0
    wall_s: float = 0.0


def train(run: Path, recipe: Recipe, save_every: int = 100, ranks: int = 2) -> None:
    """Train in folder `run` from its checkpoint, or from scratch; writes the run's files as it goes.

    `ranks` processes of one thread each share the batches of a step. They meet once a step, which on a busy
    machine is several times faster than threads that meet in every operation.
    """
    run.mkdir(parents=True, exist_ok=True)
    if recipe.batches_per_step % ranks:
        raise LabError(f"wick: {recipe.batches_per_step} batches per step do not divide among {ranks} ranks")
    _tokenizer(run, Corpus(), recipe)
    meeting = run / f"meeting-{time.time_ns()}"
    try:
        torch.multiprocessing.spawn(_rank, (ranks, meeting, run, recipe, save_every), nprocs=ranks)
    finally:
        meeting.unlink(missing_ok=True)


def _rank(rank: int, ranks: int, meeting: Path, run: Path, recipe: Recipe, save_every: int) -> None:
    """One training process; rank 0 also logs and saves."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks)
    corpus = Corpus()
    encoder = Encoder(_tokenizer(run, corpus, recipe))
    held_out = window(corpus, encoder, recipe.seed + HELD_OUT_SEED_OFFSET, 0, recipe.batch_tokens)[
        :HELD_OUT_BATCHES
    ]
    model = Llama(recipe.shape(), recipe.seed)
    steppers = optimizers(model, recipe)
    progress = _resume(run, recipe, model, steppers)
    batches = stream(
        corpus, encoder, recipe.seed, recipe.batch_tokens, recipe.batches_per_step, skip=progress.batches
    )
    start = time.monotonic() - progress.wall_s
    for step in range(progress.step, recipe.steps):
        loss, tokens = _step(
            model, steppers, recipe, step, list(itertools.islice(batches, recipe.batches_per_step))
        )
        progress = Progress(step + 1, progress.batches + recipe.batches_per_step, progress.tokens + tokens)
        progress.wall_s = time.monotonic() - start
        if rank:
            continue
        entry: dict[str, Any] = {"loss": round(loss, 4), "rate": round(rate(recipe, step), 4)}
        if progress.step % save_every == 0 or progress.step == recipe.steps:
            entry["held_out"] = held_out_loss(model, held_out, recipe.autocast)
            _log(run, progress, entry)
            _save(run, recipe, model, steppers, progress)
        elif progress.step % 10 == 0:
            _log(run, progress, entry)
    if rank == 0:
        _finish(run, recipe, corpus, model, progress, ranks)
    distributed.destroy_process_group()


def _step(
    model: Llama, steppers: list[torch.optim.Optimizer], recipe: Recipe, step: int, batches: list[Batch]
) -> tuple[float, int]:
    """One optimizer step over `batches`, shared among the ranks; returns its loss and the places computed."""
    weight = sum(float(batch.weights[:, 1:].sum()) for batch in batches)
    total = torch.zeros(1)
    for batch in batches[distributed.get_rank() :: distributed.get_world_size()]:
        loss, _ = batch_loss(model, batch, recipe.autocast)
        (loss / weight).backward()
        total += loss.detach() / weight
    _sum_gradients(model, total)
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    for stepper, peak in zip(steppers, (recipe.matrix_lr, recipe.other_lr), strict=True):
        for group in stepper.param_groups:
            group["lr"] = peak * rate(recipe, step)
        stepper.step()
        stepper.zero_grad(set_to_none=False)
    return float(total), sum(batch.prefix.size + int((batch.tokens > 0).sum()) for batch in batches)


def _sum_gradients(model: Llama, total: Tensor) -> None:
    """Add up gradients and loss over the ranks in one message."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    flat = torch.cat([total, *(gradient.flatten() for gradient in gradients)])
    distributed.all_reduce(flat)
    total.copy_(flat[:1])
    for gradient, part in zip(
        gradients, flat[1:].split([gradient.numel() for gradient in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))


def _tokenizer(run: Path, corpus: Corpus, recipe: Recipe) -> Any:
    path = run / "tokenizer.json"
    if not path.exists():
        trained = wick_tokenizer.train(corpus, recipe.seed, recipe.vocabulary, recipe.tokenizer_sheaves)
        trained.save(str(path))
    return wick_tokenizer.load(path)


def _resume(run: Path, recipe: Recipe, model: Llama, steppers: list[torch.optim.Optimizer]) -> Progress:
    path = run / "checkpoint.pt"
    if not path.exists():
        return Progress()
    saved = torch.load(path, weights_only=True)
    if saved["recipe"] != dataclasses.asdict(recipe):
        raise LabError(f"{path}: belongs to another recipe; choose a new run folder or delete it")
    model.load_state_dict(saved["model"])
    for stepper, state in zip(steppers, saved["optimizers"], strict=True):
        stepper.load_state_dict(state)
    return Progress(**saved["progress"])


def _save(
    run: Path, recipe: Recipe, model: Llama, steppers: list[torch.optim.Optimizer], progress: Progress
) -> None:
    partial = run / "checkpoint.partial"
    torch.save(
        {
            "recipe": dataclasses.asdict(recipe),
            "model": model.state_dict(),
            "optimizers": [stepper.state_dict() for stepper in steppers],
            "progress": dataclasses.asdict(progress),
        },
        partial,
    )
    partial.replace(run / "checkpoint.pt")
    safetensors.torch.save_file(model.state_dict(), run / "model.safetensors")


def _log(run: Path, progress: Progress, entry: dict[str, Any]) -> None:
    line = {"step": progress.step, "tokens": progress.tokens, "wall_s": round(progress.wall_s, 1)} | entry
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def _finish(run: Path, recipe: Recipe, corpus: Corpus, model: Llama, progress: Progress, ranks: int) -> None:
    """Write `record.json`: what the card is made from."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    curve = [entry for entry in map(json.loads, lines) if "held_out" in entry]
    record = {
        "recipe": dataclasses.asdict(recipe),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "corpus": {
            "seed": recipe.seed,
            "sheaves": DIGEST_SHEAVES,
            "sha256": digest(corpus, recipe.seed, DIGEST_SHEAVES),
        },
        "tokens_seen": progress.tokens,
        "wall_s": round(progress.wall_s, 1),
        "hardware": f"{ranks} processes of one CPU thread each, {platform.machine()}, shared machine",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "curve": curve,
    }
    (run / "record.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
