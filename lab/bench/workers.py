"""Measure under a chosen BLAS, which is fixed before MLX is imported: in a process of its own.

A worker is a module that takes `--worker PLAN`, a JSON document, and prints its figures as another.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lab.blas import BUNDLED
from lab.errors import LabError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def figures_of(module: str, plan: DataclassInstance, blas: str | None = None) -> dict[str, Any]:
    """What the worker `module` measures. `blas` is "bundled", a library, or None for the best there is."""
    environment = {key: value for key, value in os.environ.items() if key != "LANTERN_BLAS"}
    if blas is not None:
        environment["LANTERN_BLAS"] = blas
    command = [sys.executable, "-m", module, "--worker", json.dumps(asdict(plan))]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise LabError(f"the benchmark {module} failed with status {run.returncode}: {last}")
    figures: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return figures


def figures_by_blas(module: str, plan: DataclassInstance) -> list[dict[str, Any]]:
    """Under the bundled BLAS, then under the best; one result where there is no choice.

    A worker's figures name what it ran on as `backend`.
    """
    best = figures_of(module, plan)
    if "bundled" in best["backend"] or not best["backend"].startswith("cpu"):
        return [best]
    return [figures_of(module, plan, BUNDLED), best]


def serve(module: str, work: Callable[[Mapping[str, Any]], DataclassInstance]) -> None:
    """Entry point of a worker: measure by the plan given, and print the figures."""
    parser = argparse.ArgumentParser(prog=module)
    parser.add_argument("--worker", required=True, help="the plan, as JSON")
    print(json.dumps(asdict(work(json.loads(parser.parse_args().worker)))))
