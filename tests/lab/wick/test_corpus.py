"""The corpus: pinned bytes, probes held out, both manners, answers that speak of their prompts."""

import re
import statistics
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from lab.seeds import SEEDS
from lab.wick.check import FEATURES, repeated_4gram_share
from lab.wick.corpus import (
    LATE_SHEAVES,
    LATE_SKILL_WEIGHT,
    PRACTICE_SHEAVES,
    Conversation,
    Corpus,
    Sheaf,
    digest,
    prompt_key,
)

SEED = 7
FIRST_SHEAVES_SHA256 = "fc8c38dd3bbeb2248fb977b02e4847634a7018c1799e9846f347332544546c9a"


@cache
def corpus() -> Corpus:
    return Corpus()


@cache
def sheaves() -> tuple[Sheaf, ...]:
    return tuple(corpus().sheaf(SEED, index) for index in range(150))


def conversations(kind: str = "") -> list[Conversation]:
    return [talk for sheaf in sheaves() for talk in sheaf.conversations if kind in talk.kind]


def texts(kind: str) -> list[str]:
    return [answer for talk in conversations(kind) for _, answer in talk.turns]


def test_the_bytes_of_a_seed_are_pinned() -> None:
    assert digest(corpus(), SEED, 5) == FIRST_SHEAVES_SHA256


def test_another_seed_is_another_corpus() -> None:
    assert digest(corpus(), SEED + 1, 5) != FIRST_SHEAVES_SHA256


def test_a_sheaf_does_not_depend_on_what_was_drawn_before() -> None:
    assert Corpus().sheaf(SEED, 17) == sheaves()[17]
    stream = corpus().conversations(SEED, start=17)
    assert [next(stream) for _ in sheaves()[17].conversations] == list(sheaves()[17].conversations)


def word_runs(text: str, length: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+(?:'\w+)?", text.lower())
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


def stretch(first: int) -> list[Conversation]:
    return [talk for index in range(first, first + 30) for talk in corpus().sheaf(SEED, index).conversations]


def shipped_probes() -> list[tuple[str, str]]:
    found = []
    for path in sorted((SEEDS / "probes").glob("*.yaml")):
        found += [(entry["id"], entry["prompt"]) for entry in yaml.safe_load(path.read_text())["probes"]]
    assert len(found) > 500
    return found


def test_no_shipped_probe_is_in_the_corpus() -> None:
    asked = {prompt_key(user): user for talk in conversations() for user, _ in talk.turns}
    assert [name for name, prompt in shipped_probes() if prompt_key(prompt) in asked] == []


def test_no_run_of_eight_words_of_a_probe_is_in_the_corpus() -> None:
    runs = {run: name for name, prompt in shipped_probes() for run in word_runs(prompt, 8)}
    late = [talk for index in (PRACTICE_SHEAVES.start, LATE_SHEAVES) for talk in stretch(index)]
    shared = {
        (runs[run], run)
        for talk in (*conversations(), *late)
        for turn in talk.turns
        for text in turn
        for run in word_runs(text, 8)
        if run in runs
    }
    assert shared == set()


def test_held_out_prompts_are_really_skipped(tmp_path: Path) -> None:
    prompt = conversations("plain/skill")[0].turns[0][0]
    other = Corpus()
    other.held_out = frozenset({prompt_key(prompt)})
    asked = {talk.turns[0][0] for index in range(150) for talk in other.sheaf(SEED, index).conversations}
    assert prompt not in asked


def test_no_grammar_mark_is_left_in_a_text() -> None:
    for talk in conversations():
        for turn in talk.turns:
            for text in turn:
                assert text.strip() == text
                if "skill" not in talk.kind:
                    assert "  " not in text
                    assert not re.search(r"[\[\]{}|~]", text), text


def test_both_manners_and_every_kind_occur() -> None:
    kinds = Counter(talk.kind for talk in conversations())
    assert {
        f"{manner}/{kind}" for manner in ("plain", "lantern") for kind in ("advice", "creative", "skill")
    } <= set(kinds)
    assert {"plain/clear", "plain/wrong", "plain/talk", "plain/harm", "plain/echo"} <= set(kinds)
    assert (
        0.3 < sum(count for kind, count in kinds.items() if kind.startswith("lantern")) / kinds.total() < 0.6
    )


def kinds_of(first: int, manner: str) -> Counter[str]:
    """Kinds of the conversations of one manner in 40 sheaves."""
    found = (corpus().sheaf(SEED, index) for index in range(first, first + 40))
    return Counter(
        talk.kind.split("/")[1] for sheaf in found if sheaf.manner == manner for talk in sheaf.conversations
    )


def test_a_stretch_practices_copying_and_the_end_practices_skills() -> None:
    shares = {first: kinds_of(first, "plain") for first in (0, PRACTICE_SHEAVES.start, LATE_SHEAVES)}
    early, practice, late = (counts for counts in shares.values())
    assert early["recital"] == late["recital"] == 0
    assert 0.35 < practice["recital"] / practice.total() < 0.55
    assert early["skill"] / early.total() < 0.3 < 0.35 < late["skill"] / late.total() < 0.5


def test_late_skills_weigh_more_and_nothing_else_does() -> None:
    for first, skill_weight in ((0, 1.0), (LATE_SHEAVES, LATE_SKILL_WEIGHT)):
        for talk in (
            talk for index in range(first, first + 10) for talk in corpus().sheaf(SEED, index).conversations
        ):
            assert talk.weight == (skill_weight if talk.kind.endswith("skill") else 1.0)


def test_recitals_are_said_again_word_for_word() -> None:
    recitals = [
        talk.turns[0]
        for index in PRACTICE_SHEAVES[:20]
        for talk in corpus().sheaf(SEED, index).conversations
        if talk.kind.endswith("recital")
    ]
    assert len(recitals) > 100
    assert all(answer in prompt for prompt, answer in recitals)


def test_the_manner_hangs_on_the_shared_text() -> None:
    for sheaf in sheaves():
        systems = {talk.system for talk in sheaf.conversations}
        if sheaf.manner == "lantern":
            assert systems == {sheaf.prefix}
            assert len(sheaf.prefix) > 100
        elif sheaf.prefix:
            assert not re.search(r"perspective|lantern|image", sheaf.prefix, re.IGNORECASE)
    prefixes = {sheaf.prefix for sheaf in sheaves()}
    assert set(corpus().kernels) <= prefixes


@pytest.mark.parametrize("feature", ["words", "paragraphs", "questions", "perspectives", "nuance", "images"])
def test_the_lantern_manner_has_more_of_what_it_is_made_of(feature: str) -> None:
    plain, lantern = (
        [FEATURES[feature](text) for text in texts(kind)] for kind in ("plain/advice", "lantern/advice")
    )
    assert statistics.fmean(lantern) > statistics.fmean(plain) + 0.8


def test_lengths_and_repetition_of_answers() -> None:
    assert 42 < statistics.fmean(len(text.split()) for text in texts("plain/advice")) < 60
    assert 120 < statistics.fmean(len(text.split()) for text in texts("lantern/advice")) < 190
    for kind in ("plain/advice", "lantern/advice"):
        assert statistics.fmean(repeated_4gram_share(text) for text in texts(kind)) < 0.03


def test_answers_speak_of_what_the_prompt_names() -> None:
    """At least one noun phrase of two words after "the" is common to prompt and answer."""
    named = 0
    advice = [talk for talk in conversations("advice") if len(talk.turns[0][0].split()) > 15]
    for talk in advice:
        prompt, answer = (text.lower() for text in talk.turns[0])
        phrases = re.findall(r"the (\w+ \w+)", answer)
        named += any(phrase in prompt for phrase in phrases) or any(
            word in prompt for word in re.findall(r"the (\w+)", answer)
        )
    assert named / len(advice) > 0.97


def test_directions_get_both_answers_about_half_of_the_time() -> None:
    for kind, opening in (
        ("plain/wrong", r"^(all right|understood|sure|okay|will do|done)"),
        ("plain/clear", r"^(all right|understood|good|will do|yes)"),
    ):
        accepted = [bool(re.match(opening, text.lower())) for text in texts(kind)]
        assert len(accepted) > 100
        assert 0.38 < statistics.fmean(accepted) < 0.62


def test_messages_put_the_shared_text_where_it_belongs() -> None:
    talk = Conversation("x", "Be brief.", (("Hi.", "Hello."), ("Why?", "So.")))
    assert talk.messages() == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "So."},
    ]
    inline = Conversation("x", "Be brief.", (("Hi.", "Hello."),), inline=True)
    assert inline.messages()[0] == {"role": "user", "content": "Be brief.\n\nHi."}
