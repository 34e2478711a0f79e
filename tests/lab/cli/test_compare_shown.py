"""How a comparison looks on a terminal: numbers, intervals, what was selected, and foreign text made safe."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace

import pytest

from lab.cli.compare_live import Tally, clock, watching
from lab.cli.compare_tables import interval, p_value, show_list, show_summary
from lab.compare.run import ScoredPair
from lab.compare.summary import summarize
from lab.measure.statistics import Estimate
from lab.protocol import Progress
from store.queries import ComparedAnswer, ComparisonRow
from tests.hostile import HOSTILE
from tests.store.facts import comparison, generation, score

HOSTILE_WORDS = "[bold]x[/] \x1b[2J [/INST]"


class Terminal(io.StringIO):
    """What a program takes for a terminal."""

    def isatty(self) -> bool:
        return True


def estimate(value: float | None, lower: float | None = None, upper: float | None = None) -> Estimate:
    return Estimate(value=value, lower=lower, upper=upper, confidence=0.95, n=3, method="m")


def pair(place: int, left: float | None, right: float | None) -> ScoredPair:
    answers = generation(1, text=HOSTILE_WORDS), generation(2)
    scores = [
        score(answer.id, instrument="lantern-v1", dimensions={}, total=total)
        for answer, total in zip(answers, (left, right), strict=True)
        if total is not None
    ]
    return ScoredPair(place, *answers, tuple(scores))


def progress(eta_s: float | None) -> Progress:
    return Progress(request_id="r", done=1, total=2, tokens_per_second=123.4, eta_s=eta_s)


def test_numbers_and_their_intervals() -> None:
    assert interval(estimate(1.234, 0.5, 2.0)) == "1.23 [0.50, 2.00]"
    assert interval(estimate(1.234, -0.5, 2.0), 1, signed=True) == "+1.2 [-0.5, 2.0]"
    assert interval(estimate(-1.0)) == "-1.00"
    assert interval(estimate(None)) == "–"
    assert [p_value(p) for p in (None, 1.0, 0.0312, 0.001, 0.00099)] == [
        "–",
        "1.000",
        "0.031",
        "0.001",
        "<0.001",
    ]
    assert [clock(seconds) for seconds in (0.4, 65.2, 3600)] == ["0:00", "1:05", "60:00"]


def test_the_tally_counts_verdicts_and_leaves_out_what_has_no_score() -> None:
    tally = Tally(comparison(5), finished=1)
    assert tally.words() == "no scores yet"
    assert tally.take(pair(0, 1.0, 2.0)) == ("P01", "1.00", "2.00", "+1.00", "improved")
    assert tally.take(pair(1, 2.0, 1.0))[-1] == "regressed"
    assert tally.take(pair(2, 2.0, 2.5))[-1] == "unchanged"
    assert tally.take(pair(3, None, 2.0)) == ("P04", "–", "2.00", "–", "no score")
    assert tally.finished == 5
    assert tally.words() == "n = 3 pairs: 1 improved, 1 regressed, 1 unchanged, mean Δ +0.17"


def test_without_a_terminal_every_pair_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    planned = comparison(2)
    planned = replace(planned, pairs=(replace(planned.pairs[0], probe_id=None, prompt=HOSTILE_WORDS),))
    with watching(planned, finished=0) as watcher:
        watcher.progress(progress(65.0))
        watcher.pair(pair(0, 1.0, 2.0))
    err = capsys.readouterr().err
    assert err == "[1/1] [bold]x[/] ␛[2J [/INST]: 1.00 → 2.00, Δ +1.00 improved · 1:05 left\n"


def test_on_a_terminal_a_table_is_drawn_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    planned = comparison(30)
    planned = replace(planned, pairs=(replace(planned.pairs[0], probe_id=HOSTILE_WORDS), *planned.pairs[1:]))
    with watching(planned, finished=2) as watcher:
        watcher.progress(progress(65.0))
        for place in range(12):
            watcher.pair(pair(place, 1.0, 2.0))
    drawn = terminal.getvalue()
    assert "\x1b[2J" not in drawn
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    assert "14/30" in shown
    assert "123 tokens/s · 1:05 left" in shown
    assert "n = 12 pairs: 12 improved" in shown
    assert "P12" in shown


def test_the_summary_names_n_instrument_intervals_and_what_was_selected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = [
        ComparedAnswer(
            place=place,
            side=side,  # type: ignore[arg-type]
            cluster=f"P{place}",
            probe_id=HOSTILE["closing markup"] if place == 0 else f"P{place}",
            domain=HOSTILE["clipboard"],
            scores={"total": float(place % 4 if side == "right" else 1), "depth": 1.0},
            modes=("collapse",) if (side, place) == ("right", 3) else (),
            correct=float(place % 2 if side == "right" else 0),
            mean_entropy_nats=1.0,
            n_tokens=5,
            finish_reason="stop",
        )
        for side in ("left", "right")
        for place in range(8)
    ]
    planned = comparison(9, left=replace(comparison().left, words=HOSTILE_WORDS))
    show_summary(planned, summarize(answers, "lantern-v1", "1", planned=9))
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "lantern-v1 1 on core: n = 8 probes, 8 of 9 pairs answered on both sides" in text
    assert "4 improved, 2 regressed, 2 unchanged (± 0.5). Mean Δ +0.50" in text
    assert "selected after the fact" in text
    assert "Right answers (capability 1, n = 8): left 0% [0%, 32%], right 50% [22%, 78%]" in text
    assert "exact McNemar, 4 of 8 pairs differ" in text
    assert re.search(r"collapse\s+0 of 8\s+1 of 8", text)
    assert "! 8 probes: the bootstrap is over-confident below 20; read the exact test" in text


def test_the_list_shows_hostile_names_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    row = ComparisonRow("0" * 36, "n", HOSTILE_WORDS, "right", "core", "i", "1", "2026-01-02T03:04:05", 3, 1)
    show_list([row])
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "1/3" in text
    assert "2026-01-02 03:04" in text
