"""The benchmarks of decoding under the bundled and under a real BLAS, each in a process of its own.

This module is its own worker for `decode` (see `lab.bench.workers`); that for `twin` is `lab.bench.twin`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.bench.workers import figures_by_blas, serve


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: turns of a stream on wick and on the 50M llama, and prompts of the battery."""

    wick_turns: int = 24
    llama_turns: int = 6
    prompts: int = 24
    model: str = "wick"


@dataclass(frozen=True, slots=True)
class DecodeFigures:
    """What one BLAS gave: fields of `StreamCost`, and of `BatteryGain` with `holds`."""

    backend: str
    streams: tuple[dict[str, Any], ...]
    batteries: tuple[dict[str, Any], ...]
    distillation: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TwinPlan:
    """How long to measure: turns and tokens an answer, on the small model and on the 50M llama."""

    small_turns: int = 16
    small_tokens: int = 96
    llama_turns: int = 8
    llama_tokens: int = 32
    model: str = "wick"


@dataclass(frozen=True, slots=True)
class TwinFigures:
    """What one BLAS gave: `TwinCost` fields and `holds`, by model and number of variants."""

    backend: str
    costs: tuple[dict[str, Any], ...]


def decode_figures_by_blas(plan: Plan = Plan()) -> tuple[DecodeFigures, ...]:
    """Bundled, then the best BLAS; one result where there is only the bundled one."""
    return tuple(DecodeFigures(**figures) for figures in figures_by_blas("lab.bench.both", plan))


def twin_figures_by_blas(plan: TwinPlan = TwinPlan()) -> tuple[TwinFigures, ...]:
    """Base with one adapter, and with three: bundled BLAS, then the best; one result without a choice."""
    return tuple(TwinFigures(**figures) for figures in figures_by_blas("lab.bench.twin", plan))


def _work(asked: Mapping[str, Any]) -> DecodeFigures:
    from lab.bench.decode import battery_gain, stream_cost
    from lab.bench.distill import distill_gain
    from lab.bench.models import write_random_llama
    from lab.decode.types import Sampling
    from lab.kernels import load as load_kernel
    from lab.models.load import load
    from lab.probes import shipped
    from lab.sampling import presets

    plan = Plan(**asked)
    greedy, default = Sampling(temperature=0.0), Sampling()
    wick = load(plan.model)
    streams = [stream_cost(wick, sampling, turns=plan.wick_turns) for sampling in (greedy, default)]
    with tempfile.TemporaryDirectory() as folder:
        llama = load(str(write_random_llama(Path(folder) / "llama-50m", plan.model)))
        streams += [
            stream_cost(llama, sampling, tokens=16, turns=plan.llama_turns) for sampling in (greedy, default)
        ]
    probes = [probe for probe in shipped() if probe.battery == "core"][: plan.prompts]
    prompts = [probe.prompt for probe in probes]
    kernel = load_kernel("lantern")
    batteries = [
        battery_gain(wick, prompts, condition, default)
        for condition in (("baseline", None), (kernel.name, kernel.text))
    ]
    distillation = distill_gain(wick, probes, kernel, presets()["distill"])
    return DecodeFigures(
        wick.backend,
        tuple(map(asdict, streams)),
        tuple(asdict(gain) | {"holds": gain.holds} for gain in batteries),
        asdict(distillation) | {"holds": distillation.holds},
    )


if __name__ == "__main__":
    serve("lab.bench.both", _work)
