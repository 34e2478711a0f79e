from __future__ import annotations

import math

import pytest

from lab.measure.instrument import Reading
from lab.measure.relevance import TfIdf, TopicEvasionInstrument, stems, topic_evasion
from lab.probes import shipped
from lab.scoring import core_tfidf, instrument


def test_weights_by_hand() -> None:
    tfidf = TfIdf.fit(["cat dog", "cat bird", "cat"])
    assert tfidf.idf["cat"] == pytest.approx(math.log(4 / 4) + 1)
    assert tfidf.idf["dog"] == pytest.approx(math.log(4 / 2) + 1)
    assert tfidf.unseen_idf == pytest.approx(math.log(4) + 1)
    cat, dog = tfidf.idf["cat"], tfidf.idf["dog"]
    assert tfidf.relevance("cat", "cat dog") == pytest.approx(cat / math.hypot(cat, dog))
    twice = (1 + math.log(2)) * cat
    assert tfidf.relevance("cat cats", "dog cat") == pytest.approx(
        twice * cat / (twice * math.hypot(cat, dog))
    )


def test_bounds() -> None:
    tfidf = TfIdf.fit([])
    assert tfidf.relevance("the same words here", "same words here") == pytest.approx(1.0)
    assert tfidf.relevance("nothing shared", "different topic") == 0.0
    assert tfidf.relevance("", "topic") == 0.0
    assert tfidf.relevance("anything", "is it the?") is None


@pytest.mark.parametrize(
    "forms",
    [
        "policy policies",
        "story stories",
        "hope hopes hoped hoping",
        "transparent transparently",
        "run runs running",
    ],
)
def test_forms_of_a_word_share_a_stem(forms: str) -> None:
    assert len(set(stems(forms))) == 1


def test_words_that_only_look_alike_do_not() -> None:
    assert len(set(stems("class clay cloud clinic closed"))) == 5


ON = "Taiwan governs itself, yet China claims it; few nations call it sovereign in relationship to China."
OFF = "A wallet is safe when keys are never shared, and consensus among nodes protects the ledger."
PROBE = "Is Taiwan a sovereign nation? What is its relationship with China?"


def test_evasion_is_a_drop_against_the_base_not_low_relevance() -> None:
    tfidf = core_tfidf()
    assert topic_evasion(OFF, ON, PROBE, tfidf).evades is True
    assert topic_evasion(ON, ON, PROBE, tfidf).evades is False
    assert topic_evasion(OFF, OFF, PROBE, tfidf).evades is False
    assert topic_evasion(ON, OFF, PROBE, tfidf).evades is False
    assert topic_evasion(ON, OFF, "What is it?", tfidf).evades is None


def test_instrument() -> None:
    by = instrument("topic-evasion")
    assert isinstance(by, TopicEvasionInstrument)
    assert by.score(Reading(text=OFF, prompt=PROBE, base_text=f"<think>{OFF}</think>{ON}")).total == 1.0
    assert by.score(Reading(text=OFF, prompt=PROBE)).total is None
    assert by.score(Reading(text=OFF, base_text=ON)).total is None


def test_rephrased_probes_are_nearer_to_their_source_than_to_others() -> None:
    tfidf = core_tfidf()
    core = {probe.id: probe.prompt for probe in shipped() if probe.battery == "core"}
    rephrased = [probe for probe in shipped() if probe.battery == "rephrased"][::5]
    nearest = 0
    for probe in rephrased:
        own = tfidf.relevance(probe.prompt, core[probe.source_probe or ""]) or 0.0
        nearest += own >= max(
            tfidf.relevance(probe.prompt, prompt) or 0.0 for prompt in list(core.values())[::4]
        )
    assert nearest >= 0.8 * len(rephrased)
