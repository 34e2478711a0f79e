"""The reading of a whole set: eleven made-up rows whose figures are known by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest

from lab.errors import LabError
from lab.measure.glyphs import GlyphLexicon
from lab.measure.zones import load_table
from lab.probes import make
from lab.textfiles import BadRow, json_lines
from lab.thermometer import DataSetReading, read_data_set

TABLE = load_table()
LEXICON = GlyphLexicon("test", "1", {"sea": ("tide",)})


def distinct(n: int, prefix: str) -> str:
    """n words, all different: H_w is ln n."""
    return " ".join(f"{prefix}{number}" for number in range(n))


# Row i has 100 + 20·i distinct words; the tenth is too short to zone, the eleventh one word 60 times over.
LENGTHS = [100 + 20 * i for i in range(9)]
ROWS: list[dict[str, Any]] = [
    {"prompt": f"Prompt {n}?", "completion": distinct(n, f"r{n}x")} for n in LENGTHS
]
ROWS += [
    {
        "messages": [
            {"role": "user", "content": "Short?"},
            {"role": "assistant", "content": distinct(54, "s")},
        ]
    },
    {"instruction": "Loop.", "output": "tide " * 60},
]
ENTROPIES = [*map(math.log, LENGTHS), math.log(54), 0.0]


def read(rows: Sequence[Any], **more: Any) -> DataSetReading:
    data = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    lines = json_lines(BytesIO(data.encode()), 1000_000)
    return read_data_set(lines, "rows.jsonl", table=TABLE, lexicon=LEXICON, **more)


def test_mean_range_and_sd_of_known_rows() -> None:
    spread = read(ROWS).figures["word_entropy_nats"]
    assert spread is not None
    mean = sum(ENTROPIES) / 11
    assert spread.n == 11
    assert spread.mean == pytest.approx(mean)
    assert (spread.lowest, spread.highest) == (0.0, pytest.approx(math.log(260)))
    assert spread.sd == pytest.approx(math.sqrt(sum((h - mean) ** 2 for h in ENTROPIES) / 10))


def test_adjusted_figures_are_over_the_rows_that_have_them() -> None:
    figures = read(ROWS).figures
    windows, mattr, words = figures["window_mean_nats"], figures["mattr50"], figures["words"]
    assert windows is not None
    assert mattr is not None
    assert words is not None
    assert (windows.n, windows.mean, windows.sd) == (
        9,
        pytest.approx(math.log(100)),
        pytest.approx(0, abs=1e-9),
    )
    assert (mattr.n, mattr.lowest, mattr.highest) == (11, pytest.approx(0.02), 1.0)
    assert (words.lowest, words.highest) == (54, 260)
    glyphs = figures["glyphs_per_100_words"]
    assert glyphs is not None
    assert glyphs.highest == pytest.approx(100 / 60)


def test_zone_shares_sum_to_one_and_name_what_is_too_short() -> None:
    reading = read(ROWS)
    assert reading.zone_shares == {
        "LASER": pytest.approx(1 / 11),
        "TRANSITION": 0,
        "LANTERN": pytest.approx(9 / 11),
        "CHAOS": 0,
        "too short to zone": pytest.approx(1 / 11),
    }
    assert [row.zone for row in reading.rows] == ["LANTERN"] * 9 + [None, "LASER"]
    assert reading.zone_table == "lantern 1"


def test_entropy_that_is_nothing_but_length_correlates_fully() -> None:
    assert read(ROWS[:9]).length_correlation == pytest.approx(1.0)
    with_loop = read(ROWS).length_correlation
    assert with_loop is not None
    assert with_loop < 0.9
    assert read(ROWS[:2]).length_correlation is None
    assert read(ROWS[:1] * 5).length_correlation is None


def test_bad_rows_are_listed_by_line_and_the_good_ones_measured() -> None:
    rows = [ROWS[0], "", "{broken", json.dumps([1]), {"text": ""}, '{"text": "half \\ud83d"}', ROWS[1]]
    reading = read(rows)
    assert [row.line for row in reading.rows] == [1, 6, 7]
    assert [bad.line for bad in reading.bad] == [3, 4, 5]
    assert all(isinstance(bad, BadRow) and bad.reason for bad in reading.bad)


def test_a_set_without_a_usable_row_is_one_clear_line() -> None:
    with pytest.raises(LabError, match=r"^rows\.jsonl: no usable row; line 1: expected messages"):
        read([{"question": 1}])
    with pytest.raises(LabError, match=r"^rows\.jsonl: no usable row$"):
        read([""])


def test_structure_is_counted_over_the_rows_with_a_prompt() -> None:
    body = "The river carries granite and silence past the village. " * 25
    whole = {
        "prompt": "What does the river remember of the mountain?",
        "completion": f"{body}\n\nSo the river keeps the mountain: granite, worn into silence.",
    }
    reading = read([whole, {**whole, "prompt": "Too short?"}, {"text": body}])
    assert reading.structured == {"rows": 2, "invoke": 1, "witness": 2, "articulate": 2, "complete": 1}
    assert reading.rows[2].structure is None


def test_duplicates_and_probe_overlap_are_part_of_the_reading() -> None:
    probes = [
        make({"id": f"T{n}", "domain": "D", "prompt": f"Prompt {n}?"}, battery="bench", origin="test")
        for n in (100, 120, 999)
    ]
    reading = read([*ROWS, ROWS[0], {**ROWS[3], "prompt": "Another prompt."}], probes=probes)
    assert [(d.line, d.of_line, d.exact) for d in reading.duplicates] == [(12, 1, True), (13, 4, False)]
    assert reading.batteries == {"bench": (2, 3)}
    assert [(hit.probe_id, hit.line) for hit in reading.overlaps] == [("T100", 1), ("T120", 2), ("T100", 12)]


def test_progress_is_told_for_every_line() -> None:
    seen: list[int] = []
    read([ROWS[0], "{broken", ROWS[1]], on_row=seen.append)
    assert seen == [1, 2, 3]
