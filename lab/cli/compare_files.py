"""A comparison as files: what it came to as one JSON document, its pairs as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.cli.output import plain
from lab.compare.summary import ComparisonSummary
from lab.outfiles import write_file
from store.queries import PairFilter, count_pairs, page_pairs
from store.queries.reports import answer_texts
from store.records import ComparisonRecord
from store.service import StoreService

SUMMARY, PAIRS = "summary.json", "pairs.jsonl"


def document(comparison: ComparisonRecord, summary: ComparisonSummary) -> dict[str, Any]:
    """What was compared and what came of it, as `--json` prints it."""
    record = asdict(comparison)
    del record["pairs"]
    measure = summary.battery.overall.measure
    scored_by = {"instrument": measure.instrument, "version": measure.version}
    return {"comparison": {**record, **scored_by}, "summary": plain(summary)}


def write(
    folder: Path, store: StoreService, comparison: ComparisonRecord, summary: ComparisonSummary
) -> tuple[Path, Path]:
    """Write both files and return their paths. Raises LabError when they cannot be written."""
    text = json.dumps(document(comparison, summary), ensure_ascii=False, indent=2, allow_nan=False)
    lines = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in _pairs(store, comparison))
    return write_file(folder / SUMMARY, text + "\n"), write_file(folder / PAIRS, lines)


def _pairs(store: StoreService, comparison: ComparisonRecord) -> Iterator[dict[str, Any]]:
    """Every planned pair by place, null for answers not there yet; totals by the comparison's instrument."""
    texts = {(row.place, row.side): row.text for row in store.query(answer_texts, comparison.id)}
    everything = PairFilter()
    n = store.query(count_pairs, comparison.id, everything)
    for row in store.query(page_pairs, comparison.id, everything, 0, n):
        left = _answer(row.left_generation_id, texts.get((row.place, "left")), row.left_total, row.left_modes)
        right = _answer(
            row.right_generation_id, texts.get((row.place, "right")), row.right_total, row.right_modes
        )
        yield {
            "place": row.place,
            "seed": row.seed,
            "battery": row.probe_battery,
            "probe_id": row.probe_id,
            "domain": row.domain,
            "source_probe": row.source_probe,
            "prompt": comparison.pairs[row.place].prompt,
            "left": left,
            "right": right,
            "delta": row.delta,
        }


def _answer(
    generation_id: str | None, text: str | None, total: float | None, modes: Sequence[str]
) -> dict[str, Any] | None:
    if generation_id is None:
        return None
    return {"generation_id": generation_id, "text": text, "total": total, "failure_modes": list(modes)}
