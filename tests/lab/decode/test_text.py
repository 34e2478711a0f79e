"""Tokens to text: pieces joined are the decoded whole, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from lab.decode.text import TextStream, TokenTexts, decoder
from tests.models import tiny_model


@pytest.fixture(scope="session")
def tokenizer(loaded):
    return loaded().tokenizer


def pieces(decode, ids) -> list[str]:
    text = TextStream(decode)
    out = [text.add(token) for token in ids]
    out.append(text.flush())
    return out


@given(ids=st.lists(st.integers(0, 383), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_tokens(tokenizer, ids):
    decode = decoder(tokenizer)
    assert "".join(pieces(decode, ids)) == decode(ids)


@given(text=st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_and_no_piece_splits_a_character(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    out = pieces(decoder(tokenizer), ids)
    assert "".join(out) == decoder(tokenizer)(ids)
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in out)


def test_a_character_arrives_with_its_last_byte(tokenizer):
    ids = tokenizer.encode("🙃", add_special_tokens=False)
    assert len(ids) >= 3
    assert pieces(decoder(tokenizer), ids) == [*[""] * (len(ids) - 1), "🙃", ""]
    assert pieces(decoder(tokenizer), ids[:2])[-1] == "\ufffd"


def test_sentencepiece_spaces_survive():
    """Llama 2's decoder strips the first space of a text, and only that one."""
    vocabulary = {"<unk>": 0, "▁Hello": 1, "▁world": 2, "▁": 3, "a": 4, "▁a": 5, **_byte_tokens(6)}
    rust = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    rust.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    rust.pre_tokenizer = pre_tokenizers.Sequence([])
    rust.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    euro = [6 + byte for byte in "€".encode()]

    def decode(ids):
        return rust.decode(list(ids), skip_special_tokens=True)

    assert pieces(decode, [1, 2, 2, *euro, 1]) == ["Hello", " world", " world", "", "", "€", " Hello", ""]


def _byte_tokens(start: int) -> dict[str, int]:
    return {f"<0x{byte:02X}>": start + byte for byte in range(256)}


def test_names_of_tokens_keep_spaces_and_special_tokens(tokenizer):
    names = TokenTexts(tokenizer)
    (space_the,) = tokenizer.encode(" the", add_special_tokens=False)
    assert names[space_the] == " the"
    assert names[2] == "<|im_end|>"
    assert names[space_the] is names[space_the]


def test_a_token_beyond_the_tokenizer_is_silent(tokenizer):
    assert "".join(pieces(decoder(tokenizer), [50, 5000, 51])) == decoder(tokenizer)([50, 51])


def test_tiny_models_are_built_once():
    assert tiny_model("llama") == tiny_model("llama")
