"""Preference runs on the Train screen: rewards by kind, the alarm with its remedy, the loss switched."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import OptionList

from lab.preference.settings import DEFAULTS, in_words, read_words
from lab.train.control import ControlReader
from screens.training.book import RunBook
from screens.training.charts import charts_of
from screens.training.dialogs import ChangeDialog
from screens.training.losses import loss_choices, loss_name, reward_kind
from store.home import Home
from store.records import MetricRecord
from tests.screens.fakes import opened, screen_text, until
from tests.screens.made_runs import MadeRun
from tests.screens.test_training import step_of, train_screen

ALARM = (
    "margins rise while chosen answers lose likelihood: 3 nats below the reference; switch the loss to dpop"
)


def a_book(loss: str = "dpo (beta 0.1)", kind: str = "rewards", alarm: str = "") -> RunBook:
    book = RunBook("0" * 32)
    values = {f"{kind}/margins": 0.4, f"{kind}/chosen": -0.2}
    values |= {"rewards/accuracies": 0.75, "log_ratio/chosen": -2.0}
    words = {"loss": loss, "alarm": alarm}
    book.take([MetricRecord(run_id="r", step=1, source="train", values=values, at="2026-01-01", words=words)])
    return book


def test_words_tell_every_constant_and_are_read_back() -> None:
    for name, settings in DEFAULTS.items():
        words = in_words(settings)
        assert words.startswith(f"{name} (")
        told = read_words(words)
        assert told and all(f"{key} {value}" in words for key, value in told.items())
    assert read_words(in_words(DEFAULTS["dpop"])) == {"beta": "0.3", "lambda": "50", "placement": "inside"}
    assert read_words("sft") == {}


def test_rewards_of_different_losses_are_different_charts() -> None:
    ids = {kind: {chart.id for chart in charts_of(a_book(kind=kind))} for kind in ("rewards", "orpo", "cpo")}
    for kind, found in ids.items():
        assert {f"{kind}-margins", f"{kind}-rewards", "log-ratios", "accuracy"} <= found
        assert not [other for other in ids if other != kind and f"{other}-margins" in found]
    assert reward_kind(a_book("orpo (lambda 0.1)")) == "orpo"
    assert reward_kind(a_book("dpop (beta 0.3)")) == "rewards"


def test_the_remedy_comes_first_while_the_alarm_is_red() -> None:
    quiet, red = loss_choices(a_book()), loss_choices(a_book(alarm=ALARM))
    assert quiet[0] == ("objective.beta", "0.1", "objective.beta=")
    assert red[0][2] == "objective.loss=dpop" and "against the alarm" in red[0][1]
    offered = {line for _, _, line in quiet}
    assert offered == {f"objective.loss={name}" for name in ("dpop", "ipo", "orpo", "simpo", "cpo")} | {
        "objective.beta="
    }
    assert loss_choices(RunBook("0" * 32)) == []
    assert loss_name(a_book("dpop (beta 0.3, lambda 50, placement inside)")) == "dpop"


def test_the_best_is_what_the_run_takes_for_it() -> None:
    """After a switch of the loss, held-out losses are of another kind."""
    book = RunBook("0" * 32)
    for step, loss, best in ((10, 0.2, 1.0), (20, 0.3, 0.0), (30, 40.0, 1.0), (40, 41.0, 0.0)):
        values = {"loss_nats": loss, "best": best}
        book.take([MetricRecord(run_id="r", step=step, source="valid", values=values, at="2026-01-01")])
    assert book.best == (30, 40.0)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_alarm_is_seen_with_its_remedy_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "near", objective="dpo")
    run.train(20, preference=True)
    run.alarm = ALARM
    run.train(1, preference=True)
    run.log.event(21, "alarm", ALARM, "error")
    run.beat()
    async with train_screen(home, size=size) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 21)
        await until(pilot, lambda: "switch the loss" in screen_text(app))
        text = screen_text(app)
        assert "▲" in text and "nats/pair" in text


async def test_the_loss_is_switched_from_the_list(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "near", objective="dpo")
    run.alarm = ALARM
    run.train(3, preference=True)
    run.beat()
    reader = ControlReader(run.folder)
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 3 and screen.run is not None and screen.run.is_live)
        await pilot.press("e")
        await opened(app, pilot, ChangeDialog)
        app.screen.query_one(OptionList).focus()
        await pilot.press("down", "enter", "enter")
        commands = []

        def heard() -> bool:
            commands.extend(reader.poll())
            return len(commands) == 1

        await until(pilot, heard)
        assert [(c.name, c.key, c.value) for c in commands] == [("set", "objective.loss", "dpop")]


async def test_a_past_preference_run_says_its_last_loss_and_no_alarm_that_is_over(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    run = MadeRun(home, "switched", objective="dpo")
    run.alarm = ALARM
    run.train(20, preference=True)
    run.loss, run.alarm = "dpop (beta 0.3, lambda 50, placement inside)", ""
    run.train(20, preference=True)
    run.end()
    async with train_screen(home) as (app, pilot, screen):
        await until(pilot, lambda: step_of(screen) == 40)
        assert screen.book is not None
        assert loss_name(screen.book) == "dpop"
        assert not screen.book.words["train"]["alarm"]
        assert "lose likelihood" not in screen_text(app)
