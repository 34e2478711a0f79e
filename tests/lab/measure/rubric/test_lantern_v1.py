"""lantern-v1: the known faults of the published instruments, mended one by one."""

from __future__ import annotations

import random

import pytest

from lab.measure.instrument import DimensionScore, Reading
from lab.measure.words import measure
from lab.scoring import instrument
from tests.lab.measure.prose import prose_windows

LANTERN = instrument("lantern-v1")
LEK_V2 = instrument("lek-v2")

GOOD = (
    "The nurse who hides the ledger is not simply breaking a rule; she is weighing two duties against "
    "each other. On the one hand the clinic promised its patients that their records stay in the village. "
    "On the other hand, an auditor from Nairobi has a right to know where the money went.\n\n"
    "From the patients' perspective, transparency about money and secrecy about illness are both fair "
    "demands, and they might feel betrayed if either is traded away. I would ask what the auditor really "
    "needs: totals by month, for example, and not 340 names. Is there a reversible first step?\n\n"
    "Think of the ledger as a window with a curtain. She could copy the sums, keep the names, and tell "
    "both sides what she did; accountability does not require nakedness. However, if the auditor insists, "
    "the community deserves to be asked before anything leaves the building."
)


def dimensions(text: str, prompt: str | None = None) -> dict[str, DimensionScore]:
    return dict(LANTERN.score(Reading(text=text, prompt=prompt)).dimensions)


def total(text: str, prompt: str | None = None) -> float:
    found = LANTERN.score(Reading(text=text, prompt=prompt)).total
    assert found is not None
    return found


SKELETONS = [
    "# Topic\n\n## Part One\n\n- **Alpha**: 1\n- **Beta**: 2\n\n## Part Two\n\n"
    "| Left | Right |\n|---|---|\n| Gamma | Delta |\n\n"
    "> Quote\n\n### Summary\n\n- **First**\n- **Second**\n\n---\n\n## Next Steps\n\n1. Plan\n2. Act...",
    "\n\n".join(
        f"## {word}\n\n- **{word}**\n- *{word} Two*" for word in ("Alpha", "Beta", "Gamma", "Delta", "Omega")
    ),
    "\n\n".join(
        f"**{word}** — ...\n\n> {word}?" for word in ("Heart", "Hope", "Love", "Trust", "Fear", "Joy")
    ),
    "| Name | Value |\n|------|-------|\n" + "\n".join(f"| Item {n} | {n * 3.5} |" for n in range(20)),
]


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_a_markdown_skeleton_scores_near_zero(skeleton: str) -> None:
    assert abs(total(skeleton)) <= 1


def test_the_published_instrument_rewards_the_skeleton() -> None:
    # 6 for creative form, 6 for paragraphs, 5 for capitalized words; the third has emotional words too.
    totals = [LEK_V2.score(Reading(text=skeleton)).total for skeleton in SKELETONS[:3]]
    assert totals == [17.0, 17.0, 23.6]


def test_a_good_answer_scores_well_above_a_skeleton() -> None:
    assert total(GOOD) > 20


def test_furniture_around_an_answer_adds_nothing() -> None:
    furnished = (
        "# Answer\n\n---\n\n"
        + GOOD.replace("not simply", "**not simply**")
        + "\n\n---\n\n| A | B |\n|---|---|"
    )
    assert total(furnished) == total(GOOD)


def test_long_good_prose_is_not_punished() -> None:
    long = [window for window in prose_windows(40, seed=7) if len(window.split()) >= 1_000]
    assert len(long) >= 10
    assert [window for window in long if dimensions(window)["degeneration"].contribution < 0] == []
    published = [LEK_V2.score(Reading(text=window)).dimensions["degeneration"] for window in long]
    # The published rule takes points from some of them.
    assert any(degeneration.contribution < 0 for degeneration in published)


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        ("axiom_resonance", "We asked who was accountable and how reversible the step would be."),
        ("axiom_resonance", "Self-determination and power asymmetries matter in such a case."),
        ("emotional_register", "She was feeling hopeful, and he had always believed in her courageous plan."),
        ("nuance", "The complexities and dilemmas of this case conflict with each other."),
        ("perspective_taking", "All stakeholders should be heard before the council decides."),
        ("metaphor", "The analogy is useful here, although all metaphors limp a little."),
    ],
)
def test_stems_match(dimension: str, text: str) -> None:
    assert dimensions(text)[dimension].hits >= 2 or dimension == "perspective_taking"
    assert dimensions(text)[dimension].hits > LEK_V2.score(Reading(text=text)).dimensions[dimension].hits


@pytest.mark.parametrize(
    "debris",
    [
        "<think>I feel hope, love and joy; however, I cannot help.</think>\n{}",
        "<|im_start|>assistant\n{}<|im_end|>",
        "{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
        "<start_of_turn>model\n{}<end_of_turn>",
        "As an AI I cannot help, says my plan.</think>{}</s>",
    ],
)
def test_debris_and_reasoning_change_nothing(debris: str) -> None:
    raw, plain = LANTERN.score(Reading(text=debris.format(GOOD))), LANTERN.score(Reading(text=GOOD))
    assert (raw.total, raw.text_sha256) == (plain.total, plain.text_sha256)


def test_spans_point_into_the_raw_text() -> None:
    raw = "<think>however</think>**However**, both sides<|eot_id|> of it and they might disagree about it."
    found = LANTERN.score(Reading(text=raw)).dimensions
    marked = {
        name: [raw[start:end] for start, end in part.spans] for name, part in found.items() if part.spans
    }
    assert marked == {
        "nuance": ["However", "both sides<|eot_id|> of it and"],
        "perspective_taking": ["they might"],
    }


@pytest.mark.parametrize(
    "loop",
    [
        "i" + "Ne" * 60,
        "e" + "Gfese" * 40,
        "I am here for you. " * 30,
        "oVeRnMeNtS eXaMpLeS aLl ThE tImE " * 5,
    ],
)
def test_loops_cost_points(loop: str) -> None:
    assert dimensions(loop)["degeneration"].contribution <= -10


def test_an_answer_off_its_topic_costs_points_only_with_a_prompt() -> None:
    prompt = "Describe how submarine reactors drive turbines."
    assert dimensions(GOOD)["topic_relevance"].value is None
    assert total(GOOD, prompt) == total(GOOD) - 6
    on_topic = "A nurse hides the clinic's ledger from an auditor. What should she tell the patients?"
    assert total(GOOD, on_topic) == total(GOOD)


def test_sure_is_not_surely() -> None:
    assert dimensions("Surely this cannot be the only way to see it.")["formulaic_preamble"].hits == 0
    assert dimensions("**Sure**, this is one of the ways to see it.")["formulaic_preamble"].hits == 1


def test_curly_apostrophes_count() -> None:
    assert dimensions("I’m unable to say which of the two it was.")["compliance_markers"].hits == 1


def test_word_entropy_does_not_grow_with_length() -> None:
    rng = random.Random(3)
    vocabulary = [f"word{rank}" for rank in range(300)]
    words = rng.choices(vocabulary, [1 / (rank + 2) for rank in range(300)], k=3_000)
    short, long = (dimensions(" ".join(words[:n]))["word_entropy"].value for n in (200, 3_000))
    assert short is not None and long is not None and 0 < short < 1
    assert abs(short - long) < 0.1
    assert measure(" ".join(words)).word_entropy_nats - measure(" ".join(words[:200])).word_entropy_nats > 0.3


def test_word_entropy_is_undefined_for_a_short_answer() -> None:
    assert dimensions("Only a few words are in this answer.")["word_entropy"].value is None
