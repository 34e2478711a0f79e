"""An adapter's card: every figure recomputed from records and weights, and nothing for the lint to find."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from lab.adapters.folders import card_of
from lab.errors import LabError
from lab.models.adapters import read_adapter
from lab.report.card import card, facts_of
from lab.train.folder import RunFolder
from lab.train.scu.lint import lint, rows_of
from store.home import Home
from store.records import RunRecord
from tests.hostile import HOSTILE
from tests.lab.train import runs

SCU = {"law": "pi", "target": 0.2, "interval": 3, "pulse_after": 2, "pulse_steps": 2, "lambda_max": 100.0}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, RunFolder]:
    folder = tmp_path_factory.mktemp("card")
    home = Home.resolve(folder / "home")
    given = runs.settings(runs.write_data(folder / "data"), epochs=2, allow_repeats=True, scu=SCU)
    return home, runs.train(home, given)


def squares(folder: RunFolder) -> float:
    weights = read_adapter(folder.adapter).load()
    return sum(float(np.square(np.array(array, dtype=np.float64)).sum()) for array in weights.values())


def test_its_figures_are_those_of_records_and_weights(ended: tuple[Home, RunFolder]) -> None:
    home, folder = ended
    text, watch = card_of(home, folder), runs.Watch(home, folder)
    train, bits = watch.metrics("train"), watch.metrics("scu")
    speed = median(values["tokens_per_second"] for values in train.values())
    assert f"**Speed**: {speed:,.0f} counted tokens/s, median of {len(train)} updates" in text
    assert f"**Seen**: {sum(v['tokens'] for v in train.values()):,.0f} counted tokens" in text
    (plan,) = watch.plans()
    tokens = plan.settings["scu"]["tokens"]
    assert plan.settings["scu"]["tokens_basis"] == "planned"
    found = float(re.search(r"Σ\(w²\) = (\S+)", text)[1])
    assert found == pytest.approx(squares(folder), rel=1e-5)
    expected = found / (2 * 0.01**2 * tokens * math.log(2))
    assert f"N = {tokens:,} tokens (planned)" in text and f"Result: {expected:.4f} bits/token" in text
    rows = rows_of(text)
    assert len(rows) >= 4
    for row in rows:
        values = bits[row.step]
        share = values["param_bpt"] / (values["data_bpt"] + values["param_bpt"])
        assert row.s_percent == f"{100 * share:.2f}"
        assert float(row.loss) == pytest.approx(values["data_bpt"] * math.log(2), abs=5e-5)


def test_the_lint_finds_nothing_in_it_until_a_figure_is_changed(ended: tuple[Home, RunFolder]) -> None:
    text = card_of(*ended)
    assert lint(text) == []
    row = rows_of(text)[0]
    assert lint(text.replace(f"{row.s_percent}%", f"{float(row.s_percent) + 1:.2f}%", 1)) != []


def test_foreign_names_stay_text(ended: tuple[Home, RunFolder]) -> None:
    home, folder = ended
    records = runs.Watch(home, folder).read()
    adapter = read_adapter(folder.adapter).record
    for text in HOSTILE.values():
        named = [replace(r, name=text) if isinstance(r, RunRecord) else r for r in records]
        made = card(facts_of(named, adapter, 3, None))
        assert "\x1b" not in made and made.count("\n# ") == 0 and made.startswith("# ")


def test_a_run_without_an_adapter_has_no_card(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    folder = runs.new_run(home, runs.settings(runs.write_data(tmp_path / "data")))
    with pytest.raises(LabError, match="has not ended yet"):
        card_of(home, folder)
