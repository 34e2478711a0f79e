"""The demo on a terminal: real work under way within seconds, then a run trained, then what it has changed.

It goes where the work is only as long as nobody has gone elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.protocol import Ask
    from screens.app import LanternApp
    from screens.compare.screen import CompareScreen
    from screens.training.screen import TrainingScreen
    from screens.workbench import Job

LOOK_S = 0.5


async def run_demo(lab: LanternApp) -> None:
    """Ask the demo's probes at baseline and under the kernel; train wick on further answers; compare."""
    from lab.demo import demo_asks
    from lab.demo_training import TRAINED_MODEL, training_asks

    await lab.bench.ask(await asyncio.to_thread(demo_asks), "demo battery")
    if lab.bench.model_name != TRAINED_MODEL:
        return
    job = await _answered(lab, await asyncio.to_thread(training_asks), "training data")
    if job.state == "done":
        await _train(lab, job)


async def _train(lab: LanternApp, job: Job) -> None:
    """Train on the answers of a job in a process of its own, which outlives this terminal."""
    from lab.demo_training import training_settings, write_data
    from screens.training.start import begin

    records = [answer.record for answer in job.answers if answer.record is not None]
    data = await asyncio.to_thread(write_data, lab.home, records)
    settings = await asyncio.to_thread(training_settings, data)
    run_id, process = await asyncio.to_thread(begin, lab.home, settings, gently=True)
    said = f"wick now learns from {data.train} of its answers, without the kernel"
    if _is_where(lab, "live"):
        screen = cast("TrainingScreen", await lab.show_screen("training"))
        screen.choose(run_id)
        lab.tell(said)
    else:
        lab.tell(f"{said}: 4 shows the run")
    while process.poll() is None:
        await asyncio.sleep(LOOK_S)
    await _compare(lab, run_id)


async def _compare(lab: LanternApp, run_id: str) -> None:
    """Base against tuned on the demo's probes, where the run came to its end."""
    from lab.demo import demo_probes, demo_tuned_sides
    from lab.scoring import DEFAULT_INSTRUMENT
    from lab.train.folder import RunFolder, runs_folder
    from screens.compare.runner import ComparePlan

    folder = RunFolder(runs_folder(lab.home) / run_id)
    beat = folder.read_heartbeat()
    if beat is None or beat.ending != "finished":
        return
    sides = await asyncio.to_thread(demo_tuned_sides, lab.bench.model_name, str(folder.adapter))
    if not _is_where(lab, "training") or lab.bench.current_job is not None:
        lab.tell("The demo's run has finished: N on Compare holds it against the base.")
        return
    lab.tell("The run has finished: base against tuned, on probes that it has not seen")
    probes = await asyncio.to_thread(demo_probes)
    screen = cast("CompareScreen", await lab.show_screen("compare"))
    await screen.compare(ComparePlan(*sides, tuple(probes), "twelve core probes", DEFAULT_INSTRUMENT))


async def _answered(lab: LanternApp, asks: Sequence[Ask], title: str) -> Job:
    """A job that is over."""
    over = asyncio.Event()

    def heard(job: Job) -> None:
        if job is asked:
            over.set()

    lab.bench.on_job_over.append(heard)
    try:
        asked = await lab.bench.ask(asks, title)
        await over.wait()
    finally:
        lab.bench.on_job_over.remove(heard)
    return asked


def _is_where(lab: LanternApp, screen_id: str) -> bool:
    """Whether this screen is in front, without a window over it."""
    return lab.current_mode == screen_id and len(lab.screen_stack) == 1
