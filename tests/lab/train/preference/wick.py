"""Pairs that wick makes itself: its answers under the kernel are chosen, its plain ones rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.asks import ask_probe
from lab.demo import DEMO_KERNEL
from lab.kernels import load as load_kernel
from lab.models.load import load
from lab.probes import shipped
from lab.protocol import Finished
from lab.sampling import load_preset
from lab.session import Session
from store.home import Home
from store.journal import Journal
from tests.lab.train.preference.pairs import write_rows

BATTERIES = ("core", "creative")


def kernel_pairs(home: Home, train: int, valid: int, max_tokens: int = 48) -> list[dict[str, str]]:
    """One pair a probe, in the form of TRL."""
    probes = [probe for probe in shipped() if probe.battery in BATTERIES][: train + valid]
    sampling = replace(load_preset("default"), max_tokens=max_tokens)
    asks = [
        ask_probe(probe, kernel, sampling, seed)
        for seed, probe in enumerate(probes)
        for kernel in (load_kernel(DEMO_KERNEL), None)
    ]
    with Journal.open(home, "pairs") as journal:
        events = Session(load("wick"), journal).generate("pairs", asks, batch_size=16)
        answers = {
            event.ask: str(event.generation["text"]) for event in events if isinstance(event, Finished)
        }
    return [
        {"prompt": probe.prompt, "chosen": answers[2 * place], "rejected": answers[2 * place + 1]}
        for place, probe in enumerate(probes)
        if answers[2 * place] != answers[2 * place + 1]
    ]


def write_split(folder: Path, rows: Sequence[dict[str, Any]], valid: int) -> Path:
    """Every so-manieth pair is held out, so that both parts have every kind of probe."""
    folder.mkdir(parents=True, exist_ok=True)
    every = len(rows) // valid
    held = [row for place, row in enumerate(rows) if place % every == 0][:valid]
    write_rows(folder / "valid.jsonl", held)
    write_rows(folder / "train.jsonl", [row for row in rows if row not in held])
    return folder
