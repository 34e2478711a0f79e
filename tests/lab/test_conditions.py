"""Conditions: the same settings have the same id everywhere, other settings another."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from lab.conditions import condition
from lab.decode.types import Sampling
from lab.kernels import Kernel, load

KERNEL = Kernel.of("mine", "Carry a light.")


def test_a_condition_says_what_it_was() -> None:
    record = condition(KERNEL, Sampling(temperature=1, top_p=0.5, top_k=3, min_p=0.1, max_tokens=7))
    assert (record.name, record.kernel_name, record.kernel_sha256) == ("mine", "mine", KERNEL.sha256)
    assert (record.temperature, record.top_p, record.top_k) == (1.0, 0.5, 3)
    assert (record.min_p, record.max_tokens) == (0.1, 7)
    baseline = condition(None, Sampling())
    assert (baseline.name, baseline.kernel_name, baseline.kernel_sha256) == ("baseline", None, None)


def test_the_id_does_not_depend_on_time_process_or_number_type() -> None:
    here = condition(load("lantern"), Sampling(temperature=1)).id
    assert here == condition(load("lantern.txt"), Sampling(temperature=1.0)).id
    code = (
        "from lab.conditions import condition; from lab.kernels import load; "
        "from lab.decode.types import Sampling; print(condition(load('lantern'), Sampling(temperature=1)).id)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == here


@pytest.mark.parametrize(
    "change", [{"temperature": 0.8}, {"top_p": 0.8}, {"top_k": 1}, {"min_p": 0.1}, {"max_tokens": 1}]
)
def test_any_other_setting_is_another_condition(change: dict[str, Any]) -> None:
    changed = dataclasses.replace(Sampling(), **change)
    assert condition(KERNEL, changed).id != condition(KERNEL, Sampling()).id


def test_another_kernel_text_is_another_condition() -> None:
    same_name = Kernel.of("mine", "Carry a torch.")
    ids = {condition(kernel, Sampling()).id for kernel in (None, KERNEL, same_name)}
    assert len(ids) == 3
