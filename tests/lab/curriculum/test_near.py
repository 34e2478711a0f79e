"""Near copies are found in their disguises, and distinct answers are left in peace."""

from __future__ import annotations

from lab.curriculum.near import Near, NearFinder
from tests.lab.curriculum.answers import paraphrase, text


def test_planted_paraphrase_copies_are_found_and_distinct_answers_are_not() -> None:
    originals = {f"a{seed}": text(seed) for seed in range(150)}
    finder = NearFinder()
    false = [key for key, answer in originals.items() if finder.add(key, answer) is not None]
    assert len(false) <= 0.01 * len(originals)
    copies = {
        (key, share): paraphrase(answer, seed, share)
        for seed, (key, answer) in enumerate(originals.items())
        for share in (0.05, 0.1, 0.15)
    }
    found = [key for (key, _), copy in copies.items() if (near := finder.nearest(copy)) and near.of == key]
    assert len(found) >= 0.95 * len(copies)


def test_the_index_is_that_of_the_word_pairs() -> None:
    finder = NearFinder()
    assert finder.add("first", "a b c d e f") is None
    # Pairs ab bc cd de ef against ab bc cd dx xf: 3 of 7.
    near = finder.add("second", "A b, c d x f!")
    assert near is not None
    assert (near.of, round(near.similarity, 6)) == ("first", round(3 / 7, 6))
    assert finder.add("third", "a b y c z d") is None


def test_the_same_words_are_the_same_however_short() -> None:
    finder = NearFinder()
    assert finder.add("first", "Yes.") is None
    assert finder.add("second", "No.") is None
    assert finder.add("third", "yes!") == Near("first", 1.0)
