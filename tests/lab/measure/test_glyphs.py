"""Glyphs: distinct terms per 100 words, whole words only."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.measure.glyphs import GlyphLexicon, count_glyphs, load_lexicon

LEXICON = GlyphLexicon("test", "1", {"sea": ("tide", "spring tide", "dead reckoning"), "music": ("fugue",)})


def test_each_term_counts_once_and_whole_words_only() -> None:
    count = count_glyphs("Tide, TIDE and tides: the fugue’s fugue. Untidy!", LEXICON)
    assert count.terms == ("fugue", "tide")
    assert count.domains == ("sea", "music")
    assert count.words == 8
    assert count.per_100_words == pytest.approx(25.0)


def test_terms_of_two_words_match_across_line_ends_and_contain_others() -> None:
    assert count_glyphs("a spring\n tide", LEXICON).terms == ("spring tide", "tide")
    assert count_glyphs("dead, slow reckoning", LEXICON).terms == ()


def test_no_words_no_rate() -> None:
    assert count_glyphs(" ", LEXICON).per_100_words is None


def test_the_shipped_lexicon_finds_its_own_terms() -> None:
    lexicon = load_lexicon()
    assert len(lexicon.terms) >= 10
    for domain, terms in lexicon.terms.items():
        for term in terms:
            count = count_glyphs(f"The {term.upper()}, then.", lexicon)
            assert term in count.terms
            assert domain in count.domains


def test_a_bad_lexicon_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "glyphs.yaml"
    path.write_text("domains: {sea: [tide, 4]}")
    with pytest.raises(LabError, match=r"glyphs\.yaml: domains\.sea: expected a list of words"):
        load_lexicon(path)
