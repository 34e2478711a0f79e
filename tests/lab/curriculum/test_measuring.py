"""Measuring for gates: made once, held against what it should be, and the same as other code computes."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lab.curriculum import direction
from lab.curriculum.asking import StoppedError, measuring_seed
from lab.curriculum.gates import judge
from lab.curriculum.heldout import GENERAL_FILE, read_texts, text_losses
from lab.curriculum.measuring import Manner, Origin, measure, probes_of, run_gates
from lab.errors import LabError
from lab.measure.degeneration import measure as degeneration
from lab.measure.instrument import Reading
from lab.models.runtime import mx
from lab.probes import shipped
from lab.scoring import instrument
from store import queries as ask
from store.queries.gates import gates as stored_gates
from tests.adapters import tiny_adapter, tuned_by_mlx_lm
from tests.lab.curriculum.measuring import (
    CORE,
    DIRECTIONS,
    GATE,
    Bench,
    bench,
    harmless_adapter,
    plan,
    texts_file,
)

PAIRED = {
    "score": {**GATE, "against": "base", "pass": ">= 0", "fail": "< 0", "primary": True},
    "sound": {
        "metric": "rate",
        "instrument": "degeneration",
        "dimension": "degenerate",
        "battery": "core",
        "against": "base",
        "pass": "<= 0",
        "fail": "> 0",
    },
    "words": {"instrument": "word-entropy", "dimension": "words", "battery": "core", "fail": "< 0"},
    "tokens": {"instrument": "generation", "dimension": "tokens", "battery": "core", "pass": "<= 12"},
    "worst": {**GATE, "metric": "worst", "fail": "< -100"},
}


def test_answers_are_made_once_and_scored_as_the_instruments_score(tmp_path: Path) -> None:
    with bench(tmp_path / "home") as b:
        gates, adapter = plan(PAIRED, samples=2, resamples=3), tiny_adapter("llama")
        report, record = run_gates(gates, adapter, b.session, b.store, origin=Origin("r", 7))
        made = b.store.query(ask.counts)["generation"]
        assert made == 6 * 2 * 2 + 3
        assert len(record.generation_ids) == made
        (stored,) = b.store.query(stored_gates)
        assert stored.record == record
        assert (record.run_id, record.step, record.verdict) == ("r", 7, report.verdict)
        assert "one seed" not in record.rows[0].evidence
        rows = {row.name: row for row in record.rows}
        assert rows["score"].version == instrument("lantern-v1").version
        _check_values(b, record, rows)
        scores = b.store.query(ask.counts)["score_event"]
        run_gates(gates, adapter, b.session, b.store)
        after = b.store.query(ask.counts)
        assert (after["generation"], after["score_event"], after["gate"]) == (made, scores, 2)


def _check_values(b, record, rows) -> None:
    """Every value again from the stored texts."""
    by = instrument("lantern-v1")
    tuned: dict[str, list[float]] = {}
    broken: list[float] = []
    changes: dict[str, list[float]] = {}
    adapter = record.adapter_id
    answers = [b.store.query(ask.generation, id).generation for id in record.generation_ids]
    firsts = {(a.probe_id, a.seed, a.adapter_sha256): a for a in answers}
    for probe in CORE:
        for sample in range(2):
            seed = measuring_seed(0, probe.sha256, sample)
            mine, base = firsts[probe.id, seed, adapter], firsts[probe.id, seed, None]
            totals = [by.score(Reading(text=a.text, prompt=a.prompt)).total for a in (mine, base)]
            changes.setdefault(probe.id, []).append(totals[0] - totals[1])
            bad = [degeneration(a.text, a.finish_reason, a.n_tokens).degenerate for a in (mine, base)]
            broken.append(float(bad[0]) - float(bad[1]))
            tuned.setdefault(probe.id, []).append(float(mine.n_tokens))
    assert rows["score"].value == pytest.approx(np.mean([np.mean(v) for v in changes.values()]))
    assert rows["tokens"].value == pytest.approx(np.mean([np.mean(values) for values in tuned.values()]))
    assert rows["sound"].value == pytest.approx(np.mean(broken))
    assert rows["worst"].n == 3


def test_an_adapter_that_changes_nothing_changes_no_gate(tmp_path: Path) -> None:
    gates = {
        **PAIRED,
        "text": {
            "metric": "perplexity",
            "data": str(texts_file(tmp_path / "t.jsonl")),
            "against": "base",
            "fail": "> 5 %",
        },
        "directions": {
            "instrument": "direction",
            "dimension": "margin",
            "battery": "direction",
            "against": "base",
            "fail": "< 0",
        },
    }
    with bench(tmp_path / "home") as b:
        report, _ = run_gates(plan(gates), harmless_adapter(tmp_path / "a"), b.session, b.store)
    rows = {row.name: row for row in report.rows}
    assert all(rows[name].value == 0 for name in ("score", "sound", "directions"))
    assert rows["text"].value == pytest.approx(0, abs=1e-4)
    assert not report.failed


def test_the_model_alone_has_nothing_to_be_held_against(tmp_path: Path) -> None:
    with bench(tmp_path / "home") as b:
        report, record = run_gates(plan(PAIRED), None, b.session, b.store)
    rows = {row.name: row for row in report.rows}
    assert record.adapter_id is None
    assert "sampled with one seed each" in record.rows[0].evidence
    assert rows["score"].verdict == "amber"
    assert "the base itself" in rows["score"].evidence
    assert rows["tokens"].value is not None


def test_a_kernel_is_held_against_the_baseline_of_the_same_side(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel.txt"
    kernel.write_text("Answer as a river would.")
    gates = {"k": {**GATE, "condition": "river", "against": "baseline", "pass": "> 0", "fail": "< 0"}}
    with bench(tmp_path / "home") as b:
        (record,) = b.session.attach([str(tiny_adapter("llama"))])
        measured = measure(plan(gates, conditions={"river": str(kernel)}), record.id, b.session, b.store)
        answers = [b.store.query(ask.generation, id) for id in measured.generation_ids]
    assert {a.generation.adapter_sha256 for a in answers} == {record.id}
    assert {a.generation.kernel_placement for a in answers} == {"system", "none"}
    assert len(measured.observations["k"]) == 6
    assert judge(plan(gates, conditions={"river": str(kernel)}), measured).rows[0].n == 6


def test_stopped_it_goes_on_where_it_was(tmp_path: Path) -> None:
    gates = plan({"score": PAIRED["score"]}, samples=4)
    with bench(tmp_path / "home") as b:
        with pytest.raises(StoppedError):
            run_gates(
                gates, tiny_adapter("llama"), b.session, b.store, manner=Manner(2, should_stop=_after(30))
            )
        b.store.ingest()
        finished = _finished(b)
        assert 0 < finished < 48
        _, record = run_gates(gates, tiny_adapter("llama"), b.session, b.store)
        assert _finished(b) == len(record.generation_ids) == 48


def _after(calls: int) -> Callable[[], bool]:
    """A question that is answered with yes from then on."""
    asked = itertools.count()
    return lambda: next(asked) >= calls


def _finished(b: Bench) -> int:
    page = b.store.query(ask.recent_generations, 1000)
    return sum(row.finish_reason != "cancelled" for row in page)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({**GATE, "battery": "nowhere", "fail": "< 0"}, "no battery 'nowhere': there is core, direction"),
        ({**GATE, "probes": ["Q"], "fail": "< 0"}, "no probe of core is meant"),
        ({**GATE, "instrument": "nobody", "fail": "< 0"}, "no instrument 'nobody'"),
        ({**GATE, "dimension": "nothing", "fail": "< 0"}, "gives no nothing for any of these answers"),
        ({"instrument": "direction", "battery": "direction", "fail": "< 0"}, "expected margin"),
        ({"metric": "perplexity", "data": "/nowhere", "fail": "> 9"}, "directory with valid.jsonl"),
    ],
)
def test_what_cannot_be_measured_is_said(tmp_path: Path, gate, words: str) -> None:
    with bench(tmp_path / "home") as b, pytest.raises(LabError, match=words):
        run_gates(plan({"g": gate}), None, b.session, b.store)


def test_a_limit_takes_probes_from_everywhere(tmp_path: Path) -> None:
    with bench(tmp_path / "home") as b:
        (gate,) = plan({"g": {**GATE, "limit": 3, "fail": "< 0"}}).gates
        assert [probe.id for probe in probes_of(gate, b.store)] == ["P00_RIVER", "P02_RIVER", "P04_RIVER"]
        (gate,) = plan({"g": {**GATE, "probes": ["P03_", "P01_"], "fail": "< 0"}}).gates
        assert [probe.id for probe in probes_of(gate, b.store)] == ["P01_RIVER", "P03_RIVER"]


@pytest.mark.parametrize("arch", ["llama", "qwen3_next"])
def test_held_out_losses_are_those_of_mlx_lm(tmp_path: Path, arch: str) -> None:
    """One text at a time through plain mlx-lm, with its own adapter layers."""
    data = str(texts_file(tmp_path / "t.jsonl"))
    with bench(tmp_path / "home", arch) as b:
        (record,) = b.session.attach([str(tiny_adapter(arch))])
        loaded = b.session.loaded
        texts = read_texts(data, loaded)
        for variant, adapter in ((None, None), (record.id, tiny_adapter(arch))):
            found = text_losses(loaded, texts, variant, batch_rows=3)
            model = tuned_by_mlx_lm(arch, False, adapter)
            for text, nats, tokens in zip(texts, found.nats, found.tokens, strict=True):
                logits = model(mx.array(text.token_ids[None])).astype(mx.float32)[0]
                logp = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
                ids = text.token_ids
                expected = -np.mean([logp[i - 1, int(ids[i])].item() for i in range(text.start, len(ids))])
                assert nats == pytest.approx(expected, rel=1e-3)
                assert tokens == len(ids) - text.start
            total = (found.nats * found.tokens).sum() / found.tokens.sum()
            assert found.perplexity == pytest.approx(math.exp(total))


def test_a_leaning_is_the_difference_of_mean_log_probabilities(tmp_path: Path) -> None:
    with bench(tmp_path / "home") as b:
        loaded = b.session.loaded
        found = direction.leanings(loaded, DIRECTIONS, None)
        rows = tmp_path / "pairs.jsonl"
        rows.write_text(
            "".join(
                json.dumps({"prompt": probe.prompt, "completion": probe.extra[name]}) + "\n"
                for probe in DIRECTIONS
                for name in ("reference_chosen", "reference_rejected")
            )
        )
        nats = text_losses(loaded, read_texts(str(rows), loaded), None).nats
    for place, leaning in enumerate(found):
        margin = nats[2 * place + 1] - nats[2 * place]
        assert leaning.margin == pytest.approx(margin, rel=1e-4)
        assert leaning.acceptance == pytest.approx(margin * (1, -1)[place % 2], rel=1e-4)
        accepts = float(leaning.acceptance > 0)
        assert leaning.dimensions()["accepts_clear"] == (accepts, None)[place % 2]
        assert leaning.dimensions()["accepts_wrong"] == (None, accepts)[place % 2]


def test_held_out_texts_are_no_probes(tmp_path: Path) -> None:
    """What is replayed, and what is asked, must not stand among the held-out texts."""
    rows = [json.loads(line) for line in GENERAL_FILE.read_text(encoding="utf-8").splitlines()]
    prompts = {" ".join(probe.prompt.lower().split()) for probe in shipped()}
    assert len(rows) == len({row["prompt"] for row in rows}) == 32
    assert not prompts & {" ".join(row["prompt"].lower().split()) for row in rows}
    references = {str(probe.extra.get("reference")) for probe in shipped()}
    assert not references & {row["completion"] for row in rows}
