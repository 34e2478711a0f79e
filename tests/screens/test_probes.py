"""The Probes screen: finding, selecting, running, writing, importing and exporting probes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from textual.pilot import Pilot
from textual.widgets import Input, SelectionList, TextArea

from lab.decode.types import Sampling
from lab.kernels import Kernel
from screens.app import LanternApp
from screens.dialogs import ChoiceDialog, ErrorDialog, LineDialog
from screens.live.screen import LiveScreen
from screens.live.stored import answer_of
from screens.probes.dialogs import ProbeForm, RunDialog
from screens.probes.history import history_table
from screens.probes.plan import RunPlan, plan_asks
from screens.probes.screen import ProbesScreen
from screens.widgets.token_tape import TokenTape
from store.queries import AnswerRow, HistoryCell, StoredGeneration
from store.records import ConditionRecord, GenerationRecord, ProbeRecord, Trace
from tests.screens.fakes import MemoryStore, lab, opened, probe_row, screen_text, until


def probes_screen(app: LanternApp) -> ProbesScreen:
    assert isinstance(app.screen, ProbesScreen)
    return app.screen


def ids(app: LanternApp) -> list[str]:
    rows = probes_screen(app).rows
    return [row.id for index in range(rows.total) if (row := rows.row_at(index))]


async def shows(pilot: Pilot[None], app: LanternApp, n: int) -> None:
    await until(pilot, lambda: probes_screen(app).rows.total == n and len(ids(app)) == n)


async def test_search_and_filters_narrow_the_list_and_backspace_widens_it(tmp_path: Path) -> None:
    rows = [probe_row(n) for n in range(9)] + [probe_row(n, battery="own") for n in range(3)]
    async with lab(tmp_path, start="probes", store=MemoryStore(rows)) as (app, pilot):
        await shows(pilot, app, 9)
        assert "9 of 12" in screen_text(app)
        await pilot.press("slash", *"PROBE 4", "enter")
        await shows(pilot, app, 1)
        assert ids(app) == ["P004_PROBE"]
        await pilot.press("backspace")
        await shows(pilot, app, 12)
        await pilot.press("d")
        await opened(app, pilot, ChoiceDialog)
        await pilot.press("j", "space", "enter")
        await shows(pilot, app, 4)
        await pilot.press("b")
        await opened(app, pilot, ChoiceDialog)
        await pilot.press("j", "space", "enter")
        await shows(pilot, app, 1)
        assert app.state.batteries == ["own"] and app.state.domains == ["Network"]


async def test_a_run_asks_every_selected_probe_under_every_condition(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes", engine=("--tokens", "4")) as (app, pilot):
        await shows(pilot, app, 12)
        await pilot.press("space", "space", "r")
        await opened(app, pilot, RunDialog)
        await until(pilot, lambda: "2 probes × 3 conditions × 1 seed = 6 answers" in screen_text(app))
        conditions: SelectionList[Any] = app.screen.query_one(SelectionList)
        conditions.deselect("lantern.json")
        app.screen.query_one("#n-seeds", Input).value = "2"
        await until(pilot, lambda: "= 8 answers" in screen_text(app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.bench.jobs and next(iter(app.bench.jobs.values())).over)
        answers = app.bench.answers
        assert len(answers) == 8
        assert {(a.ask.probe_id, a.ask.kernel_name, a.ask.seed) for a in answers} == {
            (probe, kernel, seed)
            for probe in ("P000_PROBE", "P001_PROBE")
            for kernel in (None, "lantern.txt")
            for seed in (0, 1)
        }
        assert not probes_screen(app).rows.selected
        await until(pilot, lambda: "8 of 8 answers are stored" in screen_text(app))


async def test_a_run_without_conditions_cannot_be_started(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes") as (app, pilot):
        await shows(pilot, app, 12)
        await pilot.press("r")
        await opened(app, pilot, RunDialog)
        app.screen.query_one(SelectionList).deselect_all()
        await until(pilot, lambda: "choose at least one condition" in screen_text(app))
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, RunDialog)


async def test_select_all_takes_what_the_filter_shows(tmp_path: Path) -> None:
    rows = [probe_row(n) for n in range(450)] + [probe_row(n, battery="own") for n in range(3)]
    async with lab(tmp_path, start="probes", store=MemoryStore(rows)) as (app, pilot):
        await until(pilot, lambda: probes_screen(app).rows.total == 450)
        await pilot.press("a")
        await until(pilot, lambda: len(probes_screen(app).rows.selected) == 450)
        await pilot.press("u")
        assert not probes_screen(app).rows.selected


async def test_a_running_battery_shows_its_answers_and_can_be_stopped(tmp_path: Path) -> None:
    engine = ("--tokens", "5000", "--pace", "0.01")
    async with lab(tmp_path, start="probes", engine=engine) as (app, pilot):
        await shows(pilot, app, 12)
        await pilot.press("r")
        await opened(app, pilot, RunDialog)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "X stops" in screen_text(app) and "baseline" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: not probes_screen(app).query_one("#run-pane").has_class("-open"))


async def test_enter_asks_the_probe_on_live(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes") as (app, pilot):
        await shows(pilot, app, 12)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        live = app.screen
        assert isinstance(live, LiveScreen)
        await until(pilot, lambda: live.shown is not None and live.shown.state == "finished")
        assert live.shown is not None
        assert (live.shown.ask.probe_battery, live.shown.ask.probe_id) == ("core", "P001_PROBE")
        assert live.shown.ask.prompt == "What does probe 1 ask about the lantern?"


async def test_a_new_probe_is_checked_and_saved(tmp_path: Path) -> None:
    store = MemoryStore([probe_row(1)])
    async with lab(tmp_path, start="probes", store=store) as (app, pilot):
        await shows(pilot, app, 1)
        await pilot.press("n")
        await opened(app, pilot, ProbeForm)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "id: empty" in screen_text(app))
        app.screen.query_one("#field-id", Input).value = "MINE_1"
        app.screen.query_one("#field-domain", Input).value = "Identity"
        app.screen.query_one("#field-subjects", Input).value = "lamp, wick"
        app.screen.query_one(TextArea).text = "What is the lamp to the wick?"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: store.appended)
        [saved] = store.appended
        assert isinstance(saved, ProbeRecord)
        assert (saved.id, saved.domain, saved.subjects, saved.origin) == (
            "MINE_1",
            "Identity",
            ("lamp", "wick"),
            "user",
        )
        assert len(saved.sha256) == 64


async def test_an_edited_probe_keeps_its_id_and_gets_a_new_hash(tmp_path: Path) -> None:
    store = MemoryStore([probe_row(1)])
    async with lab(tmp_path, start="probes", store=store) as (app, pilot):
        await shows(pilot, app, 1)
        await pilot.press("e")
        await opened(app, pilot, ProbeForm)
        assert app.screen.query_one("#field-id", Input).disabled
        app.screen.query_one(TextArea).text = "Another question?"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: store.appended)
        [saved] = store.appended
        assert isinstance(saved, ProbeRecord)
        assert (saved.id, saved.prompt) == ("P001_PROBE", "Another question?")
        assert saved.sha256 != probe_row(1).sha256


async def test_import_keeps_the_good_rows_and_lists_the_bad(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id": "A", "domain": "d", "prompt": "Why?"}\n{"id": "B", "domain": "d"}\n', "utf-8")
    store = MemoryStore([probe_row(1)])
    async with lab(tmp_path, start="probes", store=store) as (app, pilot):
        await shows(pilot, app, 1)
        await fill(app, pilot, "i", str(path))
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        await until(pilot, lambda: "1 row left out" in screen_text(app) and "prompt" in screen_text(app))
        assert [record.id for record in store.appended if isinstance(record, ProbeRecord)] == ["A"]


async def test_import_of_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes") as (app, pilot):
        await shows(pilot, app, 12)
        await fill(app, pilot, "i", str(tmp_path / "none.yaml"))
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        await until(pilot, lambda: "cannot be read: No such file" in screen_text(app))
        assert "Traceback" not in screen_text(app)


async def test_export_writes_what_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "out.yaml"
    async with lab(tmp_path, start="probes") as (app, pilot):
        await shows(pilot, app, 12)
        await pilot.press("space", "j", "space")
        await fill(app, pilot, "o", str(path))
        await until(pilot, path.exists)
        await until(pilot, lambda: "2 probes written" in screen_text(app))
    assert [row["id"] for row in yaml.safe_load(path.read_text("utf-8"))["probes"]] == [
        "P000_PROBE",
        "P002_PROBE",
    ]


async def fill(app: LanternApp, pilot: Pilot[None], key: str, text: str) -> None:
    await pilot.press(key)
    await opened(app, pilot, LineDialog)
    app.screen.query_one(Input).value = text
    await pilot.press("enter")


def stored_generation(**changes: Any) -> StoredGeneration:
    trace = Trace(
        token_ids=(5, 6, 7),
        ends=(2, 2, 5),
        entropy_nats=(0.5, 1.0, 2.0),
        sampling_entropy_nats=(0.1, 0.2, 0.3),
        surprisal_nats=(0.4, 0.5, 0.6),
        p_top1=(0.9, 0.8, 0.7),
        margin=(0.3, 0.2, 0.1),
        rank=(0, 1, 0),
        k=2,
        alternative_ids=(5, 9, 8, 6, 7, 4),
        alternative_p=(0.9, 0.1, 0.8, 0.2, 0.7, 0.3),
    )
    fields: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(GenerationRecord))
    fields |= {"id": "g1", "condition_id": "c", "kernel_placement": "system", "prompt": "why?", "seed": 3}
    fields |= {
        "text": "Hm, 漢"[:5],
        "finish_reason": "stop",
        "prompt_tokens": 4,
        "n_tokens": 3,
        "trace": trace,
    }
    fields |= {"tokens_per_second": 10.0, "peak_memory_bytes": 5, "model_id": "m", "started_at": "", "at": ""}
    condition = ConditionRecord(
        id="c",
        name="k",
        kernel_name="k.txt",
        kernel_sha256="abc",
        temperature=0.3,
        top_p=1.0,
        top_k=4,
        min_p=0.0,
        max_tokens=9,
        at="",
    )
    return StoredGeneration(GenerationRecord(**{**fields, **changes}), "wick", condition, ())


def test_a_stored_answer_has_the_tokens_it_was_made_of() -> None:
    kernel = Kernel("k.txt", "Be kind.", "abc")
    answer = answer_of(stored_generation(), [kernel])
    assert [token.text for token in answer.tokens] == ["Hm", "", ", 漢"]
    assert answer.text == "Hm, 漢"
    assert [token.entropy_nats for token in answer.tokens] == [0.5, 1.0, 2.0]
    assert [[a.token_id for a in token.alternatives] for token in answer.tokens] == [[5, 9], [8, 6], [7, 4]]
    assert answer.tokens[0].alternatives[0].text == "Hm"
    assert answer.tokens[0].alternatives[1].text == "token 9"
    assert answer.ask.sampling == Sampling(0.3, 1.0, 4, 0.0, 9)
    assert (answer.ask.kernel_text, answer.ask.seed) == ("Be kind.", 3)


def test_a_stored_branch_knows_where_it_left_its_parent() -> None:
    answer = answer_of(stored_generation(parent_id="g0", parent_token=1))
    assert answer.ask.prefix_token_ids == (5, 6)
    assert answer.branch_token == 1
    assert answer.ask.kernel_text is None


async def test_an_answer_from_the_history_opens_on_live(tmp_path: Path) -> None:
    store = MemoryStore([probe_row(1)])
    store.generations["g1"] = stored_generation()
    row = AnswerRow(
        "g1", "wick", "k", "2026-01-01", 3, 1.0, 3.0, 2, None, "stop", 9.0, "Hm", "core", "P", "w", "k", 3
    )
    store.answers = [row]
    async with lab(tmp_path, start="probes", store=store) as (app, pilot):
        await until(pilot, lambda: probes_screen(app).detail.answer_rows.total == 1)
        probes_screen(app).detail.answer_rows.focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await until(pilot, lambda: app.screen.query_one(TokenTape).n_tokens == 3)


async def test_alternatives_of_a_stored_answer_are_spelled_by_its_own_model_only(tmp_path: Path) -> None:
    async with lab(tmp_path, start="live") as (app, pilot):
        live, model = app.screen, app.bench.model
        assert isinstance(live, LiveScreen) and model is not None
        own, other = answer_of(stored_generation(model_id=model["id"])), answer_of(stored_generation())
        live.show_answer(other)
        live.show_answer(own)
        await until(pilot, lambda: own.tokens[2].alternatives[1].text == " word4")
        assert [token.alternatives[1].text for token in own.tokens] == [" word9", " word6", " word4"]
        assert [token.text for token in own.tokens] == ["Hm", "", ", 漢"]
        assert other.tokens[2].alternatives[1].text == "token 4"


@pytest.mark.parametrize("width", [34, 46, 60, 100])
def test_the_history_table_fits_its_width(width: int) -> None:
    cells = [
        HistoryCell("a-model-with-a-long-name", "baseline", 12, 0.81, 4.4, 230.0, (0.7, 0.9, 0.8)),
        HistoryCell("wick", "lantern.txt", 1, None, None, None, ()),
    ]
    lines = history_table(cells, width).plain.split("\n")
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert "0.81" in lines[1] and "4.40" in lines[1] and "230" in lines[1]
    assert "–" in lines[2]


def test_a_plan_puts_the_conditions_of_a_probe_side_by_side() -> None:
    def probe(name: str) -> ProbeRecord:
        return ProbeRecord(
            battery="b", id=name, domain="d", prompt=name, sha256=name, origin="user", at="", subjects=()
        )

    kernel = Kernel("k", "text", "abc")
    plan = RunPlan((None, kernel), Sampling(), n_seeds=2, first_seed=5)
    asks = plan_asks([probe("A"), probe("B")], plan)
    order: Callable[[Any], tuple[object, ...]] = lambda a: (a.probe_id, a.seed, a.kernel_name)  # noqa: E731
    assert [order(ask) for ask in asks] == [
        ("A", 5, None),
        ("A", 5, "k"),
        ("A", 6, None),
        ("A", 6, "k"),
        ("B", 5, None),
        ("B", 5, "k"),
        ("B", 6, None),
        ("B", 6, "k"),
    ]
    assert plan.n_answers(2) == len(asks)
