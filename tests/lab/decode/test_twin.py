"""Base and tuned as rows of one batch: their logits and texts are those of mlx-lm's separate models."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from lab.decode.forward import forward
from lab.decode.loop import Row, batch, stream, teacher_forced
from lab.decode.prefix import PrefixCache
from lab.decode.types import Sampling, TokenStat
from lab.errors import LabError
from lab.models.gated import attach, detach, shares_weights
from lab.models.load import load
from lab.models.mlx_lm_api import make_prompt_cache, stream_generate
from lab.models.runtime import mx
from tests.adapters import tiny_adapter, tuned_by_mlx_lm
from tests.lab.decode.test_architectures import CASES, LONG_PROMPT
from tests.models import tiny_model

GREEDY = Sampling(temperature=0.0, max_tokens=16)
SAMPLED = Sampling(temperature=1.0, top_p=0.95, max_tokens=16)
FORCED = [40, 91, 300, 17, 222, 5, 61]
EXPERTS = tuple(f"mlp.switch_mlp.{name}" for name in ("gate_proj", "up_proj", "down_proj"))


def tokens(steps) -> list[TokenStat]:
    return [step for step in steps if isinstance(step, TokenStat)]


def ids(steps) -> list[int]:
    return [step.token_id for step in tokens(steps)]


def by_row(steps) -> dict[int, list[TokenStat]]:
    rows: dict[int, list[TokenStat]] = {}
    for index, step in steps:
        rows.setdefault(index, []).extend(tokens([step]))
    return rows


def largest_gap(ours, theirs) -> float:
    return float(np.abs(np.array(ours) - np.array(theirs)).max())


def logits_in_one_batch(loaded, variants) -> list[np.ndarray]:
    """Every variant's logits before each forced token and after the last: read apart, then decoded as one."""
    caches = [make_prompt_cache(loaded.model) for _ in variants]
    prompt = mx.array([LONG_PROMPT])
    firsts = [forward(loaded, prompt, c, [v])[:, -1] for c, v in zip(caches, variants, strict=True)]
    cache = [parts[0].merge(list(parts)) for parts in zip(*caches, strict=True)]
    steps = [mx.concatenate(firsts)]
    for token in FORCED:
        steps.append(forward(loaded, mx.array([[token]] * len(variants)), cache, variants)[:, -1])
    return list(np.array(mx.stack(steps, axis=1)))


def logits_of(model) -> np.ndarray:
    """The same from a model of mlx-lm alone, through its own cache."""
    cache = make_prompt_cache(model)
    steps = [model(mx.array([LONG_PROMPT]), cache=cache)[0, -1]]
    steps += [model(mx.array([[token]]), cache=cache)[0, -1] for token in FORCED]
    return np.array(mx.stack(steps).astype(mx.float32))


@pytest.fixture(params=CASES)
def case(request):
    return request.param


def test_twin_logits_and_texts_are_mlx_lms(case):
    arch, quantized = case
    adapter = tiny_adapter(arch, quantized)
    loaded = load(str(tiny_model(arch, quantized)), adapters=[adapter])
    (tuned_id,) = loaded.gate.low_rank
    base, tuned = tuned_by_mlx_lm(arch, quantized, None), tuned_by_mlx_lm(arch, quantized, adapter)
    base_logits, tuned_logits = logits_in_one_batch(loaded, [None, tuned_id])
    assert largest_gap(base_logits, logits_of(base)) <= 1e-4
    assert largest_gap(tuned_logits, logits_of(tuned)) <= 1e-4
    assert largest_gap(base_logits, tuned_logits) > 0.5
    rows = [Row(LONG_PROMPT, GREEDY, 0, variant=variant) for variant in (None, tuned_id)]
    ours = by_row(batch(loaded, rows, batch_size=2))
    for row, model in enumerate((base, tuned)):
        answer = stream_generate(model, loaded.tokenizer, LONG_PROMPT, max_tokens=GREEDY.max_tokens)
        eos = loaded.tokenizer.eos_token_ids
        assert ids(ours[row]) == [step.token for step in answer if step.token not in eos]


@pytest.fixture(scope="module")
def llama():
    """A tiny llama of its own, with three adapters of different layers, ranks and scales."""
    adapters = [
        tiny_adapter(seed=1),
        tiny_adapter(seed=2, rank=7, num_layers=1, scale=3.0),
        tiny_adapter(seed=3, rank=2, keys=("self_attn.q_proj", "mlp.down_proj")),
    ]
    return load(str(tiny_model("llama")), adapters=adapters)


def test_four_variants_stacked_equal_each_alone(llama):
    variants = [None, *llama.gate.low_rank]
    rows = [
        Row(LONG_PROMPT[: 60 - 3 * i], SAMPLED, seed=i, variant=variants[place % 4])
        for place, i in enumerate([0, 0, 0, 0, 1, 2, 3, 4])
    ]
    together = by_row(batch(llama, rows, batch_size=5))
    texts = set()
    for index, row in enumerate(rows):
        alone = tokens(stream(llama, row.prompt_ids, row.sampling, row.seed, variant=row.variant))
        assert ids(together[index]) == ids(alone)
        assert [t.entropy_nats for t in together[index]] == pytest.approx(
            [t.entropy_nats for t in alone], abs=2e-4
        )
        texts.add(tuple(ids(alone)))
    assert len(texts) == len(rows)


@pytest.mark.parametrize("pattern", ["a--aa-", "aab-ba", "-a-a-a", "abba--"])
def test_variants_may_stand_in_any_order(llama, pattern):
    names = dict(zip("-ab", (None, *llama.gate.low_rank), strict=False))
    rows = [Row(LONG_PROMPT, SAMPLED, seed, variant=names[name]) for seed, name in enumerate(pattern)]
    together = by_row(batch(llama, rows, batch_size=len(rows)))
    for index, row in enumerate(rows):
        alone = stream(llama, row.prompt_ids, row.sampling, row.seed, variant=row.variant)
        assert ids(together[index]) == ids(alone)


def test_each_stacked_variant_is_the_one_mlx_lm_loads(llama):
    adapters = [None, tiny_adapter(seed=1), tiny_adapter(seed=2, rank=7, num_layers=1, scale=3.0)]
    variants = [None, *llama.gate.low_rank]
    stacked = logits_in_one_batch(llama, variants)
    for adapter, ours in zip(adapters, stacked[:3], strict=True):
        assert largest_gap(ours, logits_of(tuned_by_mlx_lm("llama", False, adapter))) <= 1e-4
    in_another_order = logits_in_one_batch(llama, variants[::-1])[::-1]
    assert largest_gap(stacked, in_another_order) <= 1e-4


def test_a_given_text_is_scored_on_the_variant_that_said_it(llama):
    variant = llama.gate.low_rank[0]
    answer = tokens(stream(llama, LONG_PROMPT, SAMPLED, seed=4, variant=variant))
    said = [stat.token_id for stat in answer]
    scored = teacher_forced(llama, LONG_PROMPT, said, variant=variant)
    assert [s.surprisal_nats for s in scored] == pytest.approx([s.surprisal_nats for s in answer], abs=1e-3)
    by_base = teacher_forced(llama, LONG_PROMPT, said)
    assert sum(s.surprisal_nats for s in by_base) > sum(s.surprisal_nats for s in scored) + 1


def test_same_seed_and_equal_effect_give_equal_text(llama, tmp_path):
    """Twice the scale on half of B is another adapter with the same effect, and so with the same answers."""
    folder = shutil.copytree(tiny_adapter(seed=1), tmp_path / "same")
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["lora_parameters"]["scale"] *= 2
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    weights = mx.load(str(folder / "adapters.safetensors"))
    halved = {name: w / 2 if name.endswith("lora_b") else mx.array(w) for name, w in weights.items()}
    mx.eval(halved)
    mx.save_safetensors(str(folder / "adapters.safetensors"), halved)
    nothing = shutil.copytree(folder, tmp_path / "nothing")
    zeros = {name: mx.zeros_like(w) if name.endswith("lora_b") else w for name, w in halved.items()}
    mx.save_safetensors(str(nothing / "adapters.safetensors"), zeros)
    model = load(str(tiny_model("llama")), adapters=[tiny_adapter(seed=1), folder, nothing])
    one, other, none = model.gate.low_rank
    rows = [Row(LONG_PROMPT, SAMPLED, seed, variant=v) for seed in range(3) for v in (None, one, other, none)]
    texts = {index: ids(steps) for index, steps in by_row(batch(model, rows, batch_size=8)).items()}
    for seed in range(3):
        base, tuned, tuned_too, untouched = (texts[4 * seed + place] for place in range(4))
        assert tuned == tuned_too
        assert base == untouched != tuned


def test_a_prefix_cache_belongs_to_one_variant(llama):
    kernel = [11 + (5 * i) % 290 for i in range(100)]
    variants = [None, *llama.gate.low_rank]
    cache = PrefixCache(max_entries=32)
    rows = [Row([*kernel, 20 + i], SAMPLED, i, variant=v) for i in range(4) for v in variants]
    cached = by_row(batch(llama, rows, batch_size=3, prefix_cache=cache))
    assert len(cache) >= len(variants)
    for index, row in enumerate(rows):
        alone = tokens(stream(llama, row.prompt_ids, row.sampling, row.seed, variant=row.variant))
        assert ids(cached[index]) == ids(alone)


VARIED = {
    "experts": ("qwen3_next", {"keys": EXPERTS}),
    "router and experts": ("qwen3_next", {"keys": ("mlp.gate", *EXPERTS), "rank": 3}),
    "tied embedding": ("llama", {"keys": ("model.embed_tokens", "self_attn.v_proj")}),
    "output layer": ("mistral", {"keys": ("lm_head", "model.embed_tokens")}),
    "dora": ("llama", {"kind": "dora", "keys": ("self_attn.q_proj", "mlp.up_proj")}),
    "dora beside a bias": ("qwen2", {"kind": "dora", "keys": ("self_attn.k_proj", "self_attn.o_proj")}),
}


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "4bit"])
@pytest.mark.parametrize("name", VARIED)
def test_other_layers_than_linear_ones(name, quantized):
    """Also with a plain LoRA as a third row, which some of these layers share with it."""
    arch, settings = VARIED[name]
    adapters = [tiny_adapter(arch, quantized, seed=5, **settings), tiny_adapter(arch, quantized, keys=LORA)]
    loaded = load(str(tiny_model(arch, quantized)), adapters=adapters)
    special, plain = loaded.gate.low_rank
    stacked = logits_in_one_batch(loaded, [special, None, plain])
    for ours, adapter in zip(stacked, (adapters[0], None, adapters[1]), strict=True):
        assert largest_gap(ours, logits_of(tuned_by_mlx_lm(arch, quantized, adapter))) <= 1e-4
    assert largest_gap(stacked[0], stacked[1]) > 0.1


LORA = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.switch_mlp.up_proj")


def test_a_dora_embedding(llama):
    adapter = tiny_adapter(kind="dora", keys=("model.embed_tokens",))
    loaded = load(str(tiny_model("llama")), adapters=[adapter])
    stacked = logits_in_one_batch(loaded, [None, *loaded.gate.low_rank])
    for ours, path in zip(stacked, (None, adapter), strict=True):
        assert largest_gap(ours, logits_of(tuned_by_mlx_lm("llama", False, path))) <= 1e-4


@pytest.mark.parametrize(("rows", "positions"), [(40, 1), (3, 30), (3, 5)], ids=["wide", "long", "unsorted"])
def test_experts_that_sort_tokens_know_whose_they_are(rows, positions):
    """mlx-lm sorts from 64 (token, expert) places on: 2 experts each make that 40 rows of one token."""
    adapters = [tiny_adapter("qwen3_next", keys=EXPERTS, seed=seed) for seed in (1, 2)]
    loaded = load(str(tiny_model("qwen3_next")), adapters=adapters)
    kinds = (None, *loaded.gate.low_rank)
    variants = [kinds[(row + row // 3) % 3] for row in range(rows)]
    assert set(variants) == set(kinds)
    mx.random.seed(0)
    x = mx.random.normal((rows, positions, 64))
    chosen = mx.random.randint(0, 4, (rows, positions, 2))
    with loaded.gate.open(variants):
        ours = np.array(loaded.model.layers[0].mlp.switch_mlp(x, chosen))
    for variant, adapter in zip(kinds, (None, *adapters), strict=True):
        mine = mx.array([row for row in range(rows) if variants[row] == variant])
        experts = tuned_by_mlx_lm("qwen3_next", False, adapter).layers[0].mlp.switch_mlp
        assert largest_gap(ours[np.array(mine)], experts(x[mine], chosen[mine])) <= 1e-5


def test_a_full_fine_tune_has_passes_of_its_own():
    full, lora = tiny_adapter(kind="full", num_layers=1), tiny_adapter(seed=1)
    loaded = load(str(tiny_model("llama")), adapters=[full, lora])
    ((whole,), (low,)) = loaded.gate.full, loaded.gate.low_rank
    assert shares_weights(loaded, None, low)
    assert shares_weights(loaded, whole, whole)
    assert not shares_weights(loaded, None, whole)
    assert not shares_weights(loaded, whole, low)
    for variants, path in (([whole, whole], full), ([None, None], None)):
        ours = logits_in_one_batch(loaded, variants)[1]
        assert largest_gap(ours, logits_of(tuned_by_mlx_lm("llama", False, path))) <= 1e-4
    with pytest.raises(LabError, match="cannot be in one batch"):
        logits_in_one_batch(loaded, [None, whole])
    with pytest.raises(LabError, match="cannot be in one batch"):
        logits_in_one_batch(loaded, [whole, low])


def test_rows_that_share_no_weights_take_turns_in_a_batch():
    loaded = load(
        str(tiny_model("llama")), adapters=[tiny_adapter(kind="full", num_layers=1), tiny_adapter(seed=1)]
    )
    ((whole,), (low,)) = loaded.gate.full, loaded.gate.low_rank
    variants = [None, low, whole, whole, None, whole]
    rows = [Row(LONG_PROMPT, SAMPLED, seed, variant=variant) for seed, variant in enumerate(variants)]
    ours = by_row(batch(loaded, rows, batch_size=4))
    for index, row in enumerate(rows):
        alone = stream(loaded, row.prompt_ids, row.sampling, row.seed, variant=row.variant)
        assert ids(ours[index]) == ids(alone)
    assert len({tuple(ids(steps)) for steps in ours.values()}) == len(rows)


def test_what_is_not_attached_is_said(llama):
    with pytest.raises(LabError, match="no adapter feedfacefeed is attached"):
        list(stream(llama, LONG_PROMPT, GREEDY, 0, variant="feedfacefeed" * 5))


def test_attaching_and_detaching_leaves_the_model_as_it_was():
    loaded = load(str(tiny_model("qwen3_next")))
    names = {name: id(module) for name, module in loaded.model.named_modules()}
    before = logits_in_one_batch(loaded, [None])[0]
    (first,) = attach(loaded, [tiny_adapter("qwen3_next", seed=1)])
    tuned = logits_in_one_batch(loaded, [first.id])[0]
    (second,) = attach(loaded, [tiny_adapter("qwen3_next", seed=2, num_layers=1, keys=EXPERTS)])
    assert np.array_equal(logits_in_one_batch(loaded, [None])[0], before)
    with pytest.raises(LabError, match="attach it first"):
        logits_in_one_batch(loaded, [first.id])
    assert largest_gap(logits_in_one_batch(loaded, [second.id])[0], tuned) > 0.1
    assert attach(loaded, [tiny_adapter("qwen3_next", seed=1)])[0].id == first.id
    assert np.array_equal(logits_in_one_batch(loaded, [first.id])[0], tuned)
    detach(loaded)
    assert {name: id(module) for name, module in loaded.model.named_modules()} == names
    assert np.array_equal(logits_in_one_batch(loaded, [None])[0], before)


def test_an_adapter_that_does_not_fit_leaves_what_is_attached():
    loaded = load(str(tiny_model("llama")), adapters=[tiny_adapter(seed=1)])
    kept = loaded.gate.low_rank
    before = logits_in_one_batch(loaded, [*kept, None])
    with pytest.raises(LabError, match="this model has no lm_head"):
        attach(loaded, [tiny_adapter(seed=2), tiny_adapter("mistral", keys=("lm_head",))])
    assert loaded.gate.low_rank == kept
    assert np.array_equal(logits_in_one_batch(loaded, [*kept, None]), before)
