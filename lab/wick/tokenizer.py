"""The tokenizer of wick: byte-level BPE trained on the corpus, with the chat template.

Digits stand alone, so that sums are learned digit by digit. The same corpus gives the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.wick.corpus import Corpus

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIALS = (PAD, END, SYSTEM, USER, ASSISTANT)
VOCABULARY = 3072
TRAINING_SHEAVES = 500

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{- raise_exception('wick knows the roles system, user and assistant, not ' + message['role']) -}}"
    "{%- endif -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def training_texts(corpus: Corpus, seed: int, sheaves: int) -> Iterator[str]:
    """The texts BPE counts: every turn, and each shared prefix once."""
    for index in range(sheaves):
        sheaf = corpus.sheaf(seed, index)
        if sheaf.prefix:
            yield sheaf.prefix
        for conversation in sheaf.conversations:
            for turn in conversation.turns:
                yield from turn


def train(corpus: Corpus, seed: int, vocabulary: int = VOCABULARY, sheaves: int = TRAINING_SHEAVES) -> Any:
    """Train and return a `tokenizers.Tokenizer` of `vocabulary` entries, special tokens first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_texts(corpus, seed, sheaves), trainer)
    return tokenizer


def load(path: Path) -> Any:
    """Read a `tokenizer.json` as a `tokenizers.Tokenizer`."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))
