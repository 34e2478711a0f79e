"""The reading of one text."""

from __future__ import annotations

from dataclasses import dataclass

from lab.measure.glyphs import GlyphCount, GlyphLexicon, count_glyphs
from lab.measure.words import WordEntropy, measure
from lab.measure.zones import ZoneTable, zone_of


@dataclass(frozen=True, slots=True)
class TextReading:
    """Word entropy of a text with its companions, the zone (None: too short to zone) and the glyphs."""

    source: str
    zone_table: str
    entropy: WordEntropy
    zone: str | None
    glyphs: GlyphCount


def read_text_entropy(text: str, source: str, table: ZoneTable, lexicon: GlyphLexicon) -> TextReading:
    """Measure one text as a whole."""
    entropy = measure(text)
    zone = zone_of(entropy.word_entropy_nats, entropy.words, table)
    return TextReading(source, table.label, entropy, zone.name if zone else None, count_glyphs(text, lexicon))
