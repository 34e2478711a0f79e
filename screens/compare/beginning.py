"""How a comparison begins: what the window offers, and from what it was filled with to a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.compare.sides import Side
from lab.errors import LabError
from screens.compare.dialogs import CompareDialog, Wanted
from screens.compare.runner import ComparePlan

if TYPE_CHECKING:
    from screens.app import LanternApp
    from screens.compare.source import CompareSource
    from store.records import ProbeRecord

OWN_PROMPT = "a prompt"
DEFAULT_BATTERY = "core"


async def new_dialog(lab: LanternApp, source: CompareSource, n_chosen: int) -> CompareDialog:
    """The window that begins a comparison, filled with what is at hand."""
    from lab.sampling import load_preset
    from lab.scoring import names

    bench = lab.bench
    batteries = await source.batteries()
    instruments = await asyncio.to_thread(names, lab.home.config / "rubrics")
    chosen = lab.state.batteries
    return CompareDialog(
        base=Side(bench.model_name, load_preset()),
        base_name=str(bench.model["name"]) if bench.model else bench.model_name,
        suggestions=await asyncio.to_thread(side_suggestions, bench.adapter_paths),
        batteries=batteries,
        n_chosen=n_chosen,
        instruments=instruments,
        battery=chosen[0] if len(chosen) == 1 and chosen[0] in batteries else DEFAULT_BATTERY,
        right=f"adapter={bench.adapter_paths[-1]}" if bench.adapter_paths else "kernel=lantern",
    )


def side_suggestions(adapter_paths: Sequence[str]) -> list[str]:
    """What a side may be, to complete while it is written."""
    from lab.kernels import shipped
    from lab.sampling import presets

    found = ["base", *(f"adapter={path}" for path in adapter_paths)]
    found += [f"kernel={kernel.name}" for kernel in shipped()]
    return [*found, *(f"preset={name}" for name in presets())]


async def plan_of(wanted: Wanted, chosen: Sequence[ProbeRecord], source: CompareSource) -> ComparePlan:
    """The plan that the window describes. Raises LabError when it asks nothing."""
    questions, battery = await _questions(wanted, chosen, source)
    return ComparePlan(
        left=wanted.left,
        right=wanted.right,
        questions=tuple(questions),
        battery=battery,
        instrument=wanted.instrument,
        samples=wanted.samples,
        seed=wanted.seed,
    )


async def _questions(
    wanted: Wanted, chosen: Sequence[ProbeRecord], source: CompareSource
) -> tuple[Sequence[ProbeRecord | str], str]:
    """What is asked, and what that is called."""
    from lab.probes import from_row

    if wanted.asked == "prompt":
        return [wanted.prompt], OWN_PROMPT
    if wanted.asked == "chosen":
        return chosen, f"{len(chosen)} probes" if len(chosen) != 1 else chosen[0].id
    name, _, domain = wanted.battery.partition("/")
    rows = await source.probes(name)
    questions = [from_row(row) for row in rows if not domain or row.domain == domain]
    if not questions:
        raise LabError(f"battery: {name} has no probe of the domain {domain!r}")
    return questions, wanted.battery
