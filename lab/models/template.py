"""Put a prompt and a kernel to a model the way it was trained to be spoken to.

What people type is data. A prompt that spells a control token of the template ("<|im_end|>") must not become
one: wherever such a token is spelled inside a prompt or kernel, the text is cut before it is encoded. Texts
without one are encoded exactly as `apply_chat_template` does.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.models.load import LoadedModel
from lab.safetext import encodable
from store.records import KernelPlacement

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as the model gets it; `text` is what `token_ids` encode, control tokens included."""

    token_ids: tuple[int, ...]
    kernel_placement: KernelPlacement
    text: str


def render(loaded: LoadedModel, prompt: str, kernel_text: str | None = None) -> Rendered:
    """Render `prompt` under `kernel_text` with the model's chat template.

    The kernel is the system message. A template that refuses or drops system messages gets
    `kernel + "\\n\\n" + prompt` as the user's message, and so does a model without a template, as plain text.
    """
    tokenizer = loaded.tokenizer
    prompt, kernel_text = encodable(prompt), encodable(kernel_text or "")
    joined = f"{kernel_text}\n\n{prompt}" if kernel_text else prompt
    fallback: KernelPlacement = "user" if kernel_text else "none"
    if not tokenizer.has_chat_template:
        return Rendered(_encode(tokenizer, [_Piece(joined, True)], bos=True), fallback, joined)
    if kernel_text:
        pieces = _apply(tokenizer, [("system", kernel_text), ("user", prompt)])
        if pieces is not None:
            return _rendered(tokenizer, pieces, "system")
    pieces = _apply(tokenizer, [("user", joined)])
    if pieces is None:
        pieces = [_Piece(_template_text(tokenizer, [{"role": "user", "content": joined}]), False)]
    return _rendered(tokenizer, pieces, fallback)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the rendered text; `is_data` where people wrote it and not the template."""

    text: str
    is_data: bool


def _rendered(tokenizer: Any, pieces: Sequence[_Piece], placement: KernelPlacement) -> Rendered:
    text = "".join(piece.text for piece in pieces)
    return Rendered(_encode(tokenizer, pieces, bos=False), placement, text)


def _template_text(tokenizer: Any, messages: list[Message]) -> str:
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _apply(tokenizer: Any, messages: Sequence[tuple[str, str]]) -> list[_Piece] | None:
    """The rendered text as pieces, or None where the template refuses a role or leaves a message out.

    Rendering marks instead of the contents shows where the contents go. Templates may trim what they are
    given: the reading of the marks that gives the very text of the real rendering is taken.
    """
    roles, texts = zip(*messages, strict=True)
    marks = [secrets.token_hex(12) for _ in messages]
    try:
        marked = _template_text(tokenizer, _messages(roles, marks))
        real = _template_text(tokenizer, _messages(roles, texts))
    except Exception:
        # Templates raise through Jinja, custom renderers raise what they like: all of it means "not so".
        return None
    if any(marked.count(mark) != 1 for mark in marks):
        return None
    readings: tuple[Callable[[str], str], ...] = (str, str.strip, str.rstrip, str.lstrip)
    for reading in readings:
        pieces = _fill(marked, dict(zip(marks, map(reading, texts), strict=True)))
        if "".join(piece.text for piece in pieces) == real:
            return pieces
    return _fill(marked, dict(zip(marks, texts, strict=True)))


def _messages(roles: Sequence[str], contents: Sequence[str]) -> list[Message]:
    return [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]


def _fill(marked: str, texts: dict[str, str]) -> list[_Piece]:
    parts = re.split("(" + "|".join(texts) + ")", marked)
    return [_Piece(texts.get(part, part), part in texts) for part in parts if part]


def _encode(tokenizer: Any, pieces: Sequence[_Piece], bos: bool) -> tuple[int, ...]:
    """Token ids of the pieces, in which no control token comes from data.

    Cutting a spelled control token after its first character is enough for a tokenizer that matches tokens
    literally. One that normalizes first can still be fooled; then the data is encoded character by character.
    """
    control = _control_tokens(tokenizer)
    spelled = re.compile("|".join(re.escape(text) for text in control) or r"(?!)")
    if not any(piece.is_data and spelled.search(piece.text) for piece in pieces):
        ids = _encode_fragments(tokenizer, ["".join(piece.text for piece in pieces)], bos)
        if not _leaks(tokenizer, ids, pieces, control, bos):
            return ids
    ids = _encode_fragments(tokenizer, _fragments(pieces, lambda text: _cut(text, spelled)), bos)
    if not _leaks(tokenizer, ids, pieces, control, bos):
        return ids
    return _encode_fragments(tokenizer, _fragments(pieces, list), bos)


def _control_tokens(tokenizer: Any) -> dict[str, int]:
    """Tokens the tokenizer picks out of a text before it looks at words: special and added ones."""
    return {text: index for text, index in tokenizer.get_added_vocab().items() if len(text) > 1}


def _leaks(
    tokenizer: Any, ids: tuple[int, ...], pieces: Sequence[_Piece], control: dict[str, int], bos: bool
) -> bool:
    """Whether `ids` hold control tokens that the template's own text does not account for."""
    watched = set(control.values())
    own = Counter(
        token
        for piece in pieces
        if not piece.is_data
        for token in tokenizer.encode(piece.text, add_special_tokens=False)
        if token in watched
    )
    if bos:
        own.update(token for token in tokenizer.encode("", add_special_tokens=True) if token in watched)
    return Counter(token for token in ids if token in watched) != own


def _fragments(pieces: Sequence[_Piece], cut: Callable[[str], list[str]]) -> list[str]:
    """The pieces' text, split only where data was cut."""
    fragments = [""]
    for piece in pieces:
        first, *rest = cut(piece.text) if piece.is_data and piece.text else [piece.text]
        fragments[-1] += first
        fragments.extend(rest)
    return [fragment for fragment in fragments if fragment]


def _cut(text: str, spelled: re.Pattern[str]) -> list[str]:
    """`text` cut after the first character of every control token spelled in it, overlapping ones too."""
    cuts = [0]
    found = spelled.search(text)
    while found:
        cuts.append(found.start() + 1)
        found = spelled.search(text, found.start() + 1)
    return [text[begin:end] for begin, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _encode_fragments(tokenizer: Any, fragments: Sequence[str], bos: bool) -> tuple[int, ...]:
    ids: list[int] = []
    for index, fragment in enumerate(fragments or [""]):
        ids.extend(tokenizer.encode(fragment, add_special_tokens=bos and index == 0))
    return tuple(ids)
