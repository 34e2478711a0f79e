"""Rows to tokens: the forms mlx-lm reads, its tokens and masks, and every way in which a row can be bad."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlx_lm.tuner.datasets import create_dataset

from lab.errors import LabError
from lab.models.mlx_lm_api import load_tokenizer
from lab.train.data.examples import Encoding, encode
from lab.train.data.rows import Row, RowFile, general_rows, read_rows, split_file
from lab.train.settings import TrainSettings
from tests.hostile import HOSTILE
from tests.models import CHAT_TEMPLATE, NO_SYSTEM_TEMPLATE, tiny_model

SETTINGS = TrainSettings(data="x")
CHAT = {
    "messages": [
        {"role": "user", "content": "Who keeps the keys?"},
        {"role": "assistant", "content": "We do."},
    ]
}
SYSTEM = {"messages": [{"role": "system", "content": "Be brief."}, *CHAT["messages"]]}
TURNS = {
    "messages": [
        *CHAT["messages"],
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "So."},
    ]
}
TOOLS = {**CHAT, "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]}
PAIR = {"prompt": "What is 2 + 2?", "completion": "4"}
TEXT = {"text": "The river remembers every boat."}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(tiny_model("llama"), eos_token_ids=2)


def written(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def read(tmp_path: Path, *rows: object) -> RowFile:
    return read_rows(written(tmp_path, *rows), SETTINGS)


def encoded(rows: tuple[Row, ...], tokenizer: Any, **changes: Any) -> Encoding:
    given = {"source": "train.jsonl", "mask_prompt": False, "max_seq_length": 2048, **changes}
    return encode(rows, tokenizer, **given)


@pytest.mark.parametrize("mask_prompt", [False, True])
@pytest.mark.parametrize(
    "row",
    [CHAT, SYSTEM, TURNS, PAIR, TEXT, TOOLS],
    ids=["chat", "system", "turns", "pair", "text", "tools"],
)
def test_tokens_and_masks_are_mlx_lms(tmp_path: Path, tokenizer: Any, row: Any, mask_prompt: bool) -> None:
    if mask_prompt and row is TEXT:
        return
    theirs = create_dataset([row], tokenizer, SimpleNamespace(mask_prompt=mask_prompt))
    token_ids, offset = theirs.process(row)
    (example,) = encoded(read(tmp_path, row).rows, tokenizer, mask_prompt=mask_prompt).examples
    assert (example.token_ids.tolist(), example.start) == (list(token_ids), offset)


def test_bad_rows_are_named_by_line_and_good_ones_kept(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        CHAT,
        "not json\n",
        {"messages": []},
        {"messages": [{"role": "user", "content": "alone"}]},
        {"messages": [{"role": "assistant"}]},
        {"prompt": "no completion"},
        {"prompt": 3, "completion": "x"},
        {"text": "  "},
        [1],
        "\n",
        TEXT,
    )
    assert [row.line for row in file.rows] == [1, 11]
    assert [bad.line for bad in file.bad] == [2, 3, 4, 5, 6, 7, 8, 9]
    reasons = " | ".join(bad.reason for bad in file.bad)
    for words in (
        "not JSON",
        "nothing to learn",
        "messages[0].content",
        "expected messages",
        "prompt: expected a text",
    ):
        assert words in reasons


def test_a_file_without_a_good_row_says_why(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"train.jsonl: no row can be trained on: line 1: not JSON"):
        read(tmp_path, "oops\n")
    with pytest.raises(LabError, match="it is empty"):
        read_rows(written(tmp_path), SETTINGS)
    with pytest.raises(LabError, match="cannot be read"):
        read_rows(tmp_path / "none.jsonl", SETTINGS)


def test_the_hash_of_a_row_is_of_what_it_says(tmp_path: Path) -> None:
    pair_as_chat = {
        "messages": [{"content": "What is 2 + 2?", "role": "user"}, {"role": "assistant", "content": "4"}]
    }
    same, pair, other = read(tmp_path, pair_as_chat, PAIR, {**PAIR, "completion": "5"}).rows
    assert same.sha256 == pair.sha256 != other.sha256


def test_cut_rows_are_told_and_rows_with_nothing_left_are_bad(tmp_path: Path, tokenizer: Any) -> None:
    long_answer = {"prompt": "Say.", "completion": "river " * 40}
    long_prompt = {"prompt": "river " * 40, "completion": "Yes."}
    rows = read(tmp_path, PAIR, long_answer, long_prompt).rows
    whole = encoded(rows, tokenizer, mask_prompt=True)
    found = encoded(rows, tokenizer, mask_prompt=True, max_seq_length=48)
    assert [example.line for example in found.examples] == [1, 2]
    assert found.examples[1].length == 48
    assert found.truncated == [2]
    assert found.tokens_cut == whole.examples[1].length - 48
    assert [bad.line for bad in found.bad] == [3]
    assert "its prompt alone has" in found.bad[0].reason
    assert any("1 row cut to 48 tokens" in notice for notice in found.notices(48))


def test_duplicates_are_kept_once_unless_they_may_repeat(tmp_path: Path, tokenizer: Any) -> None:
    rows = read(tmp_path, PAIR, CHAT, PAIR).rows
    found = encoded(rows, tokenizer)
    assert ([example.line for example in found.examples], found.duplicates) == ([1, 2], [3])
    assert len(encoded(rows, tokenizer, keep_duplicates=True).examples) == 3


def test_control_tokens_spelled_in_a_text_are_pointed_out(tmp_path: Path, tokenizer: Any) -> None:
    found = encoded(read(tmp_path, {"prompt": "Say <|im_end|>", "completion": "No."}, PAIR).rows, tokenizer)
    assert found.spelling_control_tokens == [1]


def test_a_refused_system_message_goes_before_the_users(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model("llama", template=NO_SYSTEM_TEMPLATE), eos_token_ids=2)
    found = encoded(read(tmp_path, SYSTEM).rows, tokenizer, mask_prompt=True)
    assert found.folded_system == [1]
    assert "user\nBe brief.\n\nWho keeps the keys?" in tokenizer.decode(found.examples[0].token_ids.tolist())


def test_masking_counts_the_answer_and_its_end_only(tmp_path: Path, tokenizer: Any) -> None:
    (example,) = encoded(read(tmp_path, CHAT).rows, tokenizer, mask_prompt=True).examples
    assert tokenizer.decode(example.token_ids[example.start :].tolist()) == "We do.<|im_end|>\n"
    assert example.learned == example.length - example.start


def test_a_question_without_an_answer_cannot_be_masked(tmp_path: Path, tokenizer: Any) -> None:
    ends_with_user = {"messages": [*CHAT["messages"], {"role": "user", "content": "And now?"}]}
    found = encoded(read(tmp_path, ends_with_user, CHAT).rows, tokenizer, mask_prompt=True)
    assert found.bad[0].line == 1
    assert "not the assistant's" in found.bad[0].reason


def test_splits_are_found_by_name(tmp_path: Path) -> None:
    train = written(tmp_path, PAIR)
    assert split_file(tmp_path, "train") == train == split_file(train, "train")
    assert split_file(tmp_path, "valid") is None is split_file(train, "valid")


def test_the_shipped_general_questions_are_replay_rows() -> None:
    rows, held_out = general_rows(), general_rows(held_out=True)
    assert (len(rows), len(held_out)) == (48, 16)
    assert all(row.messages[1]["content"].strip() for row in (*rows, *held_out))
    assert not {row.sha256 for row in rows} & {row.sha256 for row in held_out}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_only_texts(tmp_path: Path, tokenizer: Any, text: str) -> None:
    file = read(tmp_path, PAIR, {"prompt": f"Say {text}", "completion": f"So {text}"}, {"text": f"x{text}"})
    assert [row.line for row in file.rows] == [1, 2, 3]
    found = encoded(file.rows, tokenizer, max_seq_length=20_000)
    assert [example.line for example in found.examples] == [1, 2, 3]


def test_tools_reach_the_template(tmp_path: Path) -> None:
    template = "{% for tool in tools or [] %}<{{ tool['function']['name'] }}>{% endfor %}" + CHAT_TEMPLATE
    tokenizer = load_tokenizer(tiny_model("llama", template=template), eos_token_ids=2)
    with_tools, without = encoded(read(tmp_path, TOOLS, CHAT).rows, tokenizer).examples
    assert tokenizer.decode(with_tools.token_ids.tolist()).startswith("<look_up>")
    assert tokenizer.decode(without.token_ids.tolist()).startswith("<|im_start|>")
