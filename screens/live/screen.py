"""The Live screen: ask, watch the answer as an entropy heat map, look into its tokens, branch off."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content

from lab.asks import ask_probe, ask_text
from lab.decode.types import Alternative, Sampling
from lab.errors import LabError
from lab.protocol import Ask
from lab.ramp import entropy_level, level_color
from lab.safetext import safe_line
from screens import formats
from screens.actions import bindings
from screens.live.facts import state_words
from screens.live.gauges import GaugePane
from screens.live.session import SessionPane
from screens.live.setup import Setup, setup_parts
from screens.live.stored import spell, unspelled
from screens.shell import LabScreen
from screens.widgets.chart import LineChart
from screens.widgets.legend import RampLegend
from screens.widgets.prompt_box import PromptBox
from screens.widgets.token_tape import TokenTape
from screens.workbench import Answer

if TYPE_CHECKING:
    from lab.kernels import Kernel
    from store.records import ProbeRecord

BORDER_ROOM = 4
GAUGES_EVERY = 4
WORDS_EVERY = 10
PLACEHOLDER = "Ask the model something, then press Enter."


class LiveScreen(LabScreen):
    """One answer at a time out of those of this session; the battery's answers can be followed."""

    ID = "live"
    CSS_PATH = "live.tcss"
    BINDINGS = bindings("live")
    AUTO_FOCUS: ClassVar[str | None] = "#tape"

    def __init__(self) -> None:
        super().__init__()
        self.shown: Answer | None = None
        self.setup = Setup()
        self.following = True
        self.probe: ProbeRecord | None = None
        self._kernels: Sequence[Kernel] = ()
        self._n_shown = 0
        self._revision = 0
        self._series: list[float] = []
        self._gauges_dirty = True
        self._words_dirty = True
        self._drawn_state: tuple[str, bool] | None = None

    # -- layout ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        yield SessionPane(id="session-pane")
        with Vertical(id="left"):
            with Container(id="prompt-pane", classes="pane") as pane:
                pane.border_title = "Prompt"
                yield PromptBox(
                    "", id="prompt", placeholder=PLACEHOLDER, compact=True, highlight_cursor_line=False
                )
            with Vertical(id="tape-pane", classes="pane"):
                yield TokenTape(id="tape")
                yield RampLegend()
            with Container(id="chart-pane", classes="pane") as pane:
                pane.border_title = Content("H_t along the answer")
                pane.border_subtitle = "nats"
                yield LineChart(id="chart", least_top=2.0)
        yield GaugePane(id="side")

    def set_ready(self) -> None:
        self._tape = self.query_one(TokenTape)
        self._gauges = self.query_one(GaugePane)
        self._restore_setup()
        self.call_after_refresh(self._load_seeds)
        self._show_setup()
        self._color_chart()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._color_chart())

    def _color_chart(self) -> None:
        dark = self.app.current_theme.dark
        self.query_one(LineChart).set_color_of(lambda value: level_color(entropy_level(value), dark=dark))

    def _load_seeds(self) -> None:
        """Kernels, presets and zones are files; a fault in one is told and the rest goes on."""
        from lab.kernels import shipped
        from lab.measure.zones import load_table

        try:
            self._kernels = shipped()
            self._gauges.set_zones(load_table(None))
            self._restore_kernel()
        except LabError as error:
            self.lab.tell(str(error), severity="error")

    # -- asking ----------------------------------------------------------------------------------------------

    def open_probe(self, probe: ProbeRecord) -> None:
        """Put a probe into the prompt box and, if nothing else is running, ask it."""
        self.probe = probe
        self.query_one(PromptBox).put(probe.prompt)
        self._show_setup()
        self._tape.focus()
        if self.lab.bench.engine_state == "ready" and self.lab.bench.current_job is None:
            self.ask_prompt()

    def show_answer(self, answer: Answer) -> None:
        """Show an answer, of this session or brought from the store."""
        if answer not in self.lab.bench.answers:
            self.lab.bench.answers.append(answer)
        self.following = False
        self._show(answer)
        model = self.lab.bench.model
        if (ids := unspelled(answer)) and model and (answer.record or {}).get("model_id") == model["id"]:
            self.lab.latest("spell alternatives", self._spell, answer, ids)

    async def _spell(self, answer: Answer, ids: Sequence[int]) -> None:
        """Ask the engine what the alternatives read like; without it they stay ids."""
        with contextlib.suppress(LabError):
            spell(answer, await self.lab.bench.spell(ids))
            self._gauges_dirty = True

    @on(PromptBox.Sent)
    def _prompt_sent(self) -> None:
        self.ask_prompt()
        self._tape.focus()

    @on(PromptBox.Left)
    def _prompt_left(self) -> None:
        self._tape.focus()

    def ask_prompt(self) -> None:
        """Ask what the prompt box says, under the setup."""
        prompt = self.query_one(PromptBox).raw_text
        if not prompt.strip():
            self.lab.tell("Write a prompt first (P).")
            return
        self._submit(self._ask_for(prompt))

    def _ask_for(self, prompt: str) -> Ask:
        setup = self.setup
        if self.probe is not None and self.probe.prompt == prompt:
            return ask_probe(self.probe, setup.kernel, setup.sampling, setup.seed)
        return ask_text(prompt, setup.kernel, setup.sampling, setup.seed)

    def _submit(self, ask: Ask) -> None:
        self.lab.spawn(self._put(ask), "ask")

    async def _put(self, ask: Ask) -> None:
        if ask.kernel_name and not ask.kernel_text:
            raise LabError(f"the kernel {ask.kernel_name} of that answer is not at hand; choose one with C")
        job = await self.lab.bench.ask([ask], "answer")
        self.following = False
        self._show(job.answers[0])

    # -- the answer shown ------------------------------------------------------------------------------------

    def _show(self, answer: Answer | None) -> None:
        self.shown = answer
        self._n_shown = 0
        self._revision = answer.revision if answer else 0
        self._series = []
        self._gauges_dirty = self._words_dirty = True
        self._tape.show((), answer.branch_token if answer else None)
        if answer is not None:
            box = self.query_one(PromptBox)
            if not box.has_focus and box.raw_text != answer.ask.prompt:
                box.put(answer.ask.prompt)
        self._show_setup()
        self._take_tokens()
        self._draw_gauges()
        self._draw_words()
        self.refresh_bindings()

    def tick(self) -> None:
        self._follow_on()
        self._take_tokens()
        if self._ticks % GAUGES_EVERY == 0 and self._gauges_dirty:
            self._draw_gauges()
        if self._ticks % WORDS_EVERY == 0:
            bench = self.lab.bench
            self.query_one(SessionPane).show(bench.answers, self.shown, bench.changes)
            if self._words_dirty:
                self._draw_words()

    def _take_tokens(self) -> None:
        answer = self.shown
        if answer is None:
            return
        if answer.revision != self._revision:
            self._show(answer)
            return
        new = answer.tokens[self._n_shown :]
        if new:
            self._n_shown += len(new)
            self._series.extend(token.entropy_nats for token in new)
            self._tape.extend(new)
        state = (answer.state, answer.record is None)
        if new or state != self._drawn_state:
            self._drawn_state = state
            self._gauges_dirty = self._words_dirty = True

    def _follow_on(self) -> None:
        """While following, go on to an answer that is being written once the shown one is finished."""
        if not self.following or (self.shown is not None and self.shown.state == "running"):
            return
        running = [answer for answer in self.lab.bench.answers if answer.state == "running" and answer.tokens]
        if running:
            self._show(min(running, key=lambda answer: len(answer.tokens)))

    def _draw_gauges(self) -> None:
        self._gauges_dirty = False
        model = self.lab.bench.model
        self._gauges.show_answer(self.shown, int(model["vocab_size"]) if model else None)
        self._draw_token()
        self._draw_titles()

    def _draw_token(self) -> None:
        tokens = self.shown.tokens if self.shown else []
        cursor = (
            self._tape.cursor if self._tape.cursor is not None and self._tape.cursor < len(tokens) else None
        )
        token = tokens[-1 if cursor is None else cursor] if tokens else None
        self._gauges.show_token(token, under_cursor=cursor is not None)
        self.query_one(LineChart).show(self._series, cursor)

    def _draw_words(self) -> None:
        self._words_dirty = False
        self._gauges.show_words(self.shown)

    @on(SessionPane.Chosen)
    def _session_chosen(self, event: SessionPane.Chosen) -> None:
        self.following = False
        if event.answer is not self.shown:
            self._show(event.answer)

    def _draw_titles(self) -> None:
        pane, answers, answer = self.query_one("#tape-pane"), self.lab.bench.answers, self.shown
        if answer is None:
            pane.border_title, pane.border_subtitle = "Answer", ""
            return
        room = pane.size.width - BORDER_ROOM
        place = f"{answers.index(answer) + 1}/{len(answers)}" if answer in answers else "stored"
        title = [
            f"Answer {place}",
            answer.ask.kernel_name or "baseline",
            answer.ask.probe_id or "free prompt",
        ]
        pane.border_title = Content(safe_line(formats.join_fitting(title, room)))
        pane.border_subtitle = Content(safe_line(formats.join_fitting(state_words(answer), room)))

    @on(TokenTape.CursorMoved)
    def _cursor_moved(self) -> None:
        self._draw_token()
        self.refresh_bindings()

    # -- setup -----------------------------------------------------------------------------------------------

    def _show_setup(self) -> None:
        pane = self.query_one("#prompt-pane")
        name = (
            f"Prompt · {self.probe.battery} {self.probe.id}" if self._is_probe() and self.probe else "Prompt"
        )
        pane.border_title = Content(safe_line(name))
        words = formats.join_fitting(setup_parts(self.setup), pane.size.width - BORDER_ROOM)
        pane.border_subtitle = Content(safe_line(words))

    def _is_probe(self) -> bool:
        return self.probe is not None and self.probe.prompt == self.query_one(PromptBox).raw_text

    def _change(self, setup: Setup) -> None:
        self.setup = setup
        self.lab.state.kernel = setup.kernel.name if setup.kernel else ""
        self.lab.state.sampling = dataclasses.asdict(setup.sampling)
        self._show_setup()

    def _restore_setup(self) -> None:
        stored = self.lab.state.sampling
        known = {field.name: field.type for field in dataclasses.fields(Sampling)}
        whole = ("top_k", "max_tokens")
        values = {key: int(value) if key in whole else value for key, value in stored.items() if key in known}
        self.setup = Setup(sampling=Sampling(**values))  # type: ignore[arg-type]

    def _restore_kernel(self) -> None:
        kernel = next((kernel for kernel in self._kernels if kernel.name == self.lab.state.kernel), None)
        self.setup = dataclasses.replace(self.setup, kernel=kernel)
        self._show_setup()

    # -- actions ---------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Greyed while they would do nothing: branching without a cursor, re-rolling without an answer."""
        if action == "branch":
            return True if self._branch_point() is not None else None
        if action == "reroll":
            return True if self.shown is not None else None
        if action in ("earlier", "later"):
            return True if len(self.lab.bench.answers) > 1 else None
        return True

    def action_prompt(self) -> None:
        # At once, not in turn: what is typed right after the key is meant for the box.
        self.set_focus(self.query_one(PromptBox))

    def action_reroll(self) -> None:
        """The same prompt under the present setup with the next seed."""
        if self.shown is None:
            return
        self._change(self.setup.next_seed())
        self._submit(
            dataclasses.replace(
                self.shown.ask,
                seed=self.setup.seed,
                sampling=self.setup.sampling,
                parent_id=None,
                prefix_token_ids=(),
            )
        )

    def _branch_point(self) -> int | None:
        answer, cursor = self.shown, self._tape.cursor
        if answer is None or answer.generation_id is None or cursor is None or cursor >= len(answer.tokens):
            return None
        return cursor

    def action_branch(self) -> None:
        from screens.live.dialogs import BranchDialog

        point, answer = self._branch_point(), self.shown
        if point is None or answer is None:
            self.lab.tell("Put the cursor on a token first (arrow keys or mouse).")
            return

        def branch(alternative: Alternative | None) -> None:
            if alternative is not None:
                self._branch(answer, point, alternative)

        self.lab.windows.open(BranchDialog, branch, answer.tokens[point])

    def _branch(self, answer: Answer, point: int, alternative: Alternative) -> None:
        kept = tuple(token.token_id for token in answer.tokens[:point])
        self._submit(
            dataclasses.replace(
                answer.ask, parent_id=answer.generation_id, prefix_token_ids=(*kept, alternative.token_id)
            )
        )

    def action_kernel(self) -> None:
        self._change(self.setup.next_kernel(self._kernels))

    def action_cooler(self) -> None:
        self._change(self.setup.warmer(-0.1))

    def action_hotter(self) -> None:
        self._change(self.setup.warmer(0.1))

    def action_sampling(self) -> None:
        from lab.sampling import presets
        from screens.live.dialogs import SamplingDialog

        def take(result: tuple[Sampling, int] | None) -> None:
            if result is not None:
                self._change(dataclasses.replace(self.setup, sampling=result[0], seed=result[1]))

        self.lab.windows.open(SamplingDialog, take, self.setup.sampling, self.setup.seed, presets())

    def action_earlier(self) -> None:
        self._flip(-1)

    def action_later(self) -> None:
        self._flip(1)

    def _flip(self, by: int) -> None:
        answers = self.lab.bench.answers
        if not answers:
            return
        here = answers.index(self.shown) if self.shown in answers else len(answers)
        self.following = False
        self._show(answers[max(0, min(len(answers) - 1, here + by))])

    def action_follow(self) -> None:
        self.following = True
        self._tape.move_to(None)
        self.lab.tell("Following what is being written.")

    def copy_text(self) -> str | None:
        return self.shown.text if self.shown else None

    async def answer_shown(self) -> Answer | None:
        return self.shown
