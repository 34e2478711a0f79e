"""The terminal on the real engine and the real store, with a small random model."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input, SelectionList

from lab.decode.types import Sampling
from screens.app import LanternApp
from screens.live.screen import LiveScreen
from screens.live.setup import Setup
from screens.live.stored import STORED
from screens.probes.dialogs import RunDialog
from screens.probes.screen import ProbesScreen
from screens.widgets.token_tape import TokenTape
from store.home import Home
from store.queries import generation
from tests.models import tiny_model
from tests.screens.fakes import opened, until


async def test_what_the_tape_showed_is_what_the_store_holds(tmp_path: Path) -> None:
    app = LanternApp(
        home=Home.resolve(tmp_path / "home"), model=str(tiny_model("llama")), start="live", prepare=False
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.bench.engine_state == "ready" and app.store.state == "ready")
        live = app.screen
        assert isinstance(live, LiveScreen)
        live.setup = Setup(sampling=Sampling(max_tokens=24))
        await pilot.press("p", *"why?", "enter")
        await until(pilot, lambda: live.shown is not None and live.shown.state == "finished")
        answer = live.shown
        assert answer is not None and answer.generation_id is not None
        tape = live.query_one(TokenTape)
        await until(pilot, lambda: tape.n_tokens == len(answer.tokens))
        stored = None
        while stored is None:
            await pilot.pause(0.05)
            stored = await app.store.query(generation, answer.generation_id)
        record = stored.generation
        assert record.trace is not None
        assert record.text == answer.text
        assert record.trace.token_ids == tuple(token.token_id for token in answer.tokens)
        worst = max(
            abs(kept - token.entropy_nats)
            for kept, token in zip(record.trace.entropy_nats, answer.tokens, strict=True)
        )
        assert worst <= 0.0005 + 1e-9

        await pilot.press("home", "right", "right", "b", "1")
        await until(pilot, lambda: live.shown is not answer and live.shown and live.shown.state == "finished")
        branch = live.shown
        assert branch is not None
        assert [t.token_id for t in branch.tokens[:3]] == list(branch.ask.prefix_token_ids)
        assert [t.token_id for t in branch.tokens[:2]] == [t.token_id for t in answer.tokens[:2]]

        await pilot.press("1")
        probes = app.screen
        assert isinstance(probes, ProbesScreen)
        await until(pilot, lambda: probes.rows.total == 101 and probes.rows.current is not None)
        await pilot.press("r")
        await opened(app, pilot, RunDialog)
        for kernel in ("lantern.json", "lantern.txt"):
            app.screen.query_one(SelectionList).deselect(kernel)
        app.screen.query_one("#n-seeds", Input).value = "2"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: list(app.bench.jobs.values())[-1].over)
        await until(pilot, lambda: probes.rows.current is not None and probes.rows.current.n_answers == 2)
        await until(pilot, lambda: probes.detail.answer_rows.total == 2)

        probes.detail.answer_rows.focus()
        await pilot.press("enter")
        await until(pilot, lambda: live.shown is not None and live.shown.request_id == STORED)
        kept = live.shown
        assert kept is not None
        made = next(a for a in app.bench.answers if a.generation_id == kept.generation_id and a is not kept)
        texts = [[other.text for other in token.alternatives] for token in made.tokens]
        await until(
            pilot, lambda: [[other.text for other in token.alternatives] for token in kept.tokens] == texts
        )
        await pilot.press("q")
    assert app.return_code == 0
