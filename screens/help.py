"""F1: what the pane in focus shows, in a few sentences, and every key that works there."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from screens.actions import ACTIONS, SCOPE_TITLES, Action
from screens.dialogs import Dialog
from screens.formats import clip

WIDTH = 96
FRAME = 8
KEYS_WIDTH = 13
ID_WIDTH = 22

PANES: dict[str, tuple[str, str]] = {
    "tape": (
        "The token tape",
        "The answer, token by token. The color is the predictive entropy H_t with which the model chose "
        "there, in nats, on a fixed scale (the legend below the tape): dim violet where it was certain, "
        "over blue and green to yellow where many words were open. Underlined above 1.5 nats and bold "
        "above 2, so that it reads without color.\n\n"
        "Move a cursor over the tokens with the arrow keys or the mouse; the panel at the right then "
        "shows what else the model might have said. B goes on from there with another token.",
    ),
    "prompt": (
        "The prompt box",
        "What the model is asked. Enter asks, Ctrl+J begins a new line, Escape leaves the box. While "
        "you write, letters are letters: no other key acts.",
    ),
    "chart": (
        "Entropy along the answer",
        "H_t of every token from the first to the last, in nats. Where there are more tokens than "
        "columns, each column spans the least and the greatest of its tokens. The mark is the token "
        "cursor.",
    ),
    "probe-list": (
        "The probes",
        "Probes are pinned prompts: asked again and again, they make models comparable. Select some "
        "with Space, or all that the filter shows with A, then run them with R under any conditions.",
    ),
    "answers": (
        "Answers of this probe",
        "Every stored answer, newest first. Enter opens one on the Live screen with the entropy of "
        "every token, as it was when it was made.",
    ),
    "score-rows": (
        "What the score is made of",
        "Every dimension of the instrument: what it counted, its weight, and what it adds to the total. A "
        "bar's faint end is the most that the dimension can add. On a dimension, its matches are brought "
        "out in the text (N goes from one to the next); on the total, the instrument's known faults are "
        "listed. I changes the instrument; scores of two instruments, or of two versions of one, are never "
        "subtracted.",
    ),
    "marked": (
        "The answer, marked",
        "The text as it was generated. The matches of the chosen dimension are brought out, those of the "
        "others underlined. Each instrument says whether it reads template tokens and reasoning blocks.",
    ),
    "score": (
        "Score",
        "Why an instrument gives this answer what it gives it. An answer that is still being written is "
        "scored again as it grows.",
    ),
    "comparisons": (
        "Comparisons",
        "Every comparison that was begun, newest first. Enter opens one; N begins another; C goes on with"
        " one that was stopped: what is finished of it is kept. Two answers of a pair have one seed, so "
        "that equal models say the same, and no two pairs have the same one.",
    ),
    "pairs": (
        "The pairs of a comparison",
        "One line a pair: ▲ better and ▼ worse by more than 0.5, = the same text, ! a failure (loops, "
        "collapse, topic evasion), ● rated by you. Δ is right less left by the comparison's instrument. O"
        " leaves out equal texts, F keeps one verdict, S puts the worst first. Enter shows both answers.",
    ),
    "summary-pane": (
        "The battery as a whole",
        "The first lines are the primary test: the mean Δ over probes with its interval, and the chance p of "
        "one as large if the sides were alike (exact below 20 probes). Rephrasings and samples of one probe "
        "count once. Domains, dimensions and failure modes are families of their own, p adjusted after Holm. "
        "The worst and best probes were picked by looking: sample them again before believing their deltas.",
    ),
    "pair": (
        "A pair",
        "Both answers token by token, colored by the entropy H_t of each choice. What both share at the "
        "start is folded into one line (U unfolds it), and the first token that differs is marked; below "
        "stands what either side might have said there. D brings out what differs, by words or "
        "tokens.\n\n"
        "H asks both sides what they think of each token of either text, as if they had said it "
        "themselves: ΔH and Δ log p are right less left, KL is how differently they would go on. This "
        "compares the models; two texts that were made freely also differ by the path that each took.\n\n"
        "V hides which side is which: names, colors, lengths and scores are gone and the panes are "
        "shuffled, balanced over pairs. R rates both answers.",
    ),
    "compare": (
        "Compare",
        "Two sides of one battery: any of a base model, adapters, checkpoints, kernels and sampling presets. "
        "Sides that share a model are rows of one batch.",
    ),
    "runs": (
        "The runs",
        "Every run, newest first: where it stands, its newest training loss and a small trend. A run whose "
        "heartbeat is older than ten seconds is shown as dead, with how long ago it spoke; it revives when it"
        " speaks again, and C goes on with it from its last checkpoint. Space marks up to four runs: their "
        "losses are laid over each other.",
    ),
    "samples": (
        "Samples on probes",
        "What the model answers to pinned probes while it is trained, newest first, colored by the entropy "
        "H_t of each token. The first steps say little: do not judge steps 1 to 5.",
    ),
    "log": (
        "Events",
        "What happened in the run, newest first: evaluations that were the best so far, checkpoints, changes "
        "of the controller's state, and the answers to your commands.",
    ),
    "training": (
        "Train",
        "The chosen run, as it is being written. Left and Right move a cursor over the steps (the mouse does "
        "too): every chart reads its values there; Escape reads the newest ones again. Many steps share a "
        "column: the soft color spans the least and the greatest, the line is the mean.\n\n"
        "S is the share of the weights in the bits of weights and data. Its band is the deadband around the "
        "target, the floor is what the initial weights hold already. λ is drawn on a log scale, as the law "
        "wished it (raw) and as it was used (clipped).\n\n"
        "A run is a process of its own: closing the terminal does not touch it. Keys send it commands, "
        "and the event that answers is shown.",
    ),
    "card": (
        "A card",
        "Two answers to one prompt, side by side, without names, colors, lengths or scores; which stands "
        "left is a coin that was thrown for this pair, this rater and this showing. One key is a verdict:"
        " it is on disk before the next card is drawn, so there is nothing to save, and U takes it back "
        "whenever you like, in a later session too. Ties, both bad and skips are kept, but no pairs to "
        "train on.\n\nThe start that both share is folded (Z unfolds it); D brings out what differs. E "
        "writes a better answer over one of both: it is kept beside its parent, and preferred to the "
        "other one. V shows whose answers these are, and H, after the verdict, the entropy of each token;"
        " both are written down, and verdicts on this pair are not blind from then on. One card in "
        "fifteen comes again, swapped.\n\nWhile a card is in front its keys win: 1 and 2 are verdicts, X is"
        " both bad, Ctrl+R gives again. Escape leads to the list, where the digits open screens as "
        "everywhere; Escape and a digit (or Alt and a digit) goes there at once.",
    ),
    "all-pairs": (
        "All pairs",
        "Every pair that was put up, the newest first: ✓ decided by you, = a tie, ✗ both bad, – skipped, "
        "· open; ⚑ flagged, ✎ with a note. Enter lays a pair on the desk. S changes which queue cards "
        "come from, O which batteries, sources and kinds, R who judges.",
    ),
    "curate": (
        "Curate",
        "The strip says how many pairs you have judged and how many the queue still has, your own median "
        "time for a pair in this session, how many verdicts came faster than the words can be read (238 a"
        " minute), how often the left answer wins (50 % if no side pulls, with its interval), and how "
        "many repeats were judged as before.",
    ),
    "search": (
        "Search",
        "Finds text in ids, domains and prompts. Enter or Escape goes back to the list.",
    ),
    "probes": (
        "Probes",
        "Left the probes, right the one under the cursor with its history: for every model and condition "
        "the number of answers, the mean predictive entropy H_t and word entropy H_w (both in nats, and "
        "not the same thing), the mean length and a small trend.",
    ),
    "live": (
        "Live",
        "One answer, watched as it is written. H_t is the entropy of the model's next-token "
        "distribution; H_w is the entropy of the words of the text so far. H_w can never exceed ln n, "
        "so below 55 words no zone is named, and it is always shown with n.",
    ),
}


def pane_help(focused: DOMNode | None, screen: Screen[object]) -> tuple[str, str]:
    """The help of the innermost pane that has one."""
    node: DOMNode | None = focused
    while node is not None:
        if node.id in PANES:
            return PANES[node.id]
        node = node.parent
    return PANES.get(getattr(screen, "ID", ""), ("Lantern Lab", ""))


class HelpDialog(Dialog[None]):
    """Help for one pane."""

    BINDINGS: ClassVar[list[Any]] = [Binding("f1,question_mark,q", "close", "Close", show=False)]
    DEFAULT_CSS = """
    HelpDialog > Vertical { width: 96; height: 90%; }
    HelpDialog VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    """

    def __init__(self, title: str, text: str, live: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.give(title, text, live)

    def give(self, title: str, text: str, live: dict[str, tuple[str, ...]]) -> None:
        self._title, self._text, self._live = title, text, live

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            with VerticalScroll(can_focus=True):
                yield Static(id="text")
                yield Static(id="more")
            yield Static(Content("Escape closes · keys can be changed in config/keymap.yaml"), classes="note")

    def fill(self) -> None:
        self.query_one("#box").border_title = Content(self._title)
        parts = [Content(self._text)]
        for scope in reversed(SCOPE_TITLES):
            actions = [action for action in ACTIONS if action.scope == scope and action.id in self._live]
            if actions:
                parts.append(self._keys(scope, actions))
        lines = Content("\n").join(parts).split("\n", allow_blank=True)
        seen = self.app.size.height
        self.query_one("#text", Static).update(Content("\n").join(lines[:seen]))
        more = self.query_one("#more", Static)
        more.display = False
        # What can be seen only by scrolling is drawn behind the first paint.
        self.call_after_refresh(self._fill_more, more, lines[seen:])
        self.query_one(VerticalScroll).scroll_to(y=0, animate=False)

    def _fill_more(self, more: Static, lines: list[Content]) -> None:
        more.update(Content("\n").join(lines))
        more.display = bool(lines)

    def _keys(self, scope: str, actions: Iterable[Action]) -> Content:
        """Keys, what they do, and the id by which a keymap names them."""
        text_width = max(20, min(WIDTH, self.app.size.width - 8) - KEYS_WIDTH - ID_WIDTH - FRAME)
        lines = [Content.styled(f"\n{SCOPE_TITLES[scope]}", "bold $primary")]
        for action in actions:
            first, *more = textwrap.wrap(action.help, text_width)
            keys = clip(" ".join(self._live[action.id]), KEYS_WIDTH - 1)
            lines.append(
                Content.assemble(
                    (f"{keys:<{KEYS_WIDTH}}", "$secondary"),
                    f"{first:<{text_width}}",
                    (f"  {action.id}", "$faint"),
                )
            )
            lines += [Content(" " * KEYS_WIDTH + rest) for rest in more]
        return Content("\n").join(lines)
