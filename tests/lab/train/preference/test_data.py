"""Pair files: every form is read, broken rows are named by line, the good ones are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.train.preference.data import AnswerRow, read_pairs
from tests.hostile import HOSTILE
from tests.lab.train.preference.pairs import write_rows

ASKED = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
GOOD, POOR = [{"role": "assistant", "content": "So."}], [{"role": "assistant", "content": "No."}]
FORMS: dict[str, Any] = {
    "explicit": {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
    "mlx-lm-lora": {"prompt": "Why?", "chosen": "So.", "rejected": "No.", "system": "Be kind."},
    "conversation": {"prompt": ASKED, "chosen": GOOD, "rejected": POOR},
    "implicit": {"chosen": ASKED + GOOD, "rejected": ASKED + POOR},
    "handbook": {"prompt": "Why?", "chosen": ASKED + GOOD, "rejected": ASKED + POOR},
    "mlx-lm-lora orpo": {
        "prompt": "Why?",
        "chosen": {"messages": ASKED + GOOD},
        "rejected": {"messages": ASKED + POOR},
        "preference_score": 2.0,
    },
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Why?"}],
        "chosen": {"from": "gpt", "value": "So."},
        "rejected": {"from": "gpt", "value": "No."},
    },
    "alpaca": {"instruction": "Why?", "input": "", "chosen": "So.", "rejected": "No."},
}


def said(row: AnswerRow) -> tuple[list[str], str | None, str | None]:
    return [message.content for message in row.messages], row.chosen, row.rejected


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(tmp_path: Path, form: str) -> None:
    file = read_pairs(write_rows(tmp_path / "train.jsonl", [FORMS[form]]))
    asked = ["Why?"] if form in ("explicit", "sharegpt", "alpaca") else ["Be kind.", "Why?"]
    assert [said(row) for row in file.rows] == [(asked, "So.", "No.")]
    assert not file.bad


def test_bad_rows_are_named_and_good_ones_kept(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    good = FORMS["explicit"]
    rows: list[Any] = [
        good,
        {"prompt": "Why?", "chosen": "So."},
        {**good, "chosen": 3},
        {**good, "rejected": "So."},
        {"chosen": ASKED + GOOD, "rejected": POOR},
        ["no object"],
        {"prompt": "Who?", "completion": "I.", "label": "yes"},
        {"prompt": "Who?", "completion": "I.", "label": True},
        FORMS["conversation"],
    ]
    write_rows(path, rows)
    path.write_text(path.read_text() + "{not json\n")
    file = read_pairs(path)
    assert [row.line for row in file.rows] == [1, 9]
    reasons = {bad.line: bad.reason for bad in file.bad}
    assert sorted(reasons) == [2, 3, 4, 5, 6, 7, 8, 10]
    assert "found prompt, chosen" in reasons[2]
    assert "chosen: expected text, got int" in reasons[3]
    assert "same text" in reasons[4]
    assert "rejected: expected a chat" in reasons[5]
    assert "label: expected true or false, got str" in reasons[7]
    assert "no answer with the other label" in reasons[8]


def test_labeled_rows_are_single_answers_for_kto_and_pairs_for_the_others(tmp_path: Path) -> None:
    rows = [
        {"prompt": "A?", "completion": "a.", "label": True},
        {"prompt": "B?", "completion": "b.", "label": False},
        {"prompt": "B?", "completion": "bb.", "label": True},
        {"prompt": "A?", "completion": "aa.", "label": False},
    ]
    path = write_rows(tmp_path / "train.jsonl", rows)
    pairs = read_pairs(path)
    assert [(row.line, *said(row)) for row in pairs.rows] == [
        (1, ["A?"], "a.", "aa."),
        (2, ["B?"], "bb.", "b."),
    ]
    singles = read_pairs(path, single_answers=True)
    assert [(row.chosen, row.rejected) for row in singles.rows] == [
        ("a.", None),
        (None, "b."),
        ("bb.", None),
        (None, "aa."),
    ]


@pytest.mark.parametrize("content", ["", "\n\n", "[1]\n", '{"text": "only"}\n'])
def test_a_file_without_a_pair_is_refused_with_its_first_fault(tmp_path: Path, content: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(content)
    with pytest.raises(LabError, match=r"train.jsonl: no row can be trained on: (line 1|it is empty)"):
        read_pairs(path)


def test_hostile_texts_are_data(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{n} {text}", "chosen": text + "x", "rejected": text} for n, text in enumerate(HOSTILE)
    ]
    file = read_pairs(write_rows(tmp_path / "train.jsonl", rows))
    assert [row.rejected for row in file.rows] == [row["rejected"] for row in rows]
