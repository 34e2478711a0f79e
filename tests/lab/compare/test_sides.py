"""What a side is: read from the command line, said in words, kept as a record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.compare.sides import (
    Side,
    adapters,
    condition_records,
    parse,
    sampling_words,
    shares_model,
    side_record,
    words,
)
from lab.conditions import condition
from lab.errors import LabError
from lab.kernels import load as load_kernel
from lab.sampling import load_preset
from store.records import ConditionRecord, KernelRecord
from tests.store.facts import adapter, model

BASE = Side("wick", replace(load_preset("default"), max_tokens=50))


def test_changes_are_put_on_the_base() -> None:
    assert parse([], BASE) == parse(["base"], BASE) == BASE
    side = parse(["adapter=/a/b,kernel=lantern", "preset=greedy"], BASE)
    assert side == Side("wick", replace(load_preset("greedy"), max_tokens=50), "/a/b", load_kernel("lantern"))
    assert parse(["model=./other"], BASE).model == "./other"
    assert parse(["adapter=~/x"], BASE).adapter == str(Path.home() / "x")


@pytest.mark.parametrize(
    "path", ["/a,b/c", "/a=b", "/[bold]x[/]", "/ kernel", "/a,kernels/x", "/\x1b[2J", "/漢字"]
)
def test_paths_may_hold_what_paths_hold(path: str) -> None:
    assert parse([f"adapter={path},kernel=lantern"], BASE).adapter == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", r"side 'nonsense': expected base, or model=…, adapter=…, kernel=…, preset=…"),
        ("adapter=", r"side 'adapter=': nothing behind the equals sign"),
        ("lora=x", "side 'lora=x': expected base"),
        ("kernel=no-such-kernel", "no kernel 'no-such-kernel'"),
        ("preset=none", "no sampling preset 'none'"),
        ("", "side '': expected base"),
    ],
)
def test_what_is_no_side_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(LabError, match=message) as error:
        parse([text], BASE)
    assert "\n" not in str(error.value)


def test_words() -> None:
    assert words(BASE, "wick") == "wick"
    tuned = parse(["adapter=/x", "kernel=lantern", "preset=greedy"], BASE)
    assert words(tuned, "wick", "tuned@100") == "wick + tuned@100 under lantern.txt, greedy"
    assert sampling_words(replace(load_preset("default"), max_tokens=7)) == "default"
    assert sampling_words(replace(BASE.sampling, temperature=0.33)) == "temperature 0.33"


def test_a_side_as_it_is_kept() -> None:
    side = parse(["adapter=/x,kernel=lantern"], BASE)
    record = side_record(side, model(), adapter(), run_id="r")
    assert (record.run_id, record.model_id, record.adapter_sha256) == ("r", model().id, adapter().id)
    assert record.words == f"wick + {adapter().name} under lantern.txt"
    assert record.condition_id == condition(side.kernel, side.sampling).id
    assert side_record(BASE, model(), None).adapter_sha256 is None
    kernel, under = condition_records(side)
    assert isinstance(kernel, KernelRecord)
    assert isinstance(under, ConditionRecord)
    assert (kernel.sha256, kernel.text) == (under.kernel_sha256, load_kernel("lantern").text)
    assert under.id == record.condition_id
    (plain,) = condition_records(BASE)
    assert isinstance(plain, ConditionRecord)


def test_what_two_sides_load() -> None:
    left, right = parse(["adapter=/x"], BASE), parse(["adapter=/y"], BASE)
    assert adapters(BASE, left, right, left) == ("/x", "/y")
    assert shares_model(left, right)
    assert not shares_model(left, parse(["model=/m"], BASE))
