"""The terminal's bench measures what it says. No figure is asserted: those depend on the machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lab.bench.terminal import TerminalPlan, measure_terminal
from screens.bench import tour
from screens.bench.pty_lab import CURSOR, KeyTime, PtyLab
from screens.bench.tape import cpu_at
from screens.theme.themes import DARK

PLAYER = """
import sys, time
print("at play", end="", flush=True)
for line in iter(lambda: sys.stdin.read(1), ""):
    if line == "j":
        print("\\x1b[3;1H\\x1b[38;2;1;2;3;48;2;230;181;102m  row two\\x1b[0m", end="", flush=True)
    if line == "w":
        time.sleep(0.2)
        print("late", end="", flush=True)
    if line == "q":
        break
"""


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PtyLab:
    (tmp_path / "player_of_keys.py").write_text("import tty\ntty.setraw(0)\n" + PLAYER, "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return PtyLab(tmp_path / "home", "player_of_keys")


def test_an_answer_is_told_by_its_text_and_the_cursors_color(player: PtyLab) -> None:
    assert DARK.variables["block-cursor-background"] == "#E6B566"
    with player as lab:
        lab.wait("at play")
        lab.press("j", CURSOR + r" +row two")
        assert lab.press("w", "late").wall_ms >= 200
        with pytest.raises(TimeoutError, match="never"):
            lab.forget()
            lab.wait("never", patience_s=0.1)


def test_what_was_painted_before_the_key_is_no_answer_to_it(player: PtyLab) -> None:
    with player as lab:
        lab.wait("at play")
        lab.send("j")
        lab.wait("row two")
        assert lab.press("w", "row two|late").wall_ms >= 200


def test_a_lab_that_ends_is_told(player: PtyLab) -> None:
    with player as lab, pytest.raises(TimeoutError, match="the lab ended"):
        lab.wait("at play")
        lab.send("q")
        lab.wait("never")


def test_figures_of_hand_made_times() -> None:
    taken = [KeyTime(10.0 * n, 5.0, 1.0) for n in range(1, 22)]
    made = tour.figure("key", taken)
    assert (made.n, made.median_ms, made.p95_ms) == (21, 110.0, 200.0)
    assert (made.unqueued_p95_ms, made.cpu_median_ms) == (199.0, 5.0)
    assert (made.unqueued_median_ms, made.holds) == (109.0, False)
    unknown = tour.figure("key", [KeyTime(3.0, None, None)])
    assert (unknown.p95_ms, unknown.unqueued_p95_ms, unknown.cpu_median_ms) == (3.0, None, None)
    assert unknown.holds and unknown.unqueued_median_ms is None


def test_cpu_time_between_notes_is_interpolated() -> None:
    notes = [(0, 1.0), (100, 2.0), (300, 6.0)]
    assert [cpu_at(notes, n) for n in (0, 50, 100, 200, 300)] == [1.0, 1.5, 2.0, 4.0, 6.0]


def test_every_step_of_the_tour_is_named_once_or_a_way_there() -> None:
    names = [step.name for step in (*tour.PROBES, *tour.LIVE) if step.name]
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_the_whole_bench_runs_on_the_real_lab() -> None:
    figures = measure_terminal(TerminalPlan(rounds=1, tokens=1_000, probes=2_000, pairs=200, compared=200))
    assert {key["name"] for key in figures.keys} == {
        step.name for step in (*tour.PROBES, *tour.LIVE) if step.name
    }
    assert all(key["p95_ms"] > 0 for key in (*figures.keys, *figures.lists))
    assert figures.tape["tokens"] == 1_000
    assert figures.tape["last_ms_per_token"] > 0
    assert [row["name"] for row in figures.lists] == ["open", "end", "page", "search"]
    assert [row["name"] for row in figures.comparing] == ["page down", "row down", "end", "page up", "start"]
