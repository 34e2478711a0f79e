"""Samples of lm-eval: read with care, paired on doc_hash."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from lab.errors import LabError
from lab.interchange.lm_eval import Samples, pair, read_samples
from lab.textfiles import json_lines


def sample(number: int, correct: float, **changes: Any) -> dict[str, Any]:
    row = {
        "doc_id": number,
        "doc": {"question": f"{number} + 1?"},
        "target": str(number + 1),
        "arguments": {"gen_args_0": {"arg_0": f"Q: {number} + 1?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [[f" It is {number + 1}."]],
        "filtered_resps": [str(number + 1)],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": f"hash-{number}",
        "prompt_hash": f"prompt-{number}",
        "target_hash": "t",
        "exact_match": correct,
    }
    return {**row, **changes}


def read(rows: list[Any]) -> Samples:
    lines = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return read_samples(json_lines(io.BytesIO(lines.encode()), 1 << 20))


def test_a_sample_is_read() -> None:
    (found,) = read([sample(3, 1.0)]).samples
    assert (found.doc_hash, found.doc_id, found.filter, found.line) == ("hash-3", "3", "strict-match", 1)
    assert (found.prompt, found.text, found.target) == ("Q: 3 + 1?\nA:", " It is 4.", "4")
    assert found.metrics == {"exact_match": 1.0}


def test_weighed_choices_have_no_text_and_truth_is_a_number() -> None:
    row = sample(
        1,
        0,
        arguments=[["Q: ?", " yes"], ["Q: ?", " no"]],
        resps=[[["-1.25", "False"]], [["-0.5", "True"]]],
        metrics=["acc", "acc_norm", "word_perplexity"],
        acc=True,
        acc_norm=0.0,
        word_perplexity=[-3.5, 7],
    )
    (found,) = read([row]).samples
    assert (found.text, found.prompt, found.metrics) == (None, "Q: ?", {"acc": 1.0, "acc_norm": 0.0})


def test_older_files_do_not_name_their_metrics() -> None:
    row = sample(1, 0.0)
    del row["metrics"], row["filter"]
    (found,) = read([row]).samples
    assert (found.metrics, found.filter) == ({"exact_match": 0.0}, "none")


def test_bad_rows_are_listed() -> None:
    rows = [
        sample(1, 1.0),
        "{broken",
        [1],
        sample(2, 1.0, doc_hash=None),
        sample(3, 1.0, metrics=["bleu"], bleu=[1, 2]),
        sample(1, 0.0),
        sample(1, 0.0, filter="flexible-extract"),
    ]
    found = read(rows)
    assert [(kept.doc_hash, kept.filter) for kept in found.samples] == [
        ("hash-1", "strict-match"),
        ("hash-1", "flexible-extract"),
    ]
    assert [str(bad).split(";")[0] for bad in found.bad] == [
        "line 2: not JSON: Expecting property name enclosed in double quotes at column 2",
        "line 3: expected an object with doc_hash and metrics",
        "line 4: doc_hash: expected text",
        "line 5: metrics: none is a single number",
        "line 6: doc_hash: 'hash-1' was given in line 1 already",
    ]
    assert found.filters == ("strict-match", "flexible-extract")


def test_documents_are_paired_whatever_their_order() -> None:
    base = read([sample(n, float(n % 2)) for n in range(5)])
    tuned = read([sample(n, 1.0, prompt_hash=f"prompt-{n + (n == 2)}") for n in (6, 2, 1, 3)])
    paired = pair(base, tuned)
    assert [
        (one.doc_hash, one.metrics["exact_match"], other.metrics["exact_match"])
        for one, other in paired.pairs
    ] == [
        ("hash-1", 1.0, 1.0),
        ("hash-2", 0.0, 1.0),
        ("hash-3", 1.0, 1.0),
    ]
    assert (paired.metric, paired.filter) == ("exact_match", "strict-match")
    assert (paired.only_base, paired.only_tuned, paired.other_prompts) == (2, 1, 1)


def test_filter_and_metric_can_be_chosen() -> None:
    rows = [
        sample(1, 1.0),
        sample(1, 0.0, filter="flexible", metrics=["exact_match", "f1"], f1=0.25),
    ]
    paired = pair(read(rows), read(rows), metric="f1", by_filter="flexible")
    assert (paired.metric, paired.filter, len(paired.pairs)) == ("f1", "flexible", 1)
    with pytest.raises(LabError, match="no metric 'bleu': both files have exact_match, f1"):
        pair(read(rows), read(rows), metric="bleu")
    with pytest.raises(LabError, match="no filter: the files have none in common"):
        pair(read(rows[:1]), read(rows[1:]))
    with pytest.raises(LabError, match="share no document with exact_match under the filter strict-match"):
        pair(read(rows[:1]), read([sample(2, 1.0)]))
