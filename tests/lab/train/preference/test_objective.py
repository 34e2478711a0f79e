"""Every loss and gradient through the whole objective against explicit passes over single answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mlx.utils import tree_flatten

from lab.errors import LabError
from lab.models.runtime import mx, nn
from lab.preference.settings import DEFAULTS, ObjectiveSettings
from lab.train import loss as loss_module
from lab.train.net import split
from lab.train.preference.items import Pair
from lab.train.preference.mismatch import mismatched
from lab.train.preference.objective import Preference
from lab.train.preference.prefix import can_share
from lab.train.ranks import Ranks
from tests.lab.train.models import examples, loaded, with_lora
from tests.lab.train.preference import reference as slow
from tests.lab.train.preference.pairs import LENGTHS, pairs
from tests.models import ARCHITECTURES

CLOSE = 1e-5
LOSSES = [
    *(replace(DEFAULTS[name]) for name in ("dpo", "ipo", "orpo", "simpo", "cpo", "kto")),
    replace(DEFAULTS["dpop"], lambda_=0.7),
    replace(DEFAULTS["dpop"], lambda_=0.7, placement="outside"),
]
SHARED = ((9, 5, 4), (16, 3, 6), (12, 6, 2))
"""Prompts so long that computing them once pays."""


def an_objective(settings: ObjectiveSettings, items: Sequence[Pair], share: bool = False) -> Preference:
    """An objective in the middle of a run: its reference is near the policy, as it would be."""
    objective = Preference("dpo")
    objective._take(settings)
    objective._share, objective._batch_size = share, 3
    dice = np.random.default_rng(5)
    everything = list(items)
    if settings.name == "kto":
        objective._mismatched = mismatched(items)
        everything += objective._mismatched.values()
    for item in everything:
        objective._reference[item.key] = (
            -2.5 * len(item.chosen) * dice.uniform(0.8, 1.2),
            -2.5 * len(item.rejected) * dice.uniform(0.8, 1.2),
        )
    return objective


def near_reference(model: Any, objective: Preference, items: Sequence[Pair]) -> None:
    """Put the reference a nat or so from the policy, so that no sigmoid is flat."""
    dice = np.random.default_rng(6)
    everything = [*items, *objective._mismatched.values()]
    for item in everything:
        logps = [slow.answer_logp(model, item, tokens).item() for tokens in (item.chosen, item.rejected)]
        shifted = np.array(logps) + dice.normal(0, 1.0, 2)
        objective._reference[item.key] = (float(shifted[0]), float(shifted[1]))


def value_and_gradients(model: Any, fn: Any) -> tuple[float, dict[str, np.ndarray]]:
    model.train()
    value, gradients = nn.value_and_grad(model, fn)(model)
    return value.item(), {name: np.array(g) for name, g in tree_flatten(gradients)}


def ours(model: Any, objective: Preference, items: Sequence[Any]) -> tuple[float, dict[str, np.ndarray]]:
    net = split(model)
    objective.foresee(net, items, Ranks())

    def mean(_: Any) -> Any:
        losses = objective.losses(net, objective.collate(items))
        return losses.totals.sum() / losses.weights.sum()

    return value_and_gradients(model, mean)


def assert_same(
    left: tuple[float, dict[str, np.ndarray]], right: tuple[float, dict[str, np.ndarray]]
) -> None:
    assert left[0] == pytest.approx(right[0], rel=CLOSE, abs=CLOSE)
    assert left[1].keys() == right[1].keys()
    size = max(np.abs(gradient).max() for gradient in right[1].values())
    assert size > 1e-4
    for name, gradient in left[1].items():
        np.testing.assert_allclose(
            gradient, right[1][name], rtol=0, atol=CLOSE * max(size, 1.0), err_msg=name
        )


@pytest.mark.parametrize("share", [False, True], ids=["whole", "prompt-once"])
@pytest.mark.parametrize("settings", LOSSES, ids=lambda s: f"{s.name}-{s.placement}")
def test_losses_and_gradients_are_those_of_single_unpadded_answers(
    settings: ObjectiveSettings, share: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_module, "WHOLE_LOGITS", 0)
    monkeypatch.setattr(loss_module, "MIN_PIECE_ROWS", 1)
    monkeypatch.setattr(loss_module, "PIECE_LOGITS", 384 * 7)
    model = with_lora(loaded().model)
    items = pairs(SHARED if share else LENGTHS)
    objective = an_objective(settings, items, share)
    near_reference(model, objective, items)
    batch = objective.collate(items)
    assert (batch.forward.prompts is not None) == share
    found = ours(model, objective, items)
    kl = objective._kl
    assert_same(
        found,
        value_and_gradients(model, lambda m: slow.batch_loss(m, items, objective._reference, settings, kl)),
    )
    exact = float64_loss(model, items, objective, settings)
    assert found[0] == pytest.approx(exact, rel=2e-5, abs=1e-5)


def float64_loss(model: Any, items: Sequence[Pair], objective: Preference, s: ObjectiveSettings) -> float:
    model.eval()
    kl = 0.0
    if s.name == "kto":
        others = [objective._mismatched[item.key] for item in items]
        gaps = [
            slow.answer_logp(model, other, tokens).item() - ref
            for other in others
            for tokens, ref in zip(
                (other.chosen, other.rejected), objective._reference[other.key], strict=True
            )
        ]
        kl = max(0.0, float(np.mean(gaps)))
    losses = [
        slow.loss(
            np,
            item,
            np.float64(slow.answer_logp(model, item, item.chosen).item()),
            np.float64(slow.answer_logp(model, item, item.rejected).item()),
            objective._reference[item.key],
            s,
            kl,
        )
        for item in items
    ]
    return float(np.mean(losses)) / (2 if s.name == "kto" else 1)


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "4-bit"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_prompt_computed_once_has_exact_gradients_where_it_can_be(arch: str, quantized: bool) -> None:
    """Sliding windows of 24 tokens are left behind by the longest rows."""
    model = with_lora(loaded(arch, quantized).model)
    model.eval()
    share = can_share(split(model))
    assert share == (arch not in ("qwen3_next", "qwen3_5"))
    items = pairs(((30, 5, 9), (22, 8, 4), (26, 3, 7)))
    objective = an_objective(DEFAULTS["dpo"], items, share)
    near_reference(model, objective, items)
    assert (objective.collate(items).forward.prompts is not None) == share
    plain = value_and_gradients(
        model, lambda m: slow.batch_loss(m, items, objective._reference, DEFAULTS["dpo"])
    )
    assert_same(ours(model, objective, items), plain)


def test_prompts_are_computed_once_only_where_that_saves_tokens() -> None:
    short_prompts = pairs(((2, 20, 19), (3, 18, 20)))
    assert Preference("dpo").collate(short_prompts).forward.prompts is None
    objective = Preference("dpo")
    objective._share = True
    assert objective.collate(short_prompts).forward.prompts is None
    assert objective.collate(pairs(SHARED)).forward.prompts is not None
    assert objective.collate(pairs(((1, 9, 9),))).forward.prompts is None


def test_accuracies_are_per_pair_and_not_of_means() -> None:
    """The peer compares batch means: here that would be 1, while half of the pairs are preferred."""
    model = loaded().model
    items = pairs(((4, 3, 3), (4, 3, 3), (4, 3, 3), (4, 3, 3)))
    objective = Preference("dpo")
    gaps = (30.0, -1.0, 20.0, -2.0)
    for item, gap in zip(items, gaps, strict=True):
        logps = [slow.answer_logp(model, item, tokens).item() for tokens in (item.chosen, item.rejected)]
        objective._reference[item.key] = (logps[0] - gap, logps[1])
    metrics = objective.losses(split(model), objective.collate(items)).metrics
    assert metrics["rewards/accuracies"].tolist() == [1.0, 0.0, 1.0, 0.0]
    np.testing.assert_allclose(metrics["rewards/margins"], 0.1 * np.array(gaps), atol=1e-4)
    assert metrics["chosen_below_reference"].tolist() == [0.0, 1.0, 0.0, 1.0]


def test_a_single_answer_of_kto_is_one_and_a_pair_is_two() -> None:
    model = with_lora(loaded().model)
    both = pairs(((5, 4, 3), (6, 2, 5)))
    single = pairs(((5, 4, 0), (6, 0, 5), (7, 3, 0)), seed=3)
    settings = replace(DEFAULTS["kto"], desirable=1.3, undesirable=0.6)
    objective = an_objective(settings, [*both, *single])
    near_reference(model, objective, both)
    items = [single[0], both[0], single[1], both[1], single[2]]
    losses = objective.losses(split(model), objective.collate(items))
    assert losses.weights.tolist() == [1.0, 2.0, 1.0, 2.0, 1.0]
    for item, total in zip(items, losses.totals.tolist(), strict=True):
        wanted = 0.0
        for tokens, ref, sign, weight in zip(
            (item.chosen, item.rejected), objective._reference[item.key], (1, -1), (1.3, 0.6), strict=True
        ):
            if len(tokens):
                ratio = slow.answer_logp(model, item, tokens).item() - ref
                wanted += weight * (1 - 1 / (1 + np.exp(-sign * settings.beta * (ratio - objective._kl))))
        assert total == pytest.approx(wanted, abs=1e-5)
    assert losses.metrics["rewards/chosen"].size == 2
    assert {"kl", "log_ratio/chosen", "log_ratio/rejected"} <= set(losses.metrics)


def test_replay_rows_count_as_one_item_with_their_mean_and_leave_pair_metrics_alone() -> None:
    model = with_lora(loaded().model)
    items = pairs(SHARED)
    for share in (False, True):
        objective = an_objective(DEFAULTS["dpo"], items, share)
        replay = examples([12, 21], [5, 0], seed=4)
        mixed = [replay[0], items[1], replay[1], items[0], items[2]]
        net = split(model)
        alone = objective.losses(net, objective.collate(items))
        losses = objective.losses(net, objective.collate(mixed))
        assert losses.weights.tolist() == [1.0] * 5
        np.testing.assert_allclose(
            np.array(losses.totals)[[3, 1, 4]], np.array(alone.totals), rtol=1e-4, atol=1e-5
        )
        for place, row in ((0, replay[0]), (2, replay[1])):
            ids = mx.array(row.token_ids)
            nll = nn.losses.cross_entropy(model(ids[None, :-1])[0], ids[1:])[max(row.start, 1) - 1 :]
            assert losses.totals[place].item() == pytest.approx(nll.mean().item(), rel=1e-5)
        assert losses.metrics["rewards/margins"].size == 3 and losses.metrics["replay_nll"].size == 2


def test_reference_free_rewards_share_no_name_with_those_against_a_reference() -> None:
    names = {}
    for name in ("dpo", "dpop", "ipo", "kto", "orpo", "simpo", "cpo"):
        objective = Preference(name)
        names[name] = {metric for metric in objective.metric_names() if metric.endswith("/margins")}
    assert names["dpo"] == names["dpop"] == names["ipo"] == names["kto"] == {"rewards/margins"}
    assert [names[name] for name in ("orpo", "simpo", "cpo")] == [
        {"orpo/margins"},
        {"simpo/margins"},
        {"cpo/margins"},
    ]
    assert all("log_ratio/chosen" in Preference(name).metric_names() for name in names)
    assert "log_ratio/chosen" not in Preference("orpo", {"reference": "needed"}).metric_names()


def test_what_losses_give_is_what_was_announced_to_other_ranks() -> None:
    model = loaded().model
    items = pairs(SHARED)
    for settings in LOSSES:
        objective = an_objective(settings, items)
        objective._kl = 0.5
        metrics = objective.losses(split(model), objective.collate(items)).metrics
        assert set(metrics) <= set(objective.metric_names())


def test_the_loss_can_be_switched_and_what_cannot_be_is_said() -> None:
    objective = Preference("dpo", {"beta": 0.05})
    assert "dpop (beta 0.3, lambda 50, placement inside)" in objective.set("loss", "dpop")
    assert objective.settings == DEFAULTS["dpop"]
    assert "placement outside" in objective.set("placement", "outside")
    assert "lambda 5," in objective.set("lambda", 5)
    for key, value, fault in (
        ("loss", "ppo", "none of dpo"),
        ("loss", "kto", "start a run with --objective kto"),
        ("gamma", 1.0, "dpop does not read it; it reads beta, lambda, placement"),
        ("beta", 0.0, "must be above 0"),
        ("beta", "small", "expected a number"),
        ("placement", "beside", "inside or outside"),
    ):
        with pytest.raises(LabError, match=fault):
            objective.set(key, value)
    twin = Preference("dpo")
    twin.restore(objective.state())
    assert twin.settings == objective.settings == replace(DEFAULTS["dpop"], lambda_=5.0, placement="outside")
    free = Preference("orpo", {"reference": "needed"})
    with pytest.raises(LabError, match="told not to measure"):
        free.set("loss", "dpo")
    free.set("loss", "simpo")


@pytest.mark.parametrize("given", [{"gamma": 1.0}, {"beta": "x"}, {"reference": "never"}])
def test_settings_that_a_loss_does_not_read_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(LabError, match=f"objective.{next(iter(given))}"):
        Preference("dpo", given)
