"""Every format carries every pair there and back, and says what is wrong with rows that hold none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.preference.elsewhere import ALL
from lab.preference.formats import FORMATS, PairFormat, dataset_info, kto_pairs, read_row, write_rows
from lab.preference.pairs import Message, PreferencePair

TEXT = st.text(max_size=60)
SCORE = st.none() | st.floats(-50, 50)
PAIRED = [made for name, made in ALL.items() if name != "kto"]


@st.composite
def pairs(draw: st.DrawFn) -> PreferencePair:
    system = [Message("system", draw(TEXT))] if draw(st.booleans()) else []
    earlier = [
        turn
        for _ in range(draw(st.integers(0, 2)))
        for turn in (Message("user", draw(TEXT)), Message("assistant", draw(TEXT)))
    ]
    return PreferencePair(
        id=draw(st.uuids()).hex,
        messages=(*system, *earlier, Message("user", draw(TEXT))),
        chosen=draw(TEXT),
        rejected=draw(TEXT),
        chosen_model=draw(st.none() | TEXT),
        rejected_model=draw(st.none() | TEXT),
        chosen_score=draw(SCORE),
        rejected_score=draw(SCORE),
        probe=draw(st.none() | TEXT),
    )


def _through_a_file(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(row)) for row in rows]


@pytest.mark.parametrize("made", PAIRED, ids=lambda made: made.name)
@given(pair=pairs())
def test_there_and_back_without_loss(made: PairFormat, pair: PreferencePair) -> None:
    rows, left_out = write_rows([pair], made)
    if left_out:
        assert not rows and left_out[0].pair_id == pair.id and left_out[0].reason
        return
    assert [read_row(row, made) for row in _through_a_file(rows)] == [pair]


@given(st.lists(pairs(), max_size=6, unique_by=lambda pair: pair.id), st.randoms())
def test_kto_rows_find_their_partners_in_any_order(given_pairs: list[PreferencePair], random: Any) -> None:
    rows, left_out = write_rows(given_pairs, FORMATS["kto"])
    random.shuffle(rows)
    found, alone = kto_pairs(_through_a_file(rows))
    kept = [pair for pair in given_pairs if pair.id not in {out.pair_id for out in left_out}]
    assert sorted(found, key=lambda pair: pair.id) == sorted(kept, key=lambda pair: pair.id) and alone == []


def test_what_a_format_cannot_carry_is_left_out_with_its_reason() -> None:
    chat = PreferencePair(
        id="p",
        messages=(Message("system", "s"), Message("user", "u")),
        chosen="a",
        rejected="b",
        chosen_score=1,
        rejected_score=1,
    )
    assert write_rows([chat], FORMATS["trl"])[1][0].reason.endswith("use trl-chat")
    assert "same rating" in write_rows([chat], FORMATS["handbook"])[1][0].reason
    same = PreferencePair(id="q", messages=(Message("user", "u"),), chosen="a", rejected="a")
    for made in FORMATS.values():
        assert write_rows([same], made) == ([], [write_rows([same], made)[1][0]])
        assert write_rows([same], made)[1][0].reason == "both answers are the same text"


def test_rows_of_the_tools_own_documentation() -> None:
    sky = read_row({"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}, FORMATS["trl"])
    assert (sky.messages, sky.chosen, sky.rejected) == ((Message("user", "The sky is"),), " blue.", " green.")
    implicit = read_row(
        {
            "chosen": [
                {"role": "user", "content": "What color is the sky?"},
                {"role": "assistant", "content": "It is blue."},
            ],
            "rejected": [
                {"role": "user", "content": "What color is the sky?"},
                {"role": "assistant", "content": "It is green."},
            ],
        },
        FORMATS["trl-implicit"],
    )
    assert implicit.chosen == "It is blue." and implicit.turns[0].content == "What color is the sky?"
    alpaca = read_row(
        {"instruction": "Add", "input": "1 2", "chosen": "3", "rejected": "4"}, FORMATS["alpaca"]
    )
    assert alpaca.turns[0].content == "Add\n1 2"
    handbook = {
        "prompt": "q",
        "chosen_rating": 5,
        "rejected_rating": 2,
        "chosen_model": "m",
        **write_rows([sky], FORMATS["trl-implicit"])[0][0],
    }
    assert (
        read_row(handbook, FORMATS["handbook"]).chosen_score,
        read_row(handbook, FORMATS["handbook"]).chosen_model,
    ) == (5.0, "m")


def test_a_pair_read_twice_has_the_same_id() -> None:
    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    assert read_row(row, FORMATS["trl"]).id == read_row(dict(row), FORMATS["trl"]).id


@pytest.mark.parametrize(
    ("name", "row", "word"),
    [
        ("trl", {"prompt": "a", "chosen": "b"}, "rejected: expected text, got nothing"),
        ("trl", ["a"], "expected an object"),
        ("trl", {"prompt": 3, "chosen": "b", "rejected": "c"}, "prompt: expected text, got int"),
        (
            "trl-chat",
            {"prompt": [{"role": "wizard", "content": "x"}], "chosen": [], "rejected": []},
            "chosen: expected the assistant",
        ),
        ("trl-implicit", {"chosen": [{"role": "user"}], "rejected": []}, r"chosen\[0\]: expected a role"),
        (
            "sharegpt",
            {"conversations": [{"from": "bot", "value": "x"}], "chosen": {}, "rejected": {}},
            r"conversations\[0\]",
        ),
        ("alpaca", {"instruction": "x", "history": [["a"]], "chosen": "b", "rejected": "c"}, r"history\[0\]"),
    ],
)
def test_what_is_wrong_is_named(name: str, row: Any, word: str) -> None:
    with pytest.raises(LabError, match=word):
        read_row(row, FORMATS[name])


@given(
    st.recursive(
        st.none() | st.booleans() | TEXT,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "prompt",
                        "chosen",
                        "rejected",
                        "role",
                        "content",
                        "from",
                        "value",
                        "conversations",
                        "history",
                        "instruction",
                        "label",
                        "lantern",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
    )
)
def test_no_row_does_worse_than_a_clear_word(row: Any) -> None:
    for made in FORMATS.values():
        try:
            read_row(row, made)
        except LabError as error:
            assert str(error)


def test_llama_factory_s_entry_names_the_columns_written() -> None:
    pair = PreferencePair(id="p", messages=(Message("user", "u"),), chosen="a", rejected="b")
    for name in ("sharegpt", "alpaca"):
        row = write_rows([pair], FORMATS[name])[0][0]
        entry = dataset_info("mine", "mine.json", FORMATS[name])["mine"]
        assert entry["ranking"] is True
        assert {entry["columns"]["chosen"], entry["columns"]["rejected"]} <= row.keys()
