"""Safe text obeys nobody and loses nothing."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.safetext import safe_line, safe_text
from tests.hostile import HOSTILE

OBEYED = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n", "\t"}


def has_controls(text: str) -> bool:
    return any(character in OBEYED for character in text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_holds_nothing_a_terminal_obeys(text: str) -> None:
    safe = safe_text(text)
    assert not has_controls(safe)
    safe.encode("utf-8")


@given(st.text(st.characters()))
def test_any_text_is_safe_encodable_and_no_shorter(text: str) -> None:
    safe = safe_text(text)
    assert not has_controls(safe)
    safe.encode("utf-8")
    assert len(safe) >= len(text)


@given(st.text(st.characters(exclude_categories=("C", "Z"))))
def test_printable_text_is_unchanged(text: str) -> None:
    assert safe_text(text) == text


def test_controls_stay_readable() -> None:
    assert safe_text("\x1b[31m\x00\x7f") == "␛[31m␀␡"
    assert safe_text("\x9b1m") == "⟨9B⟩1m"
    assert safe_text("a\u202eb") == "a⟨202E⟩b"


def test_newlines_and_tabs_stay_in_text_but_not_in_a_line() -> None:
    assert safe_text("a\n\tb") == "a\n\tb"
    assert safe_line("a\n\tb\u2028c") == "a⏎ b⏎c"


def test_no_bidirectional_override_is_left() -> None:
    every = "".join(chr(code) for code in range(0x2000, 0x2070))
    overrides = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    assert not any(unicodedata.bidirectional(character) in overrides for character in safe_text(every))
