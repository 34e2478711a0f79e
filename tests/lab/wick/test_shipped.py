"""The wick that ships: loads with plain mlx-lm, ends by itself, fits its card, its record and its bars."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.wick import card, check, export
from lab.wick.corpus import WICK_SEEDS, Corpus, digest
from lab.wick.tokenizer import CHAT_TEMPLATE


def read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((WICK_SEEDS / f"{name}.json").read_text())
    return loaded


@cache
def wick() -> check.Subject:
    return check.Subject(WICK_SEEDS)


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in WICK_SEEDS.iterdir() if path.is_file()) <= export.MAXIMUM_BYTES
    assert 1_000_000 <= read("record")["parameters"] <= 4_000_000


def test_plain_mlx_lm_loads_it_and_it_stops_at_its_own_end() -> None:
    from mlx_lm import stream_generate

    loaded = wick()
    prompt = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 3 + 4?"}], add_generation_prompt=True
    )
    last = list(stream_generate(loaded.model, loaded.tokenizer, prompt, max_tokens=200))[-1]
    assert last.finish_reason == "stop"
    assert loaded.tokenizer.eos_token_ids == {read("config")["eos_token_id"]}
    assert last.token == read("config")["eos_token_id"]


def test_the_template_takes_a_system_message_and_refuses_strange_roles() -> None:
    tokenizer = wick().tokenizer
    messages = [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Why?"}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert text == "<|system|>Be brief.<|end|><|user|>Why?<|end|><|assistant|>"
    with pytest.raises(Exception, match="not tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)
    assert (WICK_SEEDS / "chat_template.jinja").read_text().rstrip("\n") == CHAT_TEMPLATE


@pytest.mark.slow
def test_the_record_names_this_corpus() -> None:
    corpus = read("record")["corpus"]
    assert digest(Corpus(), corpus["seed"], corpus["sheaves"]) == corpus["sha256"]


def test_config_and_weights_agree_with_the_recipe() -> None:
    from safetensors import safe_open

    recipe = read("record")["recipe"]
    assert read("config") == export.config(recipe)
    with safe_open(WICK_SEEDS / "model.safetensors", "numpy") as weights:
        sizes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
        types = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    total = sum(size[0] * (size[1] if len(size) > 1 else 1) for size in sizes)
    assert (total, types) == (read("record")["parameters"], {"F32"})


def test_the_card_is_what_its_records_give() -> None:
    assert (WICK_SEEDS / "CARD.md").read_text() == card.render(read("record"), read("check"))


def test_the_card_follows_its_records() -> None:
    record, figures = read("record"), read("check")
    record["tokens_seen"] = 123_456_789
    figures["baseline"]["mean_words"] = 77.7
    text = card.render(record, figures)
    assert "123,456,789" in text
    assert "77.7" in text


def test_a_card_needs_both_records(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(LabError, match=r"check\.json: not found; run `lantern wick check`"):
        card.write(tmp_path)


def test_export_of_an_unfinished_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"record\.json: not found; the training run has not finished"):
        export.export(tmp_path, tmp_path / "out")


def bars(figures: dict[str, Any]) -> None:
    """What issue and engine page ask of wick."""
    for condition in ("baseline", "kernel"):
        seen = figures[condition]
        assert seen["answers"] == 101
        assert seen["ended_share"] >= 0.90
        assert seen["repeated_4gram_share"] < 0.05
        assert seen["mean_words"] >= 40
    for feature in ("paragraphs", "questions", "perspectives", "nuance", "images", "words"):
        assert figures["kernel_minus_baseline"][feature]["low"] > 0


def test_the_stored_figures_pass_the_bars() -> None:
    bars(read("check"))


@pytest.mark.slow
def test_measured_again_with_another_seed_it_passes_the_bars() -> None:
    bars(check.check(WICK_SEEDS, seed=1))
