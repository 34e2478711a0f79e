"""The gauges of a run's answers to pinned probes: H_t against the base, H_w on its zones. Pure drawing."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from textual.content import Content

from lab.measure.zones import TOO_SHORT, ZoneTable, load_table
from lab.safetext import safe_line
from screens.formats import clip, compact_number, nats
from screens.training.book import RunBook
from screens.training.charts import entropy_sources
from screens.widgets.gauge import heading
from screens.widgets.thermometer import zone_scale

CAVEAT_LINES = 2


def probe_gauges(book: RunBook, width: int, dense: bool = False) -> list[Content]:
    """Both entropies, each under its own name; no lines where nothing was asked."""
    for source in entropy_sources(book)[:1]:
        between = [] if dense else [Content("")]
        return [*_predictive(book, source, width), *between, *_of_words(book, source, width, dense)]
    return []


def probe_words(book: RunBook) -> list[str]:
    """Both in a few words, the most telling first."""
    for source in entropy_sources(book)[:1]:
        now, base = book.last(source, "entropy_nats"), book.last(source, "base_entropy_nats")
        of_words, words = book.last(source, "word_entropy_nats"), book.last(source, "words")
        found = [f"H_t {nats(now)}, base {nats(base)} nats"]
        if of_words is not None and words is not None:
            found.append(f"H_w {nats(of_words)} with n = {words:.0f}")
        verdict = book.words.get(source, {}).get("zone")
        return [*found, f"zone {safe_line(verdict)}"] if verdict else found
    return []


def _predictive(book: RunBook, source: str, width: int) -> list[Content]:
    """H_t relative to the base: zones of H_w do not hold for it (measured models lie at 0.6 to 1.2 nats)."""
    now, base = book.last(source, "entropy_nats"), book.last(source, "base_entropy_nats")
    lines = [heading("H_t on probes", f"{compact_number(now)} nats", width)]
    if now is not None and base:
        lines.append(against(now, base, width))
        change = round(100 * (now / base - 1))
        lines.append(Content(f"base {compact_number(base)} · {change:+d} % against it"))
    return lines


def against(value: float, mark: float, width: int, style: str = "$primary") -> Content:
    """A bar of 0 to twice the mark, which stands in its middle."""
    middle = width // 2
    filled = round(min(2.0, max(0.0, value / mark)) * width / 2)
    cells = [("━", style) if x < filled else ("─", "$foreground 15%") for x in range(width)]
    cells[min(middle, width - 1)] = ("┃", "bold $foreground")
    return Content.assemble(*cells)


def _of_words(book: RunBook, source: str, width: int, dense: bool) -> list[Content]:
    now, base = book.last(source, "word_entropy_nats"), book.last(source, "base_word_entropy_nats")
    if now is None:
        return []
    words, table = book.last(source, "words") or 0.0, load_table(None)
    said = book.words.get(source, {})
    marks = {now: "◆"} if base is None else {base: "◇", now: "◆"}
    lines = [
        heading("H_w of the answers", f"{nats(now)} nats", width),
        zone_scale(table, width, marks),
        Content(clip(f"n {words:.0f} words, base {nats(base)} with {_count(book, source)}", width)),
    ]
    if (windows := book.last(source, "window_entropy_nats")) is not None and not dense:
        lines.append(Content.styled(f"100-word windows {nats(windows)}", "$muted"))
    return lines + _verdicts(said, table, width, 1 if dense else CAVEAT_LINES)


def _count(book: RunBook, source: str) -> str:
    words = book.last(source, "base_words")
    return "–" if words is None else f"{words:.0f}"


def _verdicts(words: Mapping[str, str], table: ZoneTable, width: int, most: int) -> list[Content]:
    """Zones and degeneration, or why they are withheld."""
    if withheld := words.get("withheld"):
        return [Content.styled(line, "$muted") for line in _wrapped(withheld, width, CAVEAT_LINES)]
    lines: list[Content] = []
    if zone := words.get("zone"):
        note = f" (n < {table.min_words})" if TOO_SHORT in zone else ""
        lines += [Content(line) for line in _wrapped(f"zone {zone}{note}", width, most)]
    degenerate = words.get("degenerate")
    if degenerate and not (most == 1 and degenerate.startswith("0 ")):
        style = "$muted" if degenerate.startswith("0 ") else "bold $warning"
        lines += [Content.styled(line, style) for line in _wrapped(degenerate, width, most)]
    return lines


def _wrapped(text: str, width: int, most: int) -> list[str]:
    return textwrap.wrap(safe_line(text), max(8, width))[:most]
