"""A rater's desk: which card comes, what undo brings back, how often a pair comes again and how it stands."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from statistics import fmean

import pytest

from lab.errors import LabError
from lab.preference.desk import Card, Desk
from lab.preference.editing import preferred_by_its_writer, written_over
from lab.preference.put_up import pair_id
from lab.preference.queue import REST, choose_repeat, repeat_is_due
from lab.preference.sides import stands_swapped
from lab.preference.verdicts import preferred
from store.queries.judgements import PairAnswer, PairToJudge, QueuedPair
from store.records import BY_HAND, JudgementRecord, Verdict
from store.validate import check


def pairs(n: int) -> list[QueuedPair]:
    return [QueuedPair(pair_id(f"a{k}", f"b{k}"), f"a{k}", f"b{k}", 0) for k in range(n)]


def desk_with(n: int, rater: str = "ada") -> Desk:
    desk = Desk(rater)
    desk.feed(pairs(n))
    desk.advance()
    return desk


def press(desk: Desk, record: JudgementRecord | None) -> JudgementRecord:
    """As the screen does: what was made goes to disk (here it must make sense), and only then to the desk."""
    assert record is not None
    check(record)
    desk.take(record)
    return record


def judge(desk: Desk, verdict: Verdict = "left") -> Card:
    card = desk.card
    assert card is not None
    press(desk, desk.judge(verdict, 1000.0))
    return card


def test_a_verdict_moves_on_and_undo_returns_to_that_very_card() -> None:
    desk = desk_with(4)
    first, second = judge(desk), judge(desk, "tie")
    third = desk.card
    press(desk, desk.undo())
    assert desk.card == second and desk.verdict is None
    press(desk, desk.undo())
    assert desk.card == first and desk.verdict is None
    assert desk.undo() is None
    press(desk, desk.redo())
    assert desk.card == second and desk.standing.verdicts[first.key].verdict == "left"
    press(desk, desk.redo())
    assert desk.card == third and desk.redo() is None
    assert desk.judged == 2


def test_undo_goes_on_in_another_session_and_steps_back_lead_there_too() -> None:
    desk = desk_with(5)
    log = [press(desk, desk.judge("right", None)) for _ in range(3)]
    later = Desk.of("ada", log)
    later.feed(pairs(5))
    assert later.advance() not in (None, *(Card(r.pair_id, "", "", 0) for r in log))
    back = [later.step(-1) for _ in range(4)]
    assert [card and card.pair_id for card in back] == [*(r.pair_id for r in reversed(log)), None]
    assert later.card is not None and later.card.pair_id == log[0].pair_id
    press(later, later.undo())
    assert later.card is not None and later.card.pair_id == log[2].pair_id
    assert len(later.standing.verdicts) == 2


def test_a_verdict_changed_on_an_earlier_card_goes_on_to_the_next_open_one() -> None:
    desk = desk_with(4)
    first = judge(desk)
    judge(desk)
    waiting = desk.card
    desk.step(-1)
    desk.step(-1)
    assert desk.card == first
    judge(desk, "both_bad")
    assert desk.card == waiting
    assert desk.standing.verdicts[first.key].verdict == "both_bad"
    press(desk, desk.undo())
    assert desk.card == first and desk.verdict is not None and desk.verdict.verdict == "left"


def test_what_is_passed_over_comes_again_when_the_queue_is_empty() -> None:
    desk = desk_with(3)
    passed = desk.card
    desk.step(1)
    judge(desk)
    judge(desk)
    assert desk.card == passed
    judge(desk)
    assert desk.card is None and desk.judge("left", None) is None


def test_feeding_brings_no_card_twice_and_nothing_that_is_judged() -> None:
    desk = desk_with(3)
    judge(desk)
    desk.feed(pairs(6))
    seen = []
    while desk.card is not None:
        seen.append(judge(desk).pair_id)
    assert len(seen) == len(set(seen)) == 5


def test_a_card_without_answers_is_left_out_for_good() -> None:
    desk = desk_with(2)
    gone = desk.card
    assert gone is not None
    desk.leave_out(gone)
    desk.advance()
    desk.feed(pairs(2))
    assert desk.card is not None and desk.card != gone
    judge(desk)
    assert desk.card is None


def test_showing_the_sides_is_written_once_and_marks_what_follows() -> None:
    desk = desk_with(3)
    desk.sides_shown = True
    press(desk, desk.reveal())
    assert desk.reveal() is None
    shown = press(desk, desk.judge("left", None))
    desk.sides_shown = False
    hidden = press(desk, desk.judge("left", None))
    press(desk, desk.undo())
    press(desk, desk.undo())
    again = press(desk, desk.judge("right", None))
    assert (shown.blind, hidden.blind, again.blind) == (False, True, False)
    assert again.pair_id == shown.pair_id


def test_flags_and_notes_stay_on_the_pair_and_leave_the_card_where_it_is() -> None:
    desk = desk_with(2)
    card = desk.card
    assert card is not None
    press(desk, desk.flag())
    press(desk, desk.note("[/b] look again"))
    assert desk.card == card
    assert desk.standing.flags[card.pair_id] and desk.standing.notes[card.pair_id] == "[/b] look again"
    press(desk, desk.flag())
    assert not desk.standing.flags[card.pair_id]


def test_between_five_and_ten_percent_come_again_swapped_and_rested() -> None:
    """Who always prefers one answer agrees with oneself; who always says left never does."""
    for rater in ("ada", "bob", "cy"):
        for habit in ("answer", "left"):
            desk = desk_with(700, rater)
            came: list[Card] = []
            while desk.card is not None:
                card = desk.card
                left, _ = card.sides(rater)
                say: Verdict = "left" if habit == "left" or left == card.first_id else "right"
                came.append(card)
                judge(desk, say)
            again = [card for card in came if card.pass_number == 1]
            assert 0.05 <= len(again) / len(came) <= 0.10
            for card in again:
                places = [n for n, other in enumerate(came) if other.pair_id == card.pair_id]
                assert len(places) == 2 and places[1] - places[0] >= REST
                assert Card(card.pair_id, card.first_id, card.second_id, 0).sides(rater) == tuple(
                    reversed(card.sides(rater))
                )
            agreeing, repeats = desk.self_agreement
            assert repeats == len(again) and agreeing == (repeats if habit == "answer" else 0)
            won = desk.left_wins
            assert won is not None and won.n == len(came)
            assert (won.value == 1.0) if habit == "left" else (won.lower or 1) < 0.5 < (won.upper or 0)


def test_repeats_are_blind_first_verdicts_that_said_something() -> None:
    def log() -> Iterator[JudgementRecord]:
        desk = desk_with(200)
        for n in range(60):
            desk.sides_shown = n % 3 == 0
            yield press(desk, desk.judge("skip" if n % 3 == 1 else "left", None))

    history = [one for one in log() if one.pass_number == 0]
    standing = {(one.pair_id, 0): one for one in history}
    chosen = {
        found.id
        for n in range(REST, len(history))
        if (found := choose_repeat("ada", history[:n], standing)) is not None
    }
    suited = {one.id for one in history if one.blind and one.verdict == "left"}
    assert chosen and chosen <= suited
    assert choose_repeat("ada", history[:REST], standing) is None


def test_one_repeat_is_due_in_each_block_at_a_place_that_cannot_be_waited_for() -> None:
    places = [
        [fresh for fresh in range(14 * block, 14 * (block + 1)) if repeat_is_due("ada", fresh)]
        for block in range(40)
    ]
    assert all(len(found) == 1 for found in places)
    assert len({found[0] % 14 for found in places}) > 8


def test_sides_are_balanced_and_tell_nothing_of_the_model() -> None:
    """10,000 pairs of an old and a new model, in whichever order their ids fell; thresholds are 4 σ."""
    rng = random.Random(5)
    n = 10_000
    sigma = (n / 4) ** 0.5
    lefts: Counter[str] = Counter()
    swaps: list[bool] = []
    for k in range(n):
        old, new = rng.sample((f"gen-{k}-0", f"gen-{k}-1"), 2)
        first, second = sorted((old, new))
        left, right = Card(pair_id(old, new), first, second, 0).sides("ada")
        assert {left, right} == {old, new}
        lefts["new" if left == new else "old"] += 1
        swaps.append(left == second)
    assert abs(lefts["new"] - n / 2) < 4 * sigma
    assert abs(sum(swaps) - n / 2) < 4 * sigma
    # A new side says nothing of the next card's, nor one rater's of another's.
    follow = sum(one == other for one, other in itertools.pairwise(swaps))
    assert abs(follow - n / 2) < 4 * sigma
    pair_ids = [pair_id(f"x{k}", f"y{k}") for k in range(n)]
    both = sum(stands_swapped(p, "ada", 0) == stands_swapped(p, "bob", 0) for p in pair_ids)
    assert abs(both - n / 2) < 4 * sigma
    assert fmean(stands_swapped(p, "ada", 0) != stands_swapped(p, "ada", 1) for p in pair_ids) == 1.0


def test_what_a_person_writes_is_an_answer_of_its_own_and_wins_over_the_other() -> None:
    over, other = (
        PairAnswer(name, text, "m", "wick", None, "plain", "sha")
        for name, text in (("a", "So so."), ("b", "Bad."))
    )
    asked = PairToJudge(pair_id("a", "b"), "sweep", "", "Why?", "core", "P1", over, other)
    written = written_over(asked, over, "Much better.")
    check(written)
    assert (written.parent_id, written.parent_token, written.model_id) == ("a", None, BY_HAND)
    assert (written.text, written.prompt, written.mean_entropy_nats) == ("Much better.", "Why?", None)
    assert (written.probe_battery, written.probe_id, written.probe_sha256) == ("core", "P1", "sha")
    pair, verdict = preferred_by_its_writer(written, other, "ada")
    check(pair)
    check(verdict)
    assert {pair.first_id, pair.second_id} == {written.id, "b"} and pair.source == "edited"
    assert preferred(verdict) == written.id and not verdict.blind
    desk = Desk("ada")
    desk.take(verdict)
    assert desk.judged == 1
    for text, fault in (("  \n", "empty"), ("So so. ", "unchanged")):
        with pytest.raises(LabError, match=fault):
            written_over(asked, over, text)
