"""The decode benchmarks under the bundled and under a real BLAS, each in a process of its own.

A BLAS is chosen before MLX is imported, hence the processes. `python -m lab.bench.both --worker` is one of
them and prints its results as one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lab.blas import BUNDLED
from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: turns of a stream on wick and on the 50M llama, and prompts of the battery."""

    wick_turns: int = 40
    llama_turns: int = 24
    prompts: int = 32
    model: str = "wick"


@dataclass(frozen=True, slots=True)
class DecodeFigures:
    """What one BLAS gave: stream costs (`StreamCost` fields), and battery gains (`BatteryGain` fields)."""

    backend: str
    streams: tuple[dict[str, Any], ...]
    batteries: tuple[dict[str, Any], ...]


def decode_figures(plan: Plan = Plan(), blas: str | None = None) -> DecodeFigures:
    """Measure in a fresh process. `blas` is "bundled", a library, or None for the best there is."""
    environment = {key: value for key, value in os.environ.items() if key != "LANTERN_BLAS"}
    if blas is not None:
        environment["LANTERN_BLAS"] = blas
    command = [sys.executable, "-m", "lab.bench.both", "--worker", json.dumps(asdict(plan))]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise LabError(f"the decode benchmark failed with status {run.returncode}: {last}")
    figures = json.loads(run.stdout.splitlines()[-1])
    return DecodeFigures(**{field.name: figures[field.name] for field in fields(DecodeFigures)})


def decode_figures_by_blas(plan: Plan = Plan()) -> tuple[DecodeFigures, ...]:
    """Bundled, then the best BLAS; one result where there is only the bundled one."""
    best = decode_figures(plan)
    if "bundled" in best.backend or not best.backend.startswith("cpu"):
        return (best,)
    return decode_figures(plan, BUNDLED), best


def _work(plan: Plan) -> DecodeFigures:
    from lab.bench.decode import battery_gain, stream_cost
    from lab.bench.models import write_random_llama
    from lab.decode.types import Sampling
    from lab.kernels import load as load_kernel
    from lab.models.load import load
    from lab.probes import shipped

    greedy, default = Sampling(temperature=0.0), Sampling()
    wick = load(plan.model)
    streams = [stream_cost(wick, sampling, turns=plan.wick_turns) for sampling in (greedy, default)]
    with tempfile.TemporaryDirectory() as folder:
        llama = load(str(write_random_llama(Path(folder) / "llama-50m", plan.model)))
        streams += [
            stream_cost(llama, sampling, tokens=24, turns=plan.llama_turns) for sampling in (greedy, default)
        ]
    prompts = [probe.prompt for probe in shipped() if probe.battery == "core"][: plan.prompts]
    kernel = ("lantern", load_kernel("lantern").text)
    baseline = ("baseline", None)
    batteries = [
        battery_gain(wick, prompts, conditions, default)
        for conditions in ([baseline], [kernel], [baseline, kernel])
    ]
    return DecodeFigures(
        wick.backend, tuple(map(asdict, streams)), tuple(asdict(battery) for battery in batteries)
    )


def main() -> None:
    """Entry point of the worker process."""
    parser = argparse.ArgumentParser(prog="lab.bench.both")
    parser.add_argument("--worker", required=True, help="the plan, as JSON")
    plan = Plan(**json.loads(parser.parse_args().worker))
    print(json.dumps(asdict(_work(plan))))


if __name__ == "__main__":
    main()
