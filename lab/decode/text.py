"""Tokens to text, one at a time: the pieces joined are exactly the decoded answer.

Special tokens are left out. A token that ends inside a multi-byte character adds nothing until the character
is complete; bytes that never become one come out as U+FFFD, as in a decode of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

_REPLACEMENT = "\ufffd"


def decoder(tokenizer: Any, skip_special_tokens: bool = True) -> Callable[[Sequence[int]], str]:
    """The function from token ids to text, by default without special tokens.

    The Rust tokenizer is asked directly where there is one: the wrapper around it costs ten times as much.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and not getattr(tokenizer, "clean_up_tokenization_spaces", False):
        return lambda ids: str(backend.decode(list(ids), skip_special_tokens=skip_special_tokens))
    return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))


class TextStream:
    """Decodes a growing list of tokens. Only the end of the list is decoded again at each token.

    The window runs from the last piece's tokens on, because a decoder may treat the first token of a text
    differently (a leading space) and what precedes must stay in sight.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._window = 0
        self._read = 0
        self._seen = ""

    @property
    def pending(self) -> bool:
        """Whether tokens wait for the rest of a character."""
        return self._read < len(self._ids)

    def add(self, token_id: int) -> str:
        """The text that `token_id` adds."""
        self._ids.append(token_id)
        text = self._decode(self._ids[self._window :])
        if text.endswith(_REPLACEMENT):
            return ""
        return self._take(text)

    def flush(self) -> str:
        """What is left at the end: the bytes of a character that never became complete."""
        return self._take(self._decode(self._ids[self._window :])) if self.pending else ""

    def _take(self, text: str) -> str:
        piece = text[len(self._seen) :]
        self._window = self._read
        self._read = len(self._ids)
        self._seen = self._decode(self._ids[self._window :])
        return piece


class TokenTexts:
    """The text of single tokens, as they read inside an answer; special tokens keep their names."""

    def __init__(self, tokenizer: Any) -> None:
        self._decode = decoder(tokenizer, skip_special_tokens=False)
        self._known: dict[int, str] = {}
        self._anchor = list(tokenizer.encode("a", add_special_tokens=False)[-1:])
        self._anchor_text = self._decode(self._anchor)

    def __getitem__(self, token_id: int) -> str:
        if (text := self._known.get(token_id)) is None:
            # Behind another token, where a decoder does not strip a leading space.
            text = self._decode([*self._anchor, token_id])[len(self._anchor_text) :]
            self._known[token_id] = text
        return text


@lru_cache(maxsize=4)
def token_texts(tokenizer: Any) -> TokenTexts:
    """The texts of a tokenizer's tokens, remembered from answer to answer."""
    return TokenTexts(tokenizer)
