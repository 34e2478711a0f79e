"""Foreign text made safe to draw: models, files and probes may say anything, and the terminal must not obey.

C0 and C1 controls become visible glyphs, so that no escape code reaches the terminal and no character is
lost; bidirectional overrides become glyphs too, so that text cannot disguise its order; lone surrogates,
which no UTF-8 stream can carry, become U+FFFD. Newlines and tabs stay: their layout is the caller's business.
"""

from __future__ import annotations

_CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"}
_DELETE_PICTURE = {0x7F: 0x2421}
_C1_AS_GLYPH = {code: f"⟨{code:02X}⟩" for code in range(0x80, 0xA0)}
_BIDI_AS_GLYPH = {code: f"⟨{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_LINE_SEPARATORS = {0x2028: "\n", 0x2029: "\n"}
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)

_VISIBLE: dict[int, int | str] = {
    **_CONTROL_PICTURES,
    **_DELETE_PICTURE,
    **_C1_AS_GLYPH,
    **_BIDI_AS_GLYPH,
    **_LINE_SEPARATORS,
    **_SURROGATES,
}


def safe_text(text: str) -> str:
    """`text` with everything a terminal could act on made visible; other characters are unchanged."""
    return text if text.isascii() and text.isprintable() else text.translate(_VISIBLE)


def encodable(text: str) -> str:
    """`text` with lone surrogates, which neither UTF-8 nor a tokenizer can take, replaced by U+FFFD."""
    return text if text.isascii() else text.translate(_SURROGATES)


def safe_line(text: str) -> str:
    """`safe_text` on one line: newlines become "⏎" and tabs a space."""
    return safe_text(text).replace("\n", "⏎").replace("\t", " ")
