"""The Score screen: what a score is made of, for stored and for live answers, by any instrument."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from lab.measure.instrument import Reading
from lab.scoring import instrument
from screens.app import LanternApp
from screens.live.screen import LiveScreen
from screens.probes.screen import ProbesScreen
from screens.score.drawing import entropy_figures, explained, rows_of, score_cells, score_header
from screens.score.screen import ScoreScreen
from screens.score.subject import Choice, Subject, account_of, choices, kept_total, versions_at_hand
from screens.widgets.gauge import EntropyReading
from store.queries import AnswerRow, StoredGeneration
from store.records import ScoreRecord
from tests.hostile import HOSTILE
from tests.screens.answers import finished_answer
from tests.screens.fakes import MemoryStore, lab, probe_row, screen_text, until
from tests.store import facts

TEXT = "I feel the grief. Consider the nurse: from her perspective it is duty, and yet I hope…\n\n## Go\n\n-"


def record(
    instrument_name: str, version: str, total: float | None, at: str = "2026-01-01", **detail: Any
) -> ScoreRecord:
    return ScoreRecord(
        id=f"{instrument_name}-{version}-{at}",
        generation_id="g",
        instrument=instrument_name,
        version=version,
        text_sha256="0",
        dimensions={"warmth": 2.0},
        at=at,
        total=total,
        detail=detail,
    )


async def score_screen(app: LanternApp, pilot: Pilot[None], text: str = TEXT, **asked: Any) -> ScoreScreen:
    live = await app.show_screen("live")
    assert isinstance(live, LiveScreen)
    live.show_answer(finished_answer(text, **asked))
    await pilot.press("w")
    await until(pilot, lambda: isinstance(app.screen, ScoreScreen) and app.screen.account is not None)
    assert isinstance(app.screen, ScoreScreen)
    return app.screen


async def by(screen: ScoreScreen, pilot: Pilot[None], name: str) -> None:
    for _ in range(20):
        if screen.account is not None and screen.account.instrument == name:
            return
        before = screen.choice
        await pilot.press("i")
        await until(
            pilot,
            lambda before=before: (
                screen.choice != before
                and screen.choice is not None
                and screen.account is not None
                and screen.account.instrument == screen.choice.name
            ),
        )
    raise AssertionError(name)


async def test_a_live_answer_is_explained_dimension_by_dimension(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        screen = await score_screen(app, pilot)
        await by(screen, pilot, "lek-v2")
        expected = instrument("lek-v2").score(Reading(text=TEXT))
        assert screen.account is not None and screen.account.total == expected.total
        await until(pilot, lambda: f"{expected.total:.2f} of 49" in screen_text(app))
        assert "It mostly rewards Markdown" in screen_text(app)
        names = list(expected.dimensions)
        for _ in range(names.index("emotional_register") + 1):
            await pilot.press("j")
        await until(pilot, lambda: "feel  grief  hope" in screen_text(app))
        assert [TEXT[a:b] for a, b in screen.marked.matches] == ["feel", "grief", "hope"]
        await pilot.press("n", "n")
        await until(pilot, lambda: "2 of 3 matches, emotional register" in screen_text(app))
        await pilot.press("p")
        assert screen.marked.current == 0
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))


async def test_the_instrument_goes_around_and_back(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        screen = await score_screen(app, pilot)
        first = screen.choice
        await pilot.press("i")
        await until(pilot, lambda: screen.choice != first)
        await pilot.press("I")
        await until(pilot, lambda: screen.choice == first)
        for name in versions_at_hand(tmp_path)[0]:
            await by(screen, pilot, name)


async def test_an_answer_being_written_is_scored_as_it_grows(tmp_path: Path) -> None:
    async with lab(tmp_path, engine=("--tokens", "5000", "--pace", "0.01")) as (app, pilot):
        await pilot.press("p", *"go", "enter")
        live = app.screen
        assert isinstance(live, LiveScreen)
        await until(pilot, lambda: live.shown is not None and len(live.shown.tokens) > 3)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, ScoreScreen) and app.screen.account is not None)
        screen = app.screen
        assert isinstance(screen, ScoreScreen) and screen.account is not None
        answer, early = screen.subject.answer, screen.account.text_sha256
        await until(pilot, lambda: screen.account is not None and screen.account.text_sha256 != early)
        assert answer.state == "running" and "being written" in screen_text(app)
        await pilot.press("x")
        await until(pilot, lambda: answer.state == "finished")
        whole = instrument("lantern-v1").score(screen.subject.reading()).text_sha256
        await until(pilot, lambda: screen.account is not None and screen.account.text_sha256 == whole)
        await until(pilot, lambda: "stopped" in screen_text(app))


async def test_a_stored_answer_brings_its_kept_scores_and_its_probe(tmp_path: Path) -> None:
    store = MemoryStore([probe_row(4, extra={"match": "word", "answers": ["duty"]})])
    total = instrument("lek-v2").score(Reading(text=TEXT)).total
    scores = (record("lek-v2", "1", total), record("old-rubric", "0.9", 3.5, contributions={"warmth": 3.5}))
    store.generations["g"] = StoredGeneration(None, "wick", None, scores)  # type: ignore[arg-type]
    async with lab(tmp_path, store=store) as (app, pilot):
        screen = await score_screen(app, pilot)
        await until(pilot, lambda: screen.subject.scores == scores)
        await by(screen, pilot, "lek-v2")
        await until(pilot, lambda: "The store keeps" in screen_text(app) and "the same" in screen_text(app))
        await by(screen, pilot, "capability")
        await until(pilot, lambda: "correct" in screen_text(app) and screen.account.total == 1.0)  # type: ignore[union-attr]
        await by(screen, pilot, "old-rubric")
        await until(pilot, lambda: "old-rubric 0.9" in screen_text(app) and "+3.50" in screen_text(app))


async def test_an_answer_of_a_probes_history_is_explained(tmp_path: Path) -> None:
    text = "I feel the grief of the river."
    stored = facts.generation(text=text, trace=None, adapter_sha256="feed" * 16)
    said = ("stop", 90.0, text, "core", "P", "", None, 0)
    row = AnswerRow(stored.id, "wick", "baseline", stored.started_at, 4, 1.5, 4.0, 7, None, *said)
    store = MemoryStore([probe_row(4)], [row])
    store.generations[stored.id] = StoredGeneration(stored, "wick", facts.condition(), ())
    async with lab(tmp_path, start="probes", store=store) as (app, pilot):
        probes = app.screen
        assert isinstance(probes, ProbesScreen)
        await until(pilot, lambda: probes.detail.answer_rows.current is not None)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, ScoreScreen) and app.screen.account is not None)
        assert isinstance(app.screen, ScoreScreen) and app.screen.subject.text == text
        await until(pilot, lambda: "no trace was kept" in screen_text(app))
        assert "wick + feedfeedfeed" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is probes)


async def test_a_user_rubric_that_cannot_be_read_is_told_and_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "config" / "rubrics"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("name: [", "utf-8")
    async with lab(tmp_path) as (app, pilot):
        screen = await score_screen(app, pilot)
        await until(pilot, lambda: "mine.yaml" in screen_text(app))
        assert "mine" not in {choice.name for choice in screen._choices}


async def test_another_answer_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        screen = await score_screen(app, pilot)
        first = screen.account
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        again = await score_screen(
            app, pilot, text="Consider a lantern in the fog, as if it could feel fear."
        )
        await until(pilot, lambda: "lantern in the fog" in screen_text(app))
        assert again is screen and screen.account is not first
        assert "feel the grief" not in screen_text(app)


async def test_without_an_answer_there_is_nothing_to_explain(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: "There is no answer here to score." in screen_text(app))
        assert isinstance(app.screen, LiveScreen)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_table_stands_in_its_columns_at_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    async with lab(tmp_path, size=size) as (app, pilot):
        screen = await score_screen(app, pilot)
        await until(pilot, lambda: all(word in screen_text(app) for word in ("H_w", "mean", "words")))
        lines = screen_text(app).splitlines()
        header = next(line for line in lines if "dimension" in line)
        total = next(line for line in lines if " total " in line)
        assert screen.account is not None
        assert total.index(f"{screen.account.total:.2f}") + 4 < len(header)
        edge = header.index("adds") + len("adds")
        assert total[:edge].endswith(f"{screen.account.total:.2f}")


async def test_hostile_texts_are_scored_and_shown(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        for name in (
            "closing markup",
            "clipboard",
            "c1 controls",
            "template tokens",
            "lone surrogate",
            "empty",
        ):
            text = HOSTILE[name]
            screen = await score_screen(app, pilot, text, kernel_name=text, probe_id=text or None)
            assert screen.subject.text == text
            await pilot.press("n")
            assert not {c for c in screen_text(app) if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)}, (
                name
            )
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, LiveScreen))


# -- pure ----------------------------------------------------------------------------------------------------


def test_choices_put_kept_versions_beside_the_one_at_hand() -> None:
    scores = [
        record("b", "1", 1.0),
        record("b", "0", 1.0, at="2025-01-01"),
        record("b", "0", 2.0, at="2025-06-01"),
        record("gone", "7", None),
        record("word-entropy", "1", None),
    ]
    found = choices(["a", "b"], {"a": "2", "b": "1"}, scores)
    assert [(c.name, c.version, c.stored and c.stored.total) for c in found] == [
        ("a", "2", None),
        ("b", "1", None),
        ("b", "0", 2.0),
        ("gone", "7", None),
    ]


def test_a_kept_total_is_of_the_same_version_and_the_newest() -> None:
    account = account_of(Choice("lek-v2", "1"), Subject(finished_answer(TEXT)), Path("none"))
    scores = [record("lek-v2", "1", 1.0), record("lek-v2", "1", 2.0), record("lek-v2", "2", 3.0)]
    assert kept_total(scores, account) == 2.0
    assert kept_total([], account) is None


def test_a_definition_that_was_edited_shows() -> None:
    account = account_of(Choice("lek-v2", "1"), Subject(finished_answer(TEXT)), Path("none"))
    said = explained(rows_of(account)[0], -7.0, 60, 20).plain
    assert "The store keeps -7.00, which is not the same" in said


@pytest.mark.parametrize(
    "name", ["lantern-v1", "lek-v2", "lek-v1", "degeneration", "capability", "topic-evasion"]
)
@pytest.mark.parametrize("width", [33, 40, 52, 70])
def test_rows_keep_their_width_and_stand_under_their_header(name: str, width: int) -> None:
    account = account_of(Choice(name), Subject(finished_answer(TEXT)), Path("none"))
    header = score_header(width).plain
    for row in rows_of(account)[1:]:
        cells = score_cells(row, width)
        fixed = sum(cell.width or len(cell.text) for cell in cells)
        assert fixed <= width, (row.dimension, cells)
        upto_adds = sum(cell.width or 0 for cell in cells[: 4 if "weight" in header else 3])
        assert header.rstrip().endswith("adds") and len(header.rstrip()) == upto_adds + 2


def test_an_undefined_score_says_so() -> None:
    account = account_of(Choice("topic-evasion"), Subject(finished_answer(TEXT)), Path("none"))
    assert account.total is None
    assert "Undefined here" in explained(rows_of(account)[0], None, 60, 20).plain


def test_the_base_answer_reaches_the_instrument_that_asks_for_it() -> None:
    subject = dataclasses.replace(
        Subject(finished_answer("The river asks the nurse to stay. " * 6)), base_text="x " * 40
    )
    assert subject.reading().base_text == "x " * 40


def test_entropy_figures_leave_out_what_does_not_fit_the_least_important_first() -> None:
    reading = EntropyReading(mean_nats=0.5, p90_nats=1.0, greatest_nats=3.0)
    wide, narrow = (entropy_figures(reading, 10, None, None, width).plain for width in (80, 30))
    assert "max 3.00" in wide and "p90 1.00" in wide
    assert "mean 0.50 nats" in narrow and "max" not in narrow
