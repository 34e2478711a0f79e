"""Pairs, single answers and replay rows as one batch, and the log-probability of every answer in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.models.runtime import mx, on_cpu
from lab.train.data.examples import Example
from lab.train.loss import states_nll
from lab.train.net import Net
from lab.train.preference.items import Pair, Tokens
from lab.train.preference.prefix import answer_states
from lab.train.sft import GPU_PAD_TO

Array = Any
Item = Pair | Example

SHARING_PAYS = 0.9
"""Prompts are computed once where that leaves at most this share of the tokens."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model goes on from, and the tokens that are counted; `owner` is the item's place."""

    owner: int
    prompt: Tokens
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Forward:
    """Answers as arrays. `inputs` `(answers, length)` are whole conversations, or what follows `prompts`.

    For every counted token: which state predicts it (flat over answers and length), which token it is, whose.
    `prompts` `(items, longest)` are computed once; answer i goes on behind `lengths[i]` tokens of
    `prompt_of[i]`.
    """

    inputs: Array
    positions: Array
    targets: Array
    owners: Array
    counts: Array
    prompts: Array | None = None
    prompt_of: Array | None = None
    lengths: Array | None = None

    def logps(self, net: Net) -> Array:
        """log p of every answer, summed over its tokens, `(answers,)`, float32 nats."""
        if self.prompts is None:
            states = net.hidden(self.inputs)
        else:
            states = answer_states(net, self.prompts, self.inputs, self.prompt_of, self.lengths)
        nll = states_nll(net, states, self.positions, self.targets)
        return mx.zeros(self.counts.shape).at[self.owners].add(-nll)


@dataclass(frozen=True, slots=True, eq=False)
class PairBatch:
    """Answers in the order: chosen of the pairs, rejected of the pairs, single ones, replay.

    `order` brings results that are listed as pairs, single answers, replay into the order of the items.
    `single_desirable` is 1 or 0 for each single answer.
    """

    items: tuple[Item, ...]
    forward: Forward
    n_pairs: int
    n_singles: int
    n_replay: int
    single_desirable: Tokens
    order: Array


def make_batch(items: Sequence[Item], share: bool) -> PairBatch:
    """Collate; `share` whether prompts may be computed once where it pays."""
    pairs = [n for n, item in enumerate(items) if isinstance(item, Pair) and item.is_whole]
    singles = [n for n, item in enumerate(items) if isinstance(item, Pair) and not item.is_whole]
    replay = [n for n, item in enumerate(items) if not isinstance(item, Pair)]
    answers = [_answer(items, n, "chosen") for n in pairs] + [_answer(items, n, "rejected") for n in pairs]
    answers += [_answer(items, n, "chosen" if len(_pair(items[n]).chosen) else "rejected") for n in singles]
    answers += [_replayed(items, n) for n in replay]
    order = np.argsort(np.array([*pairs, *singles, *replay]))
    return PairBatch(
        tuple(items),
        make_forward(answers, share),
        len(pairs),
        len(singles),
        len(replay),
        np.array([len(_pair(items[n]).chosen) > 0 for n in singles], dtype=np.int32),
        mx.array(order.astype(np.int32)),
    )


def make_forward(answers: Sequence[Answer], share: bool) -> Forward:
    """Answers as arrays, in the form that takes fewer tokens."""
    owners = sorted({answer.owner for answer in answers})
    prompts = {answer.owner: answer.prompt[:-1] for answer in answers}
    longest_prompt = max(map(len, prompts.values()))
    longest_answer = max(len(answer.tokens) + len(answer.prompt[-1:]) for answer in answers) - 1
    longest = max(len(answer.prompt) + len(answer.tokens) for answer in answers) - 1
    together = len(answers) * _padded(longest)
    apart = len(owners) * _padded(longest_prompt) + len(answers) * _padded(longest_answer)
    if not share or longest_prompt == 0 or apart > SHARING_PAYS * together:
        return _whole(answers, _padded(longest))
    place = {owner: number for number, owner in enumerate(owners)}
    rows = np.zeros((len(owners), _padded(longest_prompt)), dtype=np.int32)
    for owner, number in place.items():
        rows[number, : len(prompts[owner])] = prompts[owner]
    behind = [Answer(a.owner, a.prompt[-1:], a.tokens) for a in answers]
    follow = _whole(behind, _padded(longest_answer))
    return Forward(
        follow.inputs,
        follow.positions,
        follow.targets,
        follow.owners,
        follow.counts,
        prompts=mx.array(rows),
        prompt_of=mx.array([place[answer.owner] for answer in answers]),
        lengths=mx.array([len(prompts[answer.owner]) for answer in answers]),
    )


def _whole(answers: Sequence[Answer], length: int) -> Forward:
    """Each answer behind its prompt in a row; padding on the right, the last token only a target."""
    inputs = np.zeros((len(answers), length), dtype=np.int32)
    positions, targets, owners = [], [], []
    for row, answer in enumerate(answers):
        tokens = np.concatenate([answer.prompt, answer.tokens])
        first = max(len(answer.prompt), 1)
        inputs[row, : len(tokens) - 1] = tokens[:-1]
        positions.append(np.arange(first - 1, len(tokens) - 1, dtype=np.int32) + row * length)
        targets.append(tokens[first:])
        owners.append(np.full(len(tokens) - first, row, dtype=np.int32))
    counts = np.array([len(row) for row in targets], dtype=np.float32)
    return Forward(
        mx.array(inputs),
        mx.array(np.concatenate(positions)),
        mx.array(np.concatenate(targets)),
        mx.array(np.concatenate(owners)),
        mx.array(counts),
    )


def _answer(items: Sequence[Item], n: int, name: str) -> Answer:
    pair = _pair(items[n])
    return Answer(n, pair.prompt, getattr(pair, name))


def _replayed(items: Sequence[Item], n: int) -> Answer:
    item = items[n]
    assert isinstance(item, Example)
    return Answer(n, item.token_ids[: item.start], item.token_ids[item.start :])


def _pair(item: Item) -> Pair:
    assert isinstance(item, Pair)
    return item


def _padded(length: int) -> int:
    """On a GPU a new shape is a new program to compile; the CPU takes every length as it is."""
    return length if on_cpu() else -(-length // GPU_PAD_TO) * GPU_PAD_TO
