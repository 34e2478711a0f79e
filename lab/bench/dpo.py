"""DPO against mlx-lm-lora: the same pairs, model, batch, adapter, optimizer and BLAS, in turns.

The peer lives in an environment of its own, whose Python is given (`--peer-python`):

    python -m venv peer && peer/bin/pip install mlx-lm-lora==5.10.2 "mlx[cpu]"

Every turn is one pass of the peer and two of ours, one that measures the reference and one that has it. Each
side stays in one process; the first pass of each, with its compilations, is not counted.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lab.bench.models import LLAMA_50M, write_random_llama
from lab.bench.train import WORDS
from lab.blas import CORE_VARIABLE
from lab.errors import LabError
from lab.processes import environment

BATCH = 4
PROMPT_WORDS, ANSWER_WORDS = (20, 80), (10, 80)
SMALL = {"hidden_size": 256, "num_hidden_layers": 4, "intermediate_size": 704}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2}
MODELS: Mapping[str, dict[str, Any]] = {
    "llama 5M, vocabulary 8k": {**LLAMA_50M, **SMALL},
    "llama 11M, vocabulary 32k": {**LLAMA_50M, **SMALL, "vocab_size": 32_000},
}
FIRST, LATER, MEMORY, MEMORY_32K = 0.65, 0.45, 0.70, 0.60

Took = dict[str, float]
"""What a pass took: wall_s, cpu_s, peak_bytes."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar and what was measured against it: ratios of ours to the peer's."""

    name: str
    bar: float
    measured: float
    holds: bool


@dataclass(frozen=True, slots=True)
class DpoFigures:
    """One model. Seconds are of a step, medians of the turns; ratios are medians of the turns' own ratios.

    `cpu` ratios are of processor seconds, which other work on the machine disturbs less.
    """

    model: str
    backend: str
    turns: int
    steps: int
    first_step_s: float
    later_step_s: float
    peer_step_s: float
    first_ratio: float
    first_ratio_cpu: float
    later_ratio: float
    later_ratio_cpu: float
    peak_bytes: int
    peer_peak_bytes: int
    bars: tuple[Bar, ...]


def dpo_figures(peer_python: Path, tokenizer_from: str = "wick", quick: bool = False) -> list[DpoFigures]:
    """Measure here and now; `quick` is a look, not a measurement. Raises LabError naming what failed."""
    turns, pairs = (1, 2 * BATCH) if quick else (5, 8 * BATCH)
    found = []
    with tempfile.TemporaryDirectory(prefix="lantern-bench-") as name:
        data = write_pairs(Path(name) / "pairs", pairs)
        for number, (words, config) in enumerate(MODELS.items()):
            model = write_random_llama(Path(name) / f"model-{number}", tokenizer_from, config)
            found.append(compare(words, model, data, peer_python, turns, pairs // BATCH))
    return found


def compare(words: str, model: Path, data: Path, peer_python: Path, turns: int, steps: int) -> DpoFigures:
    """Both sides on one model."""
    plan = {
        "model": str(model),
        "batch_size": BATCH,
        "max_seq_length": 1024,
        "learning_rate": 1e-5,
        "beta": 0.1,
        "lora": {"rank": 8, "scale": 2.0, "dropout": 0.0},
    }
    first: list[Took] = []
    later: list[Took] = []
    peer: list[Took] = []
    with our_side({**plan, "data": str(data)}) as ours:
        theirs_plan = {**plan, "data": str(data / "train.jsonl"), "blas": ours.told["blas"]}
        with peer_side(peer_python, theirs_plan, ours.told["core"]) as theirs:
            for asked in ("first", "later"):
                ours.ask(asked)
            theirs.ask("pass")
            for turn in range(turns):
                sides = [(ours, "first", first), (theirs, "pass", peer), (ours, "later", later)]
                for side, asked, took in sides if turn % 2 == 0 else reversed(sides):
                    took.append(side.ask(asked))
    with our_side({**plan, "data": str(data), "memory": True}) as alone:
        peak_bytes = int(alone.ask("first")["peak_bytes"])

    peer_peak_bytes = int(peer[-1]["peak_bytes"])
    first_ratio, later_ratio = (_ratio(passes, peer, "wall_s") for passes in (first, later))
    most = MEMORY_32K if "32k" in words else MEMORY
    measured = (
        ("step, first epoch", FIRST, first_ratio),
        ("step, later epochs", LATER, later_ratio),
        ("peak memory", most, peak_bytes / peer_peak_bytes),
    )
    return DpoFigures(
        model=words,
        backend=str(ours.told["backend"]),
        turns=turns,
        steps=steps,
        first_step_s=_step_s(first, steps),
        later_step_s=_step_s(later, steps),
        peer_step_s=_step_s(peer, steps),
        first_ratio=first_ratio,
        first_ratio_cpu=_ratio(first, peer, "cpu_s"),
        later_ratio=later_ratio,
        later_ratio_cpu=_ratio(later, peer, "cpu_s"),
        peak_bytes=peak_bytes,
        peer_peak_bytes=peer_peak_bytes,
        bars=tuple(Bar(name, bar, ratio, ratio <= bar) for name, bar, ratio in measured),
    )


def _ratio(ours: list[Took], theirs: list[Took], name: str) -> float:
    return statistics.median(a[name] / b[name] for a, b in zip(ours, theirs, strict=True))


def _step_s(passes: list[Took], steps: int) -> float:
    return statistics.median(took["wall_s"] for took in passes) / steps


class Side:
    """A process that makes a pass for every line it is sent; `told` is what it said when it was ready."""

    def __init__(self, name: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._name, self._process, self._errors = name, process, errors
        self.told = self._answer()

    def ask(self, what: str) -> dict[str, float]:
        """One pass."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{what}\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines() or ["no message"]
            raise LabError(f"{self._name} ended with status {status}: {said[-1][:300]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def our_side(plan: Mapping[str, Any]) -> Iterator[Side]:
    """The lab's own process."""
    command = [sys.executable, "-m", "lab.bench.dpo_ours", json.dumps({"memory": False, **plan})]
    with _started("the lab's side", command, environment()) as side:
        yield side


@contextmanager
def peer_side(python: Path, plan: Mapping[str, Any], core: str | None) -> Iterator[Side]:
    """The peer's process, on the BLAS and the processor kernels that ours runs on."""
    command = [str(python), str(Path(__file__).with_name("dpo_peer.py")), json.dumps(plan)]
    theirs = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    if core:
        theirs[CORE_VARIABLE] = core
    with _started("mlx-lm-lora's side", command, theirs) as side:
        yield side


@contextmanager
def _started(name: str, command: list[str], environment: Mapping[str, str]) -> Iterator[Side]:
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        try:
            process = subprocess.Popen(
                command, env=dict(environment), stdin=pipe, stdout=pipe, stderr=errors, text=True
            )
        except OSError as error:
            raise LabError(f"{name}: {command[0]} cannot be started: {error.strerror or error}") from error
        try:
            yield Side(name, process, errors)
        finally:
            process.kill()
            process.communicate()


def write_pairs(folder: Path, count: int) -> Path:
    """Prompts and answers of random words, their lengths evenly on a logarithmic scale; no two alike."""
    dice = random.Random(3)

    def words(least: int, most: int) -> str:
        length = round(least * math.exp(dice.random() * math.log(most / least)))
        return " ".join(dice.choice(WORDS) for _ in range(length))

    folder.mkdir(parents=True)
    rows = [
        {"prompt": words(*PROMPT_WORDS), "chosen": words(*ANSWER_WORDS), "rejected": words(*ANSWER_WORDS)}
        for _ in range(count)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    return folder
