"""The losses of TRL itself against the written-out formulas that the lab's objective is tested by.

Needs torch and trl, which the lab does not: `pip install trl` beside the test extra.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from lab.preference.settings import DEFAULTS, ObjectiveSettings
from tests.lab.train.preference import reference as slow
from tests.lab.train.preference.pairs import LENGTHS, pairs

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

CLOSE = 1e-5
HERE = SimpleNamespace(device="cpu")
PAIRS = pairs(LENGTHS)
DICE = np.random.default_rng(3)
CHOSEN, REJECTED = (
    np.array([-2.5 * len(tokens) * DICE.uniform(0.8, 1.2) for tokens in side])
    for side in ([pair.chosen for pair in PAIRS], [pair.rejected for pair in PAIRS])
)
REF_CHOSEN, REF_REJECTED = CHOSEN + DICE.normal(0, 1, len(PAIRS)), REJECTED + DICE.normal(0, 1, len(PAIRS))


def against_reference(kind: str, s: ObjectiveSettings, w: Any, l: Any) -> Any:  # noqa: E741
    """TRL's DPO trainer, whose step is given the log-probabilities; everything it measures is thrown away."""
    from trl import DPOTrainer

    sizes = [len(pair.chosen) for pair in PAIRS], [len(pair.rejected) for pair in PAIRS]
    longest = max(*sizes[0], *sizes[1])
    mask = torch.tensor([[0] + [1] * size + [0] * (longest - size) for size in (*sizes[0], *sizes[1])])
    # All of an answer's log-probability at one place: TRL only sums it up.
    spread = torch.zeros(mask.shape[0], longest, dtype=torch.float64)
    log_probs = torch.cat([torch.cat([w, l])[:, None], spread[:, 1:]], dim=1)
    trainer = MagicMock(
        accelerator=MagicMock(device="cpu", gather_for_metrics=lambda value: value),
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=[kind],
        loss_weights=[1.0],
        beta=s.beta,
        label_smoothing=0.0,
        use_weighting=False,
    )
    zeros = torch.zeros_like(log_probs)
    outputs = MagicMock(
        log_probs=log_probs, entropy=zeros, mean_logits=zeros, is_top1=torch.zeros_like(mask[:, 1:]).bool()
    )
    inputs = {
        "input_ids": torch.zeros_like(mask),
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "ref_chosen_logps": torch.tensor(REF_CHOSEN),
        "ref_rejected_logps": torch.tensor(REF_REJECTED),
    }
    return DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, False)


def orpo(s: ObjectiveSettings, w: Any, l: Any) -> Any:  # noqa: E741
    trainer = importlib.import_module("trl.experimental.orpo").ORPOTrainer
    sizes = torch.tensor([len(pair.chosen) for pair in PAIRS]), torch.tensor([len(p.rejected) for p in PAIRS])
    ratio, *_ = trainer.odds_ratio_loss(
        SimpleNamespace(beta=s.lambda_, accelerator=HERE), w / sizes[0], l / sizes[1]
    )
    return (-(w / sizes[0]) - ratio).mean()


def without_reference(kind: str, s: ObjectiveSettings, w: Any, l: Any) -> Any:  # noqa: E741
    trainer = importlib.import_module("trl.experimental.cpo").CPOTrainer
    if kind == "simpo":
        w = w / torch.tensor([len(pair.chosen) for pair in PAIRS])
        l = l / torch.tensor([len(pair.rejected) for pair in PAIRS])  # noqa: E741
    given = SimpleNamespace(
        alpha=0.0,
        beta=s.beta,
        loss_type=kind,
        simpo_gamma=s.gamma,
        label_smoothing=0.0,
        accelerator=HERE,
    )
    losses, *_ = trainer.cpo_loss(given, w, l)
    return losses.mean()


TRL = {
    "dpo": lambda s, w, l: against_reference("sigmoid", s, w, l),  # noqa: E741
    "ipo": lambda s, w, l: against_reference("ipo", s, w, l),  # noqa: E741
    "orpo": orpo,
    "simpo": lambda s, w, l: without_reference("simpo", s, w, l),  # noqa: E741
    # TRL adds the chosen answers' likelihood to CPO elsewhere.
    "cpo": lambda s, w, l: without_reference("sigmoid", s, w, l) - s.alpha * w.mean(),  # noqa: E741
}


def written_out(s: ObjectiveSettings, w: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
    rows = zip(PAIRS, w, l, REF_CHOSEN, REF_REJECTED, strict=True)
    return float(np.mean([slow.loss(np, pair, a, b, (ref_a, ref_b), s) for pair, a, b, ref_a, ref_b in rows]))


@pytest.mark.parametrize("name", TRL)
def test_loss_and_gradient_are_those_of_trl(name: str) -> None:
    settings = DEFAULTS[name]
    w, l = (torch.tensor(side, requires_grad=True) for side in (CHOSEN, REJECTED))  # noqa: E741
    theirs = TRL[name](settings, w, l)
    theirs.backward()
    assert theirs.item() == pytest.approx(written_out(settings, CHOSEN, REJECTED), abs=CLOSE)
    step = 1e-5
    for place in range(len(PAIRS)):
        for side, given in enumerate((w, l)):
            ends = []
            for sign in (1, -1):
                moved = [CHOSEN.copy(), REJECTED.copy()]
                moved[side][place] += sign * step
                ends.append(written_out(settings, *moved))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert given.grad[place].item() == pytest.approx(slope, abs=CLOSE)
