"""The look before a run: rows as the template renders them, parted where learning begins."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.models.load import load
from lab.probes.batteries import shipped
from lab.train.check import check, read_check, shortened
from lab.train.data.ledger import write_ledger
from lab.train.hooks import Corpus
from lab.train.outlook import Earlier, outlook
from lab.train.settings import LoraParameters, TrainSettings, as_mapping
from lab.train.wiring import build_hooks
from store.home import Home
from tests.hostile import HOSTILE
from tests.lab.train import runs
from tests.lab.train.preference.pairs import write_pairs
from tests.models import tiny_model


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        data=str(runs.write_data(tmp_path / "data")),
        model=str(tiny_model("llama")),
        batch_size=2,
        mask_prompt=True,
        num_layers=1,
        lora_parameters=LoraParameters(rank=2),
    )


def test_rows_read_as_the_template_renders_them(settings: TrainSettings, tmp_path: Path) -> None:
    seen = check(settings, Home.resolve(tmp_path / "home"))
    lines = [json.loads(line) for line in (Path(settings.data) / "train.jsonl").read_text().splitlines()]
    assert len(seen.batch) == 2
    for row in seen.batch:
        asked, answered = row.pieces
        given = lines[row.line - 1]
        assert (asked.learned, answered.learned) == (False, True)
        assert asked.text.endswith("<|im_start|>assistant\n")
        assert answered.text.startswith(given["completion"]) and "<|im_end|>" in answered.text
        assert 0 < row.learned < row.tokens
    assert seen.measured.peak_memory_bytes > 0 and seen.measured.step_ms > 0
    assert seen.measured.run_seconds == pytest.approx(seen.measured.step_ms / 1e3 * seen.steps, rel=1.0)
    assert read_check(json.loads(json.dumps(asdict(seen)))) == seen


def test_what_an_earlier_run_has_seen_is_said_before_this_one_is_refused(
    settings: TrainSettings, tmp_path: Path
) -> None:
    home = Home.resolve(tmp_path / "home")
    assert not any("seen by run" in notice for notice in check(settings, home).notices)
    earlier = runs.new_run(home, settings)
    write_ledger(earlier.ledger, [item.sha256 for item in corpus_of(settings).train][:9])
    broken = runs.new_run(home, settings)
    broken.plan.write_text("{")
    seen = f"9 of 24 examples were seen by run run ({earlier.run_id[-8:]})"
    refused = f"the run would be refused: {seen}: set allow_repeats (--allow-repeats) to do it all the same"
    assert refused in check(settings, home).notices
    assert f"{seen}, as allowed" in check(replace(settings, allow_repeats=True), home).notices
    other_model = replace(settings, model=str(tiny_model("qwen3")))
    assert not any("seen by run" in notice for notice in check(other_model, home).notices)


def corpus_of(settings: TrainSettings) -> Corpus:
    loaded = load(settings.model)
    return build_hooks(settings, loaded).objective.read(loaded, settings)


def test_probes_given_away_are_named(settings: TrainSettings, tmp_path: Path) -> None:
    probe = next(probe for probe in shipped() if probe.battery == "core")
    with (Path(settings.data) / "train.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": probe.prompt, "completion": "I know this one."}) + "\n")
    seen = check(settings, Home.resolve(tmp_path / "home"))
    assert any(f"same prompt of probe core/{probe.id}" in line for line in seen.overlaps)


@pytest.mark.slow
def test_the_process_prints_the_report_and_one_line_for_a_fault(
    settings: TrainSettings, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "lab.train.check", "--home", str(tmp_path / "home")]
    given = json.dumps(as_mapping(settings)).encode()
    ran = subprocess.run(command, input=given, capture_output=True, check=True, cwd=runs.ROOT)
    assert len(read_check(json.loads(ran.stdout)).batch) == 2
    (Path(settings.data) / "train.jsonl").write_text("{}\n")
    ran = subprocess.run(command, input=given, capture_output=True, check=False, cwd=runs.ROOT)
    assert (
        ran.returncode == 1 and b"no row can be trained on" in ran.stderr and b"Traceback" not in ran.stderr
    )


def test_time_is_that_of_an_earlier_run_of_the_same_work(settings: TrainSettings) -> None:
    same = Earlier("before", as_mapping(settings), 24, step_ms=250.0)
    other = Earlier("other", {**as_mapping(settings), "batch_size": 8}, 24, step_ms=9999.0)
    assert outlook(settings, [other]).seconds is None
    found = outlook(settings, [other, same])
    assert found.seconds == found.steps * 0.25
    assert found.memory is not None and found.memory.total > found.memory.weights > 0


def test_full_weights_of_some_layers_count_as_some() -> None:
    from lab.train.outlook import layers_of

    full = TrainSettings(data="x", model="wick", fine_tune_type="full", num_layers=1)
    assert layers_of(full) == (1, 4)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_shortened_whole(text: str) -> None:
    assert shortened(text, 10**9) == text
    assert len(shortened(text, 10)) <= max(13, 10)


def test_nothing_to_train_on_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"there is no train\.jsonl"):
        outlook(TrainSettings(data=str(tmp_path)))


def test_both_answers_of_a_pair_are_shown_and_a_step_on_pairs_is_measured(
    settings: TrainSettings, tmp_path: Path
) -> None:
    from dataclasses import replace

    data = write_pairs(tmp_path / "pairs")
    probe = next(probe for probe in shipped() if probe.battery == "core")
    with (data / "train.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": probe.prompt, "chosen": "Yes.", "rejected": "No."}) + "\n")
    home = Home.resolve(tmp_path / "home")
    for objective in ("dpo", "kto"):
        given = replace(settings, data=str(data), objective=objective)
        seen = check(given, home)
        assert [row.name for row in seen.batch] == ["chosen", "rejected"] * 2
        assert (seen.examples, seen.held_out, outlook(given).examples) == (25, 6, 25)
        for chosen, rejected in zip(seen.batch[::2], seen.batch[1::2], strict=True):
            assert chosen.line == rejected.line and chosen.pieces[0] == rejected.pieces[0]
            assert chosen.pieces[1].text.startswith("stone") and rejected.pieces[1].text.startswith("river")
        assert seen.measured.step_ms > 0
        assert any(f"same prompt of probe core/{probe.id}" in line for line in seen.overlaps)
        assert read_check(json.loads(json.dumps(asdict(seen)))) == seen
    assert not list((home.cache).glob("references/*"))
