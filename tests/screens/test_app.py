"""The lab as a person meets it: screens, keys, work, crashes, memory of the last session, and leaving."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from textual.widgets import Input

from screens.app import LanternApp
from screens.config import lasting_name
from screens.dialogs import ErrorDialog
from screens.help import HelpDialog
from screens.live.dialogs import BranchDialog, SamplingDialog
from screens.live.facts import state_words
from screens.live.screen import LiveScreen
from screens.probes.screen import ProbesScreen
from screens.widgets.gauge import EntropyGauge
from screens.widgets.prompt_box import PromptBox
from screens.widgets.token_tape import TokenTape
from tests.screens.fakes import lab, opened, screen_text, until


def live_screen(app: LanternApp) -> LiveScreen:
    assert isinstance(app.screen, LiveScreen)
    return app.screen


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] == "Z"


async def test_a_prompt_is_asked_watched_branched_and_rolled_again(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        live = live_screen(app)
        await pilot.press("p", *"why?", "enter")
        await until(pilot, lambda: live.shown is not None and live.shown.state == "finished")
        first = live.shown
        assert first is not None
        tape = live.query_one(TokenTape)
        await until(pilot, lambda: tape.n_tokens == 40)
        assert first.ask.prompt == "why?"
        await until(pilot, lambda: "ended by itself" in screen_text(app))
        assert "Predictive entropy H_t" in screen_text(app)

        await pilot.press("home", "right", "right", "b")
        await opened(app, pilot, BranchDialog)
        await pilot.press("1")
        await until(pilot, lambda: live.shown is not first and live.shown and live.shown.state == "finished")
        branch = live.shown
        assert branch is not None
        assert branch.ask.parent_id == first.generation_id
        assert branch.ask.prefix_token_ids[:2] == (first.tokens[0].token_id, first.tokens[1].token_id)
        assert len(branch.ask.prefix_token_ids) == 3
        assert branch.ask.prefix_token_ids[2] != first.tokens[2].token_id
        assert tape.branch_token == 2

        await pilot.press("r")
        await until(pilot, lambda: live.shown is not branch and live.shown and live.shown.state == "finished")
        rolled = live.shown
        assert rolled is not None
        assert (rolled.ask.seed, rolled.ask.prompt, rolled.ask.prefix_token_ids) == (1, "why?", ())
        await pilot.press("[", "[")
        assert live.shown is first
        await pilot.press("]")
        assert live.shown is branch


async def test_letters_are_text_in_a_text_box_and_keys_elsewhere(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        await pilot.press("p", *"q1x?rb", "ctrl+j", "y")
        assert live_screen(app).query_one(PromptBox).text == "q1x?rb\ny"
        await pilot.press("escape", "1")
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen) and app.screen.rows.total == 12)
        await pilot.press("slash", *"2qr")
        assert app.screen.query_one("#search", Input).value == "2qr"
        await pilot.press("escape", "2")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))


async def test_an_end_that_comes_after_the_last_token_was_drawn_is_shown(tmp_path: Path) -> None:
    async with lab(tmp_path, engine=("--tokens", "5")) as (app, pilot):
        live = live_screen(app)
        await pilot.press("p", *"go", "enter")
        await until(pilot, lambda: live.shown is not None and live.shown.state == "finished")
        answer = live.shown
        assert answer is not None
        record, answer.record, answer.state = answer.record, None, "running"
        await until(pilot, lambda: "stored" not in screen_text(app) and "/320 tokens" in screen_text(app))
        answer.record, answer.state = record, "finished"
        await until(pilot, lambda: "stored" in screen_text(app).split("H_t along")[0])


async def test_stopping_keeps_what_was_written(tmp_path: Path) -> None:
    async with lab(tmp_path, engine=("--tokens", "4000", "--pace", "0.01")) as (app, pilot):
        live = live_screen(app)
        await pilot.press("p", *"go", "enter")
        await until(pilot, lambda: live.shown is not None and len(live.shown.tokens) > 3)
        await pilot.press("x")
        await until(pilot, lambda: live.shown is not None and live.shown.state == "finished")
        assert live.shown is not None and live.shown.record is not None
        assert live.shown.record["finish_reason"] == "cancelled"
        assert "stopped" in state_words(live.shown)


async def test_an_engine_that_dies_is_named_and_can_be_restarted(tmp_path: Path) -> None:
    async with lab(tmp_path, engine=("--die-after", "8")) as (app, pilot):
        await pilot.press("p", *"hi", "enter")
        await opened(app, pilot, ErrorDialog)
        await until(pilot, lambda: "told to die" in screen_text(app))
        assert app.bench.engine_state == "dead"
        first = app.bench.pid
        await pilot.click("#remedy")
        await until(pilot, lambda: app.bench.engine_state == "ready")
        assert app.bench.pid != first
        answer = app.bench.answers[-1]
        assert (answer.state, answer.fault) == ("failed", "the engine ended")


async def test_a_model_that_cannot_be_loaded_is_told_in_its_own_words(tmp_path: Path) -> None:
    async with lab(tmp_path, model="missing") as (app, pilot):
        await opened(app, pilot, ErrorDialog)
        assert "no such folder" in screen_text(app)
        await pilot.press("escape", "p", *"hi", "enter")
        await opened(app, pilot, ErrorDialog)
        assert "no answers now" in screen_text(app)


async def test_an_unexpected_fault_in_the_background_becomes_a_window(tmp_path: Path) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("by [/zero]")

    async with lab(tmp_path) as (app, pilot):
        app.spawn(fail(), "some work")
        await opened(app, pilot, ErrorDialog)
        await until(pilot, lambda: "by [/zero]" in screen_text(app))


async def test_help_is_about_the_pane_in_focus_with_the_keys_that_work(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        await pilot.press("f1")
        await opened(app, pilot, HelpDialog)
        await until(pilot, lambda: "The token tape" in screen_text(app))
        await pilot.press("escape", "1")
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen))
        await pilot.press("question_mark")
        await until(pilot, lambda: "The probes" in screen_text(app))


async def test_sampling_is_checked_field_by_field(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        live = live_screen(app)
        await pilot.press("s")
        await opened(app, pilot, SamplingDialog)
        app.screen.query_one("#temperature", Input).value = "hot"
        await pilot.press("enter")
        await until(pilot, lambda: "temperature: 0 (greedy) to 2" in screen_text(app))
        app.screen.query_one("#temperature", Input).value = "1.5"
        app.screen.query_one("#seed", Input).value = "42"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is live)
        assert (live.setup.sampling.temperature, live.setup.seed) == (1.5, 42)
        await pilot.press("minus", "minus", "c")
        assert live.setup.sampling.temperature == 1.3
        assert live.setup.kernel is not None


async def test_what_was_set_is_there_at_the_next_start(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes") as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen) and app.screen.rows.total == 12)
        await pilot.press("ctrl+t", "slash", *"probe 7", "enter")
        await pilot.press("q")
    state = json.loads((tmp_path / "home/config/state.json").read_text("utf-8"))
    assert (state["screen"], state["theme"], state["search"]) == ("probes", "lantern-light", "probe 7")
    async with lab(tmp_path, start=None) as (app, pilot):
        assert isinstance(app.screen, ProbesScreen)
        assert app.theme == "lantern-light"
        await until(pilot, lambda: app.screen.query_one("#probe-list").total == 1)  # type: ignore[attr-defined]


async def test_a_keymap_replaces_keys_and_bad_entries_are_told(tmp_path: Path) -> None:
    config = tmp_path / "home/config"
    config.mkdir(parents=True)
    (config / "keymap.yaml").write_text("live.sampling: f6\nlive.nonsense: f7\n", "utf-8")
    async with lab(tmp_path) as (app, pilot):
        await until(pilot, lambda: "'live.nonsense' is no action" in screen_text(app))
        await pilot.press("s")
        await pilot.pause()
        assert app.screen is live_screen(app)
        await pilot.press("f6")
        await opened(app, pilot, SamplingDialog)


async def test_leaving_ends_the_engine_and_lets_the_store_go(tmp_path: Path) -> None:
    async with lab(tmp_path, engine=("--tokens", "4000", "--pace", "0.01")) as (app, pilot):
        pid, service = app.bench.pid, app.store._service
        await pilot.press("p", *"go", "enter")
        await until(pilot, lambda: app.bench.answers and app.bench.answers[0].tokens)
        await pilot.press("escape", "q")
        assert pid is not None
        async with asyncio.timeout(10):
            while not gone(pid):
                await asyncio.sleep(0.02)
        assert service.closed
        assert app.return_code == 0


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_both_screens_fit_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    async with lab(tmp_path, size=size) as (app, pilot):
        live = live_screen(app)
        await pilot.press("p", *"why?", "enter")
        await until(pilot, lambda: live.shown is not None and live.shown.state == "finished")
        await until(pilot, lambda: live.query_one(TokenTape).n_tokens == 40)
        words = ("1 Probes", "Prompt", "Predictive entropy H_t", "Word entropy H_w", "H_t along the answer")
        words += ("H_t nats", "surprisal", "wick", "r Re-roll", "words", "q Quit")
        await until(pilot, lambda: all(word in screen_text(app) for word in words))
        assert len(screen_text(app).split("\n")) == size[1]
        for widget in live.query("*"):
            if widget.display and widget.region.area:
                assert live.region.contains_region(widget.region) or not widget.is_on_screen, widget
        assert live.query_one(EntropyGauge).size.height == 5
        await pilot.press("1")
        probes = app.screen
        assert isinstance(probes, ProbesScreen)
        words = ("P000_PROBE", "History", "Answers, newest first")
        await until(pilot, lambda: all(word in screen_text(app) for word in words))
        assert all(pane.size.height >= 1 for pane in probes.query(".pane") if pane.display)


async def test_an_unknown_theme_file_is_told_and_the_default_used(tmp_path: Path) -> None:
    themes = tmp_path / "home/config/themes"
    themes.mkdir(parents=True)
    (themes / "mine.yaml").write_text("primary: not-a-color\n", "utf-8")
    (themes / "night.yaml").write_text("primary: '#ff8800'\nbackground: '#000000'\n", "utf-8")
    async with lab(tmp_path) as (app, pilot):
        await until(pilot, lambda: "field 'primary'" in screen_text(app))
        assert app.theme == "lantern-dark"
        assert "night" in app.available_themes
        assert "mine" not in app.available_themes


async def test_the_screenshot_is_a_private_file(tmp_path: Path) -> None:
    async with lab(tmp_path) as (_, pilot):
        await pilot.press("ctrl+s")
        shots = list((tmp_path / "home/screenshots").glob("*.svg"))
        assert len(shots) == 1
        assert shots[0].stat().st_mode & 0o777 == 0o600
        assert "<svg" in shots[0].read_text("utf-8")


async def test_jump_mode_moves_the_focus_by_a_letter(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        live = live_screen(app)
        assert live.focused is live.query_one(TokenTape)
        await pilot.press("ctrl+o", "a")
        await until(pilot, lambda: live.focused is live.query_one(PromptBox))


async def test_animations_are_off_over_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    async with lab(tmp_path) as (app, _):
        assert app.animation_level == "none"


async def test_of_quick_calls_the_first_and_the_last_are_done_and_none_at_once(tmp_path: Path) -> None:
    begun: list[int] = []
    running = 0

    async def work(number: int) -> None:
        nonlocal running
        assert running == 0
        running += 1
        begun.append(number)
        await asyncio.sleep(0.02)
        running -= 1

    async with lab(tmp_path) as (app, pilot):
        for number in range(5):
            app.latest("count", work, number)
            await pilot.pause(0)
        await until(pilot, lambda: "count" not in app._next_of)
        assert begun[0] == 0 and begun[-1] == 4
        app.latest("count", work, 9)
        await until(pilot, lambda: begun[-1] == 9)


async def test_the_model_of_last_time_is_loaded_again(tmp_path: Path) -> None:
    folder = tmp_path / "a model"
    folder.mkdir()
    async with lab(tmp_path, model=str(folder)) as (app, _):
        app.remember()
    async with lab(tmp_path) as (app, _):
        assert app.bench.model_name == str(folder)
    async with lab(tmp_path, model="wick") as (app, _):
        assert app.bench.model_name == "wick"


async def test_a_model_of_last_time_that_is_gone_gives_way_to_wick(tmp_path: Path) -> None:
    config = tmp_path / "home/config"
    config.mkdir(parents=True)
    (config / "state.json").write_text(json.dumps({"model": "missing"}), "utf-8")
    async with lab(tmp_path) as (app, pilot):
        await until(pilot, lambda: app.bench.engine_state == "ready")
        assert app.bench.model_name == "wick"
        await until(pilot, lambda: "no such folder; wick is loaded" in screen_text(app))
        assert not isinstance(app.screen, ErrorDialog)


def test_a_folder_is_remembered_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models/mine").mkdir(parents=True)
    (tmp_path / "wick").mkdir()
    monkeypatch.chdir(tmp_path)
    assert lasting_name("models/mine") == str(tmp_path / "models/mine")
    assert lasting_name("mlx-community/some-model") == "mlx-community/some-model"
    assert lasting_name("wick") == "wick"
