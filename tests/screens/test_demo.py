"""The demo in the lab: it goes to the run and to the comparison, unless somebody has gone elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from screens import demo
from screens.app import LanternApp
from screens.compare.runner import ComparePlan
from screens.compare.screen import CompareScreen
from screens.training.screen import TrainingScreen
from screens.workbench import Answer, Job
from store.home import Home
from tests.screens.fakes import engine_command, until
from tests.screens.made_runs import MadeRun


class Over:
    """A process that has ended."""

    def poll(self) -> int:
        return 0


def answered() -> Job:
    from lab.demo_training import training_asks

    answers = [Answer(ask, "1") for ask in training_asks()[:12]]
    for answer in answers:
        answer.record = {
            "seed": answer.ask.seed,
            "prompt": answer.ask.prompt,
            "text": "Two lamps, one wick.",
            "finish_reason": "stop",
        }
    return Job("1", "training data", answers, state="done")


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_it_shows_the_run_and_then_base_against_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    home = Home.resolve(tmp_path)
    older = MadeRun(home, "older")
    older.end()
    plans: list[ComparePlan] = []
    begun: list[MadeRun] = []

    def begin(home: Home, settings: Any, *, gently: bool) -> tuple[str, Over]:
        assert gently
        run = MadeRun(home, settings.name)
        run.train(3)
        run.end()
        begun.append(run)
        return run.id, Over()

    async def compare(_: CompareScreen, plan: ComparePlan) -> None:
        plans.append(plan)

    monkeypatch.setattr("screens.training.start.begin", begin)
    monkeypatch.setattr(CompareScreen, "compare", compare)
    app = LanternApp(home=home, start="live", engine_command=engine_command(), prepare=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.store.state == "ready" and app.bench.engine_state == "ready")
        if elsewhere:
            await app.show_screen("probes")
        await demo._train(app, answered())
        if elsewhere:
            assert (app.current_mode, plans) == ("probes", [])
        else:
            assert app.current_mode == "compare"
            (plan,) = plans
            assert (plan.left.adapter, len(plan.questions)) == (None, 12)
            assert plan.right.adapter == str(begun[0].folder.adapter)
            screen = await app.show_screen("training")
            assert isinstance(screen, TrainingScreen)
            await until(pilot, lambda: screen.run is not None and screen.run.id == begun[0].id)
        await app.bench.close()
