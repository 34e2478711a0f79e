"""The one registry of what a person can do: it feeds bindings, footer, help, palette, keymap and docs.

An action's id is `scope.name`; the scope is the app, a screen or a widget, and `name` (dashes as underscores)
is the method that does it. Keys are Textual key names; a user's keymap file replaces them by id.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do. `footer` shows it in the key bar, `palette` lists it in the palette."""

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    footer: bool = False
    palette: bool = True
    priority: bool = False

    @property
    def scope(self) -> str:
        return self.id.partition(".")[0]

    @property
    def command(self) -> str:
        """The name of the method without its `action_` prefix."""
        return self.id.partition(".")[2].replace("-", "_")

    def binding(self) -> Binding:
        return Binding(
            ",".join(self.keys),
            self.command,
            self.label,
            show=self.footer,
            priority=self.priority,
            tooltip=self.help,
            id=self.id,
        )


@dataclass(frozen=True, slots=True)
class ScreenSpec:
    """A screen: its id, the key that opens it, its title and `module:class`, imported when opened."""

    id: str
    key: str
    title: str
    factory: str
    purpose: str

    def load(self) -> Callable[[], Screen[Any]]:
        module, _, name = self.factory.partition(":")
        screen: Callable[[], Screen[Any]] = getattr(importlib.import_module(module), name)
        return screen

    def make(self) -> Screen[Any]:
        """A fresh one; its module is imported now at the latest."""
        return self.load()()

    def action(self) -> Action:
        keys = (self.key, f"alt+{self.key}")
        return Action(f"app.show-{self.id}", keys, self.title, f"Open {self.title}: {self.purpose}")


SCREENS: tuple[ScreenSpec, ...] = (
    ScreenSpec(
        "probes", "1", "Probes", "screens.probes.screen:ProbesScreen", "browse, search and run probes."
    ),
    ScreenSpec("live", "2", "Live", "screens.live.screen:LiveScreen", "watch one answer, token by token."),
    ScreenSpec(
        "compare",
        "3",
        "Compare",
        "screens.compare.screen:CompareScreen",
        "two sides of a battery, side by side.",
    ),
    ScreenSpec(
        "training",
        "4",
        "Train",
        "screens.training.screen:TrainingScreen",
        "watch runs as they train, and steer them.",
    ),
    ScreenSpec(
        "curate",
        "5",
        "Curate",
        "screens.curate.screen:CurateScreen",
        "judge pairs of answers, blind, by one key each.",
    ),
    ScreenSpec(
        "runs",
        "6",
        "Gates",
        "screens.runs.screen:RunsScreen",
        "curricula, gates, safety strips, experiments, adapters.",
    ),
)

_APP = (
    Action("app.help", ("f1", "question_mark"), "Help", "Explain the pane you are in and its keys."),
    Action("app.palette", ("ctrl+p",), "Palette", "Find any action by name.", palette=False),
    Action("app.stop", ("x",), "Stop", "Stop the work that is running; finished answers stay.", footer=True),
    Action(
        "app.copy", ("y",), "Copy", "Copy the selected text, or else what the pane shows, to the clipboard."
    ),
    Action(
        "app.score",
        ("w",),
        "Why",
        "Why this score? Explain it for the answer shown, dimension by dimension.",
        footer=True,
    ),
    Action("app.jump", ("ctrl+o",), "Jump", "Show a letter on every pane; press it to go there."),
    Action("app.model", ("ctrl+l",), "Model", "Load another model: a folder or a hub id."),
    Action(
        "app.restart-engine", ("ctrl+r",), "Restart engine", "End the engine process and start a fresh one."
    ),
    Action(
        "app.theme", ("ctrl+t",), "Theme", "Switch to the next theme: dark, light, high contrast, your own."
    ),
    Action("app.screenshot", ("ctrl+s",), "Screenshot", "Save the screen as an SVG in the lab's home."),
    Action("app.quit", ("q", "ctrl+q"), "Quit", "Leave the lab; what is finished is stored.", footer=True),
)

_PROBES = (
    Action(
        "probes.run", ("r",), "Run", "Run the selected probes (or the one under the cursor).", footer=True
    ),
    Action("probes.search", ("slash",), "Search", "Search in ids, domains and prompts.", footer=True),
    Action("probes.battery", ("b",), "Battery", "Filter by battery.", footer=True),
    Action("probes.domain", ("d",), "Domain", "Filter by domain.", footer=True),
    Action("probes.clear", ("backspace",), "Clear", "Clear search and filters."),
    Action("probes.select-all", ("a",), "All", "Select every probe that the filter shows.", footer=True),
    Action("probes.select-none", ("u",), "None", "Unselect every probe."),
    Action("probes.add", ("n",), "New", "Write a new probe.", footer=True),
    Action("probes.edit", ("e",), "Edit", "Edit the probe under the cursor as a new revision.", footer=True),
    Action("probes.import-file", ("i",), "Import", "Import probes from a YAML, JSON or JSONL file."),
    Action("probes.export-file", ("o",), "Export", "Export the filtered (or selected) probes to a file."),
    Action("probes.compare", ("c",), "Compare", "Compare two sides on the selected probes.", footer=True),
    Action("probes.refresh", ("f5",), "Refresh", "Read the store again."),
)

_LIVE = (
    Action("live.prompt", ("p", "slash"), "Prompt", "Go to the prompt box; Enter there asks.", footer=True),
    Action("live.reroll", ("r",), "Re-roll", "Ask the same again with a new seed.", footer=True),
    Action(
        "live.branch",
        ("b",),
        "Branch",
        "Go on from the token under the cursor with another one.",
        footer=True,
    ),
    Action("live.kernel", ("c",), "Kernel", "Next kernel: none, then the shipped ones.", footer=True),
    Action("live.sampling", ("s",), "Sampling", "Set temperature, filters, length and seed.", footer=True),
    Action("live.cooler", ("minus",), "Cooler", "Lower the temperature by 0.1."),
    Action("live.hotter", ("plus", "equals_sign"), "Hotter", "Raise the temperature by 0.1."),
    Action("live.earlier", ("left_square_bracket",), "Earlier", "The answer before this one.", footer=True),
    Action("live.later", ("right_square_bracket",), "Later", "The answer after this one.", footer=True),
    Action("live.follow", ("f",), "Follow", "Follow the battery: show each answer as it is written."),
)

_COMPARE = (
    Action("compare.earlier", ("left_square_bracket",), "Earlier", "The pair before this one.", footer=True),
    Action("compare.later", ("right_square_bracket",), "Later", "The pair after this one.", footer=True),
    Action("compare.diff", ("d",), "Diff", "Bring out what differs: by words, by tokens, off.", footer=True),
    Action(
        "compare.overlay",
        ("h",),
        "Heat",
        "What both sides think of each token of either text: ΔH, Δ log p, KL, off.",
        footer=True,
    ),
    Action("compare.blind", ("v",), "Blind", "Hide which side is which, and show them again.", footer=True),
    Action("compare.rate", ("r",), "Rate", "Rate both answers on five scales, 1 to 5.", footer=True),
    Action("compare.different", ("o",), "Different", "Only pairs whose texts differ, or all.", footer=True),
    Action(
        "compare.new", ("n",), "New", "Begin a comparison: two sides, probes, an instrument.", footer=True
    ),
    Action("compare.resume", ("c",), "Go on", "Go on with a comparison that was stopped.", footer=True),
    Action(
        "compare.put-up", ("p",), "To Curate", "Put this pair up to be judged blind on Curate.", footer=True
    ),
    Action("compare.put-up-all", ("P",), "All to Curate", "Put every pair of this comparison up."),
    Action("compare.verdict", ("f",), "Filter", "Only improved, regressed or unchanged pairs, or all."),
    Action("compare.order", ("s",), "Sort", "Pairs by their places, or by delta, the worst first."),
    Action("compare.fold", ("u",), "Unfold", "Show the start that both share, or fold it away."),
    Action("compare.follow", ("t",), "Follow", "Follow the pair that is being written."),
    Action("compare.refresh", ("f5",), "Refresh", "Read the store again."),
    Action("compare.back", ("escape",), "Back", "From the pair to the battery, and on to all comparisons."),
)

_TRAINING = (
    Action(
        "training.new",
        ("n",),
        "New",
        "Start a run: recipe, data, model, and how hard it presses.",
        footer=True,
    ),
    Action("training.pause", ("p",), "Pause", "Pause the run, or let it go on.", footer=True),
    Action("training.stop-run", ("t",), "Stop", "Stop the run after its step; asks first.", footer=True),
    Action("training.save", ("s",), "Save", "Save a checkpoint now.", footer=True),
    Action(
        "training.change", ("e",), "Set", "Change learning rate, target or gains of the run.", footer=True
    ),
    Action("training.go-on", ("c",), "Go on", "Go on with a run that was stopped or died.", footer=True),
    Action(
        "training.roll-back",
        ("z",),
        "Roll back",
        "Put the adapter of before this run where the run put its own; asks first.",
    ),
    Action(
        "training.rematch",
        ("m",),
        "New v old",
        "Put this run's adapter against what was there before, blind, on Curate.",
    ),
    Action("training.view", ("v",), "View", "Charts, samples or events.", footer=True),
    Action("training.charts-on", ("right_square_bracket",), "More charts", "The next charts."),
    Action("training.charts-back", ("left_square_bracket",), "Charts before", "The charts before."),
    Action("training.right", ("right", "l"), "Step on", "Move the cursor over the steps on."),
    Action("training.left", ("left", "h"), "Step back", "Move the cursor over the steps back."),
    Action("training.far-right", ("shift+right", "full_stop"), "Ten on", "Move the cursor ten steps on."),
    Action("training.far-left", ("shift+left", "comma"), "Ten back", "Move the cursor ten steps back."),
    Action("training.no-cursor", ("escape",), "No cursor", "Read the newest values again."),
    Action("training.filter", ("slash",), "Filter", "Filter runs by name, model or objective.", footer=True),
    Action("training.clear", ("backspace",), "Clear", "Clear the filter and the marks."),
    Action("training.refresh", ("f5",), "Refresh", "Read runs and store again."),
)

_CURATE = (
    Action("curate.strategy", ("s",), "Queue", "Which pairs come: new, uncertain …", footer=True),
    Action("curate.only", ("o",), "Only", "Only pairs of some batteries, sources or kinds.", footer=True),
    Action("curate.rater", ("r",), "Rater", "Who judges: each rater has a queue of their own.", footer=True),
    Action(
        "curate.suggest",
        ("p",),
        "Pairs",
        "Suggest pairs from the model's own answers; once more stops it.",
        footer=True,
    ),
    Action("curate.train", ("l",), "Learn", "Train on the pairs that you have curated.", footer=True),
    Action(
        "curate.rematch",
        ("m",),
        "New v old",
        "Put the newest run's adapter against what was there before, in a fresh blind queue.",
        footer=True,
    ),
    Action("curate.refresh", ("f5",), "Refresh", "Read the store again."),
    Action(
        "curate.back",
        ("escape",),
        "List/card",
        "From the card to the list of all pairs and back; in the list digits open screens, as everywhere.",
        footer=True,
    ),
)

_CARD = (
    Action("card.choose-left", ("a", "left", "1"), "Left", "The left answer is better.", footer=True),
    Action("card.choose-right", ("b", "right", "2"), "Right", "The right answer is better.", footer=True),
    Action("card.tie", ("t", "0"), "Tie", "Both are as good.", footer=True),
    Action("card.both-bad", ("x", "9"), "Both bad", "Neither is any good.", footer=True),
    Action("card.skip", ("space",), "Skip", "No verdict; re-check brings it again.", footer=True),
    Action(
        "card.undo", ("u", "ctrl+z"), "Undo", "Take the last verdict back; its card returns.", footer=True
    ),
    Action("card.redo", ("ctrl+r", "ctrl+y"), "Redo", "Give the verdict again that was taken back last."),
    Action("card.flag", ("f",), "Flag", "Flag this pair, or take the flag away.", footer=True),
    Action("card.edit", ("e",), "Edit", "Write a better answer over one of both.", footer=True),
    Action("card.note", ("c",), "Note", "Write a note on this pair.", footer=True),
    Action("card.next-open", ("n",), "Next open", "The next pair without your verdict.", footer=True),
    Action("card.earlier", ("left_square_bracket",), "Earlier", "The card before, of earlier sessions too."),
    Action("card.later", ("right_square_bracket",), "Later", "The card after this one."),
    Action("card.diff", ("d",), "Diff", "Bring out what differs: by words, by tokens, off.", footer=True),
    Action("card.overlay", ("h",), "Heat", "The entropy H_t of each token, after your verdict.", footer=True),
    Action("card.blind", ("v",), "Blind", "Show whose answers these are; verdicts are then not blind."),
    Action("card.fold", ("z",), "Unfold", "Show the start that both share, or fold it away."),
    Action("card.down", ("down", "j"), "Down", "Both texts one line down."),
    Action("card.up", ("up", "k"), "Up", "Both texts one line up."),
    Action("card.page-down", ("pagedown",), "Page down", "Both texts one page down."),
    Action("card.page-up", ("pageup",), "Page up", "Both texts one page up."),
    Action("card.first", ("home",), "Start", "Both texts to their start."),
    Action("card.last", ("end",), "End", "Both texts to their end."),
    Action("card.prompt-down", ("shift+down", "J"), "Prompt down", "The prompt one line down."),
    Action("card.prompt-up", ("shift+up", "K"), "Prompt up", "The prompt one line up."),
)

_RUNS = (
    Action(
        "runs.kind-on",
        ("right_square_bracket", "right", "l"),
        "Next kind",
        "Gates, strips, experiments, adapters …",
        footer=True,
    ),
    Action("runs.kind-back", ("left_square_bracket", "left", "h"), "Kind before", "The kind before."),
    Action(
        "runs.new",
        ("n",),
        "Experiment",
        "Write an experiment down, or what came of the one chosen.",
        footer=True,
    ),
    Action(
        "runs.report",
        ("o",),
        "Report",
        "Write the report of the curriculum or run as HTML and Markdown.",
        footer=True,
    ),
    Action(
        "runs.go-on",
        ("c",),
        "Go on",
        "Go on with a curriculum that was stopped or waits at an amber gate; asks first.",
        footer=True,
    ),
    Action("runs.roll-back", ("z",), "Roll back", "Set aside what a phase made; asks first.", footer=True),
    Action("runs.refresh", ("f5",), "Refresh", "Read the store again."),
)

_SCORE = (
    Action("score.instrument", ("i",), "Instrument", "Score by the next instrument.", footer=True),
    Action("score.instrument-before", ("I",), "Instrument before", "Score by the instrument before."),
    Action("score.next-match", ("n",), "Next match", "Go to the next match of this dimension.", footer=True),
    Action("score.match-before", ("N", "p"), "Match before", "Go to the match before."),
    Action("score.close", ("escape",), "Back", "Go back to the answer.", footer=True),
)

_LIST = (
    Action("list.down", ("down", "j"), "Down", "Next row."),
    Action("list.up", ("up", "k"), "Up", "Row before."),
    Action("list.page-down", ("pagedown", "ctrl+d"), "Page down", "One page down."),
    Action("list.page-up", ("pageup", "ctrl+u"), "Page up", "One page up."),
    Action("list.first", ("home", "g"), "First", "First row."),
    Action("list.last", ("end", "G"), "Last", "Last row."),
    Action("list.select", ("space",), "Select", "Select or unselect the row.", footer=True),
    Action("list.open", ("enter",), "Open", "Open the row.", footer=True),
)

_TAPE = (
    Action("tape.right", ("right", "l"), "Next token", "Move the token cursor on."),
    Action("tape.left", ("left", "h"), "Token before", "Move the token cursor back."),
    Action("tape.down", ("down", "j"), "Line down", "Move the token cursor a line down."),
    Action("tape.up", ("up", "k"), "Line up", "Move the token cursor a line up."),
    Action("tape.page-down", ("pagedown", "ctrl+d"), "Page down", "One page down."),
    Action("tape.page-up", ("pageup", "ctrl+u"), "Page up", "One page up."),
    Action("tape.first", ("home", "g"), "First token", "Go to the first token."),
    Action("tape.last", ("end", "G"), "Last token", "Go to the last token and follow the answer."),
    Action("tape.surprise", ("n",), "Next surprise", "Go to the next token of high entropy."),
    Action("tape.clear", ("escape",), "No cursor", "Take the token cursor away and follow the answer."),
)

_PAIR = (
    Action("pair.down", ("down", "j"), "Down", "Both texts one line down."),
    Action("pair.up", ("up", "k"), "Up", "Both texts one line up."),
    Action("pair.page-down", ("pagedown", "ctrl+d"), "Page down", "Both texts one page down."),
    Action("pair.page-up", ("pageup", "ctrl+u"), "Page up", "Both texts one page up."),
    Action("pair.first", ("home", "g"), "Start", "Both texts to their start."),
    Action("pair.last", ("end", "G"), "End", "Both texts to their end."),
    Action("pair.right", ("right",), "Next token", "Move the token cursor on, from where the texts part."),
    Action("pair.left", ("left",), "Token before", "Move the token cursor back."),
)

_RATING = (
    Action("rating.one", ("1",), "1", "Not at all.", palette=False),
    Action("rating.two", ("2",), "2", "A little.", palette=False),
    Action("rating.three", ("3",), "3", "To a degree.", palette=False),
    Action("rating.four", ("4",), "4", "Clearly.", palette=False),
    Action("rating.five", ("5",), "5", "Very much.", palette=False),
    Action("rating.take-back", ("0",), "Take back", "Take this rating back.", palette=False),
    Action("rating.undo", ("u",), "Undo", "Undo the last key.", palette=False),
    Action(
        "rating.other-side", ("tab", "left", "right"), "Other side", "Rate the other side.", palette=False
    ),
    Action("rating.next-scale", ("down",), "Next scale", "The next scale.", palette=False),
    Action("rating.scale-before", ("up",), "Scale before", "The scale before.", palette=False),
    Action("rating.scroll-down", ("j",), "Down", "Both texts one line down.", palette=False),
    Action("rating.scroll-up", ("k",), "Up", "Both texts one line up.", palette=False),
    Action("rating.page-down", ("pagedown", "ctrl+d"), "Page down", "Both texts down.", palette=False),
    Action("rating.page-up", ("pageup", "ctrl+u"), "Page up", "Both texts up.", palette=False),
    Action("rating.next-pair", ("right_square_bracket",), "Next pair", "The next pair.", palette=False),
    Action("rating.pair-before", ("left_square_bracket",), "Pair before", "The pair before.", palette=False),
    Action("rating.close", ("escape", "r"), "Done", "Close; every rating is kept.", palette=False),
)

_TEXT = (
    Action("text.down", ("down", "j"), "Down", "One line down."),
    Action("text.up", ("up", "k"), "Up", "One line up."),
    Action("text.page-down", ("pagedown", "ctrl+d"), "Page down", "One page down."),
    Action("text.page-up", ("pageup", "ctrl+u"), "Page up", "One page up."),
    Action("text.first", ("home", "g"), "Start", "To the start of the text."),
    Action("text.last", ("end", "G"), "End", "To the end of the text."),
)

ACTIONS: tuple[Action, ...] = (
    *(screen.action() for screen in SCREENS),
    *_APP,
    *_PROBES,
    *_LIVE,
    *_COMPARE,
    *_TRAINING,
    *_CARD,
    *_CURATE,
    *_RUNS,
    *_SCORE,
    *_LIST,
    *_TAPE,
    *_PAIR,
    *_TEXT,
    *_RATING,
)

BY_ID = {action.id: action for action in ACTIONS}

SCOPE_TITLES = {
    "app": "Everywhere",
    "probes": "Probes",
    "live": "Live",
    "compare": "Compare",
    "training": "Train",
    "curate": "Curate",
    "card": "On a card",
    "runs": "Runs & gates",
    "score": "Score",
    "list": "In a list",
    "tape": "On the token tape",
    "pair": "In a pair's texts",
    "text": "In a text",
    "rating": "While rating",
}


def in_scope(scope: str) -> tuple[Action, ...]:
    return tuple(action for action in ACTIONS if action.scope == scope)


def bindings(scope: str) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """The Textual bindings of a scope, each with its action's id so that a keymap can replace its keys."""
    return [action.binding() for action in in_scope(scope)]


def screen_spec(screen_id: str) -> ScreenSpec | None:
    return next((screen for screen in SCREENS if screen.id == screen_id), None)


def markdown_table(actions: Iterable[Action] = ACTIONS) -> str:
    """The keys as a Markdown table, for the documentation."""
    rows = [
        f"| `{' '.join(action.keys)}` | {action.label} | {action.help} | `{action.id}` |"
        for action in actions
    ]
    return "\n".join(["| keys | action | what it does | id |", "|---|---|---|---|", *rows])
