"""Curricula as data: the shipped ones say what the seed says, and faults are named by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.curriculum.settings import (
    as_mapping,
    from_mapping,
    gate_plan,
    load_curriculum,
    preset_names,
    train_settings,
)
from lab.errors import LabError

PLAIN = """name: trial
defaults:
  distill: {kernel: lantern}
  train:
    learning_rate: 1.0e-4
    batch_size: 4
phases:
  - name: one
    train:
      iters: 20
  - name: two
    data: {threshold: 12}
    train: {learning_rate: 1.0e-5}
"""


def written(path: Path, text: str = PLAIN, **changes: str) -> Path:
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text)
    return path


def replaced(folder: Path, old: str, new: str) -> Path:
    assert old in PLAIN
    path = folder / "trial.yaml"
    path.write_text(PLAIN.replace(old, new))
    return path


def test_the_seed_says_what_the_preset_says() -> None:
    """Seed 001: thresholds, iterations, learning rates and LoRA settings of its five phases."""
    curriculum = load_curriculum("lem-27b")
    settings = [train_settings(phase) for phase in curriculum.phases]
    assert [phase.data.threshold for phase in curriculum.phases] == [None, 24, 22, 20, 25]
    assert [one.iters for one in settings] == [50, 100, 100, 50, 50]
    assert [one.learning_rate for one in settings] == [5e-6, 1e-5, 8e-6, 5e-6, 3e-6]
    assert {phase.data.instrument for phase in curriculum.phases} == {"lek-v2"}
    for one in settings:
        lora = one.lora_parameters
        assert (lora.rank, lora.dropout, lora.scale) == (16, 0.05, 16.0)
        assert (one.batch_size, one.grad_accumulation_steps, one.num_layers) == (1, 8, 32)
        assert (one.optimizer, one.grad_checkpoint, one.max_seq_length) == ("adam", True, 4096)
    assert {(phase.distill.temperature, phase.distill.max_tokens) for phase in curriculum.phases} == {
        (0.8, 4096)
    }
    plans = [gate_plan(phase) for phase in curriculum.phases]
    assert {plan.primary.name for plan in plans if plan} == {"average"}


def test_the_curriculum_that_shows_the_loop_asks_nobody_and_that_of_the_seed_does() -> None:
    assert load_curriculum("wick").unattended
    assert not load_curriculum("lem-27b").unattended


def test_every_shipped_curriculum_reads_and_reads_back() -> None:
    assert set(preset_names()) >= {"lem-27b", "wick"}
    for name in preset_names():
        curriculum = load_curriculum(name)
        assert from_mapping(as_mapping(curriculum), name) == curriculum
        assert len(curriculum.sha256) == 64


def test_defaults_hold_where_a_phase_says_nothing_else(tmp_path: Path) -> None:
    one, two = load_curriculum(written(tmp_path / "trial.yaml")).phases
    assert (one.distill.kernel, two.distill.kernel) == ("lantern", "lantern")
    assert (train_settings(one).learning_rate, train_settings(one).iters) == (1e-4, 20)
    assert (train_settings(two).learning_rate, train_settings(two).batch_size) == (1e-5, 4)
    assert (one.data.threshold, two.data.threshold) == (None, 12)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("threshold: 12", "threshold: high", 12, "data.threshold: input should be a valid number"),
        ("threshold: 12", "treshold: 12", 12, "data.treshold: no such setting"),
        ("iters: 20", "iters: 0", 10, "train.iters: 0; expected at least 1"),
        ("iters: 20", "itters: 20", 10, "train.itters: no such setting; did you mean iters?"),
        ("batch_size: 4", "batch_size: none", 6, "defaults.train.batch_size"),
        ("learning_rate: 1.0e-4", "learning_rate: -1", 5, "defaults.train.learning_rate: -1"),
        ("- name: two", "- name: one", 11, "'one': expected a name of its own"),
        ("- name: two", "- name: before", 11, "'before': expected a name of its own"),
        ("iters: 20", "iters: 20\n      data: ./mine", 11, "train.data: the phase knows this itself"),
        ("threshold: 12", "mix: {self: 0.5}", 12, "the shares sum to 0.5"),
        ("threshold: 12", "external: {claude: c.jsonl}", 12, "a share for self and for each of claude"),
        ("threshold: 12", "review: {share: 2}", 12, "expected a share from 0 to 1"),
        ("kernel: lantern}", "kernel: lantern, samples: many}", 3, "defaults.distill.samples"),
        ("data: {threshold: 12}", "gates: {gates: {}}", 12, "expected at least one gate"),
        ("data: {threshold: 12}", "gates: {gates: {core: {metric: mean}}}", 12, "gates"),
        ("name: trial", "name: trial\nchain: both", 2, "chain: input should be 'adapter' or 'fused'"),
        ("phases:", "phases: []\nothers:", 7, "expected at least one phase"),
    ],
)
def test_a_fault_is_named_by_file_line_and_field(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    path = replaced(tmp_path, old, new)
    with pytest.raises(LabError) as caught:
        load_curriculum(path)
    assert str(caught.value).startswith(f"{path}: line {line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_other_sources_are_seen_from_the_curriculum(tmp_path: Path) -> None:
    path = replaced(tmp_path, "threshold: 12", "external: {claude: c.jsonl}, mix: {self: 0.7, claude: 0.3}")
    assert load_curriculum(path).phases[1].data.external == {"claude": str(tmp_path / "c.jsonl")}


def test_an_unknown_preset_is_said_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no curriculum 'nowhere': there are .*wick"):
        load_curriculum("nowhere")
