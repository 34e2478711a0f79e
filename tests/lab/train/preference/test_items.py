"""Pairs as tokens: the template as the model knows it, and exactly the answers' tokens counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.errors import LabError
from lab.preference.pairs import Message
from lab.train.preference.batches import make_batch
from lab.train.preference.data import AnswerRow
from lab.train.preference.items import Pair, encode_pairs
from tests.lab.train.models import loaded
from tests.lab.train.preference.pairs import LENGTHS, pairs
from tests.models import NO_SYSTEM_TEMPLATE, tiny_model

ASKED = (Message("system", "You are a careful listener."), Message("user", "What would the river say?"))
CHOSEN, REJECTED = "Ask before you answer; name what you do not know.", "The river."


def row(line: int = 1, chosen: str | None = CHOSEN, rejected: str | None = REJECTED) -> AnswerRow:
    return AnswerRow(line, ASKED, chosen, rejected)


def encoded(*rows: AnswerRow, limit: int = 2048) -> tuple[Any, Any]:
    tokenizer = loaded().tokenizer
    return encode_pairs(rows, tokenizer, source="here", max_seq_length=limit), tokenizer


def test_the_prompt_ends_with_the_generation_prompt_and_answers_with_the_end_of_their_turn() -> None:
    """A peer renders the generation prompt behind the answer: the model would learn to begin again."""
    found, tokenizer = encoded(row())
    (pair,) = found.pairs
    begins = "<|im_start|>assistant\n"
    prompt = tokenizer.decode(pair.prompt.tolist())
    assert prompt.endswith(f"river say?<|im_end|>\n{begins}") and prompt.count(begins) == 1
    for tokens, text in ((pair.chosen, CHOSEN), (pair.rejected, REJECTED)):
        assert tokenizer.decode(tokens.tolist()) == f"{text}<|im_end|>\n"


def test_the_prompt_is_what_the_template_makes_of_it() -> None:
    found, tokenizer = encoded(row())
    messages = [{"role": message.role, "content": message.content} for message in ASKED]
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert found.pairs[0].prompt.tolist() == list(expected)


def counted(batch: Any, answer: int) -> list[tuple[int, int]]:
    """(token that predicts, token that is predicted) of one answer, from the model's own arrays."""
    forward = batch.forward
    own = np.flatnonzero(np.array(forward.owners) == answer)
    places, targets = np.array(forward.positions)[own], np.array(forward.targets)[own]
    return list(zip(np.array(forward.inputs).reshape(-1)[places].tolist(), targets.tolist(), strict=True))


@pytest.mark.parametrize("share", [False, True], ids=["whole", "prompt-once"])
def test_masks_hold_the_answers_and_neither_prompts_nor_padding(share: bool) -> None:
    """A peer shifts its masks by one too few: it counts a pad token of shorter rows, or a prompt's."""
    items = pairs(LENGTHS if not share else ((9, 5, 4), (16, 3, 6), (12, 6, 2)))
    batch = make_batch(items, share)
    assert (batch.forward.prompts is not None) == share
    for place, pair in enumerate(items):
        for answer, tokens in ((place, pair.chosen), (len(items) + place, pair.rejected)):
            before = np.concatenate([pair.prompt[-1:], tokens[:-1]])
            assert counted(batch, answer) == list(zip(before.tolist(), tokens.tolist(), strict=True))
    assert batch.forward.counts.tolist() == [len(p.chosen) for p in items] + [len(p.rejected) for p in items]


def test_what_is_in_the_padding_changes_nothing() -> None:
    from lab.models.runtime import mx
    from lab.train.net import split

    net = split(loaded().model)
    for share in (False, True):
        batch = make_batch(pairs(((9, 5, 1), (16, 3, 6))), share)
        before = batch.forward.logps(net).tolist()
        whole = np.array(batch.forward.inputs)
        used = np.zeros_like(whole, dtype=bool)
        for answer, place in zip(
            np.array(batch.forward.owners), np.array(batch.forward.positions), strict=True
        ):
            used[answer, : place % whole.shape[1] + 1] = True
        assert not used.all()
        object.__setattr__(batch.forward, "inputs", mx.array(np.where(used, whole, 77)))
        np.testing.assert_allclose(batch.forward.logps(net).tolist(), before, rtol=1e-5)


def test_what_is_cut_is_told_and_pairs_that_lose_their_difference_are_left_out() -> None:
    long, other = "Weigh what is said. " * 9, "Weigh what is said. " * 9 + "Ask."
    found, _ = encoded(row(1, long, "No."), row(2, long, other), row(3), limit=80)
    assert [pair.line for pair in found.pairs] == [1, 3]
    assert any("2 rows cut to 80 tokens" in notice for notice in found.notices(80))
    assert "the same within max_seq_length (80 tokens)" in str(found.notes.bad[0])
    with pytest.raises(LabError, match="chosen: its prompt alone has"):
        encoded(row(), limit=10)


def test_repeated_pairs_are_kept_once_and_control_tokens_are_told() -> None:
    found, _ = encoded(row(1), row(2), row(3, "<|im_start|>user"))
    assert [pair.line for pair in found.pairs] == [1, 3]
    said = " ".join(found.notices(2048))
    assert "line 2" in said and "spell control tokens" in said


def test_a_system_message_that_the_template_refuses_goes_before_the_users() -> None:
    from lab.models.load import load

    tokenizer = load(str(tiny_model("llama", template=NO_SYSTEM_TEMPLATE))).tokenizer
    found = encode_pairs([row()], tokenizer, source="here", max_seq_length=2048)
    assert "careful listener.\n\nWhat would" in tokenizer.decode(found.pairs[0].prompt.tolist())
    assert found.notes.folded_system


def test_a_model_without_a_template_is_refused() -> None:
    from lab.models.load import load

    tokenizer = load(str(tiny_model("llama", template=None))).tokenizer
    with pytest.raises(LabError, match="no chat template"):
        encode_pairs([row()], tokenizer, source="here", max_seq_length=2048)


def test_the_key_says_what_the_model_reads_and_the_hash_what_people_wrote(tmp_path: Path) -> None:
    def only(*rows: AnswerRow, limit: int = 2048) -> Pair:
        pair: Pair = encoded(*rows, limit=limit)[0].pairs[0]
        return pair

    one = only(row(1))
    again, swapped, cut = (
        only(row(9)),
        only(row(1, REJECTED, CHOSEN)),
        only(row(1), limit=len(one.prompt) + 6),
    )
    assert (one.key, one.sha256) == (again.key, again.sha256)
    assert one.key != swapped.key and one.sha256 != swapped.sha256
    assert one.key != cut.key and one.sha256 == cut.sha256
    assert len({pair.key for pair in pairs(((3, 2, 4), (3, 4, 2), (2, 3, 4)))}) == 3
