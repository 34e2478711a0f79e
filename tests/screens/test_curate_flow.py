"""What comes into Curate and what goes out: pairs suggested, a run begun on verdicts, new against old."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from lab.errors import LabError
from lab.train.folder import create_run
from screens.curate.rematch import newest_run, sides_of
from screens.curate.suggest_dialog import SuggestDialog
from screens.curate.suggesting import Suggesting, WantedPairs, command_of
from screens.training.dialogs import StartDialog
from store.home import Home
from store.records import GenerationRecord, PairRecord, ProbeRecord
from tests.screens.fakes import opened, screen_text, until
from tests.screens.judging import curate_lab, first_card, judged_records, press, shown


def run_of(home: Home, **settings: Any) -> Any:
    """A run's folder, with an adapter in it."""
    folder = create_run(home, {"name": "curated", "model": "wick", "data": "/nowhere", **settings})
    folder.adapter.mkdir()
    (folder.adapter / "adapters.safetensors").write_bytes(b"")
    return folder


def test_the_command_names_what_was_asked_for(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    plain = command_of(WantedPairs("wick", "", "", 20, 30), home)
    assert plain[:2] == ["pairs", "suggest"] and "--adapter" not in plain and "--battery" not in plain
    assert plain[plain.index("--limit") + 1] == "20" and plain[plain.index("--n") + 1] == "30"
    full = command_of(WantedPairs("m", "/a b", "core, own", 1, 2), home)
    assert full[-6:] == ["--adapter", "/a b", "--battery", "core", "--battery", "own"]


async def test_pairs_are_asked_for_in_a_window_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[WantedPairs] = []

    async def run(self: Suggesting, wanted: WantedPairs, home: Home) -> int:
        asked.append(wanted)
        if wanted.pairs == 7:
            raise LabError("no probe to ask [/b]")
        return 3

    monkeypatch.setattr(Suggesting, "run", run)
    async with curate_lab(tmp_path) as (app, pilot, screen):
        await until(pilot, lambda: screen.desk is not None)
        await until(pilot, lambda: "No pairs yet" in screen_text(app))
        await pilot.press("p")
        await opened(app, pilot, SuggestDialog)
        app.screen.query_one("#suggest-probes", Input).value = "0"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "probes: a whole number from 1" in screen_text(app))
        app.screen.query_one("#suggest-probes", Input).value = "5"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "3 pairs put up" in screen_text(app))
        assert asked == [WantedPairs("wick", "", "", 5, 30)]
        await pilot.press("p")
        await opened(app, pilot, SuggestDialog)
        app.screen.query_one("#suggest-batteries", Input).value = "general, core"
        app.screen.query_one("#suggest-pairs", Input).value = "7"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "no probe to ask [/b]" in screen_text(app))
        assert any("gates ask core" in notice.message for notice in app._notifications)


async def test_one_key_turns_verdicts_into_data_and_opens_the_start_of_a_run(tmp_path: Path) -> None:
    # Pairs on prompts of a person's own: those on probes of gates are never trained on.
    own = {"probe_battery": None, "probe_id": None}
    records = [
        dataclasses.replace(record, **own) if isinstance(record, GenerationRecord | PairRecord) else record
        for record in judged_records(12)
        if not isinstance(record, ProbeRecord)
    ]
    async with curate_lab(tmp_path, records) as (app, pilot, screen):
        await first_card(pilot, screen)
        await press(pilot, screen, *"abababab")
        await pilot.press("l")
        await opened(app, pilot, StartDialog)
        wanted = app.screen.wanted  # type: ignore[attr-defined]
        assert (wanted.recipe, wanted.model, wanted.name) == ("orpo", "wick", "curated")
        assert wanted.changes == "epochs=10 allow_repeats=true"
        rows = [
            json.loads(line)
            for file in Path(wanted.data).glob("*.jsonl")
            for line in file.read_text("utf-8").splitlines()
        ]
        assert len(rows) == 8
        await pilot.press("escape")


async def test_without_verdicts_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(2)) as (app, pilot, screen):
        await first_card(pilot, screen)
        await pilot.press("l")
        await until(pilot, lambda: "no pair has a verdict yet" in screen_text(app))


async def test_a_new_adapter_meets_the_old_one_blind_in_a_queue_of_its_own(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(3), engine=("--tokens", "24")) as (app, pilot, screen):
        await first_card(pilot, screen)
        folder = run_of(app.home)
        await pilot.press("m")
        await until(pilot, lambda: app.state.queue_only == [f"stratum after curated {folder.run_id[-8:]}"])

        def has_come() -> bool:
            texts = screen.view.texts
            return texts is not None and texts.pair.stratum.startswith("after curated") and not screen.busy

        await until(pilot, lambda: has_come() and screen.left == 3)
        texts = screen.view.texts
        assert texts is not None
        assert screen.view.shows_sides is False and all(shown(screen))
        owners = {answer.adapter_name for answer in texts.answers}
        assert None in owners and len(owners) == 2
        assert len({ask.ask.seed for ask in app.bench.answers}) == 3


def test_a_run_names_both_of_its_sides_or_says_that_it_has_left_nothing(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    with pytest.raises(LabError, match="no run has left an adapter"):
        newest_run(home)
    first = run_of(home)
    bare = create_run(home, {"name": "bare", "model": "wick", "data": "/nowhere"})
    assert newest_run(home).run_id == first.run_id
    with pytest.raises(LabError, match="bare has left no adapter"):
        sides_of(bare)
    old, new = sides_of(run_of(home, resume_adapter_file="/old/adapters.safetensors"))
    assert old.adapter == "/old/adapters.safetensors" and new.adapter is not None
    assert old.sampling == new.sampling and old.model == new.model == "wick"
