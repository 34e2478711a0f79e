"""Gate plans as people write them: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.curriculum.gates import load_gates, preset_names, read_gates
from lab.errors import LabError
from lab.scoring import names
from tests.hostile import HOSTILE

GOOD = """\
name: mine
gates:
  average:
    primary: true
    instrument: lek-v2
    battery: core
    pass: ">= 21"
    fail: "< 20"
  loops:
    metric: rate
    instrument: degeneration
    dimension: degenerate
    battery: core
    against: base
    pass: "<= 0.02"
"""


def test_a_plan_is_read_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    plan = load_gates(path)
    average, loops = plan.gates
    assert (plan.name, plan.primary, plan.samples, plan.confidence) == ("mine", average, 1, 0.95)
    assert (average.metric, average.dimension, average.condition) == ("mean", "total", "baseline")
    assert (str(average.passes), str(average.fails), average.harm_is_low) == (">= 21", "< 20", True)
    assert (loops.against, loops.harm_is_low) == ("base", False)


@pytest.mark.parametrize("name", preset_names())
def test_shipped_plans_are_sound(name: str) -> None:
    plan = load_gates(name)
    assert plan.name == name
    assert {gate.instrument for gate in plan.gates} <= {*names(), "held-out"}


def test_seed_001_says_how_its_scales_are_resolved() -> None:
    plan = load_gates("seed-001")
    by_name = {gate.name: gate for gate in plan.gates}
    assert (str(by_name["average"].passes), str(by_name["average"].fails)) == (">= 21", "< 20")
    assert (str(by_name["worst probe"].passes), str(by_name["worst probe"].fails)) == (">= 8", "< 6")
    assert {gate.instrument for gate in plan.gates} == {"lek-v2", "degeneration"}
    assert any("maximum of 14" in note for note in plan.notes)
    floor = by_name["creative floor"]
    assert floor.passes is not None
    assert floor.passes.value == pytest.approx(100 * (13 / 14 - 1), abs=0.01)
    assert floor.probes == ("P11_", "P13_", "P20_")


FAULTS = {
    'fail: "< 20"|fail: "< twenty"': (8, "gates.average.fail: '< twenty': expected a bound in quotes"),
    "instrument: lek-v2|instrument: 7.5.1": (None, None),
    "battery: core\n    pass|batery: core\n    pass": (6, "gates.average.batery: no such field"),
    'pass: ">= 21"|pass: "<= 21"': (8, "point the same way"),
    'pass: ">= 21"|pass: ">= 5 %"': (8, "expected both bounds in percent"),
    "metric: rate|metric: count": (14, "count has absolute bounds only"),
    "metric: rate|metric: median": (10, "expected mean, rate, worst, count, perplexity"),
    "against: base|against: nobody": (14, "'nobody': expected base"),
    "primary: true|primary: false": (2, "name one gate, beforehand"),
    "name: mine|nam: mine": (1, "nam: no such field"),
    "name: mine|name: mine\nsamples: 0": (2, "samples: expected a whole number from 1"),
    "name: mine|name: mine\nconfidence: 2": (2, "confidence: expected a number between 0.5 and 1"),
    "name: mine|name: mine\nconditions: {baseline: x}": (2, "expected the name or path of a kernel"),
    "against: base|condition: kernel": (14, "'kernel': expected baseline"),
    "against: base|data: x": (14, "only perplexity is taken of data"),
    "    instrument: degeneration\n|": (9, "gates.loops.instrument: missing"),
    '    pass: "<= 0.02"\n|': (9, "expected a bound, such as"),
}


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.split("|")[1][:30])
def test_faults_name_file_line_and_field(tmp_path: Path, change: str) -> None:
    line, words = FAULTS[change]
    path = tmp_path / "mine.yaml"
    text = GOOD.replace(*change.split("|"), 1)
    assert text != GOOD
    path.write_text(text)
    if line is None:
        assert load_gates(path).gates[0].instrument == "7.5.1"
        return
    with pytest.raises(LabError) as caught:
        load_gates(path)
    assert str(caught.value).startswith(f"{path}: line {line}: ")
    assert words is not None
    assert words in str(caught.value)


def test_plain_values_name_their_source() -> None:
    with pytest.raises(LabError, match=r"^curriculum.yaml: gates: expected fields"):
        read_gates({"name": "x", "gates": []}, "curriculum.yaml")
    with pytest.raises(LabError, match=r"^c: expected fields"):
        read_gates([], "c")  # type: ignore[arg-type]


def test_an_unknown_plan_says_what_there_is() -> None:
    with pytest.raises(LabError, match="there are base, seed-001"):
        load_gates("nobody")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_do_no_harm(text: str) -> None:
    try:
        plan = read_gates(
            {"name": text, "gates": {text: {"instrument": text, "battery": text, "fail": "< 1"}}}, "f"
        )
    except LabError:
        return
    assert plan.gates[0].name == text
