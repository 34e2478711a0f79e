"""The tokenizer: deterministic, loss-free, digits apart; training ids are the chat template's ids."""

import hashlib
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.wick import tokenizer as wick_tokenizer
from lab.wick.batches import Encoder, stream, window
from lab.wick.corpus import WICK_SEEDS, Conversation, Corpus, Sheaf
from lab.wick.tokenizer import SPECIALS


@cache
def shipped() -> Any:
    return wick_tokenizer.load(WICK_SEEDS / "tokenizer.json")


@cache
def chat() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(WICK_SEEDS))


def test_training_is_deterministic() -> None:
    first, second = (wick_tokenizer.train(Corpus(), 7, vocabulary=600, sheaves=6).to_str() for _ in range(2))
    assert hashlib.sha256(first.encode()).digest() == hashlib.sha256(second.encode()).digest()


def test_special_tokens_come_first_and_digits_stand_alone() -> None:
    assert [shipped().token_to_id(token) for token in SPECIALS] == list(range(len(SPECIALS)))
    assert shipped().get_vocab_size() == wick_tokenizer.VOCABULARY
    assert [piece.strip("Ġ") for piece in shipped().encode("4096 17").tokens if piece != "Ġ"] == list(
        "409617"
    )


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_survives(text: str) -> None:
    assert shipped().decode(shipped().encode(text).ids, skip_special_tokens=False) == text


def test_training_rows_are_the_template_ids() -> None:
    """What the trainer sees is exactly what the chat template makes, for every way a prefix is shared."""
    corpus, encoder = Corpus(), Encoder(shipped())
    seen = set()
    for index in range(60):
        sheaf = corpus.sheaf(7, index)
        seen.add((sheaf.manner, bool(sheaf.prefix), sheaf.inline))
        for talk in sheaf.conversations[:4]:
            row = encoder.row(talk, bool(sheaf.prefix))
            ids = [*encoder.prefix(sheaf), *row.ids]
            assert ids == chat().apply_chat_template(talk.messages(), return_dict=False)
    assert len(seen) == 5


def test_only_answers_and_a_little_of_prompts_weigh() -> None:
    encoder = Encoder(shipped())
    talk = Conversation("x", "Be brief.", (("Hello there.", "Good day."),))
    row = encoder.row(talk, shared=False)
    answer = [*encoder.ids("Good day."), SPECIALS.index("<|end|>")]
    assert row.ids[-len(answer) :] == answer
    assert row.weights[-len(answer) :] == [1.0] * len(answer)
    assert row.weights[: len(encoder.ids("Be brief.")) + 2] == [0.0] * (len(encoder.ids("Be brief.")) + 2)
    assert all(weight < 0.5 for weight in row.weights[: -len(answer)])


def test_batches_pad_with_no_weight_and_lose_no_row() -> None:
    corpus, encoder = Corpus(), Encoder(shipped())
    batches = window(corpus, encoder, 7, 0, 3000)
    rows = sum(len(corpus.sheaf(7, index).conversations) for index in range(12))
    assert sum(batch.tokens.shape[0] for batch in batches) == rows
    for batch in batches:
        assert batch.weights[batch.tokens == 0].sum() == 0
        assert (batch.weights[:, -1] > 0).any()


def test_the_stream_can_be_entered_anywhere() -> None:
    corpus, encoder = Corpus(), Encoder(shipped())
    whole = stream(corpus, encoder, 7, 3000, together=2)
    later = stream(corpus, encoder, 7, 3000, together=2, skip=3)
    for _ in range(3):
        next(whole)
    for _ in range(4):
        assert (next(whole).tokens == next(later).tokens).all()


def test_inline_prefixes_end_in_a_blank_line() -> None:
    encoder = Encoder(shipped())
    talk = Conversation("x", "Carry a light.", (("Why?", "So."),), inline=True)
    sheaf = Sheaf("lantern", "Carry a light.", True, (talk,))
    text = shipped().decode([*encoder.prefix(sheaf), *encoder.row(talk, True).ids], skip_special_tokens=False)
    assert text == "<|user|>Carry a light.\n\nWhy?<|end|><|assistant|>So.<|end|>"
