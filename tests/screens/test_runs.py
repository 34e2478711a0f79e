"""The Runs & gates screen over a real store: every kind in full, kept experiments, hostile words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from lab.errors import LabError
from screens.app import LanternApp
from screens.commands import lantern
from screens.dialogs import ConfirmDialog
from screens.runs.detail import adapter_detail, experiment_detail, gate_detail, strip_detail
from screens.runs.dialogs import ExperimentDialog
from screens.runs.screen import RunsScreen, report_arguments
from screens.runs.source import KINDS, CurriculumStory, Entry, Kind
from screens.runs.story import story_detail
from store.home import Home
from store.queries import curricula, gates
from store.queries.adapters import page_adapters
from store.records import Record
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.screens.fakes import engine_command, opened, screen_text, until
from tests.screens.gate_records import ADAPTER, curriculum, gate_rows, records, strip_rows
from tests.store.test_gates import EXPERIMENT, GATE, STRIP


@asynccontextmanager
async def runs_screen(
    tmp_path: Path, kept: Sequence[Record], size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[LanternApp, Pilot[None], RunsScreen]]:
    home = Home.resolve(tmp_path / "home")
    with StoreService(home) as service:
        service.append(*kept)
    app = LanternApp(home=home, start="runs", engine_command=engine_command(), prepare=False)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.store.state == "ready" and app.bench.engine_state == "ready")
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        try:
            yield app, pilot, screen
        finally:
            await app.bench.close()


async def show(pilot: Pilot[None], screen: RunsScreen, kind: Kind) -> None:
    while screen.kind != kind:
        await pilot.press("right_square_bracket")
    await until(pilot, lambda: screen.entry is not None and screen.entry.kind == kind)


async def test_every_kind_is_listed_and_told_in_full(tmp_path: Path) -> None:
    async with runs_screen(tmp_path, records(), (80, 24)) as (app, pilot, screen):
        said = {
            "curricula": "404 answers, 212 kept",
            "gates": "21.50 over 101 probes",
            "strips": "held-out general perplexity is up by 10 %",
            "experiments": "Twenty examples move the accept rate",
            "adapters": "run evening",
        }
        for kind in KINDS:
            await show(pilot, screen, kind)
            await until(pilot, lambda kind=kind: said[kind] in screen_text(app))
        await show(pilot, screen, "gates")
        await pilot.press("j")
        await until(pilot, lambda: "seed-001" in screen_text(app) and "FAIL" in screen_text(app))


async def test_an_experiment_is_written_down_and_goes_on(tmp_path: Path) -> None:
    async with runs_screen(tmp_path, ()) as (app, pilot, screen):
        await until(pilot, lambda: "lantern curriculum run" in screen_text(app))
        await pilot.press("n")
        await opened(app, pilot, ExperimentDialog)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "A hypothesis is missing" in screen_text(app))
        app.screen.query_one("#hypothesis", Input).value = "It [/INST] moves"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.entry is not None and screen.entry.kind == "experiments")
        await pilot.press("n")
        await opened(app, pilot, ExperimentDialog)
        app.screen.query_one("#verdict", Input).value = "It did"
        await pilot.press("enter")
        await until(pilot, lambda: "decided" in screen_text(app))
        (one,) = await app.store.query(gates.experiments)
        assert (one.hypothesis, one.verdict, len(one.entries)) == ("It [/INST] moves", "It did", 2)
        # What was not changed is not said again.
        assert one.entries[1].hypothesis is None


async def test_a_curriculum_is_gone_on_with_and_rolled_back_by_commands_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from screens.runs import steering

    done: list[tuple[str, ...]] = []

    class Ended:
        def poll(self) -> int:
            return 0

    def start(_: Home, log: Path, *arguments: str) -> Ended:
        done.append((log.name, *arguments))
        return Ended()

    async def run(_: Home, *arguments: str) -> str:
        done.append(arguments)
        return ""

    monkeypatch.setattr(steering, "start_lantern", start)
    monkeypatch.setattr(steering, "lantern", run)
    async with runs_screen(tmp_path, records()) as (app, pilot, screen):
        await show(pilot, screen, "curricula")
        await pilot.press("c")
        await until(
            pilot, lambda: "creative floor is amber" in screen_text(app) and "Leave it" in screen_text(app)
        )
        await pilot.press("escape", "c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        assert done == []
        await pilot.press("y")
        await until(pilot, lambda: done == [("log.txt", "curriculum", "resume", "c1", "--yes")])
        await pilot.press("z")
        await until(pilot, lambda: "Roll deep axiom back?" in screen_text(app))
        await pilot.press("y")
        await until(pilot, lambda: done[-1] == ("curriculum", "rollback", "deep axiom", "--of", "c1"))
        await show(pilot, screen, "gates")
        await pilot.press("z")
        await until(pilot, lambda: "choose one" in screen_text(app))


@pytest.mark.slow
async def test_a_command_of_the_lab_answers_or_says_its_fault(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    assert json.loads(await lantern(home, "curriculum", "list", "--json")) == []
    with pytest.raises(LabError, match="lantern curriculum rollback: there are no curricula"):
        await lantern(home, "curriculum", "rollback", "one")


def test_every_width_holds_every_word(tmp_path: Path) -> None:
    with StoreService(Home.resolve(tmp_path / "home")) as service:
        service.append(*records())
        (passed, failed) = service.query(gates.gates)
        strips = service.query(gates.strip_trend, "run-1")
        (one,) = service.query(gates.experiments)
        (row,) = service.query(page_adapters, 0, 9)
        plan = service.query(curricula.curriculum, "c1")
        assert plan is not None
        story = CurriculumStory(plan, tuple(service.query(curricula.phase_events, "c1")))
    assert (row.run_name, row.step, row.rank, row.n_answers) == ("evening", 50, ADAPTER.rank, 0)
    for width in (30, 60, 140):
        gate, strip = gate_detail(failed, width).plain, strip_detail(strips[-1], strips, width).plain
        for line in (*gate.splitlines(), *strip.splitlines()):
            assert len(line) <= max(width, 100)
        assert "3 of 101 answers loop" in " ".join(gate.split())
        assert "withheld" in strip and "layer 0 head 0" in strip
        assert "It moved by 0.3" in experiment_detail(one, width).plain
        told = " ".join(story_detail(story, width).plain.split())
        assert "creative floor is amber" in told and "not begun" in told
        assert "233,472" in adapter_detail(row, width).plain
    # Five checkpoints make a trend, which is drawn where there is room for it.
    assert "▁" in strip_detail(strips[-1], strips, 140).plain
    assert gate_detail(passed, 80).plain.startswith("base 1")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_are_words(text: str) -> None:
    stored = gates.StoredGate(
        replace(GATE, plan=text, rows=(replace(gate_rows()[0], name=text, evidence=text),)), text, text
    )
    strip = gates.StoredStrip(
        replace(STRIP, rows=(replace(strip_rows()[1], name=text, evidence=text),)), text, text, text
    )
    event = next(record for record in curriculum() if record.kind == "phase")
    plan = curriculum()[0]
    story = CurriculumStory(replace(plan, name=text), (replace(event, words=text, stage=text),))  # type: ignore[arg-type]
    experiment = gates.Experiment(
        "e", text, text, {text: text}, {}, text, text, (), (), (), (replace(EXPERIMENT, name=text),)
    )
    for content in (
        gate_detail(stored, 60),
        strip_detail(strip, [strip], 60),
        story_detail(story, 60),
        experiment_detail(experiment, 60),
    ):
        assert "\x1b" not in content.plain and "\x00" not in content.plain


def test_what_can_be_reported() -> None:
    def entry(kind: Kind, thing: object) -> Entry:
        return Entry(kind, "x", "t", "", "", "none", "", thing)

    assert report_arguments(entry("curricula", None)) == ("curriculum", "x")
    assert report_arguments(entry("gates", gates.StoredGate(GATE, None, None))) == ("run", "run-1")
    assert report_arguments(entry("experiments", None)) is None
