"""The registry and the keymap: one source for keys, without clashes, and each with something that does it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from textual.color import Color

from screens.actions import ACTIONS, BY_ID, SCREENS, bindings, in_scope, markdown_table
from screens.app import LanternApp
from screens.compare.rating_dialog import RatingPane
from screens.compare.screen import CompareScreen
from screens.compare.tape import PairTape
from screens.config import LabState, _meet, _normal, check_keymap, load_keymap, load_state, save_state
from screens.curate.screen import CurateScreen
from screens.curate.view import CardView
from screens.live.screen import LiveScreen
from screens.probes.screen import ProbesScreen
from screens.runs.screen import RunsScreen
from screens.score.screen import ScoreScreen
from screens.theme.ramp import token_styles
from screens.theme.themes import SHIPPED, user_themes
from screens.training.screen import TrainingScreen
from screens.widgets.marked_text import MarkedText
from screens.widgets.token_tape import TokenTape
from screens.widgets.virtual_list import VirtualList

OWNERS = {
    "app": LanternApp,
    "probes": ProbesScreen,
    "live": LiveScreen,
    "compare": CompareScreen,
    "training": TrainingScreen,
    "curate": CurateScreen,
    "card": CardView,
    "runs": RunsScreen,
    "score": ScoreScreen,
    "list": VirtualList,
    "tape": TokenTape,
    "pair": PairTape,
    "text": MarkedText,
    "rating": RatingPane,
}


def test_ids_are_unique_and_every_action_is_done_by_someone() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for action in ACTIONS:
        assert callable(getattr(OWNERS[action.scope], f"action_{action.command}", None)), action.id


def test_no_two_keys_that_are_live_at_once_clash() -> None:
    for one, other in itertools.combinations(ACTIONS, 2):
        if _meet(one.scope, other.scope):
            shared = {_normal(key) for key in one.keys} & {_normal(key) for key in other.keys}
            assert not shared, (one.id, other.id, shared)


def test_every_binding_has_its_actions_id() -> None:
    for scope in OWNERS:
        assert [binding.id for binding in bindings(scope)] == [action.id for action in in_scope(scope)]  # type: ignore[union-attr]


def test_screens_load_by_name_and_know_their_id() -> None:
    assert [(spec.id, spec.load().ID) for spec in SCREENS] == [  # type: ignore[attr-defined]
        ("probes", "probes"),
        ("live", "live"),
        ("compare", "compare"),
        ("training", "training"),
        ("curate", "curate"),
        ("runs", "runs"),
    ]


def test_the_documentation_lists_every_action() -> None:
    table = markdown_table()
    assert all(f"`{action.id}`" in table for action in ACTIONS)


@pytest.mark.parametrize(
    ("entries", "kept", "fault"),
    [
        ({"live.sampling": "f6"}, {"live.sampling": "f6"}, None),
        ({"live.sampling": "ctrl+g,f6"}, {"live.sampling": "ctrl+g,f6"}, None),
        ({"app.help": "?"}, {"app.help": "?"}, None),
        ({"live.nothing": "f6"}, {}, "is no action"),
        ({3: "f6"}, {}, "is no action"),
        ({"live.sampling": ""}, {}, "is no key"),
        ({"live.sampling": "hyper+q"}, {}, "is no key"),
        ({"live.sampling": ["s"]}, {}, "is no key"),
        ({"live.sampling": "r"}, {}, "already does live.reroll"),
        ({"live.sampling": "x"}, {}, "already does app.stop"),
        ({"probes.run": "j"}, {}, "already does list.down"),
        ({"probes.run": "s"}, {"probes.run": "s"}, None),
        ({"card.tie": "w"}, {"card.tie": "w"}, None),
        ({"card.tie": "f"}, {}, "already does card.flag"),
        ({"card.tie": "s"}, {}, "already does curate.strategy"),
    ],
)
def test_keymap_entries_are_used_or_told(
    entries: dict[object, object], kept: dict[str, str], fault: str | None
) -> None:
    keymap, faults = check_keymap(entries)
    assert keymap == kept
    assert [fault in line for line in faults] == ([True] if fault else [])


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00", "'just text'"])
def test_a_keymap_that_is_no_mapping_is_told_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "keymap.yaml").write_text(text, "utf-8")
    keymap, faults = load_keymap(tmp_path)
    assert keymap == {} and len(faults) == 1 and "default keys are used" in faults[0]


def test_an_empty_keymap_is_no_fault(tmp_path: Path) -> None:
    assert load_keymap(tmp_path) == ({}, [])
    (tmp_path / "keymap.yaml").write_text("# nothing yet\n", "utf-8")
    assert load_keymap(tmp_path) == ({}, [])


def test_the_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = LabState(screen="live", search="[/x]", batteries=["core", "own"], sampling={"temperature": 0.3})
    save_state(tmp_path / "config", state)
    assert load_state(tmp_path / "config") == state
    assert (tmp_path / "config/state.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"screen": 7, "batteries": "core", "sampling": {"temperature": "hot"}}',
        "\x00\xff",
    ],
)
def test_a_broken_state_is_the_default_state(text: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text, "utf-8")
    assert load_state(tmp_path) == LabState()


def test_the_good_part_of_a_state_is_used(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"screen": "live", "theme": 3, "unknown": 1}', "utf-8")
    assert load_state(tmp_path) == LabState(screen="live")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("primary: '#123456'\n", None),
        ("primary: red\ndark: false\nvariables: {border: blue}\n", None),
        ("background: '#123456'\n", "'primary' is missing"),
        ("primary: nope\n", "'primary'"),
        ("primary: 3\n", "'primary'"),
        ("primary: red\nfont: mono\n", "'font'"),
        ("primary: red\ndark: maybe\n", "'dark'"),
        ("primary: red\nvariables: 3\n", "'variables'"),
        ("- red\n", "a mapping"),
        ("primary: [", "YAML"),
    ],
)
def test_user_themes_are_used_or_told(text: str, fault: str | None, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    [theme] = user_themes(tmp_path)
    if fault is None:
        assert not isinstance(theme, str) and theme.name == "mine"
    else:
        assert isinstance(theme, str) and fault in theme and "mine.yaml" in theme


def test_shipped_themes_read_well() -> None:
    """Text on the background of every shipped theme has a contrast of at least 7 : 1 (WCAG AAA)."""
    for theme in SHIPPED:
        assert theme.foreground and theme.background
        assert contrast(Color.parse(theme.foreground), Color.parse(theme.background)) >= 7


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of WCAG 2.2."""

    def luminance(color: Color) -> float:
        parts = []
        for part in color.rgb:
            c = part / 255
            parts.append(c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4)
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_level_of_the_entropy_ramp_reads_on_its_background() -> None:
    """At least 4.5 : 1 (WCAG AA), the tint behind the token included."""
    for theme in SHIPPED:
        assert theme.background
        background = Color.parse(theme.background)
        for style in token_styles(background, dark=theme.dark):
            assert style.color and style.bgcolor
            text = Color.from_rich_color(style.color)
            assert contrast(text, Color.from_rich_color(style.bgcolor)) >= 4.5, (theme.name, style)
