"""The prose of a text: Markdown furniture blanked out, every character of the rest in its place."""

from __future__ import annotations

import re

# Headings, list labels and table cells shorter than a clause carry a shape, not a thought.
MIN_LINE_WORDS = 5

_FENCE = re.compile(r"[ \t]{0,8}(?:```|~~~)")
_FURNITURE = re.compile(r"[ \t]*(?:#{1,6}[ \t]|\||[-=*_~+:|. \t]{3,}$)")
_LEAD = re.compile(r"[ \t]*(?:>[ \t]*)*(?:[-*+•][ \t]+|\(?\d{1,3}[.):][ \t]+)?")
_EMPHASIS = re.compile(r"\*+|(?<!\w)_+|_+(?!\w)|`+|~~")
_WORD = re.compile(r"\w")


def prose_of(text: str) -> str:
    """`text` with code blocks, headings, tables, rules, markers and bare labels replaced by spaces.

    Has the same length and the same line breaks, so that a span in it is a span in `text`.
    """
    lines = text.split("\n")
    inside_code = False
    for index, line in enumerate(lines):
        fence = _FENCE.match(line) is not None
        if fence or inside_code or _FURNITURE.match(line):
            lines[index] = " " * len(line)
        elif line:
            lines[index] = _prose_line(line)
        inside_code ^= fence
    return "\n".join(lines)


def _prose_line(line: str) -> str:
    lead = _LEAD.match(line)
    body_start = lead.end() if lead else 0
    body = line[body_start:]
    if "*" in body or "_" in body or "`" in body or "~" in body:
        body = _EMPHASIS.sub(lambda mark: " " * len(mark.group()), body)
    # Wrapped prose has short last lines: a line that closes a sentence counts however short it is.
    words = sum(1 for word in body.split() if _WORD.search(word))
    is_prose = words >= MIN_LINE_WORDS or (
        words > 1 and body_start == 0 and body.rstrip().endswith((".", "!", "?"))
    )
    return " " * body_start + body if is_prose else " " * len(line)
