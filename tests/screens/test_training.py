"""The Train screen: runs written by the real journal writer, watched, read at a cursor and steered."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, Static

from lab.train.control import ControlReader
from lab.train.folder import list_runs
from screens.app import LanternApp
from screens.training.check_dialog import CheckDialog
from screens.training.dialogs import ChangeDialog, StartDialog, StopDialog
from screens.training.samples import SampleTape
from screens.training.screen import TrainingScreen
from screens.widgets.step_chart import StepChart
from store.home import Home
from tests.hostile import HOSTILE
from tests.screens.fakes import engine_command, opened, screen_text, until
from tests.screens.made_runs import MadeRun, answer

SCU = {"law": "pi", "target": 0.03}


@asynccontextmanager
async def train_screen(
    home: Home, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[LanternApp, Pilot[None], TrainingScreen]]:
    """The screen on a real store, its list read."""
    app = LanternApp(home=home, start="training", engine_command=engine_command(), prepare=False)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.store.state == "ready" and app.bench.engine_state == "ready")
        screen = app.screen
        assert isinstance(screen, TrainingScreen)
        try:
            yield app, pilot, screen
        finally:
            await app.bench.close()


def has_charts(screen: TrainingScreen) -> bool:
    return step_of(screen) == 30 and len(screen.charts.shown) > 0


def has_axes(app: LanternApp) -> bool:
    return "┤" in screen_text(app)


def step_of(screen: TrainingScreen) -> int:
    return screen.book.step if screen.book is not None else -1


async def test_the_list_learns_how_a_run_ended_that_it_saw_end_before(tmp_path: Path) -> None:
    """The heartbeat says that a run is over before the store has read why."""
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river")
    run.train(10)
    run.beat()
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 10)
        run.beat("ended")
        await until(pilot, lambda: "ended" in screen_text(app).splitlines()[3])
        run.end("stopped", "asked to stop")
        await until(pilot, lambda: "stopped" in screen_text(app).splitlines()[3])


async def test_a_run_is_listed_charted_and_followed_as_it_is_written(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    live = MadeRun(home, "river", scu=SCU)
    live.train(40, scu=True)
    live.beat()
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 40)
        await until(pilot, lambda: "S against target" in screen_text(app))
        text = screen_text(app)
        assert "river" in text and "running" in text and "step 40/400" in text and "tracking" in text
        assert [spec.id for spec in screen.charts.shown] == ["loss", "share", "lambda", "entropy"]
        live.train(1)
        await until(pilot, lambda: "step 41/400" in screen_text(app))
        live.end("stopped", "asked to stop")
        await until(pilot, lambda: "asked to stop" in screen_text(app))
        await until(pilot, lambda: "stopped" in screen_text(app).splitlines()[3])


async def test_every_chart_reads_at_the_cursor(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river")
    run.train(60)
    run.beat()
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 60 and screen.query_one(StepChart).times_drawn)
        await pilot.press("left", "left", "left")
        assert screen.charts.cursor == 58
        await pilot.press("comma")
        await until(pilot, lambda: screen_text(app).count("step 48") >= 4)
        assert screen.book is not None
        [point] = [p for p in screen.book.series["train", "loss_nats"].points if p.step == 48]
        assert f"train {point.mean:.3g}" in screen_text(app)
        await pilot.press("escape")
        assert screen.charts.cursor is None


async def test_commands_reach_the_run_and_its_answer_is_shown(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river", scu=SCU)
    run.train(10)
    run.beat()
    reader = ControlReader(run.folder)
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 10 and screen.run is not None and screen.run.is_live)
        await pilot.press("p", "s")
        await pilot.press("t")
        await opened(app, pilot, StopDialog)
        await pilot.press("t")
        await pilot.press("e")
        await opened(app, pilot, ChangeDialog)
        app.screen.query_one(Input).focus()
        await pilot.press(*"scu.target=", *"0.04", "enter")
        commands: list[Any] = []

        def heard() -> bool:
            commands.extend(reader.poll())
            return len(commands) == 4

        await until(pilot, heard)
        by_name = {command.name: command for command in commands}
        assert set(by_name) == {"pause", "save", "stop", "set"}
        assert (by_name["set"].key, by_name["set"].value) == ("scu.target", 0.04)
        run.log.event(10, "set", "target is 0.04 from here on", command=by_name["set"])
        await until(pilot, lambda: any("step 10: set: target" in n.message for n in app._notifications))
        await pilot.press("e")
        await opened(app, pilot, ChangeDialog)
        assert re.search(r"scu\.target +0\.04", screen_text(app))
        await pilot.press("down", "enter", *"0.05", "enter")
        await until(pilot, lambda: commands.extend(reader.poll()) or len(commands) == 5)
        assert (commands[-1].key, commands[-1].value) == ("scu.target", 0.05)


async def test_what_is_over_hears_no_commands(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river")
    run.train(5)
    run.end()
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 5)
        await pilot.press("p", "c")
        await until(pilot, lambda: sum(1 for _ in app._notifications) >= 2)
        said = " ".join(notice.message for notice in app._notifications)
        assert "nobody hears it" in said and "nothing to go on with" in said
        assert not run.folder.control.exists()


async def test_a_silent_run_is_presumed_dead_and_revives(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river")
    run.train(5)
    run.beat(silent_s=7300)
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: "dead 2 h" in screen_text(app))
        run.beat()
        await until(pilot, lambda: "running" in screen_text(app))
        await until(pilot, lambda: screen.run is not None and screen.run.is_live)


async def test_a_past_run_comes_from_the_store_with_samples_and_events(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river", planned=40, scu=SCU)
    run.train(40, scu=True)
    run.end()
    run.journal.close()
    run.folder.processes.write_text("")
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 40)
        await until(pilot, lambda: "all steps are done" in screen_text(app))
        book = screen.book
        assert book is not None and book.words["scu"]["state"] == "tracking"
        assert [event.name for event in book.events] == ["started", "finished"]
        assert {sample.title for sample in book.samples} == {"P01_IDENTITY", "P02_RIVER"}
        assert all(sample.ends and sample.entropy_nats for sample in book.samples)
        assert book.best is not None and book.best[0] == 40
        await pilot.press("v")
        await until(pilot, lambda: "At step 40 the river says less" in screen_text(app))


async def test_marked_runs_are_laid_over_each_other_and_no_more_than_four(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    for number in range(6):
        run = MadeRun(home, f"run-{number}")
        run.train(12)
        run.end()
    async with train_screen(home, (200, 50)) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 12 and screen.runs.current is not None)
        await pilot.press("j", *["space"] * 5)
        await until(pilot, lambda: "Training loss of 4 runs" in screen_text(app))
        assert len(screen.runs.selected) == 4
        loss = screen.query(StepChart).first()
        assert len({line.style for line in loss._data.lines}) == 4


async def test_the_filter_leaves_what_matches(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    for name in ("river", "stone", "river-two"):
        run = MadeRun(home, name)
        run.train(2)
        run.end()
    async with train_screen(home) as (_, pilot, screen):
        await until(pilot, lambda: screen.runs.total == 3)
        await pilot.press("slash", *"river", "enter")
        await until(pilot, lambda: screen.runs.total == 2)
        await pilot.press("backspace")
        await until(pilot, lambda: screen.runs.total == 3)


async def test_charts_fit_the_terminal(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river", scu=SCU)
    run.train(30, scu=True)
    run.beat()
    for size, room in (((80, 24), 1), ((120, 40), 4), ((200, 50), 6)):
        async with train_screen(home, size) as (app, pilot, screen):
            await until(pilot, partial(has_charts, screen))
            assert len(screen.charts.shown) == room
            seen = []
            for _ in range(-(-11 // room)):
                seen += [spec.id for spec in screen.charts.shown]
                await pilot.press("right_square_bracket")
                await pilot.pause()
            assert len(set(seen)) == 11, seen
            await until(pilot, partial(has_axes, app))


async def test_drawing_costs_the_same_at_any_length(tmp_path: Path) -> None:
    from screens.training.series import BUCKETS, Series

    series = Series()
    for step in range(100_000):
        series.add(step, float(step % 97))
    assert len(series) <= BUCKETS
    assert min(p.least for p in series.points) == 0.0 and max(p.greatest for p in series.points) == 96.0


async def test_hostile_texts_of_runs_are_data(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "river")
    run.train(20)
    for name, text in HOSTILE.items():
        run.log.event(20, name[:20], text, "warning")
        record = answer(run.id, text, text or " ")
        run.log.write(record)
        run.log.sample(20, "probes", record.id)
        run.log.metric(21, f"m{len(name)}{name}", {"x": 1.0}, {"state": text})
    run.log.metric(
        20,
        "scu",
        {"s": 0.03, "target": 0.03},
        {"state": "[/x]", "reason": "[/INST] \x1b]52;c;b3duZWQ=\x07"},
    )
    run.beat(words="[/INST] \x1b]52;c;b3duZWQ=\x07")
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: screen.book is not None and len(screen.book.samples) >= len(HOSTILE))
        for _ in range(3):
            await pilot.press("v")
            await pilot.pause(0.2)
            assert "\x1b" not in screen_text(app)
        assert screen.query_one(SampleTape).layout_lines.lines


async def test_a_run_is_planned_with_its_pressure_before_it_starts(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    data = tmp_path / "data"
    data.mkdir()
    rows = [json.dumps({"prompt": f"q {n}", "completion": f"a {n}"}) for n in range(64)]
    (data / "train.jsonl").write_text("\n".join(rows))
    async with train_screen(home) as (app, pilot, _):
        await pilot.press("n")
        await opened(app, pilot, StartDialog)
        dialog = app.screen
        assert isinstance(dialog, StartDialog)
        dialog.query_one("#data", Input).value = str(tmp_path / "none")
        await until(pilot, lambda: "nothing at" in screen_text(app))
        dialog.query_one("#data", Input).value = str(data)
        dialog.query_one(
            "#changes", Input
        ).value = "batch_size=8 epochs=2 learning_rate=1e-4 schedule.name=constant schedule.warmup_share=0"
        await until(pilot, lambda: "22 of 8 × 1 rows: 176 rows seen, 2 × the data" in screen_text(app))
        text = screen_text(app)
        assert "64 examples, 0 held out" in text
        assert "Every example is seen 2.0 times" in text
        assert "No valid.jsonl" in text
        assert isinstance(dialog.query_one("#figures"), Static)
        made = dialog._outlook
        assert made is not None
        assert made.pressure.lr_updates == 22 * 1e-4
        assert made.pressure.pressure == 1e-4 * 176
        await pilot.press("escape")
        assert isinstance(app.screen, TrainingScreen)


async def test_a_closer_look_shows_real_rows_and_can_start_the_run(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    data = tmp_path / "data"
    data.mkdir()
    rows = [json.dumps({"prompt": f"What is {n} [/INST]?", "completion": f"It is {n}."}) for n in range(8)]
    (data / "train.jsonl").write_text("\n".join(rows))
    async with train_screen(home, (80, 24)) as (app, pilot, _):
        await pilot.press("n")
        await opened(app, pilot, StartDialog)
        dialog = app.screen
        assert isinstance(dialog, StartDialog)
        dialog.query_one("#data", Input).value = str(data)
        dialog.query_one("#model", Input).value = "wick"
        dialog.query_one("#changes", Input).value = "mask_prompt=true batch_size=2 replay=null"
        await until(pilot, lambda: not dialog.query_one("#check").disabled)
        await pilot.press("ctrl+k")
        await opened(app, pilot, CheckDialog)
        await until(pilot, lambda: "at the peak" in screen_text(app))
        text = screen_text(app)
        assert "8 examples, 0 held out" in text and "The first batch" in text
        for _ in range(3):
            await pilot.press("pagedown")
        await pilot.pause()
        assert "[/INST]" in screen_text(app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(list_runs(home)) == 1)


async def test_a_run_that_was_just_started_comes_under_the_cursor_and_says_why_it_failed(
    tmp_path: Path,
) -> None:
    home = Home.resolve(tmp_path / "home")
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.jsonl").write_text(json.dumps({"prompt": "q", "completion": "a"}) + "\n")
    earlier = MadeRun(home, "river")
    earlier.train(10)
    earlier.end()
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 10)
        await pilot.press("n")
        await opened(app, pilot, StartDialog)
        dialog = app.screen
        dialog.query_one("#data", Input).value = str(data)
        dialog.query_one("#name", Input).value = "twice"
        dialog.query_one("#changes", Input).value = "batch_size=1 epochs=2 replay=null"
        await until(pilot, lambda: not dialog.query_one("#start").disabled)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.run is not None and screen.run.name == "twice")
        await until(pilot, lambda: "failed" in screen_text(app).splitlines()[3])
        assert "twice" in screen_text(app).splitlines()[3]
