"""The training benchmark measures what it says. No figure is asserted: those depend on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench import train as bench
from tests.models import tiny_model


@pytest.fixture
def model() -> str:
    return str(tiny_model("llama"))


@pytest.mark.slow
def test_both_sides_learn_the_same_tokens(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab.models.runtime import mx

    # What mlx-lm compiles on a CPU costs seconds and is not the subject here.
    monkeypatch.setattr(mx, "compile", lambda fn, **_: fn)
    data = bench._write_mixed(tmp_path / "mixed", 8)
    speed = bench._speed(model, "tiny", "mixed", data, masked=True, turns=1)
    assert (speed.model, speed.data, speed.turns) == ("tiny", "mixed", 1)
    answers = sum(line.count(" ") for line in (data / "train.jsonl").read_text().splitlines())
    assert speed.tokens_per_pass > answers // 4
    assert min(speed.ours_tokens_per_second, speed.theirs_tokens_per_second, speed.ratio, speed.ratio_cpu) > 0


def test_uniform_rows_are_cut_to_one_length(model: str, tmp_path: Path) -> None:
    settings = bench._settings(model, bench._write_uniform(tmp_path / "uniform", 4), masked=False)
    _, tokens = bench._our_pass(settings)
    assert tokens == 4 * 256


@pytest.mark.slow
def test_memory_is_that_of_one_side_at_a_time(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab.models.runtime import mx

    monkeypatch.setattr(mx, "compile", lambda fn, **_: fn)
    wide = str(bench._write_wide_llama(tmp_path / "wide", model))
    memory = bench._memory(wide, bench._write_uniform(tmp_path / "uniform", 4))
    assert memory.ratio == memory.ours_bytes / memory.theirs_bytes
    assert 0 < memory.ratio <= memory.bar


@pytest.mark.slow
def test_ranks_are_measured_in_processes_of_their_own(model: str, tmp_path: Path) -> None:
    data = bench._write_mixed(tmp_path / "mixed", 8)
    speed = bench._rank_speed(model, data, tmp_path, turns=1)
    assert (speed.ranks, speed.batch_size) == (2, 2 * bench.RANK_ROWS)
    assert speed.one_core > 0 and speed.all_cores > 0
    assert speed.ratio == speed.ranked / speed.one_core
