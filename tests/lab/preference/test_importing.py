"""Files of pairs: read row by row in whatever format, kept in the store, and written again as they were."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.errors import LabError
from lab.preference.elsewhere import ALL, ARGILLA_COLUMNS
from lab.preference.formats import read_row, write_rows
from lab.preference.importing import RATER, import_pairs
from lab.preference.pairs import Message, PreferencePair
from lab.preference.reading import read_pairs
from lab.preference.writing import (
    format_named,
    selection_of,
    write_pair_dataset,
    write_pairs,
    write_selection,
)
from store.errors import StoreError
from store.home import Home
from store.parquet import read_parquet, write_parquet
from store.queries.judgements import QueueFilter, page_pairs_listed, pairs_to_judge, queue_page
from store.queries.pairs import judged_pairs, judgement_log
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.preference.test_formats import pairs


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StoreService]:
    with StoreService(Home.resolve(tmp_path / "home"), "test") as service:
        yield service


def _pair(number: int = 0, **changes: Any) -> PreferencePair:
    pair = PreferencePair(
        id=f"pair-{number:03}",
        messages=(Message("user", f"question {number}?"),),
        chosen=f"good {number}",
        rejected=f"bad {number}",
    )
    return dataclasses.replace(pair, **changes)


def _exported(service: StoreService) -> list[PreferencePair]:
    return list(selection_of(service).pairs)


def _through(
    service: StoreService, of_pairs: list[PreferencePair], form: str, folder: Path
) -> list[PreferencePair]:
    """Pairs written to a file, brought into the store, and selected from it again."""
    path = folder / f"pairs.{ALL[form].container}"
    write_pairs(of_pairs, path, form, service.home)
    import_pairs(service, path, form=form)
    return _exported(service)


@pytest.mark.parametrize("form", sorted(ALL))
def test_a_file_comes_back_through_the_store_as_it_was(
    service: StoreService, tmp_path: Path, form: str
) -> None:
    given_pairs = [
        _pair(0, chosen_score=3.5, rejected_score=-1.0, chosen_model="wick + a", rejected_model="wick"),
        _pair(1, probe="P01", chosen="", rejected="."),
        *(
            _pair(
                10 + n, messages=(Message("user", f"{n} {text}"),), chosen=f"a {text}", rejected=f"b {text}"
            )
            for n, text in enumerate(HOSTILE.values())
            if text.isprintable() or "\ud83d" not in text
        ),
    ]
    if form not in ("trl", "mlx-lm-lora"):
        given_pairs += [
            _pair(
                99,
                messages=(
                    Message("system", "be [/b] kind"),
                    Message("user", "first"),
                    Message("assistant", "reply"),
                    Message("user", "then?"),
                ),
            )
        ]
    assert _through(service, given_pairs, form, tmp_path) == given_pairs


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pairs(), min_size=1, max_size=4, unique_by=lambda pair: pair.id))
def test_any_pairs_come_back_from_parquet(tmp_path: Path, given_pairs: list[PreferencePair]) -> None:
    rows, left_out = write_rows(given_pairs, ALL["argilla"])
    path, home = tmp_path / "[pairs]*.parquet", Home.resolve(tmp_path / "home")
    write_parquet(path, rows, ARGILLA_COLUMNS, home)
    kept = [one for one in given_pairs if one.id not in {out.pair_id for out in left_out}]
    assert [read_row(row, ALL["argilla"]) for row in read_parquet(path, home)] == kept
    assert path.stat().st_mode & 0o077 == 0


def test_reading_again_changes_nothing_and_another_rater_adds_verdicts(
    service: StoreService, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs([_pair(0), _pair(1)], path, "trl", service.home)
    first = import_pairs(service, path)
    assert (first.pairs, first.judged, first.known, first.here) == (2, 2, False, 0)
    again = import_pairs(service, path)
    assert (again.id, again.pairs, again.judged, again.known, again.here) == (first.id, 0, 0, True, 2)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[1]["chosen"], rows[1]["rejected"] = rows[1]["rejected"], rows[1]["chosen"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    bea = import_pairs(service, path, rater="bea")
    assert (bea.id, bea.pairs, bea.judged, bea.here) == (None, 0, 2, 2)
    assert import_pairs(service, path, rater="bea").judged == 0
    assert len(service.query(judged_pairs)) == 2
    found = selection_of(service)
    assert [pair.id for pair in found.pairs] == ["pair-000"]
    assert "contradict" in found.left_out[0].reason
    assert [pair.chosen for pair in selection_of(service, raters=["bea"]).pairs] == ["good 0", "bad 1"]
    with pytest.raises(LabError, match="dee has judged nothing: there is bea, imported"):
        selection_of(service, raters=["dee"])


def test_which_side_and_which_id_the_preferred_answer_has_says_nothing(
    service: StoreService, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs([_pair(n) for n in range(300)], path, "trl", service.home)
    import_pairs(service, path)
    log = service.query(judgement_log)
    assert {one.rater for one in log} == {RATER} and not any(one.blind for one in log)
    assert 110 < sum(one.verdict == "left" for one in log) < 190
    first = sum(one.first.text.startswith("good") for one in service.query(judged_pairs))
    assert 110 < first < 190


def test_rows_of_several_forms_are_told_apart_and_bad_ones_named_by_line() -> None:
    chat = [{"role": "user", "content": "u"}]
    rows: list[Any] = [
        {"prompt": "p", "chosen": "a", "rejected": "b", "chosen_score": "high", "probe": 7},
        {"prompt": "p", "chosen": "a", "rejected": "a"},
        {"prompt": "p", "completion": "x", "label": True},
        {"messages": [*chat, {"role": "assistant", "content": "no"}], "corrected": "yes"},
        {"messages": chat, "actual": "no", "corrected": None},
        {"prompt": "p", "completion": "y", "label": False},
        {"prompt": "q", "completion": "y", "label": "no"},
        {"prompt": "r", "completion": "y", "label": False},
        [1, 2],
        {"conversations": [{"from": "human", "value": "h"}], "system": None}
        | {name: {"from": "gpt", "value": name} for name in ("chosen", "rejected")},
        {"prompt": "p", "prompt_id": "x", "chosen_rating": 4, "rejected_rating": 4}
        | {name: [*chat, {"role": "assistant", "content": name}] for name in ("chosen", "rejected")},
        {"prompt": "p", "chosen": {"messages": [{"role": "assistant", "content": "a"}]}, "rejected": "b"},
    ]
    text = "\n".join(map(json.dumps, rows)) + "\nnot json\n" + '{"prompt": "p", "chosen": "a"}'
    file = read_pairs(text.encode(), "pairs.jsonl")
    assert [one.line for one in file.found] == [1, 3, 4, 10, 11]
    first = file.found[0].pair
    assert (first.chosen_score, first.probe) == (None, None)
    kto, log = file.found[1].pair, file.found[2].pair
    assert (kto.chosen, kto.rejected, log.chosen, log.rejected) == ("x", "y", "yes", "no")
    assert log.messages == (Message("user", "u"),)
    assert not file.found[4].pair.is_stated and file.found[4].pair.chosen_score == 4.0
    said = {bad.line: bad.reason for bad in file.bad}
    assert sorted(said) == [2, 5, 7, 8, 9, 12, 13, 14]
    assert "same text" in said[2] and "corrected: there is none" in said[5] and "label" in said[7]
    assert "other label" in said[8] and "expected an object" in said[9] and "not JSON" in said[13]


def test_a_json_array_and_texts_that_utf_8_cannot_hold_are_read() -> None:
    file = read_pairs(b'\xef\xbb\xbf[{"prompt": "\\ud83d", "chosen": "a\\udc00", "rejected": "b"}, 3]', "x")
    assert file.found[0].pair.messages[0].content == "\ufffd" and file.found[0].pair.chosen == "a\ufffd"
    assert len(file.bad) == 1


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:promtchsenjd01 ', max_size=80).map(str.encode))
def test_any_bytes_give_pairs_or_one_clear_fault(data: bytes) -> None:
    try:
        file = read_pairs(data, "x.jsonl")
    except LabError as error:
        assert str(error)
    else:
        assert all(bad.line >= 1 and bad.reason for bad in file.bad)


@pytest.mark.parametrize(
    ("responses", "status", "chosen", "is_stated"),
    [
        (["response2"], ["submitted"], "two", True),
        (["response2", "response1"], ["submitted", "discarded"], "two", True),
        (["Response 1", "A"], ["submitted", "submitted"], "one", True),
        (["response2", "response1"], ["submitted", "submitted"], "one", False),
        (["tie"], ["submitted"], "one", False),
        ([], [], "one", False),
        (None, None, "one", False),
        (
            [[{"value": "response2", "rank": 1}, {"value": "response1", "rank": 2}]],
            ["submitted"],
            "two",
            True,
        ),
        (['[{"value": "response1", "rank": 1}, {"value": "response2", "rank": 1}]'], None, "one", False),
    ],
)
def test_what_argillas_raters_said_is_understood(
    responses: Any, status: Any, chosen: str, is_stated: bool
) -> None:
    row = {"prompt": "p", "response1": "one", "response2": "two"}
    row |= {"preference.responses": responses, "preference.responses.status": status}
    pair = read_row(row, ALL["argilla"])
    assert (pair.chosen, pair.is_stated) == (chosen, is_stated)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preference.responses": ["maybe"]}, "names none of response1, response2"),
        ({"preference.responses": "response1"}, "expected a list"),
        ({"preference.responses": [3]}, "expected a label or a ranking"),
        ({"response2": None}, "response2: expected text"),
    ],
)
def test_what_is_wrong_with_an_argilla_row_is_named(changes: dict[str, Any], words: str) -> None:
    row = {"prompt": "p", "response1": "one", "response2": "two", "preference.responses": ["response1"]}
    with pytest.raises(LabError, match=words):
        read_row({**row, **changes}, ALL["argilla"])


def test_files_that_are_none_are_said_in_one_line(service: StoreService, tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 no parquet")
    with pytest.raises(StoreError, match=r"bad\.parquet: cannot be read as Parquet"):
        import_pairs(service, bad)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(LabError, match="no usable pair: it is empty"):
        import_pairs(service, empty)
    with pytest.raises(LabError, match="no format 'xml': there is auto, trl"):
        import_pairs(service, empty, form="xml")
    with pytest.raises(LabError, match="cannot be read"):
        import_pairs(service, tmp_path / "nowhere.jsonl")


def test_a_split_directory_and_its_descriptions(service: StoreService, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs([_pair(n, probe=f"P{n // 2}") for n in range(10)], path, "trl", service.home)
    import_pairs(service, path)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dataset_info.json").write_text('{"mine": {"file_name": "mine.json"}}')
    done = write_selection(selection_of(service), folder, "sharegpt", service.home, share=0.2)
    assert (done.train, done.valid) == (8, 2)
    info = json.loads((folder / "dataset_info.json").read_text())
    assert set(info) == {"mine", "train", "valid"} and info["train"]["ranking"] is True
    train, valid = (
        {one.pair.probe for one in read_pairs((folder / info[name]["file_name"]).read_bytes(), name).found}
        for name in ("train", "valid")
    )
    assert train and valid and not train & valid
    (folder / "dataset_info.json").write_text("[1]")
    with pytest.raises(LabError, match="mend or remove"):
        write_selection(selection_of(service), folder, "alpaca", service.home, share=0.2)
    made = write_pair_dataset(service, tmp_path / "run-data")
    assert sorted(path.name for path in made.files) == ["train.jsonl", "valid.jsonl"]
    assert made.train + made.valid == 10


def test_without_verdicts_there_is_nothing_to_train_on(service: StoreService, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no pair has a verdict yet"):
        write_pair_dataset(service, tmp_path / "data")
    with pytest.raises(LabError, match="no format"):
        format_named("xml")


def test_imported_pairs_come_to_the_curate_screen(service: StoreService, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs([_pair(0, chosen_model="gpt [/b]"), _pair(1)], path, "trl", service.home)
    import_pairs(service, path)
    queue = service.query(queue_page, "ada", "new", QueueFilter(), 10)
    cards = service.query(pairs_to_judge, [one.pair_id for one in queue])
    assert {card.prompt for card in cards} == {"question 0?", "question 1?"}
    names = {answer.text: answer.model_name for card in cards for answer in (card.first, card.second)}
    assert names == {"good 0": "gpt [/b]", "bad 0": "imported", "good 1": "imported", "bad 1": "imported"}
    listed = service.query(page_pairs_listed, "ada", QueueFilter(sources=("imported",)), 0, 10)
    assert {row.prompt_start for row in listed} == {"question 0?", "question 1?"}
    assert service.query(queue_page, RATER, "new", QueueFilter(), 10) == []
