"""The answer inside a raw generation: without special tokens, role headers and reasoning blocks.

The lab keeps the raw text; instruments of ours read the answer. Every character of the answer knows where it
stood, so that a match can be marked in the raw text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_REASONING = "think|thinking|thought|reasoning|reflection|scratchpad"
_ROLE = "assistant|model|user|system|tool|developer|ipython"

# A header is a start-of-turn token with the role that follows it; what it names is no part of the answer.
_MARK = re.compile(
    rf"""
      (?P<open><(?:{_REASONING})>|\[THINK\]|◁think▷|<\|channel\|>\s{{0,4}}(?:analysis|commentary)[^<\n]{{0,80}}<\|message\|>)
    | (?P<close></(?:{_REASONING})>|\[/THINK\]|◁/think▷)
    | (?P<header>
        <\|(?:im_start|start_header_id|start|role_start)\|>\s{{0,4}}(?:{_ROLE})?(?:<\|(?:end_header_id|role_end)\|>)?\n{{0,2}}
      | <start_of_turn>\s{{0,4}}(?:{_ROLE})?\n{{0,2}}
      | <\|(?:{_ROLE})\|>\n{{0,2}}
      | <\|channel\|>\s{{0,4}}final\s{{0,4}}<\|message\|>
      )
    | (?P<token>
        <\|[A-Za-z0-9_▁ /.:-]{{1,40}}\|> | <｜[^<>｜\n]{{1,40}}｜>
      | </?(?:bos|eos|pad|unk|sep|cls|mask|s|BOS|EOS)> | <unused\d{{1,4}}> | <end_of_turn>
      | \[/?INST\] | \[(?:BOS|EOS|PAD)\] | <0x[0-9A-Fa-f]{{2}}>
      )
    """,
    re.VERBOSE,
)
_HARMONY_END = ("<|end|>", "<|return|>", "<|start|>", "<|call|>")


@dataclass(frozen=True, slots=True)
class Answer:
    """The text that is scored, and the pieces of the raw text that it is made of.

    `starts[i]` is where piece i begins in `text`, `raw_starts[i]` where it began in the raw text.
    """

    text: str
    starts: tuple[int, ...]
    raw_starts: tuple[int, ...]

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """The span [start, end) of the answer as a span of the raw text, debris between its ends included."""
        if end <= start:
            return self._raw(start), self._raw(start)
        return self._raw(start), self._raw(end - 1) + 1

    def _raw(self, position: int) -> int:
        if not self.starts:
            return position
        piece = max(bisect_right(self.starts, position) - 1, 0)
        return self.raw_starts[piece] + position - self.starts[piece]


def whole(raw: str) -> Answer:
    """The raw text as it stands."""
    return Answer(raw, (0,), (0,))


def answer_of(raw: str) -> Answer:
    """The answer in `raw`, stripped of outer white space. Linear in the length of the text.

    A reasoning block that was never closed hides everything after it; a closing mark without an opening one
    (the template had opened the block) hides everything before it.
    """
    if "<" not in raw and "[" not in raw and "◁" not in raw:
        return _stripped(raw, [(0, len(raw))])
    return _stripped(raw, list(_kept(raw)))


def _kept(raw: str) -> Iterator[tuple[int, int]]:
    """The pieces [start, end) of the raw text that belong to the answer."""
    pieces: list[tuple[int, int]] = []
    position = 0
    hidden = False
    harmony = False
    for mark in _MARK.finditer(raw):
        kind = mark.lastgroup
        if not hidden and mark.start() > position:
            pieces.append((position, mark.start()))
        if kind == "close":
            if not hidden:
                pieces.clear()
            hidden = False
        elif kind == "open":
            hidden, harmony = True, mark.group().startswith("<|channel|>")
        elif hidden and harmony and (kind == "header" or mark.group() in _HARMONY_END):
            hidden = False
        position = mark.end()
    if not hidden and position < len(raw):
        pieces.append((position, len(raw)))
    return iter(pieces)


def _stripped(raw: str, pieces: list[tuple[int, int]]) -> Answer:
    while pieces and not raw[slice(*pieces[0])].strip():
        del pieces[0]
    while pieces and not raw[slice(*pieces[-1])].strip():
        del pieces[-1]
    if not pieces:
        return Answer("", (), ())
    first, last = raw[slice(*pieces[0])], raw[slice(*pieces[-1])]
    pieces[0] = (pieces[0][1] - len(first.lstrip()), pieces[0][1])
    pieces[-1] = (pieces[-1][0], pieces[-1][0] + len(last.rstrip()))
    if len(pieces) == 1:
        pieces[0] = (pieces[0][0], pieces[0][0] + len(first.strip()))
    starts, length = [], 0
    for start, end in pieces:
        starts.append(length)
        length += end - start
    text = "".join(raw[start:end] for start, end in pieces)
    return Answer(text, tuple(starts), tuple(start for start, _ in pieces))
