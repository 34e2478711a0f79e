"""One token under the glass: how it was chosen, and what else might have been said."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from lab.decode.types import TokenStat
from lab.ramp import entropy_level, level_color
from lab.safetext import safe_line
from screens.formats import clip, nats, probability
from screens.widgets.bars import bar_content
from screens.widgets.gauge import heading


class TokenPanel(Widget):
    """The token under the cursor, or the newest one while an answer is being written."""

    DEFAULT_CSS = """
    TokenPanel { height: 9; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._token: TokenStat | None = None
        self._under_cursor = False

    @property
    def token(self) -> TokenStat | None:
        return self._token

    def show(self, token: TokenStat | None, under_cursor: bool) -> None:
        if token is not self._token or under_cursor != self._under_cursor:
            self._token, self._under_cursor = token, under_cursor
            self.refresh()

    def render(self) -> Content:
        token, width = self._token, self.size.width
        if token is None:
            hint = "Arrow keys or the mouse put a cursor on a token."
            return heading("Token", "", width) + Content("\n") + Content.styled(hint, "$muted")
        what = "Token at the cursor" if self._under_cursor else "Newest token"
        rows = [heading(what, f"#{token.index + 1}", width), *self._facts(token, width)]
        rows += [self._alternative(token, index, width) for index in range(len(token.alternatives))]
        return Content("\n").join(rows)

    def _facts(self, token: TokenStat, width: int) -> list[Content]:
        color = level_color(entropy_level(token.entropy_nats), dark=self.app.current_theme.dark)
        piece = Content.assemble(
            (visible(token.text, width - 14), f"bold {color}"),
            ("  H_t ", "$muted"),
            (nats(token.entropy_nats), "bold"),
        )
        choice = Content.assemble(
            ("surprisal ", "$muted"),
            (nats(token.surprisal_nats), "bold"),
            ("  rank ", "$muted"),
            (f"{token.rank}", "bold"),
        )
        if width >= 38:
            margin = (("  margin ", "$muted"), (probability(token.margin), "bold"))
            choice += Content.assemble(*margin)
        return [piece, choice]

    def _alternative(self, token: TokenStat, index: int, width: int) -> Content:
        alternative = token.alternatives[index]
        chosen = alternative.token_id == token.token_id
        bar_width = max(4, width - 21)
        return Content.assemble(
            (f"{index + 1} ", "$muted"),
            (probability(alternative.p), "bold" if chosen else ""),
            " ",
            bar_content(alternative.p, 1.0, bar_width, "$primary" if chosen else "$secondary"),
            " ",
            (visible(alternative.text, 12), "bold $primary" if chosen else "$foreground 85%"),
        )


def visible(text: str, width: int) -> str:
    """A token's text as one can see it: spaces as "␣" at its ends, an incomplete character in words."""
    if not text:
        return "(incomplete)"
    line = safe_line(text)
    stripped = line.strip(" ")
    lead, tail = len(line) - len(line.lstrip(" ")), len(line) - len(line.rstrip(" "))
    shown = "␣" * len(line) if not stripped else "␣" * lead + stripped + "␣" * tail
    return clip(shown, width)
