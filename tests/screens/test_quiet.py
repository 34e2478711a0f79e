"""Coming to the front and moving the focus style and paint what changed, and show what Textual would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from textual._compositor import Compositor
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.widget import Widget

from screens.app import LanternApp
from screens.help import HelpDialog
from screens.live.screen import LiveScreen
from screens.probes.dialogs import RunDialog
from screens.probes.screen import ProbesScreen, SearchBox
from screens.widgets.prompt_box import PromptBox
from tests.screens.fakes import lab, opened, screen_text, until
from tests.screens.test_windows import prepared


def looks(node: DOMNode) -> dict[str, Mapping[str, Any]]:
    """The rules of every part of a widget."""
    return {part: styles.get_rules() for part, styles in node._component_styles.items()}


def worked_out(app: LanternApp, node: DOMNode) -> dict[str, Mapping[str, Any]]:
    """The same as Textual works it out, keeping nothing."""
    kept = dict(node._component_styles)
    Stylesheet._process_component_classes(app.stylesheet, node)
    fresh = looks(node)
    node._component_styles.clear()
    node._component_styles.update(kept)
    return fresh


def in_parts(app: LanternApp) -> Iterator[Widget]:
    return (widget for widget in app.screen.walk_children(Widget) if widget._component_styles)


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a whole screen was painted."""
    seen: Counter[str] = Counter()
    paint = Compositor.render_full_update

    def counted(self: Compositor, simplify: bool = False) -> Any:
        seen["whole"] += 1
        return paint(self, simplify)

    monkeypatch.setattr(Compositor, "render_full_update", counted)
    return seen


async def test_kept_looks_are_those_that_textual_works_out(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes") as (app, pilot):
        await until(pilot, lambda: "P000_PROBE" in screen_text(app))
        states = []
        for key in (
            "/",
            "escape",
            "/",
            "escape",
            "ctrl+t",
            "/",
            "escape",
            "f1",
            "escape",
            "2",
            "p",
            "escape",
        ):
            await pilot.press(key)
            await pilot.pause()
            now = {str(widget): looks(widget) for widget in in_parts(app)}
            assert now == {str(widget): worked_out(app, widget) for widget in in_parts(app)}, key
            states.append(now)
        assert states[1] == states[3] != states[4]  # The same focus, then another theme.
        assert states[0] != states[1]


async def test_a_move_of_the_focus_paints_no_whole_screen(tmp_path: Path, painted: Counter[str]) -> None:
    async with lab(tmp_path, start="live") as (app, pilot):
        await until(pilot, lambda: "Ask the model something" in screen_text(app))
        frame, blurred = app.screen.query_one("#prompt-pane"), app.screen.query_one("#tape-pane")
        unfocused = frame.styles.border_top
        painted.clear()
        await pilot.press("p")
        await until(pilot, lambda: app.screen.query_one(PromptBox).has_focus)
        await pilot.pause()
        assert frame.styles.border_top != unfocused == blurred.styles.border_top
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query_one(PromptBox).has_focus)
        await pilot.pause()
        assert frame.styles.border_top == unfocused != blurred.styles.border_top
        assert not painted


async def test_what_is_prepared_has_its_place_and_styles_before_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab(tmp_path, start="probes", prepare=True) as (app, pilot):
        await until(pilot, lambda: prepared(app))
        window = app.windows._kept[HelpDialog]
        assert window.query_one("#box").size.height > 20 and not window._layout_required
        read: list[str] = []
        monkeypatch.setattr(LanternApp, "refresh_css", lambda *_, **__: read.append("all styles"))
        for window_or_screen in (HelpDialog, RunDialog):
            monkeypatch.setattr(
                window_or_screen, "update_node_styles", lambda *_, **__: read.append("window")
            )
        await pilot.press("f1")
        await opened(app, pilot, HelpDialog)
        await pilot.press("escape", "r")
        await opened(app, pilot, RunDialog)
        await pilot.press("escape", "2")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen))
        assert not read


async def test_a_screen_behind_takes_the_size_of_the_terminal_when_it_comes_back(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes", prepare=True) as (app, pilot):
        await until(pilot, lambda: prepared(app))
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await pilot.resize_terminal(100, 30)
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen))
        await until(pilot, lambda: app.screen.query_one("#body").size.width == 100)
        await pilot.press("f1")
        await opened(app, pilot, HelpDialog)
        await until(pilot, lambda: app.screen.query_one("#box").region.right <= 100)
        await pilot.press("escape", "slash")
        await until(pilot, lambda: app.screen.query_one(SearchBox).has_focus)
