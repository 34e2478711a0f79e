"""Hostile texts in every pane: nothing crashes, nothing is obeyed, nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from lab.decode.types import Alternative, Sampling
from lab.protocol import Ask
from lab.safetext import safe_line, safe_text
from screens.app import LanternApp
from screens.dialogs import Choice, ChoiceDialog, ErrorDialog, LineDialog
from screens.live.dialogs import BranchDialog
from screens.live.screen import LiveScreen
from screens.probes.dialogs import ProbeForm
from screens.probes.screen import ProbesScreen
from screens.widgets.prompt_box import PromptBox
from screens.workbench import Answer, Job
from store.queries import AnswerRow, HistoryCell
from store.records import ProbeRecord
from tests.hostile import HOSTILE
from tests.screens.fake_engine import statistics
from tests.screens.fakes import MemoryStore, lab, probe_row, screen_text, until

Show = Callable[[LanternApp, "Pilot[None]", str], Awaitable[None]]
ZERO_WIDTH = "\u200b\u200c\u200d\ufeff"


def hostile_answer(text: str) -> Answer:
    token = statistics(0, text, 7, seed=1)
    alternatives = (Alternative(7, text, 0.6), Alternative(8, text, 0.2))
    ask = Ask(prompt=text, sampling=Sampling(), seed=0, kernel_name=text, probe_battery=text, probe_id=text)
    answer = Answer(ask, "r", state="failed", generation_id="g", fault=text, model_name=text)
    answer.tokens = [type(token)(**{**_fields(token), "alternatives": alternatives})]
    return answer


def _fields(token: object) -> dict[str, object]:
    return {name: getattr(token, name) for name in token.__slots__}  # type: ignore[attr-defined]


async def in_live(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    live = await app.show_screen("live")
    assert isinstance(live, LiveScreen)
    await pilot.pause()
    app.bench.answers.clear()
    live.show_answer(hostile_answer(text))
    await pilot.press("home")


async def in_the_branch_dialog(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    await app.push_screen(BranchDialog(hostile_answer(text).tokens[0]))


async def in_the_status_line(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    app.bench.model = {"name": text, "vocab_size": 100}
    app.bench.backend = text
    app.bench.jobs["j"] = Job("j", text, [hostile_answer(text)])
    live = await app.show_screen("live")
    assert isinstance(live, LiveScreen)
    live.show_status()


async def in_probes(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    store: MemoryStore = app.store._service
    row = probe_row(1, id=text, domain=text, prompt=text, subjects=(text,), origin=text, source_probe=text)
    store.probes = [row]
    store.cells = [HistoryCell(text, text, 1, 0.5, 3.0, 20.0, (0.5,))]
    store.answers = [
        AnswerRow(
            "g", text, text, text, 3, 0.5, 3.0, 20, text, text, 80.0, text, text, text, text, text, seed=0
        )
    ]
    app.state.batteries = []
    app.store.changes += 1
    probes = await app.show_screen("probes")
    assert isinstance(probes, ProbesScreen)
    await until(pilot, lambda: probes.rows.current == row)
    await until(pilot, lambda: probes.detail.answer_rows.total == 1)


async def in_the_run_pane(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    answers = [hostile_answer(text), hostile_answer(text)]
    for answer in answers:
        answer.state = "running"
    app.bench.jobs["j"] = Job("j", text, answers, state="running")
    probes = await app.show_screen("probes")
    await until(pilot, lambda: probes.query_one("#run-pane").has_class("-open"))


async def in_an_error(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    await app.push_screen(ErrorDialog(text, text, "Restart"))


async def in_a_line_dialog(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    await app.push_screen(LineDialog("Load a model", "A note.", text))


async def in_a_choice(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    await app.push_screen(ChoiceDialog("Batteries", [Choice(text, text, 3)], [text]))


async def in_the_probe_form(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    probe = ProbeRecord(
        battery="b", id="i", domain=text, prompt=text, sha256="0", origin="user", at="", subjects=()
    )
    await app.push_screen(ProbeForm(probe, "b"))


async def in_a_notice(app: LanternApp, pilot: Pilot[None], text: str) -> None:
    app.tell(text)


PANES: dict[str, Show] = {
    name.removeprefix("in_"): show
    for name, show in globals().copy().items()
    if name.startswith("in_") and callable(show)
}


TOGETHER = "\n".join(text for name, text in HOSTILE.items() if name != "one long word")


DIALOGS = ("the_branch_dialog", "an_error", "a_line_dialog", "a_choice", "the_probe_form", "a_notice")


@pytest.mark.parametrize("panes", [DIALOGS, ("live", "the_status_line"), ("probes", "the_run_pane")])
async def test_hostile_text_is_shown_and_not_obeyed(panes: tuple[str, ...], tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        for pane in panes:
            await check(app, pilot, pane, "all together", TOGETHER)
            await check(app, pilot, pane, "empty", "")


@pytest.mark.slow
@pytest.mark.parametrize("pane", PANES)
async def test_every_hostile_text_by_itself(pane: str, tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        for name, text in HOSTILE.items():
            await check(app, pilot, pane, name, text)


async def check(app: LanternApp, pilot: Pilot[None], pane: str, name: str, text: str) -> None:
    await PANES[pane](app, pilot, text)
    word = _visible_word(text)
    await until(pilot, lambda: word in screen_text(app))
    obeyed = {c for c in screen_text(app) if c not in "\n" + ZERO_WIDTH and is_control(c)}
    assert not obeyed, f"{pane}, {name}: {obeyed!r}"
    assert app.is_running
    assert app._exception is None, name
    while len(app.screen_stack) > 1:
        app.pop_screen()
    app.clear_notifications()
    app.bench.jobs.clear()


def is_control(character: str) -> bool:
    return ord(character) < 32 or 127 <= ord(character) < 160


def _visible_word(text: str) -> str:
    """The first letters of a text as a pane must show them: a short run without spaces or wide characters."""
    line = safe_line(text).strip()
    if not line or not line.isascii():
        return ""
    return line.split()[0][:4]


@pytest.mark.parametrize(
    "text", [HOSTILE["clipboard"], HOSTILE["c1 controls"], HOSTILE["closing markup"], TOGETHER]
)
async def test_a_prompt_is_asked_as_it_came_unless_it_is_edited(text: str, tmp_path: Path) -> None:
    async with lab(tmp_path, size=(80, 24), engine=("--tokens", "2")) as (app, pilot):
        live = app.screen
        assert isinstance(live, LiveScreen)
        box = live.query_one(PromptBox)
        box.put(text)
        await pilot.pause()
        assert not {c for c in screen_text(app) if c != "\n" and is_control(c)}
        assert box.raw_text == text
        await pilot.press("p", "ctrl+home", "x")
        assert box.raw_text == "x" + safe_text(text)


async def test_pasted_control_codes_become_visible(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        live = app.screen
        await pilot.press("p")
        await app.on_event(events.Paste(HOSTILE["clipboard"]))
        await until(pilot, lambda: live.query_one(PromptBox).text)
        assert live.query_one(PromptBox).text == safe_text(HOSTILE["clipboard"])


async def test_hostile_answers_stream_through_the_engine(tmp_path: Path) -> None:
    text = HOSTILE["clipboard"] + HOSTILE["closing markup"]
    async with lab(tmp_path, engine=("--tokens", "3", "--text", text)) as (app, pilot):
        live = app.screen
        assert isinstance(live, LiveScreen)
        live.query_one(PromptBox).put(HOSTILE["c1 controls"])
        live.ask_prompt()
        await until(pilot, lambda: live.shown is not None and live.shown.state == "finished")
        assert live.shown is not None
        assert live.shown.text == text * 3
        assert live.shown.ask.prompt == HOSTILE["c1 controls"]
        await until(pilot, lambda: "␛]52" in screen_text(app))
        assert "\x1b" not in screen_text(app)
        await pilot.press("escape", "y")
        assert app.clipboard == text * 3
