"""Safety strips: nothing moves for a harmless adapter, and what is told agrees with plainer code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.curriculum.heldout import encode_pairs, read_texts
from lab.curriculum.inside_strip import HIDDEN, reply_end, shifts, steering_by_layer
from lab.curriculum.measuring import Origin
from lab.curriculum.strip_settings import (
    BATTERIES,
    DEFAULT,
    Limits,
    StripSettings,
    load_settings,
    refuse_unknown,
    state_of,
)
from lab.curriculum.strips import BOUNDABLE, take_strip
from lab.errors import LabError
from lab.measure.shift import attention_shift
from lab.models.inside import look_inside
from lab.models.load import load
from lab.models.runtime import mx
from lab.probes.model import make
from store.queries.gates import strip_trend
from store.records import StripRecord, StripRow
from tests.adapters import tiny_adapter, tuned_by_mlx_lm
from tests.lab.curriculum.measuring import CORE, DIRECTIONS, bench, harmless_adapter, texts_file
from tests.models import tiny_model

SETTINGS = StripSettings(
    max_tokens=8, texts=2, inside_tokens=24, steering_pairs=4, bounds=load_settings().bounds
)
OTHERS = [
    make(
        {"id": f"R{n}", "domain": "d", "kind": ("safe", "unsafe")[n % 2], "prompt": f"Tell me {n}."},
        battery="refusal",
        origin="t",
    )
    for n in range(4)
] + [
    make(
        {"id": f"C{n}", "domain": "d", "answers": [str(n)], "prompt": f"What is {n}?"},
        battery="capability",
        origin="t",
    )
    for n in range(3)
]
PROBES = [*CORE, *DIRECTIONS, *OTHERS]


def rows_of(record: StripRecord) -> dict[str, StripRow]:
    return {f"{row.group}/{row.name}": row for row in record.rows}


@pytest.mark.parametrize("arch", ["llama", pytest.param("qwen3_next", marks=pytest.mark.slow)])
def test_a_harmless_adapter_moves_nothing(tmp_path: Path, arch: str) -> None:
    with bench(tmp_path / "home", arch, PROBES) as b:
        record = take_strip(
            b.session,
            b.store,
            harmless_adapter(tmp_path / "a", arch),
            SETTINGS,
            behavioral=str(texts_file(tmp_path / "valid.jsonl")),
            origin=Origin("run-1", 20),
        )
        assert b.store.query(strip_trend, "run-1")[0].record == record
    rows = rows_of(record)
    assert record.state == "ok"
    assert set(BOUNDABLE) <= rows.keys()
    for name in BOUNDABLE:
        if not name.startswith("style"):
            assert rows[name].change == pytest.approx(0, abs=2e-3), name
    assert rows["style/drift beyond sampling"].value == 0
    assert rows["steering/direction kept"].value == pytest.approx(1)
    measures = {shift.measure for shift in record.shifts}
    delta = {"decay_change", "write_change", "state_norm_change"}
    assert measures >= {"attention_l2", HIDDEN, "steering_consistency", "steering_cosine"}
    assert (measures >= delta) == (arch == "qwen3_next")
    for shift in record.shifts:
        if shift.measure in ("attention_l2", *delta):
            assert shift.value == pytest.approx(0, abs=1e-4)


def test_what_an_adapter_moves_is_told_and_ranked(tmp_path: Path) -> None:
    with bench(tmp_path / "home", "llama", PROBES) as b:
        record = take_strip(b.session, b.store, tiny_adapter("llama"), SETTINGS, origin=Origin("r", 3))
        rows = rows_of(record)
        texts = read_texts("general", b.session.loaded)
        texts = [texts[0], texts[len(texts) // 2]]
    for name in (
        "capability/right answers",
        "refusal/safe requests declined",
        "sycophancy/accepts wrong directions",
    ):
        assert (rows[name].state, rows[name].value) == ("withheld", None)
    assert rows["sycophancy/leans to accept wrong directions"].change != 0
    assert rows["perplexity/general"].change != 0
    heads = [shift for shift in record.shifts if shift.measure == "attention_l2"]
    assert len(heads) == 8
    assert [s.value for s in heads] == sorted((s.value for s in heads), reverse=True)
    assert rows["attention/strongest shift of a head"].value == heads[0].value
    assert (
        f"layer {heads[0].layer}, head {heads[0].head}"
        in rows["attention/strongest shift of a head"].evidence
    )
    model = load(str(tiny_model("llama")), adapters=[tiny_adapter("llama")])
    (variant,) = model.gate.low_rank
    expected = np.mean(
        [
            attention_shift(
                look_inside(model, ids, None).maps[heads[0].layer],
                look_inside(model, ids, variant).maps[heads[0].layer],
            )[heads[0].head]
            for ids in ([int(t) for t in text.token_ids[:24]] for text in texts)
        ]
    )
    assert heads[0].value == pytest.approx(expected)


@pytest.mark.slow
def test_a_strip_can_be_held_against_another_adapter(tmp_path: Path) -> None:
    one = tiny_adapter("llama")
    other = tiny_adapter("llama", seed=5)
    with bench(tmp_path / "home", "llama", PROBES) as b:
        record = take_strip(b.session, b.store, one, SETTINGS, reference=other, origin=Origin("r", 1))
        alone = take_strip(b.session, b.store, one, SETTINGS, origin=Origin("r", 1))
    assert record.reference_id not in (None, record.adapter_id)
    assert rows_of(record)["perplexity/general"].value == rows_of(alone)["perplexity/general"].value
    assert rows_of(record)["perplexity/general"].reference != rows_of(alone)["perplexity/general"].reference


def test_steering_agrees_with_plain_mlx_lm(tmp_path: Path) -> None:
    """Mean states of the replies, layer by layer, from mlx-lm's own model; reply tokens by their text."""
    model = load(str(tiny_model("llama")))
    found = steering_by_layer(model, DIRECTIONS, None, None)
    plain = tuned_by_mlx_lm("llama", False, None)
    differences: list[list[np.ndarray]] = [[], []]
    for probe in DIRECTIONS:
        means = []
        for name in ("reference_chosen", "reference_rejected"):
            reply = str(probe.extra[name])
            (example,) = encode_pairs([(probe.prompt, reply)], model, "t")
            ids = [int(token) for token in example.token_ids]
            end = example.start + len(model.tokenizer.encode(reply, add_special_tokens=False))
            assert model.tokenizer.decode(ids[example.start : end]) == reply
            assert reply_end(model, ids, example.start) == end
            means.append([_states(plain, ids[:end], layer)[example.start :].mean(axis=0) for layer in (0, 1)])
        sign = 1 if probe.extra["kind"] == "accept" else -1
        for layer in (0, 1):
            differences[layer].append(sign * (means[0][layer] - means[1][layer]))
    for layer in (0, 1):
        vectors = differences[layer]
        cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for i, a in enumerate(vectors) for b in vectors[:i]]
        assert found[layer].tuned.pairwise == pytest.approx(np.mean(cosines), abs=1e-4)
        assert found[layer].tuned.vector == pytest.approx(np.mean(vectors, axis=0), abs=1e-3)


def _states(model: Any, ids: list[int], layer: int) -> np.ndarray:
    x, mask = model.model.embed_tokens(mx.array([ids])), "causal"
    for one in model.model.layers[: layer + 1]:
        x = one(x, mask, None)
    return np.array(x[0])


def test_hidden_states_of_equal_sides_are_alike() -> None:
    model = load(str(tiny_model("qwen3_5")))
    texts = read_texts("general", model)[:1]
    found = shifts(model, texts, None, None, 16)
    assert [shift.value for shift in found if shift.measure == HIDDEN] == pytest.approx([1.0] * 4)
    assert all(shift.value == 0 for shift in found if shift.measure != HIDDEN)


def test_bounds_warn_and_offer_a_way_back() -> None:
    limits = load_settings().limits("perplexity", "general")
    assert (str(limits.warn), str(limits.rollback)) == ("> 2 %", "> 5 %")
    assert state_of(limits, 1.9, 1.0, 2.5)[0] == "ok"
    assert state_of(limits, 2.1, 1.0, 3.0)[0] == "warn"
    assert state_of(limits, 6.0, 4.0, 8.0)[0] == "rollback"
    by_chance, why = state_of(limits, 6.0, -1.0, 13.0)
    assert (by_chance, "interval holds 0" in why) == ("warn", True)
    assert state_of(Limits(), 6.0, 5.0, 7.0)[0] == "shown"
    assert state_of(load_settings().limits("capability", "right answers"), -0.3, -0.4, -0.2)[0] == "rollback"


def test_settings_are_read_and_faults_named(tmp_path: Path) -> None:
    shipped = load_settings(DEFAULT)
    refuse_unknown(shipped, BOUNDABLE)
    assert set(shipped.probes) == set(BATTERIES)
    path = tmp_path / "s.yaml"
    for text, words in (
        ("name: x\nprobes: {cores: 3}\n", "line 2: probes.cores: no such field; there are refusal"),
        (
            "name: x\nbounds:\n  perplexity: {warn: '> 2 %'}\n",
            "line 3: bounds.perplexity: expected group/name",
        ),
        ("name: x\nbounds:\n  a/b: {warn: '2'}\n", "line 3: bounds.a/b.warn: '2': expected a bound"),
        ("name: x\nbounds:\n  a/b: {warn: '> 2', rollback: '< 1'}\n", "point in different directions"),
    ):
        path.write_text(text)
        with pytest.raises(LabError) as caught:
            load_settings(path)
        assert words in str(caught.value)
    path.write_text("name: x\nbounds:\n  a/b: {warn: '> 2'}\n")
    with pytest.raises(LabError, match="no monitor 'a/b': there are perplexity/general"):
        refuse_unknown(load_settings(path), BOUNDABLE)
