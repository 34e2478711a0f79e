"""After a run: the new adapter against what was there before, in a fresh blind queue.

Both answer the same probes, which the run was not trained on, each pair with one seed; the answers become
pairs of a stratum of their own, and Curate shows only these.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from lab.compare.sides import Side
    from lab.train.folder import RunFolder
    from screens.app import LanternApp
    from store.home import Home
    from store.records import ProbeRecord

PROBES_ASKED = 24
BATTERIES = ("core", "general")


def newest_run(home: Home) -> RunFolder:
    """The newest run that has left an adapter. Raises LabError where there is none."""
    from lab.train.folder import list_runs

    for folder in list_runs(home):
        if folder.presence() not in ("running", "paused") and _has_adapter(adapter_of(folder)):
            return folder
    raise LabError("no run has left an adapter yet: L trains on your verdicts")


def adapter_of(folder: RunFolder) -> Path:
    """Where a run's adapter is."""
    return Path(_settings(folder).get("adapter_path") or folder.adapter).expanduser()


def _settings(folder: RunFolder) -> dict[str, Any]:
    settings: dict[str, Any] = folder.read_plan().get("settings", {})
    return settings


def sides_of(folder: RunFolder) -> tuple[Side, Side]:
    """Before and after a run: what it began from, and its adapter. Raises LabError where it left none."""
    from lab.compare.sides import Side
    from lab.sampling import load_preset

    plan, adapter = _settings(folder), adapter_of(folder)
    if not _has_adapter(adapter):
        raise LabError(f"{plan.get('name', folder.run_id[-8:])} has left no adapter at {adapter}")
    old = plan.get("resume_adapter_file")
    model, sampling = str(plan["model"]), load_preset()
    return Side(model, sampling, adapter=str(old) if old else None), Side(
        model, sampling, adapter=str(adapter)
    )


async def rematch(lab: LanternApp, folder: RunFolder) -> str:
    """Make the answers and the pairs; returns the stratum that the pairs are of."""
    from lab.scoring import DEFAULT_INSTRUMENT
    from screens.compare.put_up import put_up
    from screens.compare.runner import ComparePlan, Runner

    old, new = await asyncio.to_thread(sides_of, folder)
    plan = _settings(folder)
    stratum = f"after {plan.get('name', 'run')} {folder.run_id[-8:]}"
    questions = await _questions(lab, plan, folder.run_id)
    runner = Runner(lab)
    record = await runner.begin(
        ComparePlan(old, new, tuple(questions), battery=stratum, instrument=DEFAULT_INSTRUMENT)
    )
    lab.tell(f"Old and new answer {len(questions)} probes; their pairs come to Curate, blind.")
    ended = await runner.carry_out(record, old, new)
    found = await put_up(lab.store, record, stratum=stratum)
    if not found.pairs and not found.known:
        raise LabError(
            "old and new said the same on every probe" if ended else "stopped before a pair had both answers"
        )
    return stratum


async def _questions(lab: LanternApp, plan: dict[str, Any], run_id: str) -> list[ProbeRecord]:
    """Probes that the run was not trained on, drawn with the run's id as the seed."""
    from lab.preference.unseen import unseen_probes
    from lab.probes import from_row
    from store.queries import ProbeFilter, count_probes, page_probes

    unseen: list[ProbeRecord] = []
    for battery in BATTERIES:
        which = ProbeFilter(batteries=(battery,))
        rows = await lab.store.query(page_probes, which, 0, await lab.store.query(count_probes, which))
        probes = [from_row(row) for row in rows]
        unseen += await asyncio.to_thread(unseen_probes, probes, Path(str(plan["data"])).expanduser())
        if len(unseen) >= PROBES_ASKED:
            break
    if not unseen:
        raise LabError(f"every probe of {' and '.join(BATTERIES)} was trained on: there is nothing to ask")
    return random.Random(run_id).sample(unseen, min(PROBES_ASKED, len(unseen)))


def _has_adapter(path: Path) -> bool:
    return path.suffix == ".safetensors" or (path / "adapters.safetensors").is_file()
