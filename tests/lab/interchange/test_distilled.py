"""The source project's distilled rows: read with care, and every value that differs is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.interchange.distilled import import_distilled, messages, read, read_file
from lab.measure.instrument import Reading
from lab.scoring import instrument
from store.home import Home
from store.queries.imports import imported_answers
from store.service import StoreService

ANSWER = "I feel the river as if it were a door. Perhaps they would ask: what is lost?\x1b[31m"
SCORE = instrument("lek-v2").score(Reading(text=ANSWER, prompt="Why?")).total


def row(**meta: object) -> dict[str, object]:
    return {
        "type": "training",
        "training": {
            "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": ANSWER}]
        },
        "meta": {"probe_id": "P01", "category": "Hypnos", "sample_idx": 0, "lek_score": SCORE, **meta},
    }


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_rows_are_read_and_lines_of_no_use_are_named(tmp_path: Path) -> None:
    summary = {"type": "summary", "total_kept": 2}
    bad = [{"type": "probe"}, {**row(), "meta": {}}, {**row(), "training": {}}, [1]]
    file = read_file(written(tmp_path / "a.jsonl", row(), *bad, row(probe_id=7), summary))
    assert [(one.line, one.probe_id, one.prompt, one.answer) for one in file.rows] == [
        (1, "P01", "Why?", ANSWER),
        (6, "7", "Why?", ANSWER),
    ]
    assert file.summary == summary
    assert [str(one) for one in file.bad] == [
        'line 2: expected a line of type "training" or "summary"',
        "line 3: meta: expected at least probe_id",
        "line 4: training: expected messages",
        'line 5: expected a line of type "training" or "summary"',
    ]


def test_a_file_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no usable training row; line 1: expected a line of type"):
        read_file(written(tmp_path / "a.jsonl", {"type": "probe"}))
    assert read([]).rows == ()


def test_every_value_that_differs_is_told(tmp_path: Path) -> None:
    assert SCORE is not None
    file = written(
        tmp_path / "a.jsonl",
        row(lek_score=round(SCORE, 2)),
        row(lek_score=SCORE + 1),
        {"type": "summary", "total_kept": 3},
    )
    with StoreService(Home.resolve(tmp_path / "home")) as store:
        imported = import_distilled(store, file)
        assert imported.notes == (
            f"line 2: lek_score is said to be {SCORE + 1}, lek-v2 gives {SCORE:.2f}",
            "the summary says 3 kept answers, the file has 2 usable rows",
        )
        kept = store.query(imported_answers, imported.id)
        assert [one.record.text for one in kept] == [ANSWER, ANSWER]
        assert kept[0].record.said["sample_idx"] == 0
        (scores,) = kept[0].scores.values()
        assert scores["total"] == SCORE


def test_what_is_trained_on_has_no_kernel_and_no_debris() -> None:
    chat = messages("Why?", "<think>hm</think> Because.<|eot_id|>")
    assert chat == [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
