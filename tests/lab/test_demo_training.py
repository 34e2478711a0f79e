"""What the demo trains on: answers under the kernel to probes that it does not compare on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.demo import demo_probes, demo_tuned_sides
from lab.demo_training import training_asks, training_settings, write_data
from lab.errors import LabError
from lab.train.monitors.settings import DEFAULT_PROBES
from store.home import Home


def answer(seed: int, reason: str = "stop", text: str = "A lamp, and a question.") -> dict[str, object]:
    return {"seed": seed, "prompt": f"What of {seed}?", "text": text, "finish_reason": reason}


def test_training_probes_are_none_of_those_that_are_compared_or_pinned() -> None:
    asks = training_asks()
    assert len(asks) == 54
    assert len({ask.seed for ask in asks}) == 54
    assert {ask.kernel_name for ask in asks} == {"lantern.txt"}
    asked = {ask.probe_id for ask in asks}
    assert not asked & {probe.id for probe in demo_probes()}
    assert not asked & {name.partition("/")[2] for name in DEFAULT_PROBES}


def test_the_data_is_the_question_without_the_kernel_and_the_answer_given_under_it(tmp_path: Path) -> None:
    answers = [answer(seed) for seed in reversed(range(20))]
    answers += [answer(30, "length"), answer(31, text=" ")]
    data = write_data(Home.resolve(tmp_path), answers)
    assert (data.train, data.held_out) == (17, 3)
    rows = [json.loads(line) for line in (data.folder / "train.jsonl").read_text().splitlines()]
    held_out = [json.loads(line) for line in (data.folder / "valid.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in held_out] == ["What of 0?", "What of 9?", "What of 18?"]
    assert rows[0] == {"prompt": "What of 1?", "completion": "A lamp, and a question."}
    assert not [path for path in data.folder.iterdir() if path.stat().st_mode & 0o077]
    settings = training_settings(data)
    assert (settings.model, settings.data, settings.monitors) == ("wick", str(data.folder), {"every": 3})


def test_without_a_whole_answer_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no answer under the kernel ended by itself"):
        write_data(Home.resolve(tmp_path), [answer(1, "length")])


def test_base_and_tuned_are_asked_alike_and_without_the_kernel() -> None:
    base, tuned = demo_tuned_sides("wick", "/adapter")
    assert (base.adapter, tuned.adapter) == (None, "/adapter")
    assert base.kernel is None is tuned.kernel
    assert base.sampling == tuned.sampling
