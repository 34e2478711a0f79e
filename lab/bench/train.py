"""Training against `mlx_lm.lora`: the same data, model, optimizer and BLAS, in turns; and memory, and ranks.

Speed is counted in tokens that the loss counts. Every turn is one pass over the data by each side; ours runs
with its journal, checkpoints and control unit on, mlx-lm's with its own loop, batches and compiled step.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lab.bench.decode import as_mlx_lm_loads
from lab.bench.models import LLAMA_50M, write_random_llama
from lab.models.load import LoadedModel, load
from lab.models.mlx_lm_api import linear_to_lora_layers
from lab.models.runtime import mx
from lab.processes import environment
from lab.train.settings import LoraParameters, TrainSettings, as_mapping

BATCH = 4
SCU = {"target": 0.03, "interval": 5, "pulse_steps": 0}
RANK_ROWS, RANK_EPOCHS = 8, 6
"""Rows of a rank in a step. What a step costs whatever its size, some 15 ms on wick, no rank takes from
another: with half as many rows two ranks gained 1.73 to 1.88."""

MIXED_BAR, UNIFORM_BAR = 1.8, 1.0
"""What ours / theirs is to be in tokens a second."""

WORDS = (
    *("the", "archive", "keeps", "a", "map", "of", "every", "town", "and", "nurse", "asks", "who", "holds"),
    *("key", "to", "old", "server", "room", "while", "rivers", "carry", "paper", "boats", "past", "doors"),
)


@dataclass(frozen=True, slots=True)
class TrainSpeed:
    """Counted tokens a second on one model and kind of data; `ratio` is the median of the turns' own ratios.

    `ratio_cpu` is the same of processor seconds, which other work on the machine disturbs less.
    """

    model: str
    data: str
    backend: str
    turns: int
    tokens_per_pass: int
    ours_tokens_per_second: float
    theirs_tokens_per_second: float
    ratio: float
    ratio_cpu: float
    bar: float

    @property
    def holds(self) -> bool:
        return self.ratio >= self.bar


@dataclass(frozen=True, slots=True)
class TrainMemory:
    """Peak memory of a few steps, weights included."""

    model: str
    vocab_size: int
    ours_bytes: int
    theirs_bytes: int
    ratio: float
    bar: float = 0.6

    @property
    def holds(self) -> bool:
        return self.ratio <= self.bar


@dataclass(frozen=True, slots=True)
class RankSpeed:
    """Counted tokens a second of one process with one BLAS thread, of one with a thread a core, and of
    `ranks` with the cores shared out, all with `batch_size` rows a step; `ratio` is the median of the turns'
    own ratios.

    What ranks gain is taken against a process with as many threads as one of them has: that is what a second
    machine would add. On the same machine a process can have all its cores itself, at the third figure.
    """

    model: str
    ranks: int
    batch_size: int
    one_core: float
    all_cores: float
    ranked: float
    ratio: float
    bar: float = 1.8

    @property
    def holds(self) -> bool:
        return self.ratio >= self.bar


@dataclass(frozen=True, slots=True)
class TrainFigures:
    """Everything `lantern bench train` measures."""

    speeds: tuple[TrainSpeed, ...]
    memory: TrainMemory
    ranks: RankSpeed


def train_figures(model: str = "wick", quick: bool = False) -> TrainFigures:
    """Measure here and now; `quick` is a look, not a measurement."""
    turns, rows, long_rows = (1, 2 * BATCH, BATCH) if quick else (5, 12 * BATCH, 3 * BATCH)
    with tempfile.TemporaryDirectory(prefix="lantern-bench-") as name:
        root = Path(name)
        mixed = _write_mixed(root / "mixed", rows)
        uniform = _write_uniform(root / "uniform", rows)
        big = str(write_random_llama(root / "llama-50m", model))
        speeds = []
        for path, words, count in ((model, model, rows), (big, "llama 50M", long_rows)):
            # Mixed lengths whole, for every model: how well they can be sorted into batches depends on how
            # many there are.
            speeds.append(_speed(path, words, "mixed lengths, prompts masked", mixed, True, turns))
            long = _first_rows(uniform, count)
            speeds.append(_speed(path, words, "one length, whole", long, False, turns))
        wide = str(_write_wide_llama(root / "llama-32k", model))
        memory = _memory(wide, _first_rows(uniform, long_rows))
        return TrainFigures(tuple(speeds), memory, _rank_speed(model, mixed, root, turns))


def _settings(model: str, data: Path, masked: bool) -> TrainSettings:
    return TrainSettings(
        data=str(data),
        model=model,
        optimizer="adamw",
        optimizer_config={"adamw": {"weight_decay": 0.0}},
        learning_rate=1e-5,
        num_layers=-1,
        lora_parameters=LoraParameters(rank=8, scale=2.0),
        batch_size=BATCH,
        mask_prompt=masked,
        max_seq_length=257 if not masked else 512,
        allow_repeats=True,
        save_every=10_000,
        scu=SCU,
    )


def _speed(model: str, words: str, kind: str, data: Path, masked: bool, turns: int) -> TrainSpeed:
    """Both sides in turns, each with a model of its own that stays; the first turn of each is not counted."""
    settings = _settings(model, data, masked)
    ours, tokens = _our_pass(settings)
    theirs = _their_pass(settings)
    for warm_up in (ours, theirs):
        warm_up()
    pairs: list[tuple[Took, Took]] = []
    for turn in range(turns):
        first, second = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
        took = {first: _took(first), second: _took(second)}
        pairs.append((took[ours], took[theirs]))
    return TrainSpeed(
        model=words,
        data=kind,
        backend=_backend(),
        turns=turns,
        tokens_per_pass=tokens,
        ours_tokens_per_second=tokens / statistics.median(our.wall_s for our, _ in pairs),
        theirs_tokens_per_second=tokens / statistics.median(their.wall_s for _, their in pairs),
        ratio=statistics.median(their.wall_s / our.wall_s for our, their in pairs),
        ratio_cpu=statistics.median(their.cpu_s / our.cpu_s for our, their in pairs),
        bar=MIXED_BAR if masked else UNIFORM_BAR,
    )


def _our_pass(settings: TrainSettings) -> tuple[Callable[[], None], int]:
    """A pass of the lab's whole loop, and the tokens it counts."""
    from lab.train.folder import create_run
    from lab.train.layers import make_trainable
    from lab.train.loop import Run, Trainer
    from lab.train.net import split
    from lab.train.pulse import Pulse
    from lab.train.ranks import Ranks
    from lab.train.runlog import RunLog, Said
    from lab.train.wiring import build_hooks
    from store.home import Home
    from store.journal import Journal

    loaded = load(settings.model)
    corpus = build_hooks(settings, loaded).objective.read(loaded, settings)
    make_trainable(loaded, settings)

    def one_pass() -> None:
        with tempfile.TemporaryDirectory(prefix="lantern-bench-") as name:
            home = Home.resolve(Path(name))
            folder = create_run(home, as_mapping(settings))
            hooks = build_hooks(settings, loaded)
            run = Run(settings, folder, loaded, split(loaded.model), corpus, hooks, Ranks())
            with Journal.open(home, "bench") as journal, Pulse(folder) as pulse:
                Trainer(run, RunLog(folder.run_id, journal, Said()), pulse, None).train()

    return one_pass, sum(example.learned for example in corpus.train)


def _their_pass(settings: TrainSettings) -> Callable[[], None]:
    """A pass of mlx-lm's trainer over the same files."""
    import mlx.optimizers as optim
    from mlx_lm.tuner.datasets import CacheDataset, load_local_dataset
    from mlx_lm.tuner.trainer import TrainingArgs, train

    loaded = load(settings.model)
    model = _as_mlx_lm_trains(loaded, settings)
    said = SimpleNamespace(mask_prompt=settings.mask_prompt)
    rows, _, _ = load_local_dataset(Path(settings.data), loaded.tokenizer, said)
    dataset = CacheDataset(rows)

    def one_pass() -> None:
        with tempfile.TemporaryDirectory(prefix="lantern-bench-") as name:
            arguments = TrainingArgs(
                batch_size=BATCH,
                iters=len(dataset) // BATCH,
                steps_per_save=10_000,
                max_seq_length=settings.max_seq_length,
                adapter_file=str(Path(name) / "adapters.safetensors"),
            )
            optimizer: Any = optim.AdamW(learning_rate=settings.learning_rate, weight_decay=0.0)
            with _silence():
                train(model, optimizer, dataset, args=arguments)

    return one_pass


def _as_mlx_lm_trains(loaded: LoadedModel, settings: TrainSettings) -> Any:
    """The same model with mlx-lm's own layers, on weights as its own loader leaves them."""
    model = as_mlx_lm_loads(loaded)
    mx.random.seed(settings.seed)
    model.freeze()
    low_rank = settings.lora_parameters
    parameters = {"rank": low_rank.rank, "scale": low_rank.scale, "dropout": low_rank.dropout}
    linear_to_lora_layers(model, len(model.layers), parameters, use_dora=False)
    return model


def _memory(model: str, data: Path) -> TrainMemory:
    """Each side alone in the process while it is measured."""
    settings = replace(_settings(model, data, masked=False), scu=None)
    sides: tuple[Callable[[], Callable[[], None]], ...] = (
        lambda: _our_pass(settings)[0],
        lambda: _their_pass(settings),
    )
    peaks = []
    for make in sides:
        gc.collect()
        mx.clear_cache()
        one_pass = make()
        mx.reset_peak_memory()
        one_pass()
        peaks.append(int(mx.get_peak_memory()))
        del one_pass
    return TrainMemory("llama, vocabulary 32k", 32_000, peaks[0], peaks[1], peaks[0] / peaks[1])


def _rank_speed(model: str, data: Path, root: Path, turns: int) -> RankSpeed:
    """The runs of every turn one after the other, each in processes of its own."""
    cores, ranks = os.cpu_count() or 1, 2
    settings = replace(_settings(model, data, masked=True), batch_size=ranks * RANK_ROWS, epochs=RANK_EPOCHS)
    sides = ((1, 1), (1, cores), (ranks, max(cores // ranks, 1)))

    def speeds(turn: int) -> list[float]:
        homes = [root / f"home-{turn}-{count}-{threads}" for count, threads in sides]
        return [_process_speed(settings, home, *side) for home, side in zip(homes, sides, strict=True)]

    took = [speeds(turn) for turn in range(turns)]
    one_core, all_cores, ranked = (statistics.median(of_side) for of_side in zip(*took, strict=True))
    ratio = statistics.median(both / one for one, _, both in took)
    return RankSpeed(model, ranks, settings.batch_size, one_core, all_cores, ranked, ratio)


def _process_speed(settings: TrainSettings, home_path: Path, ranks: int, threads: int) -> float:
    """The speed of a run in processes of its own, over its steps but the first epoch's, which warms up."""
    from lab.train.folder import create_run
    from lab.train.watch import RunTail
    from store.home import Home
    from store.records import MetricRecord

    home = Home.resolve(home_path)
    folder = create_run(home, as_mapping(settings))
    command = [sys.executable, "-m", "lab.train.worker", "--home", str(home.path), "--run", str(folder.path)]
    given = environment(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    subprocess.run([*command, "--ranks", str(ranks)], env=given, check=True, capture_output=True)
    said = [
        r.values for r in RunTail(home, folder).poll() if isinstance(r, MetricRecord) and r.source == "train"
    ]
    steps = [values for values in said if (values["epoch"] or 0.0) >= 1.0]
    return sum(v["tokens"] or 0.0 for v in steps) / sum((v["step_ms"] or 0.0) / 1e3 for v in steps)


def _write_mixed(folder: Path, rows: int) -> Path:
    """Prompts of 10 to 60 words, answers of 5 to 160, evenly on a logarithmic scale."""
    dice = random.Random(1)

    def words(least: int, most: int) -> str:
        count = round(least * (most / least) ** dice.random())
        return " ".join(dice.choice(WORDS) for _ in range(count))

    return _write(folder, [{"prompt": words(10, 60), "completion": words(5, 160)} for _ in range(rows)])


def _write_uniform(folder: Path, rows: int) -> Path:
    """Texts that are all longer than the limit, and so cut to one length."""
    dice = random.Random(2)
    return _write(folder, [{"text": " ".join(dice.choice(WORDS) for _ in range(400))} for _ in range(rows)])


def _write(folder: Path, rows: list[dict[str, str]]) -> Path:
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def _first_rows(folder: Path, rows: int) -> Path:
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()[:rows]
    target = folder.with_name(f"{folder.name}-{rows}")
    target.mkdir(exist_ok=True)
    (target / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def _write_wide_llama(folder: Path, tokenizer_from: str) -> Path:
    """A small model with the vocabulary of a large one."""
    config = {**LLAMA_50M, "hidden_size": 256, "num_hidden_layers": 4, "intermediate_size": 704}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 32_000}
    return write_random_llama(folder, tokenizer_from, config)


@dataclass(frozen=True, slots=True)
class Took:
    """What a pass took."""

    wall_s: float
    cpu_s: float


def _took(work: Callable[[], None]) -> Took:
    began_s, cpu_began_s = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - began_s, time.process_time() - cpu_began_s)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _backend() -> str:
    from lab.models.runtime import backend_name

    return backend_name()
