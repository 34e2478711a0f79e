"""The DPO benchmark's own side makes whole passes, and a side that dies says why. No figure is asserted."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.bench import dpo
from lab.errors import LabError
from tests.models import tiny_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return dpo.write_pairs(tmp_path / "pairs", 2 * dpo.BATCH)


def plan(data: Path, model: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "model": model or str(tiny_model("llama")),
        "data": str(data),
        "batch_size": dpo.BATCH,
        "max_seq_length": 1024,
        "learning_rate": 1e-5,
        "beta": 0.1,
        "lora": {"rank": 4, "scale": 2.0, "dropout": 0.0},
        **changes,
    }


def test_pairs_are_of_the_lengths_that_are_said_and_the_same_every_time(data: Path, tmp_path: Path) -> None:
    lines = (data / "train.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2 * dpo.BATCH and all(row["chosen"] != row["rejected"] for row in rows)
    again = dpo.write_pairs(tmp_path / "again", 2 * dpo.BATCH)
    assert (again / "train.jsonl").read_text("utf-8").splitlines() == lines


@pytest.mark.slow
@pytest.mark.parametrize("memory", [False, True])
def test_our_side_makes_a_pass_for_every_line(data: Path, memory: bool) -> None:
    with dpo.our_side(plan(data, memory=memory)) as side:
        assert "cpu" in side.told["backend"] or "gpu" in side.told["backend"]
        asked = ["first"] if memory else ["first", "later", "later"]
        for what in asked:
            took = side.ask(what)
            assert min(took["wall_s"], took["cpu_s"], took["peak_bytes"]) > 0


def test_a_side_that_cannot_start_says_why(data: Path) -> None:
    with (
        pytest.raises(LabError, match=r"the lab's side ended with status 1: .*no-such-model"),
        dpo.our_side(plan(data, model="/no-such-model")),
    ):
        raise AssertionError("it cannot have started")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlx_lm_lora") is not None, reason="the peer is here")
def test_a_peer_that_is_not_there_is_named(data: Path) -> None:
    with pytest.raises(LabError, match=r"mlx-lm-lora's side ended with status 1: .*mlx_lm_lora"):
        dpo.compare("tiny", Path(str(tiny_model("llama"))), data, Path(sys.executable), turns=1, steps=2)


def test_ratios_are_medians_of_the_turns_own() -> None:
    ours = [{"wall_s": wall} for wall in (1.0, 3.0, 8.0)]
    theirs = [{"wall_s": wall} for wall in (2.0, 4.0, 80.0)]
    assert dpo._ratio(ours, theirs, "wall_s") == 0.5
    assert dpo._step_s(ours, 2) == 1.5
