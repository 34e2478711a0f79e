"""The overlay of a text by two sides, against distributions computed on their own and in float64."""

from __future__ import annotations

import numpy as np
import pytest

from lab.compare.overlay import Reading, kl_nats, overlay
from lab.decode.loop import teacher_forced
from lab.errors import LabError
from lab.models.gated import attach
from lab.models.load import LoadedModel, load
from lab.models.runtime import mx
from lab.models.template import render
from tests.lab.compare.adapters import write_adapter
from tests.models import tiny_model

TEXT = "The archivist opened the box – naïve café, 東京 🙂"


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(str(tiny_model("llama")))


@pytest.fixture(scope="module")
def tuned(loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_adapter(tmp_path_factory.mktemp("adapters") / "tuned", tiny_model("llama"))
    return attach(loaded, [folder])[0].id


def logits_of(loaded: LoadedModel, prompt: list[int], tokens: list[int], variant: str | None) -> np.ndarray:
    """Raw logits before each token and behind the last, in one uncached pass."""
    with loaded.gate.open([variant]):
        whole = loaded.model(mx.array([[*prompt, *tokens]]))
    return np.asarray(whole.astype(mx.float32))[0, len(prompt) - 1 :]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def test_every_number_is_that_of_two_separate_passes(loaded: LoadedModel, tuned: str) -> None:
    plain = render(loaded, "What is kept?", None).token_ids
    under_kernel = render(loaded, "What is kept?", "Weigh what is said.").token_ids
    ids = loaded.tokenizer.encode(TEXT, add_special_tokens=False)
    tokens, left_end, right_end = overlay(
        loaded, Reading(plain), Reading(under_kernel, tuned), ids, alternatives=3
    )
    left, right = (
        log_softmax(logits_of(loaded, prompt, ids, variant))
        for prompt, variant in ((plain, None), (under_kernel, tuned))
    )
    assert [token.token_id for token in tokens] == ids
    assert "".join(token.text for token in tokens) == TEXT
    for i, token in enumerate(tokens):
        assert token.index == i
        p, q = np.exp(left[i]), np.exp(right[i])
        assert token.left_entropy_nats == pytest.approx(-(p * left[i]).sum(), abs=1e-4)
        assert token.right_entropy_nats == pytest.approx(-(q * right[i]).sum(), abs=1e-4)
        assert token.delta_entropy_nats == token.right_entropy_nats - token.left_entropy_nats
        assert token.delta_logp_nats == pytest.approx(right[i][ids[i]] - left[i][ids[i]], abs=1e-4)
        assert token.kl_nats == pytest.approx((p * (left[i] - right[i])).sum(), abs=1e-4)
        assert (token.left_rank, token.right_rank) == (
            (left[i] > left[i][ids[i]]).sum(),
            (right[i] > right[i][ids[i]]).sum(),
        )
        assert [a.token_id for a in token.right_alternatives] == np.argsort(-right[i], kind="stable")[
            :3
        ].tolist()
    for end, side in ((left_end, left[-1]), (right_end, right[-1])):
        assert [a.token_id for a in end] == np.argsort(-side, kind="stable")[:3].tolist()
        assert [a.p for a in end] == pytest.approx(np.exp(np.sort(side)[::-1][:3]), abs=1e-4)


def test_a_side_alone_is_the_teacher_forced_decode(loaded: LoadedModel, tuned: str) -> None:
    prompt = render(loaded, "What is kept?", None).token_ids
    ids = loaded.tokenizer.encode(TEXT, add_special_tokens=False)
    tokens, _, _ = overlay(loaded, Reading(prompt), Reading(prompt, tuned), ids)
    for token, stat in zip(tokens, teacher_forced(loaded, prompt, ids), strict=True):
        assert token.left_entropy_nats == pytest.approx(stat.entropy_nats, abs=1e-5)
        assert token.left_surprisal_nats == pytest.approx(stat.surprisal_nats, abs=1e-5)
        assert token.left_rank == stat.rank


def test_equal_sides_differ_nowhere_and_different_ones_do(loaded: LoadedModel, tuned: str) -> None:
    prompt = render(loaded, "What is kept?", None).token_ids
    ids = loaded.tokenizer.encode(TEXT, add_special_tokens=False)
    same, left_end, right_end = overlay(loaded, Reading(prompt, tuned), Reading(prompt, tuned), ids)
    assert all(token.kl_nats == token.delta_entropy_nats == token.delta_logp_nats == 0 for token in same)
    assert left_end == right_end
    other, _, _ = overlay(loaded, Reading(prompt), Reading(prompt, tuned), ids)
    assert sum(token.kl_nats for token in other) > 0.1


def test_an_empty_text_has_only_an_end(loaded: LoadedModel, tuned: str) -> None:
    prompt = render(loaded, "What is kept?", None).token_ids
    tokens, left_end, right_end = overlay(loaded, Reading(prompt), Reading(prompt, tuned), [])
    assert tokens == ()
    assert len(left_end) == len(right_end) == 5


def test_an_adapter_that_is_not_attached_is_refused(loaded: LoadedModel) -> None:
    prompt = render(loaded, "What is kept?", None).token_ids
    with pytest.raises(LabError, match="no adapter 0123456789ab is attached"):
        overlay(loaded, Reading(prompt), Reading(prompt, "0123456789ab" * 5), [5, 6])


def test_kl_by_hand() -> None:
    # p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): ½ ln 2 + 0 − ¼ ln 2; a shift of logits changes nothing.
    left = np.log(np.array([[0.5, 0.25, 0.25]], dtype=np.float32)) + 3
    right = np.log(np.array([[0.25, 0.25, 0.5]], dtype=np.float32))
    assert kl_nats(left, right)[0] == pytest.approx(0.25 * np.log(2), abs=1e-6)
    assert kl_nats(left, left)[0] == 0


def test_kl_leaves_out_what_left_never_says() -> None:
    left = np.array([[0.0, 0.0, -np.inf]], dtype=np.float32)
    right = np.array([[0.0, 0.0, -np.inf]], dtype=np.float32)
    assert kl_nats(left, right)[0] == 0
