"""The small widgets: numbers, bars, chart, gauge, thermometer, token panel; each fits its width."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import ComposeResult
from textual.widget import Widget

from lab.decode.types import Alternative
from lab.measure.words import measure
from lab.measure.zones import load_table, zone_of
from screens import formats
from screens.live.readings import entropy_reading, quantile
from screens.live.token_panel import TokenPanel, visible
from screens.widgets.bars import bar, trend
from screens.widgets.chart import LineChart, columns_min_max, nice_top, plot
from screens.widgets.gauge import EntropyGauge
from screens.widgets.legend import RampLegend
from screens.widgets.thermometer import WordThermometer
from tests.screens.fake_engine import statistics
from tests.screens.fakes import Stage, screen_text

VALUES = st.lists(st.floats(min_value=0, max_value=8, allow_nan=False), min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.nats(1.005), "1.00"),
        (formats.nats(None), "–"),
        (formats.probability(0.0001), "<0.001"),
        (formats.probability(0.5), "0.500"),
        (formats.rate(86.4), "86 tok/s"),
        (formats.rate(4.25), "4.2 tok/s"),
        (formats.rate(None), "– tok/s"),
        (formats.clock(42), "0:42"),
        (formats.clock(3723), "1:02:03"),
        (formats.clock(None), "–:––"),
        (formats.size(312_400_000), "312 MB"),
        (formats.size(1_250_000_000), "1.2 GB"),
        (formats.size(0), "0 B"),
        (formats.share(0.074), "7 %"),
        (formats.plural(1, "word"), "1 word"),
        (formats.plural(1204, "word"), "1,204 words"),
        (formats.clip("漢字仮名", 5), "漢字…"),
        (formats.clip("short", 5), "short"),
        (formats.join_fitting(["one", "two", "three"], 9), "one · two"),
        (formats.join_fitting(["much too long", "x"], 6), "much…"),
    ],
)
def test_numbers_are_written_one_way(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("value", "maximum", "filled"),
    [(0, 1, 0), (0.001, 1, 0.5), (0.5, 1, 5), (0.26, 1, 2.5), (1, 1, 10), (7, 1, 10), (1, 0, 0.5)],
)
def test_a_bar_is_its_share_to_half_a_cell(value: float, maximum: float, filled: float) -> None:
    full, rest = bar(value, maximum, 10)
    assert full.count("━") + 0.5 * full.count("╸") == filled
    assert len(full) + len(rest) == 10


def test_a_trend_runs_from_its_least_to_its_greatest() -> None:
    assert trend([1, 2, 3], 8) == "▁▅█" or trend([1, 2, 3], 8) == "▁▄█"
    assert trend([5, 1, 2, 3], 3) == trend([1, 2, 3], 3)
    assert trend([2, 2], 8) == "▄▄"
    assert trend([], 8) == ""


def test_columns_keep_every_minimum_and_maximum() -> None:
    series = [0.0, 9.0, 1.0, 2.0, 3.0, 0.5]
    assert columns_min_max(series, 2) == [(0.0, 9.0), (0.5, 3.0)]
    assert columns_min_max([1.0, 2.0], 4) == [(1.0, 1.0), (1.0, 1.0), (2.0, 2.0), (2.0, 2.0)]
    assert columns_min_max([], 4) == []


@given(VALUES, st.integers(min_value=1, max_value=60), st.integers(min_value=1, max_value=12))
def test_the_plot_touches_every_column_and_shows_the_extremes(
    series: list[float], width: int, height: int
) -> None:
    top = nice_top(max(series))
    rows = plot(series, width, height, top)
    dots = np.zeros((height * 4, width * 2), dtype=bool)
    for y, row in enumerate(rows):
        for x, character in enumerate(row):
            for dot, (dx, dy) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]):
                dots[y * 4 + dy, x * 2 + dx] = (ord(character) - 0x2800) >> dot & 1
    assert dots.any(axis=0).all()
    levels = [height * 4 - 1 - y for y in np.flatnonzero(dots.any(axis=1))]
    assert max(levels) == round(max(series) / top * (height * 4 - 1))
    assert min(levels) == round(min(series) / top * (height * 4 - 1))


@pytest.mark.parametrize(
    ("value", "top"), [(0.0, 1.0), (0.7, 0.8), (1.0, 1.0), (2.3, 3.0), (6.5, 8.0), (8.31, 10.0), (31, 40)]
)
def test_axis_tops_are_round(value: float, top: float) -> None:
    assert nice_top(value) == pytest.approx(top)


@given(VALUES, st.floats(min_value=0, max_value=1))
def test_quantiles_are_numpys(values: list[float], q: float) -> None:
    assert quantile(sorted(values), q) == pytest.approx(float(np.quantile(values, q)), abs=1e-9)


def test_the_reading_of_an_answer() -> None:
    tokens = [statistics(index, " w", 1, seed=3) for index in range(20)]
    values = [token.entropy_nats for token in tokens]
    reading = entropy_reading(tokens, 4096)
    assert reading.now_nats == values[-1]
    assert reading.mean_nats == pytest.approx(np.mean(values))
    assert reading.p90_nats == pytest.approx(np.quantile(values, 0.9))
    assert reading.greatest_nats == max(values)
    assert reading.max_nats == pytest.approx(math.log(4096))
    assert entropy_reading([], None).mean_nats is None


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (" word", "␣word"),
        ("a ", "a␣"),
        ("   ", "␣␣␣"),
        ("", "(incomplete)"),
        ("\n", "⏎"),
        ("\x1b[2J", "␛[2J"),
    ],
)
def test_a_token_is_visible(text: str, seen: str) -> None:
    assert visible(text, 20) == seen


class OneWidget(Stage):
    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


async def shown(widget: Widget, width: int, show: object = None) -> list[str]:
    app = OneWidget(widget)
    async with app.run_test(size=(width, 12)) as pilot:
        if callable(show):
            show()
        await pilot.pause()
        return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


@pytest.mark.parametrize("width", [27, 34, 60])
async def test_the_gauge_names_quantity_unit_and_scale(width: int) -> None:
    gauge = EntropyGauge()
    tokens = [statistics(index, " w", 1, seed=3) for index in range(50)]
    lines = await shown(gauge, width, lambda: gauge.show(entropy_reading(tokens, 4096)))
    assert lines[0].startswith("Predictive entropy H_t") and lines[0].endswith("nats")
    assert [line.split()[0] for line in lines[1:4]] == ["now", "mean", "p90"]
    assert "of ln V" in lines[4]
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [27, 34, 60])
@pytest.mark.parametrize(
    ("n", "statement"),
    [(54, "too short to zone (n < 55)"), (55, "zone LANTERN"), (0, "too short to zone (n < 55)")],
)
async def test_the_thermometer_shows_n_and_names_no_zone_below_55_words(
    width: int, n: int, statement: str
) -> None:
    table = load_table(None)
    words = measure(" ".join(f"w{number}" for number in range(n)))
    thermometer = WordThermometer()

    def show() -> None:
        thermometer.set_table(table)
        thermometer.show(words, zone_of(words.word_entropy_nats, words.words, table))

    lines = await shown(thermometer, width, show)
    assert lines[0].startswith("Word entropy H_w") and lines[0].endswith("nats")
    assert f"{words.word_entropy_nats:.2f}" in lines[1] and f"n {n} words" in lines[1]
    assert lines[4].startswith(statement)
    assert len([line for line in lines if line]) <= 6
    assert all(len(line) <= width for line in lines)


async def test_the_thermometers_mark_is_at_its_value() -> None:
    table = load_table(None)
    words = measure(" ".join(f"w{number}" for number in range(60)))
    thermometer = WordThermometer()

    def show() -> None:
        thermometer.set_table(table)
        thermometer.show(words, None)

    lines = await shown(thermometer, 70, show)
    assert lines[2].index("◆") == round(words.word_entropy_nats / 7 * 70)
    assert [lines[3].index(bound) for bound in "0346"] == [0, 30, 40, 60]


@pytest.mark.parametrize("width", [27, 34, 44])
async def test_the_token_panel_lists_the_alternatives_with_their_probabilities(width: int) -> None:
    panel = TokenPanel()
    token = statistics(42, " lantern", 7, seed=1)
    token = type(token)(
        **{name: getattr(token, name) for name in token.__slots__ if name != "alternatives"},
        alternatives=(
            Alternative(7, " lantern", 0.7),
            Alternative(8, " lamp", 0.2),
            Alternative(9, "", 0.0001),
        ),
    )
    lines = await shown(panel, width, lambda: panel.show(token, under_cursor=True))
    text = "\n".join(lines)
    assert "#43" in lines[0] and "surprisal" in text and "rank" in text
    assert "0.700" in text and "␣lantern" in text and "␣lamp" in text and "<0.00" in text
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [45, 78])
async def test_the_legend_names_every_level(width: int) -> None:
    [line] = await shown(RampLegend(), width)
    assert line.split() == ["H_t", "nats", "0", "0.1", "0.3", "0.6", "1", "1.5", "2", "3+"]


async def test_the_chart_has_an_axis_and_marks_the_cursor() -> None:
    chart = LineChart(least_top=2.0)
    lines = await shown(chart, 40, lambda: chart.show([0.5] * 100 + [3.5], marker=50))
    assert lines[0].startswith("   4┤")
    assert lines[-2].startswith("   0┤")
    assert lines[-1].split() == ["token", "1", "101"]


async def test_a_chart_is_painted_anew_where_its_terminal_changes_size() -> None:
    class Charted(Stage):
        CSS = "LineChart { height: 1fr; }"

        def compose(self) -> ComposeResult:
            yield LineChart()

    app = Charted()
    async with app.run_test(size=(40, 8)) as pilot:
        for height in (16, 5, 12):
            await pilot.resize_terminal(60, height)
            await pilot.pause()
            lines = screen_text(app).splitlines()
            assert [number for number, line in enumerate(lines) if "no tokens yet" in line] == [height - 1]


async def test_an_empty_chart_says_so() -> None:
    lines = await shown(LineChart(), 40)
    assert "no tokens yet" in lines[-1]
