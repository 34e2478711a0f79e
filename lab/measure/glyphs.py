"""Glyphs (seed 000): distinct cross-domain terms per 100 words, from a lexicon that a user can edit.

A count of vocabulary, nothing more; it is not called novelty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.seeds import SEEDS
from lab.textfiles import load_yaml

DEFAULT_LEXICON = SEEDS / "glyphs.yaml"
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


@dataclass(frozen=True, slots=True)
class GlyphLexicon:
    """Terms in lower case by domain; a term may be several words."""

    name: str
    version: str
    terms: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class GlyphCount:
    """Distinct terms of the lexicon in a text, the domains they come from, and the rate (None: no words)."""

    terms: tuple[str, ...]
    domains: tuple[str, ...]
    words: int
    per_100_words: float | None


def count_glyphs(text: str, lexicon: GlyphLexicon) -> GlyphCount:
    """Whole-word search for every term, ignoring case; a term counts once however often it occurs."""
    searched = _spaced(text)
    found = {
        domain: [term for term in terms if _spaced(term) in searched]
        for domain, terms in lexicon.terms.items()
    }
    distinct = tuple(sorted({term for terms in found.values() for term in terms}))
    n = len(text.split())
    return GlyphCount(
        terms=distinct,
        domains=tuple(domain for domain, terms in found.items() if terms),
        words=n,
        per_100_words=100 * len(distinct) / n if n else None,
    )


def _spaced(text: str) -> str:
    """The words of `text` in lower case with one space around each, hyphens and apostrophes inside kept."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


def load_lexicon(path: Path | None = None) -> GlyphLexicon:
    """The lexicon in a YAML file (`name`, `version`, `domains: {domain: [term, …]}`); None: the shipped one.

    Raises LabError naming file and field.
    """
    source = path or DEFAULT_LEXICON
    data = load_yaml(source)
    domains = data.get("domains") if isinstance(data, dict) else None
    if not isinstance(domains, dict) or not domains:
        raise LabError(f"{source}: expected `domains:` with a list of terms for each domain")
    return GlyphLexicon(
        name=str(data.get("name", source.stem)),
        version=str(data.get("version", "1")),
        terms={
            str(domain): _terms(terms, f"{source}: domains.{domain}") for domain, terms in domains.items()
        },
    )


def _terms(terms: object, where: str) -> tuple[str, ...]:
    if not isinstance(terms, list) or not all(isinstance(term, str) and _WORD.search(term) for term in terms):
        raise LabError(f"{where}: expected a list of words or phrases")
    return tuple(dict.fromkeys(term.lower() for term in terms))
