"""The Compare screen over a real store: begun, stopped, gone on with, read, filtered, rated blind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from lab.compare.summary import summarize
from screens.app import LanternApp
from screens.compare.dialogs import CompareDialog
from screens.compare.rating_dialog import RatingPane
from screens.compare.screen import CompareScreen
from screens.compare.source import CompareSource
from screens.live.screen import LiveScreen
from screens.probes.screen import ProbesScreen
from screens.score.screen import ScoreScreen
from store.queries.judgements import QueueFilter, page_pairs_listed
from tests.hostile import HOSTILE
from tests.screens.comparisons import PLAIN, RICH, compare_lab, open_battery, open_pair, pair_records
from tests.screens.fakes import opened, screen_text, until
from tests.store import facts

PAIRS = [(PLAIN, RICH), (PLAIN, PLAIN), (RICH, PLAIN), (PLAIN, None)]
PATIENCE_S = 60.0
CONTROL = {chr(code) for code in (*range(32), *range(127, 160))} - {"\n"}


def probes(n: int, battery: str = "core") -> list[Any]:
    names = (f"P{number:02}_PROBE" for number in range(n))
    return [facts.probe(name, battery=battery, domain="Identity") for name in names]


async def begin(app: LanternApp, pilot: Pilot[None], screen: CompareScreen, **fields: str) -> None:
    """Fill the window and begin."""
    await pilot.press("n")
    await opened(app, pilot, CompareDialog)
    for name, value in fields.items():
        app.screen.query_one(f"#{name}", Input).value = value
    await pilot.press("ctrl+s")
    await until(pilot, lambda: screen.record is not None and screen.place == "pair")


async def ended(app: LanternApp, pilot: Pilot[None], screen: CompareScreen, jobs: int = 1) -> None:
    """Wait until so many jobs were over and nothing is under way."""

    def over() -> bool:
        return len(app.bench.jobs) == jobs and all(job.over for job in app.bench.jobs.values())

    await until(pilot, lambda: over() and not screen.under_way, PATIENCE_S)


async def test_a_comparison_is_begun_watched_scored_and_summed_up(tmp_path: Path) -> None:
    async with compare_lab(tmp_path, probes(3), engine=("--tokens", "40")) as (app, pilot, screen):
        await until(pilot, lambda: app.store.state == "ready")
        await begin(app, pilot, screen, right="kernel=lantern", samples="2")
        record = screen.record
        assert record is not None
        assert [(pair.probe_id, pair.seed) for pair in record.pairs] == [
            (f"P{number % 3:02}_PROBE", number) for number in range(6)
        ]
        await ended(app, pilot, screen)
        await app.store.read_now()
        answers = await CompareSource(app.store).answers(record.id)
        assert len(answers) == 12 and all("total" in answer.scores for answer in answers)
        expected = summarize(answers, record.instrument, record.version, planned=6)
        await pilot.press("escape")
        await until(pilot, lambda: screen.summary == expected, PATIENCE_S)
        effect = expected.battery.overall.test.effect.value
        await until(pilot, lambda: f"mean Δ {effect:+.2f}" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "6/6" in screen_text(app))


async def test_a_stopped_comparison_is_gone_on_with_from_where_it_was(tmp_path: Path) -> None:
    engine = ("--tokens", "30", "--pace", "0.02")
    async with compare_lab(tmp_path, probes(9), engine=engine) as (app, pilot, screen):
        await until(pilot, lambda: app.store.state == "ready")
        await begin(app, pilot, screen, right="kernel=lantern")
        await until(pilot, lambda: screen.view.pair is not None and screen.view.pair.is_over)
        await pilot.press("x")
        await ended(app, pilot, screen)
        record = screen.record
        assert record is not None
        await app.store.read_now()
        before = await screen.source.answered(record.id)
        assert 0 < len(before) < 18
        await pilot.press("c")
        await ended(app, pilot, screen, jobs=2)
        await app.store.read_now()
        after = await screen.source.answers(record.id)
        assert len(after) == 18 and len({(answer.place, answer.side) for answer in after}) == 18
        assert screen.record is not None and screen.record.id == record.id
        await pilot.press("c")
        await until(pilot, lambda: "Every pair of this comparison has its answers" in screen_text(app))


async def test_an_adapter_is_loaded_for_its_side_and_asked_for_by_its_id(tmp_path: Path) -> None:
    async with compare_lab(tmp_path, probes(1), engine=("--tokens", "24")) as (app, pilot, screen):
        await until(pilot, lambda: app.store.state == "ready")
        await begin(app, pilot, screen, right="adapter=/adapters/tuned")
        await ended(app, pilot, screen)
        left, right = (answer.ask for answer in app.bench.answers)
        assert (left.adapter, right.adapter) == (None, app.bench.adapters[0]["id"])
        assert (left.prompt, left.seed, left.sampling) == (right.prompt, right.seed, right.sampling)
        await until(pilot, lambda: "16 shared tokens" in screen_text(app))
        assert "Where they part · token 17" in screen_text(app) and "wick + tuned" in screen_text(app)


async def test_the_window_says_what_is_wrong_and_begins_nothing(tmp_path: Path) -> None:
    async with compare_lab(tmp_path, probes(2)) as (app, pilot, screen):
        await until(pilot, lambda: app.store.state == "ready")
        await pilot.press("n")
        await opened(app, pilot, CompareDialog)
        dialog = app.screen
        for name, value, fault in (
            ("right", "kernal=x", "expected base, or model=…"),
            ("right", "kernel=nowhere", "no kernel 'nowhere'"),
            ("battery", "nope", "there is no 'nope'; there are core"),
            ("samples", "none", "samples: a whole number"),
            ("instrument", "[/x]", "there is no '[/x]'"),
        ):
            field = dialog.query_one(f"#{name}", Input)
            kept, field.value = field.value, value
            await pilot.press("ctrl+s")
            await until(pilot, lambda fault=fault: fault in screen_text(app))
            assert app.screen is dialog
            field.value = kept
        assert screen.record is None and not app.bench.jobs


async def test_a_prompt_of_ones_own_and_probes_selected_elsewhere_are_compared(tmp_path: Path) -> None:
    async with compare_lab(tmp_path, probes(3), engine=("--tokens", "4")) as (app, pilot, screen):
        await until(pilot, lambda: app.store.state == "ready")
        app.state.batteries = []
        await pilot.press("1")
        await until(
            pilot, lambda: isinstance(app.screen, ProbesScreen) and app.screen.rows.current is not None
        )
        await pilot.press("space", "space", "c")
        await opened(app, pilot, CompareDialog)
        await until(pilot, lambda: "selected on Probes: 2" in screen_text(app))
        await pilot.press("ctrl+s")
        await ended(app, pilot, screen)
        assert screen.record is not None
        assert [pair.probe_id for pair in screen.record.pairs] == ["P00_PROBE", "P01_PROBE"]
        await pilot.press("n")
        await opened(app, pilot, CompareDialog)
        app.screen.query_one("#prompt", Input).value = HOSTILE["closing markup"]
        await pilot.click(app.screen.query("RadioButton").last())
        await pilot.press("ctrl+s")
        await ended(app, pilot, screen, jobs=2)
        assert [pair.prompt for pair in screen.record.pairs] == [HOSTILE["closing markup"]]


async def test_a_stored_pair_shows_parting_diff_scores_and_overlay(tmp_path: Path) -> None:
    comparison, records = pair_records(PAIRS)
    async with compare_lab(tmp_path, records) as (app, pilot, screen):
        await open_pair(pilot, screen)
        await until(pilot, lambda: "lantern-v1 1 · Δ" in screen_text(app))
        view = screen.view
        assert view.parting is not None and view.parting.by_tokens
        assert "shared tokens" in screen_text(app)
        await pilot.press("u")
        await until(pilot, lambda: "One could begin" in screen_text(app))
        assert "shared tokens" not in screen_text(app)
        await pilot.press("u", "d")
        await until(pilot, lambda: view.tapes[0].look.changed)
        at = view.parting.left
        assert at in view.tapes[0].look.changed and at - 1 not in view.tapes[0].look.changed  # type: ignore[operator]
        await pilot.press("d", "d")
        assert view.tapes[0].look.changed is None
        assert screen.desk.why_no_overlay(comparison)
        await app.bench.load("wick", ["/adapters/x"])
        app.bench.adapters = ({"id": comparison.right.adapter_sha256},)
        await pilot.press("h")
        await until(pilot, lambda: view.pair is not None and len(view.pair.overlays) == 2)
        await until(pilot, lambda: "ΔH nats" in screen_text(app) and "KL" in screen_text(app))
        assert view.tapes[0].look.kind == "entropy"
        n_tokens = len(view.tapes[0].side.pieces)
        assert len(view.tapes[0].look.heat) == n_tokens
        await pilot.press("right", "right")
        await until(pilot, lambda: f"Token {at + 2} of the left answer" in screen_text(app))
        await pilot.press("h", "h", "h")
        await until(pilot, lambda: "H_t nats" in screen_text(app))


async def test_both_texts_scroll_together_and_pairs_are_stepped_through(tmp_path: Path) -> None:
    long = " ".join(f"word{n} of the left" for n in range(400))
    _, records = pair_records([(long, long + " and right")] * 3)
    async with compare_lab(tmp_path, records, size=(80, 24)) as (_, pilot, screen):
        await open_pair(pilot, screen)
        left, right = screen.view.tapes
        await pilot.press("u")
        await until(pilot, lambda: left.max_scroll_y > 20 and right.max_scroll_y > 20)
        for key, moved in (("j", 1), ("j", 2), ("k", 1), ("G", right.max_scroll_y), ("g", 0)):
            await pilot.press(key)
            await until(pilot, lambda moved=moved: right.scroll_offset.y == moved)
            assert left.scroll_offset.y == min(moved, left.max_scroll_y)
        await pilot.press("pagedown", "tab", "pagedown")
        assert right.has_focus and left.scroll_offset.y == right.scroll_offset.y > left.size.height
        await pilot.press("]", "]", "]")
        await until(pilot, lambda: screen.view.pair is not None and screen.view.pair.place == 2)
        assert left.scroll_offset.y == 0
        await pilot.press("[")
        await until(pilot, lambda: screen.view.pair is not None and screen.view.pair.place == 1)


async def test_filters_keep_what_differs_and_what_became_of_it(tmp_path: Path) -> None:
    _, records = pair_records(PAIRS)
    async with compare_lab(tmp_path, records) as (app, pilot, screen):
        await open_battery(pilot, screen)

        def places() -> list[int]:
            return [row.place for n in range(screen.pairs.total) if (row := screen.pairs.row_at(n))]

        await until(pilot, lambda: places() == [0, 1, 2, 3])
        await pilot.press("o")
        await until(pilot, lambda: places() == [0, 2] and "Pairs · 2 of 4 " in screen_text(app))
        await pilot.press("o", "f")
        await until(pilot, lambda: places() == [0])
        await pilot.press("f")
        await until(pilot, lambda: places() == [2])
        await pilot.press("f")
        await until(pilot, lambda: places() == [1])
        await pilot.press("f", "s")
        await until(pilot, lambda: places()[:1] == [2] and "worst first" in screen_text(app))


async def test_hidden_sides_show_nothing_that_tells_them_apart(tmp_path: Path) -> None:
    _, records = pair_records([(PLAIN, RICH)] * 4, words=("the base one", "the tuned one"))
    async with compare_lab(tmp_path, records) as (app, pilot, screen):
        await open_pair(pilot, screen)
        await until(pilot, lambda: "Δ +" in screen_text(app) and "the tuned one" in screen_text(app))
        await pilot.press("v")
        await until(pilot, lambda: "the tuned one" not in screen_text(app))
        orders = set()
        for place in range(4):
            await until(pilot, lambda place=place: screen.view.pair.place == place)  # type: ignore[union-attr]
            await pilot.pause()
            shown = screen_text(app)
            told = ("tuned", "base one", "Δ", "tokens ·", "H_t", "lantern-v1", "left said", "ended by")
            assert not [word for word in told if word in shown]
            assert all(tape.look.plain and tape.look.kind == "off" for tape in screen.view.tapes)
            orders.add(screen.view.order)
            assert screen.view.tapes[0].side.text.strip() == (
                PLAIN if screen.view.order[0] == "left" else RICH
            )
            await pilot.press("h", "]")
        assert len(orders) == 2 and screen.view.kind == "off"
        await pilot.press("w")
        await until(pilot, lambda: "There is no answer here" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Hidden while the sides are" in screen_text(app))
        assert "+" not in screen_text(app).split("Pairs")[1].split("Hidden")[0]
        await pilot.press("s")
        await until(pilot, lambda: "That would tell the sides apart" in screen_text(app))
        await pilot.press("v")
        await until(pilot, lambda: "the tuned one" in screen_text(app))


async def test_ratings_are_kept_with_the_side_they_were_given_to(tmp_path: Path) -> None:
    comparison, records = pair_records([(PLAIN, RICH)] * 2)
    async with compare_lab(tmp_path, records) as (app, pilot, screen):
        await open_pair(pilot, screen)
        await pilot.press("v")
        await until(pilot, lambda: screen.view.blind)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RatingPane))
        order = screen.view.order
        await pilot.press("5", "4", "3", "2", "1", "1", "j", "2", "u", "3", "escape")
        await until(pilot, lambda: app.screen is screen)

        async def kept() -> dict[tuple[str, str], tuple[int, bool, str]]:
            await app.store.read_now()
            rows = await screen.source.ratings(comparison.id)
            return {(row.side or "", row.scale): (row.value, row.blind, row.shown) for row in rows}

        first, second = order
        expected = {
            (first, scale): (value, True, "left")
            for scale, value in zip(
                ("depth", "insight", "empathy", "synthesis", "coherence"), (5, 4, 3, 2, 1), strict=True
            )
        }
        expected |= {(second, "depth"): (1, True, "right"), (second, "insight"): (3, True, "right")}
        found: dict[tuple[str, str], tuple[int, bool, str]] = {}
        for _ in range(50):
            found = await kept()
            if found == expected:
                break
            await pilot.pause(0.05)
        assert found == expected
        await pilot.press("v")
        await until(pilot, lambda: not screen.view.blind)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RatingPane))
        await until(pilot, lambda: "● ● ● ● ●  5" in screen_text(app))
        await pilot.press("]")
        await until(pilot, lambda: screen.view.pair is not None and screen.view.pair.place == 1)
        await until(pilot, lambda: "● ● ● ● ●  5" not in screen_text(app))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: screen.place == "battery")
        await until(pilot, lambda: "Ratings by people" in (screen.copy_text() or ""))


async def test_the_score_of_either_side_is_explained(tmp_path: Path) -> None:
    _, records = pair_records(PAIRS)
    async with compare_lab(tmp_path, records) as (app, pilot, screen):
        await open_pair(pilot, screen)
        await until(pilot, lambda: screen.view.pair is not None and screen.view.pair.right is not None)
        await pilot.press("tab", "w")
        await until(pilot, lambda: isinstance(app.screen, ScoreScreen) and app.screen.account is not None)
        score = app.screen
        assert isinstance(score, ScoreScreen)
        assert score.subject.text == RICH and score.subject.base_text == PLAIN
        await pilot.press("escape", "2")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))


async def test_ten_thousand_pairs_are_read_page_by_page(tmp_path: Path) -> None:
    comparison, records = pair_records([(None, None)] * 10_000)
    async with compare_lab(tmp_path, [*records[:3], comparison]) as (app, pilot, screen):
        await open_battery(pilot, screen)
        asked: list[int] = []
        page = screen.source.page_pairs

        async def counted(comparison_id: str, which: Any, offset: int, limit: int) -> Any:
            asked.append(limit)
            return await page(comparison_id, which, offset, limit)

        screen.source.page_pairs = counted  # type: ignore[method-assign]
        assert screen.pairs.total == 10_000 and "Pairs · 10,000" in screen_text(app)
        await pilot.press("G")
        await until(pilot, lambda: "P9999_PROBE" in screen_text(app))
        for _ in range(30):
            await pilot.press("pageup")
        await until(pilot, lambda: screen.pairs.current is not None)
        await pilot.press("g")
        await until(pilot, lambda: "P00_PROBE" in screen_text(app))
        assert sum(asked) <= 200 * 12


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_everything_fits_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    _, records = pair_records(PAIRS)
    async with compare_lab(tmp_path, records, size=size) as (app, pilot, screen):
        await until(pilot, lambda: "3/4" in screen_text(app))
        await open_battery(pilot, screen)
        await until(
            pilot, lambda: all(w in screen_text(app) for w in ("mean Δ", "improved", "P00_PROBE", "win rate"))
        )
        assert len(screen_text(app).split("\n")) == size[1]
        await pilot.press("enter")
        words = ("Where they part", "left said", "Left · wick", "Right · wick", "total", "shared tokens")
        await until(pilot, lambda: all(word in screen_text(app) for word in words))
        for widget in screen.query("*"):
            if widget.display and widget.region.area and widget.is_on_screen:
                assert screen.region.contains_region(widget.region), widget
        assert all(tape.size.height >= 5 for tape in screen.view.tapes)


TOGETHER = "\n".join(text for name, text in HOSTILE.items() if name != "one long word")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TOGETHER, id="all"),
        pytest.param(HOSTILE["one long word"], id="long", marks=pytest.mark.slow),
        pytest.param(HOSTILE["empty"], id="empty", marks=pytest.mark.slow),
    ],
)
async def test_hostile_texts_are_shown_and_not_obeyed(text: str, tmp_path: Path) -> None:
    name = (text.replace("\n", " ").encode("utf-8", "replace").decode() or "empty")[:150]
    _, records = pair_records(
        [(text, text + "!"), (PLAIN, text)], prompt=text or " ", words=(name, name), domains=(name,)
    )
    async with compare_lab(tmp_path, records) as (app, pilot, screen):
        for key in ("past", "enter", "enter", "d", "d", "u", "]", "v", "r", "5", "escape", "v", "escape"):
            if key != "past":
                await pilot.press(key)
            await until(pilot, lambda: screen.comparisons.current is not None)
            await pilot.pause(0.05)
            assert not CONTROL & set(screen_text(app)), key
        assert app.is_running and app._exception is None


async def test_pairs_are_put_up_to_be_judged_once_each_and_not_where_both_say_the_same(
    tmp_path: Path,
) -> None:
    _, records = pair_records(PAIRS)
    async with compare_lab(tmp_path, records) as (app, pilot, screen):
        await open_pair(pilot, screen)
        await pilot.press("p")
        await until(pilot, lambda: "1 pair put up" in screen_text(app))
        await pilot.press("P")
        await until(
            pilot, lambda: "1 pair put up: 5 opens Curate; 1 put up before; 1 said" in screen_text(app)
        )
        put_up = await app.store.query(lambda con: con.execute("SELECT * FROM pair").fetchall())
        assert len(put_up) == 2
        listed = await app.store.query(page_pairs_listed, "ada", QueueFilter(), 0, 10)
        assert {(row.source, row.stratum, row.probe_id) for row in listed} == {
            ("stored", "compared", "P00_PROBE"),
            ("stored", "compared", "P02_PROBE"),
        }
        assert all(row.first_id < row.second_id for row in listed)
