"""A small bench for tests of measuring: a tiny model, two adapters, a store with a few probes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.curriculum.gates import GatePlan, read_gates
from lab.models.load import load
from lab.probes.model import make
from lab.session import Session
from store.home import Home
from store.journal import Journal
from store.records import ProbeRecord
from store.service import StoreService
from tests.adapters import tiny_adapter
from tests.models import tiny_model

CORE = [
    make(
        {"id": f"P{n:02d}_RIVER", "domain": "River", "prompt": f"What would river {n} say?"},
        battery="core",
        origin="t",
    )
    for n in range(6)
]
DIRECTIONS = [
    make(
        {
            "id": f"D{n:02d}",
            "domain": "code",
            "kind": ("accept", "pushback")[n % 2],
            "prompt": f"Rename file {n}.",
            "reference_chosen": f"Renamed file {n}, as you said.",
            "reference_rejected": f"Have you thought about {n} other names?",
        },
        battery="direction",
        origin="t",
    )
    for n in range(4)
]
GATE = {"instrument": "lantern-v1", "battery": "core"}


@dataclass
class Bench:
    """A session on a tiny model with a store."""

    home: Home
    session: Session
    store: StoreService


@contextmanager
def bench(path: Path, arch: str = "llama", probes: list[ProbeRecord] | None = None) -> Iterator[Bench]:
    home = Home.resolve(path)
    store = StoreService(home, "test")
    try:
        store.append(*(probes or [*CORE, *DIRECTIONS]))
        with Journal.open(home, "test") as journal:
            yield Bench(home, Session(load(str(tiny_model(arch))), journal), store)
    finally:
        store.close()


def plan(gates: dict[str, dict[str, Any]], **fields: Any) -> GatePlan:
    """A plan with short answers."""
    return read_gates({"name": "p", "max_tokens": 12, "gates": gates, **fields}, "plan.yaml")


def harmless_adapter(target: Path, arch: str = "llama") -> Path:
    """An adapter that changes nothing: its B is zero."""
    from lab.models.runtime import mx

    source = tiny_adapter(arch)
    shutil.copytree(source, target)
    weights: Any = mx.load(str(source / "adapters.safetensors"))
    still = {name: value * (0.0 if name.endswith("lora_b") else 1.0) for name, value in weights.items()}
    mx.save_safetensors(str(target / "adapters.safetensors"), still)
    return target


def texts_file(path: Path, n: int = 4) -> Path:
    """A held-out file of questions with answers."""
    rows = [{"prompt": f"Where is boat {i}?", "completion": f"At the {'old ' * i}bridge."} for i in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
