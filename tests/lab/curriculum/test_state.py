"""Where a curriculum stands follows from what happened, in whatever place it was cut off."""

from __future__ import annotations

from typing import Any

from lab.curriculum.state import progress
from store.records import PhaseRecord
from tests.store.facts import START

NAMES = ("one", "two")


def event(phase: str, stage: str, state: str = "done", *, attempt: int = 1, **changes: Any) -> PhaseRecord:
    place = 0 if phase in ("before", "one") else len(NAMES) if phase == "after" else 1
    return PhaseRecord(
        **{
            "id": "e",
            "curriculum_id": "c",
            "phase": phase,
            "place": place,
            "attempt": attempt,
            "stage": stage,
            "state": state,
            "words": "",
            "at": START,
            **changes,
        }
    )


def stages(phase: str, attempt: int = 1, verdict: str = "pass") -> list[PhaseRecord]:
    return [
        event(phase, "distill", attempt=attempt),
        event(phase, "data", attempt=attempt),
        event(phase, "train", attempt=attempt, detail={"adapter": f"/{phase}-{attempt}"}),
        event(phase, "gate", attempt=attempt, verdict=verdict),
    ]


def test_a_phase_goes_from_stage_to_stage() -> None:
    happened: list[PhaseRecord] = []
    assert [one.status for one in progress(NAMES, happened).phases] == ["not begun", "not begun"]
    for done, following in zip(stages("one"), ("data", "train", "gate", None), strict=True):
        happened.append(event("one", done.stage, "begun", run_id="r"))
        at = progress(NAMES, happened)
        assert at.phases[0].next_stage == done.stage
        begun = at.phases[0].begun(done.stage)
        assert begun is not None
        assert begun.run_id == "r"
        happened.append(done)
        one = progress(NAMES, happened).phases[0]
        assert (one.next_stage, one.begun(done.stage)) == (following, None)
        assert one.status == ("accepted" if following is None else "under way")


def test_what_a_phase_goes_on_from_is_what_was_accepted() -> None:
    at = progress(NAMES, [*stages("one"), *stages("two", verdict="amber")])
    assert [one.status for one in at.phases] == ["accepted", "waiting"]
    assert (at.current, at.made_by(1), at.made_by(2)) == (1, ["/one-1"], ["/one-1"])
    decided = [*stages("one"), *stages("two", verdict="amber"), event("two", "decision")]
    assert progress(NAMES, decided).made_by(2) == ["/one-1", "/two-1"]


def test_a_failed_phase_is_left_out_or_begun_anew() -> None:
    failed = [*stages("one", verdict="fail")]
    assert progress(NAMES, failed).phases[0].status == "failed"
    rolled = [*failed, event("one", "rollback")]
    at = progress(NAMES, rolled)
    assert (at.phases[0].status, at.current, at.made_by(2)) == ("failed", 0, [])
    skipped = progress(NAMES, [*rolled, event("one", "decision", detail={"decision": "skip"})])
    assert (skipped.phases[0].status, skipped.current) == ("skipped", 1)
    again = event("one", "attempt", "begun", attempt=2, detail={"changes": {"learning_rate": 1e-5}})
    anew = progress(NAMES, [*rolled, again]).phases[0]
    assert (anew.status, anew.attempt, anew.next_stage) == ("under way", 2, "distill")
    assert anew.changes == {"learning_rate": 1e-5}
    assert progress(NAMES, [*rolled, again, *stages("one", 2)]).made_by(1) == ["/one-2"]


def test_it_is_finished_when_the_last_word_is_said() -> None:
    happened = [*stages("one"), *stages("two"), event("after", "evaluate", "begun")]
    assert not progress(NAMES, happened).is_finished
    assert progress(NAMES, [*happened, event("after", "evaluate")]).is_finished
    undone = [*happened, event("after", "evaluate"), event("after", "evaluate", "undone", attempt=2)]
    assert not progress(NAMES, undone).is_finished
