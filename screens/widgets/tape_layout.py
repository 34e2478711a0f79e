"""How a stream of tokens is laid out in lines: word wrap that never looks back further than the last line.

Pure: texts in, lines of spans out. Appending a token changes the last line and at most adds lines after it,
so the cost of a token does not grow with the answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.cells import cell_len, split_graphemes

from lab.safetext import safe_text

NEWLINE_GLYPH = "↵"
TAB_STOP = 4

_ATOMS = re.compile(r"\n|\t| +|[^ \n\t]+")
_ZWJ = "\u200d"


@dataclass(slots=True)
class Span:
    """A stretch of one line that belongs to tokens `first` to `last`; `source` is what copying it yields."""

    first: int
    last: int
    text: str
    source: str
    width: int


@dataclass(slots=True)
class Line:
    """One line of the tape. `word` is the index of the span where a word begins that may go on, if any."""

    spans: list[Span] = field(default_factory=list)
    width: int = 0
    word: int | None = None

    def add(self, span: Span) -> None:
        self.spans.append(span)
        self.width += span.width


class TapeLayout:
    """Lines of at most `width` cells. Spaces and newline glyphs may hang one cell over the end."""

    def __init__(self, width: int) -> None:
        self.width = max(2, width)
        self.lines: list[Line] = [Line()]
        self.line_of: list[int] = []
        self._pending: int | None = None

    def append(self, text: str) -> int:
        """Add the next token's text; returns the index of the first line that changed."""
        index = len(self.line_of)
        first_changed = len(self.lines) - 1
        self.line_of.append(first_changed)
        shown = safe_text(text)
        if not shown:
            self._pending = index if self._pending is None else self._pending
            return first_changed
        rest = self._glue(index, shown)
        for atom in _ATOMS.findall(rest):
            self._place(index, atom)
        self._pending = None
        return first_changed

    def spans_of(self, token: int) -> Iterator[tuple[int, Span]]:
        """The lines and spans in which a token is seen (two lines where it was broken)."""
        anchor = self.line_of[token]
        for y in range(max(0, anchor - 1), len(self.lines)):
            hits = [span for span in self.lines[y].spans if span.first <= token <= span.last]
            if not hits and y > anchor:
                return
            for span in hits:
                yield y, span

    def token_at(self, x: int, y: int) -> int | None:
        """The token drawn at cell `x` of line `y`."""
        if not 0 <= y < len(self.lines):
            return None
        for span in self.lines[y].spans:
            x -= span.width
            if x < 0:
                return span.last
        return self.lines[y].spans[-1].last if self.lines[y].spans else None

    def column_of(self, token: int) -> int:
        """The cell at which a token begins on its line."""
        x = 0
        for span in self.lines[self.line_of[token]].spans:
            if span.last >= token:
                return x
            x += span.width
        return x

    def _place(self, index: int, atom: str) -> None:
        if atom == "\n":
            self._add(index, NEWLINE_GLYPH, source="\n")
            self._new_line()
        elif atom == "\t":
            self._space(index, TAB_STOP - self.lines[-1].width % TAB_STOP, source="\t")
        elif atom[0] == " ":
            self._space(index, len(atom), source=atom)
        else:
            for piece, width, stands_alone in _unbreakable(atom):
                if stands_alone:
                    self.lines[-1].word = None
                    self._word(index, piece, width)
                    self.lines[-1].word = None
                else:
                    self._word(index, piece, width)

    def _space(self, index: int, cells: int, source: str) -> None:
        """Spaces end a word. One may hang over the end of a line; what is left goes on in the next."""
        self.lines[-1].word = None
        if source == "\t":
            self._add(index, " " * min(cells, max(1, self.width + 1 - self.lines[-1].width)), source)
            return
        while source:
            room = self.width + 1 - self.lines[-1].width
            if room < 1:
                self._new_line()
                continue
            self._add(index, source[:room], source[:room])
            source = source[room:]

    def _word(self, index: int, text: str, width: int) -> None:
        """Part of a word: on this line if it fits, else the whole open word moves on, else it is broken.

        A word is broken only where it fills a line by itself: in which pieces it came does not matter.
        """
        if self.lines[-1].width + width > self.width:
            line = self.lines[-1]
            if line.word != 0 and line.width:
                self._wrap(line)
            if self.lines[-1].width + width > self.width:
                self._broken(index, text)
                return
        line = self.lines[-1]
        if line.word is None:
            line.word = len(line.spans)
        self._add(index, text, text, width)

    def _wrap(self, line: Line) -> None:
        """Begin a new line with the open word of `line`, if any."""
        moved = [] if line.word is None else line.spans[line.word :]
        if line.word is not None:
            del line.spans[line.word :]
            line.width -= sum(span.width for span in moved)
        self._new_line()
        for span in moved:
            self.lines[-1].add(span)
            for token in range(span.first, span.last + 1):
                self.line_of[token] = len(self.lines) - 1
        if moved:
            self.lines[-1].word = 0

    def _broken(self, index: int, text: str) -> None:
        """A word longer than a line: fill lines grapheme by grapheme."""
        chunk, chunk_width = "", 0
        for start, end, width in split_graphemes(text)[0]:
            if chunk and self.lines[-1].width + chunk_width + width > self.width:
                self._add(index, chunk, chunk, chunk_width)
                self._new_line()
                chunk, chunk_width = "", 0
            elif not chunk and self.lines[-1].width + width > self.width:
                self._new_line()
            chunk, chunk_width = chunk + text[start:end], chunk_width + width
        line = self.lines[-1]
        if line.word is None:
            line.word = len(line.spans)
        self._add(index, chunk, chunk, chunk_width)

    def _add(self, index: int, text: str, source: str, width: int | None = None) -> None:
        first = index if self._pending is None else self._pending
        self._pending = None
        self.lines[-1].add(Span(first, index, text, source, cell_len(text) if width is None else width))
        self.line_of[index] = len(self.lines) - 1

    def _new_line(self) -> None:
        self.lines.append(Line())

    def _glue(self, index: int, text: str) -> str:
        """Join what continues the last character (marks, joiners, flags) to its span; returns the rest."""
        line = self.lines[-1]
        if not line.spans or line.spans[-1].source in ("\n", "\t"):
            return text
        span = line.spans[-1]
        n = _continuation(span.text, text)
        if n:
            span.text += text[:n]
            span.source += text[:n]
            span.last = index
            grown = cell_len(span.text) - span.width
            span.width += grown
            line.width += grown
        return text[n:]


def _continuation(before: str, text: str) -> int:
    """How many characters at the start of `text` belong to the last character of `before`."""
    if text.isascii() and not before.endswith(_ZWJ):
        return 0
    n = 0
    while n < len(text):
        previous = text[n - 1] if n else before[-1]
        if (
            _extends(text[n])
            or (previous == _ZWJ and text[n] not in " \n\t")
            or (not n and _is_regional(text[0]) and _odd_regionals(before))
        ):
            n += 1
        else:
            break
    return n


def _extends(character: str) -> bool:
    code = ord(character)
    return (
        character == _ZWJ
        or 0xFE00 <= code <= 0xFE0F
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0020 <= code <= 0xE007F
        or unicodedata.category(character) in ("Mn", "Me")
    )


def _is_regional(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _odd_regionals(before: str) -> bool:
    n = 0
    while n < len(before) and _is_regional(before[-1 - n]):
        n += 1
    return n % 2 == 1


def _unbreakable(atom: str) -> Iterator[tuple[str, int, bool]]:
    """A run without spaces, cut where a line may break: around wide characters, each of which stands alone.

    Yields text, width in cells, and whether it is such a character.
    """
    if atom.isascii():
        yield atom, len(atom), False
        return
    start, width = 0, 0
    for grapheme_start, grapheme_end, cells in split_graphemes(atom)[0]:
        if cells == 2:
            if grapheme_start > start:
                yield atom[start:grapheme_start], width, False
            yield atom[grapheme_start:grapheme_end], cells, True
            start, width = grapheme_end, 0
        else:
            width += cells
    if start < len(atom):
        yield atom[start:], width, False
