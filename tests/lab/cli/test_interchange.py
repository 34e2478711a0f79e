"""`lantern compare import|imports|export` and `lantern report compare`: files in and out of a real store."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from store.home import Home
from store.service import StoreService
from tests.lab.cli.calls import Ran, call
from tests.lab.comparisons import store_comparison, texts
from tests.lab.interchange.test_ab import RICH, RIGHT, SHORT
from tests.lab.interchange.test_lm_eval import sample

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def a_home_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands = {"compare": "lab.cli.compare", "report": "lab.cli.report"}
    monkeypatch.setattr("lab.cli.main.COMMANDS", commands)
    monkeypatch.setenv("LANTERN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def written(name: str, rows: list[Any]) -> str:
    Path(name).write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return name


def brought_in(ran: Ran) -> dict[str, Any]:
    return dict(json.loads(ran.out))


def a_comparison(n: int = 4, **changes: Any) -> str:
    with StoreService(Home.resolve(None), "test") as service:
        return store_comparison(service, texts(n, rich=False), texts(n, rich=True), **changes).id


def test_ab_results_round_trip_exactly(capsys: Capture) -> None:
    file = written("ab-gemma.jsonl", RIGHT)
    done = brought_in(call(capsys, "compare", "import", file, "--json"))
    assert (done["probes"], done["answers"], done["known"], done["differs"], done["bad"]) == (
        3,
        6,
        False,
        [],
        [],
    )
    assert done["conditions"] == ["baseline", "lek"]
    ran = call(capsys, "compare", "export", done["id"], "--out", "again.jsonl")
    assert (ran.code, ran.out) == (0, "3 pairs written to again.jsonl\n")
    assert Path("again.jsonl").read_bytes() == Path(file).read_bytes()
    assert stat.S_IMODE(Path("again.jsonl").stat().st_mode) == 0o600
    # The same file again is the same import, its scores are there already.
    again = brought_in(call(capsys, "compare", "import", "again.jsonl", "--json"))
    assert (again["id"], again["known"]) == (done["id"], True)
    (listed,) = json.loads(call(capsys, "compare", "imports", "--json").out)
    assert (listed["id"], listed["model_name"], listed["probes"]) == (done["id"], "gemma3-1b", 3)
    assert "ab-gemma.jsonl" in call(capsys, "compare", "imports").out


def test_every_value_that_differs_is_listed(capsys: Capture) -> None:
    rows = json.loads(json.dumps(RIGHT))
    rows[0]["conditions"]["lek"]["lek_score"] = 8.25
    rows[3]["conditions"][1]["improved"] = 3
    file = written("ab.jsonl", [*rows, {"type": "probe"}])
    ran = call(capsys, "compare", "import", file)
    assert ran.code == 1
    assert "ab.jsonl: line 1: P01: conditions.lek.lek_score: the file says 8.25, it is 7.0" in ran.err
    assert "ab.jsonl: line 4: conditions.lek.improved: the file says 3, it is 1" in ran.err
    assert "ab.jsonl: line 5: conditions: expected" in ran.err
    assert "2 values differ from lek-v2, 1 bad rows" in ran.out
    # Another instrument agrees with hardly anything, and says so by name.
    other = brought_in(call(capsys, "compare", "import", file, "-i", "lek-v1", "--json"))
    assert other["known"] and len(other["differs"]) > 20


def test_an_import_is_reported(capsys: Capture) -> None:
    done = brought_in(call(capsys, "compare", "import", written("ab.jsonl", RIGHT), "--json"))
    ran = call(capsys, "report", "compare", done["id"][:30], "--out", "r.html")
    assert (ran.code, ran.out) == (0, "written: r.html\n")
    page = Path("r.html").read_text(encoding="utf-8")
    assert RICH.splitlines()[0] in page and SHORT in page
    assert "The answers were made elsewhere and imported" in page
    assert "gemma3-1b, as the file says" in page and "424s, as the file says" in page
    assert "+8.67" in page and "Predictive entropy along the answers" not in page
    assert "imported_answer WHERE import_id" in page
    call(capsys, "compare", "import", "ab.jsonl", "-i", "lantern-v1")
    assert "scored by lantern-v1 1, lek-v2 1: say which" in call(capsys, "report", "compare", done["id"]).err
    assert call(capsys, "report", "compare", done["id"], "-i", "lek-v2", "--out", "r.md").code == 0


def test_any_two_conditions_of_an_import_are_reported(capsys: Capture) -> None:
    rows = json.loads(json.dumps(RIGHT[:2]))
    for row in rows:
        row["conditions"]["zen"] = {"response": "I dream of courage. However, I doubt it."}
    done = brought_in(call(capsys, "compare", "import", written("ab.jsonl", rows), "--json"))
    arguments = ("report", "compare", done["id"], "--left", "lek", "--right", "zen", "--out", "r.md")
    assert call(capsys, *arguments).code == 0
    markdown = Path("r.md").read_text(encoding="utf-8")
    # first_person 2 × 0.5, engagement 1, emotional 1.6, nuance 1.5 ("However" follows ". "): 5.1 against 7.
    assert "| all probes | 2 | 7.00 | 5.10 | −1.90 |" in markdown
    fault = call(capsys, "report", "compare", done["id"], "--right", "calm").err
    assert "no condition 'calm': there is baseline, lek, zen" in fault
    a_comparison(2)
    assert "a comparison has its sides" in call(capsys, "report", "compare", "--left", "lek").err


def test_lm_eval_samples(capsys: Capture) -> None:
    base = written("base.jsonl", [sample(n, float(n % 3 == 0)) for n in range(12)])
    tuned = written("tuned.jsonl", [sample(n, 1.0, prompt_hash="other") for n in range(10)] + [{"doc_id": 1}])
    ran = call(capsys, "compare", "import", base, tuned)
    assert ran.code == 1
    assert "tuned.jsonl: doc_hash: expected text" in ran.err
    assert "exact_match under the filter strict-match" in ran.out
    assert "without a partner: 2 of the base, 0 of the tuned file" in ran.out
    assert "10 of 10 documents were asked in other words" in ran.out
    (listed,) = json.loads(call(capsys, "compare", "imports", "--json").out)
    assert listed["conditions"] == ["baseline", "tuned"]
    assert call(capsys, "report", "compare", listed["id"], "--out", "r.md").code == 0
    markdown = Path("r.md").read_text(encoding="utf-8")
    # Four of ten right before (0, 3, 6, 9), all after.
    assert "| all probes | 10 | 0.40 | 1.00 | +0.60 |" in markdown
    assert "lm-eval/exact\\_match strict-match" in markdown
    again = brought_in(call(capsys, "compare", "import", base, tuned, "--json"))
    assert again["known"] and again["id"] == listed["id"]


def test_a_comparison_goes_out_in_every_form_and_comes_back(capsys: Capture) -> None:
    comparison = a_comparison()
    for name in ("ab.jsonl", "comparator.json", "answers.csv", "answers.parquet"):
        assert call(capsys, "compare", "export", "last", "--out", name).code == 0, name
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    done = brought_in(call(capsys, "compare", "import", "ab.jsonl", "--json"))
    assert (done["differs"], done["bad"], done["conditions"]) == ([], [], ["baseline", "wick + tuned"])
    call(capsys, "compare", "export", done["id"], "--out", "again.jsonl")
    assert Path("again.jsonl").read_bytes() == Path("ab.jsonl").read_bytes()
    row = json.loads(Path("ab.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row["conditions"]["baseline"]["time_s"] == 0.04 and row["ts"].startswith("2026-02-03T")
    last = json.loads(Path("ab.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    # Started a second apart, 41 ms each.
    assert (last["duration"], last["max_tokens"], last["model"]) == ("3s", 320, "wick")
    assert list(last) == [
        *("type", "model", "total_probes", "conditions", "categories", "duration", "max_tokens", "ts"),
    ]
    document = json.loads(Path("comparator.json").read_text(encoding="utf-8"))
    assert len(document["examples"]) == 4 and comparison in document["metadata"]["source_path"]
    with Path("answers.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["place"], row["side"]) for row in rows] == [
        (str(place), side) for place in range(4) for side in ("left", "right")
    ]
    assert {"lek-v2 1 total", "lek-v2 1 nuance", "degeneration 1 total"} <= set(rows[0])


def test_a_report_is_written_as_a_page_and_as_markdown(capsys: Capture) -> None:
    comparison = a_comparison(6)
    ran = call(capsys, "report", "compare", "--json")
    found = json.loads(ran.out)
    assert (found["id"], found["instrument"], found["version"]) == (comparison, "lek-v2", "1")
    name = f"compare-wick-wick-tuned-{comparison[-6:]}"
    assert found["files"] == [f"{name}.html", f"{name}.md"]
    for file in found["files"]:
        assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    page = Path(f"{name}.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert call(capsys, "report", "compare", comparison[:-2], "--out", "reports", "--pairs", "1").code == 0
    assert sorted(path.name for path in Path("reports").iterdir()) == found["files"]


def test_another_instrument_must_have_scored_the_answers(capsys: Capture) -> None:
    a_comparison(6)
    assert "no probe has a score on both sides" in call(capsys, "report", "compare", "-i", "lek-v1").err


def test_faults_are_one_line(capsys: Capture) -> None:
    Path("notes.txt").write_text("x")
    faults = {
        ("report", "compare"): "there are no comparisons yet",
        ("report", "compare", "01"): "no comparison '01': `lantern compare list`",
        ("compare", "import", "none.jsonl"): "none.jsonl: cannot be read",
        ("compare", "import", "notes.txt"): "notes.txt: no usable probe; line 1: not JSON",
        ("compare", "import", "a", "b", "c"): "import needs one file",
        ("compare", "export", "last", "--out", "x.xlsx"): "x.xlsx: end the name in one of .jsonl",
        ("compare", "export", "last", "--out", "x.csv"): "there are no comparisons yet",
    }
    for arguments, fault in faults.items():
        ran = call(capsys, *arguments)
        assert (ran.code, ran.out) == (1, ""), arguments
        assert fault in ran.err and ran.err.count("\n") == 1
    a_comparison(2)
    assert (
        "expected a name that ends in .html or .md"
        in call(capsys, "report", "compare", "--out", "notes.txt").err
    )


def test_samples_have_no_place_in_ab_results(capsys: Capture) -> None:
    with StoreService(Home.resolve(None), "test") as service:
        record = store_comparison(service, texts(2, rich=False), texts(2, rich=True))
        pairs = tuple(type(pair)(**{**_fields(pair), "probe_id": "P00"}) for pair in record.pairs)
        store_comparison(
            service,
            texts(2, rich=False),
            texts(2, rich=True),
            pairs=pairs,
            left=type(record.left)(run_id="a", words="a", model_id="m", condition_id="c"),
            right=type(record.left)(run_id="b", words="b", model_id="m", condition_id="c"),
            at="2027-01-01T00:00:00.000000",
        )
    fault = call(capsys, "compare", "export", "last", "--out", "ab.jsonl").err
    assert "P00 has several answers a side" in fault


def _fields(pair: Any) -> dict[str, Any]:
    return {name: getattr(pair, name) for name in pair.__slots__}
