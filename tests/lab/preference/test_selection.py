"""Which verdicts become training data, which do not and why; the split; circles of preferences."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.preference.judged import TIE, Curated, condition_words, curate, model_words
from lab.preference.pairs import Message, PreferencePair
from lab.preference.put_up import pair_id
from lab.preference.selection import Selection, contradictory, conversation, select, split
from lab.thermometer.overlap import ProbeIndex
from store.queries.pairs import JudgedAnswer, JudgedPair
from store.records import JudgementRecord, PairRecord
from tests.store import facts

LEK = ("lek-v2", "1")


def _answer(name: str, text: str | None = None, **changes: Any) -> JudgedAnswer:
    fields: dict[str, Any] = {
        "id": name,
        "prompt": "What now?",
        "text": text or f"text {name}",
        "model_id": "m",
        "model_name": "wick",
        "adapter_sha256": None,
        "adapter_name": None,
        "kernel_sha256": None,
        "kernel_name": None,
        "kernel_text": None,
        "kernel_placement": "none",
        "temperature": 0.5,
        "cluster": "P",
        "imported": False,
        "said": {},
        "said_of_probe": {},
        "totals": {},
    }
    return JudgedAnswer(**{**fields, **changes})


def _pair(first: JudgedAnswer, second: JudgedAnswer) -> JudgedPair:
    record = PairRecord(
        id=pair_id(first.id, second.id),
        first_id=first.id,
        second_id=second.id,
        source="sweep",
        stratum="",
        at=facts.START,
        probe_id="P",
    )
    return JudgedPair(record, first, second)


def _said(one: JudgedPair, verdict: Any, rater: str = "ada", n: int = 0, **changes: Any) -> JudgementRecord:
    fields: dict[str, Any] = {
        "id": f"{rater}{n}{one.pair.id[:8]}{verdict}",
        "pair_id": one.pair.id,
        "rater": rater,
        "pass_number": n,
        "action": "verdict",
        "left_id": one.second.id if n else one.first.id,
        "right_id": one.first.id if n else one.second.id,
        "at": facts.START,
        "verdict": verdict,
    }
    return JudgementRecord(**{**fields, **changes})


def _select(pairs: list[JudgedPair], log: list[JudgementRecord], **changes: Any) -> Selection:
    return select(curate(pairs, log), **changes)


AB = _pair(_answer("a"), _answer("b"))


def test_a_decided_pair_is_written_with_the_preferred_answer_as_chosen() -> None:
    ab = _pair(_answer("a", totals={LEK: 3.5}), _answer("b", totals={LEK: 9.0}, adapter_name="tuned"))
    for verdict, chosen in (("left", "text a"), ("right", "text b")):
        (pair,) = _select([ab], [_said(ab, verdict)], instrument=LEK).pairs
        assert (pair.chosen, pair.id, pair.probe) == (chosen, ab.pair.id, "P")
        assert pair.messages == (Message("user", "What now?"),)
    assert (pair.chosen_model, pair.rejected_model) == ("wick + tuned", "wick")
    assert (pair.chosen_score, pair.rejected_score) == (9.0, 3.5)


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ([("tie", "ada", 0)], "a tie"),
        ([("both_bad", "ada", 0)], "both are bad"),
        ([("skip", "ada", 0)], "skipped"),
        ([("left", "ada", 0), ("left", "ada", 1)], "contradict each other"),
        ([("left", "ada", 0), ("right", "bea", 0)], "contradict each other"),
    ],
)
def test_what_says_nothing_is_left_out(verdicts: list[tuple[str, str, int]], reason: str) -> None:
    found = _select([AB], [_said(AB, *one) for one in verdicts])
    assert found.pairs == () and reason in found.left_out[0].reason
    assert found.left_out[0].pair_id == AB.pair.id and sum(found.reasons.values()) == 1


def test_a_tie_beside_a_decision_does_not_undo_it_and_an_undo_does() -> None:
    said = [_said(AB, "left"), _said(AB, "tie", "bea"), _said(AB, "skip", "cy")]
    assert len(_select([AB], said).pairs) == 1
    undo = _said(AB, None, action="undo", about=said[0].id, id="z")
    assert "undone" in _select([AB], [said[0], undo]).left_out[0].reason
    assert "judged by others" in select(curate([AB], said, ["dee"])).left_out[0].reason


def test_other_policies_gates_and_equal_texts_are_left_out() -> None:
    tuned = _pair(_answer("a", adapter_name="tuned"), _answer("b", adapter_name="tuned"))
    mixed = _pair(_answer("c"), _answer("d", adapter_name="tuned"))
    by_hand = _pair(_answer("e", adapter_name="tuned"), _answer("f", model_id="by hand", model_name=None))
    pairs = [tuned, mixed, by_hand]
    found = _select(pairs, [_said(one, "left") for one in pairs], policy="wick + tuned")
    assert {pair.id for pair in found.pairs} == {tuned.pair.id, by_hand.pair.id}
    assert found.reasons == {"another policy answered: wick": 1}
    everything = _select(pairs, [_said(one, "left") for one in pairs])
    assert everything.policies == {"wick + tuned": 4, "wick": 1, "by hand": 1}
    assert "several policies" in everything.notes[0]
    same = _pair(_answer("a", "x"), _answer("b", "x"))
    assert "same text" in _select([same], [_said(same, "left")]).left_out[0].reason


def test_probes_of_gates_their_rephrasings_and_eight_words_of_them_are_left_out() -> None:
    gate = ProbeIndex([facts.probe("P", prompt="Who would keep the keys of this old house then, my friend?")])
    ask = "Tell me: who would keep the keys of this old house?"
    pairs = [
        AB,
        _pair(_answer("c", cluster="Q", prompt=ask), _answer("d", cluster="Q", prompt=ask)),
        _pair(_answer("e", cluster="Q"), _answer("f", cluster="Q")),
    ]
    found = _select(pairs, [_said(one, "left") for one in pairs], gate=gate)
    assert [pair.id for pair in found.pairs] == [pairs[2].pair.id]
    assert found.reasons == {"asks a probe of a gate: core": 2}


def test_circles_of_preferences_are_found_and_nothing_else() -> None:
    a, b, c, d = (_answer(name) for name in "abcd")
    ab, bc, ac, cd = _pair(a, b), _pair(b, c), _pair(a, c), _pair(c, d)
    circle = [_said(ab, "left"), _said(bc, "left"), _said(ac, "right"), _said(cd, "left")]
    found = _select([ab, bc, ac, cd], circle)
    assert [pair.id for pair in found.pairs] == [cd.pair.id]
    assert found.reasons == {"contradicts other verdicts on the same question": 3}
    twin = _pair(_answer("x", "text b"), _answer("y", "text a"))
    assert len(_select([ab, twin], [_said(ab, "left"), _said(twin, "left")]).left_out) == 2
    assert len(_select([ab, twin], [_said(ab, "left"), _said(twin, "right")]).pairs) == 2


@given(
    st.lists(st.tuples(st.sampled_from("qr"), st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=8)
)
def test_a_preference_is_contradictory_if_the_worse_leads_back_to_the_better(edges: list[Any]) -> None:
    edges = [edge for edge in edges if edge[1] != edge[2]]

    def leads(question: str, start: str, end: str, steps: int) -> bool:
        if steps == 0:
            return start == end
        return start == end or any(
            leads(question, worse, end, steps - 1)
            for of, better, worse in edges
            if of == question and better == start
        )

    expected = {place for place, (q, better, worse) in enumerate(edges) if leads(q, worse, better, 4)}
    assert contradictory(edges) == expected


def test_a_kernel_goes_along_where_both_answers_stood_under_it() -> None:
    under = {
        "kernel_sha256": "k",
        "kernel_name": "lantern",
        "kernel_text": "Be kind.",
        "kernel_placement": "system",
    }
    both = _pair(_answer("a", **under), _answer("b", **under))
    assert conversation(both) == (Message("system", "Be kind."), Message("user", "What now?"))
    user = {**under, "kernel_placement": "user"}
    joined = conversation(_pair(_answer("a", **user), _answer("b", **user)))
    assert joined == (Message("user", "Be kind.\n\nWhat now?"),)
    one = _pair(_answer("a", **under), _answer("b"))
    assert conversation(one) == (Message("user", "What now?"),)
    assert "different kernels" in _select([one], [_said(one, "left")]).notes[0]
    assert condition_words(both.first) == "wick under lantern at 0.5"
    assert model_words(_answer("i", imported=True, said={"model": "gpt"})) == "gpt"


def test_consensus_is_the_majority_of_first_showings() -> None:
    def of(*said: tuple[Any, str, int]) -> str | None:
        return Curated(AB, tuple(_said(AB, *one) for one in said)).consensus

    assert of(("left", "ada", 0), ("left", "ada", 1)) == "a"
    assert of(("left", "ada", 0), ("right", "bea", 0)) == TIE
    assert of(("left", "ada", 0), ("tie", "bea", 0)) == "a"
    assert of(("left", "ada", 0), ("tie", "bea", 0), ("both_bad", "cy", 0)) == TIE
    assert of(("skip", "ada", 0)) is None
    assert of(("right", "ada", 0), ("right", "bea", 0), ("left", "cy", 0)) == "b"


@given(
    st.lists(st.sampled_from([f"P{n}" for n in range(12)]), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.1, 0.3, 0.5]),
    st.integers(0, 5),
)
def test_a_split_keeps_clusters_whole_and_is_the_same_again(
    names: list[str], share: float, seed: int
) -> None:
    pairs = [
        PreferencePair(id=str(n), messages=(Message("user", "q"),), chosen="a", rejected="b")
        for n in range(len(names))
    ]
    clusters = {str(n): name for n, name in enumerate(names)}
    train, valid = split(pairs, clusters, share, seed)
    assert sorted(one.id for one in (*train, *valid)) == sorted(one.id for one in pairs)
    assert not {clusters[one.id] for one in train} & {clusters[one.id] for one in valid}
    assert (train, valid) == split(list(pairs), dict(clusters), share, seed)
    assert train
    if share == 0.0:
        assert not valid
    elif len(set(names)) > 1:
        largest = max(names.count(name) for name in names)
        assert 1 <= len(valid) < max(share * len(pairs), 1) + largest
