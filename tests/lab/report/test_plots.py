"""Drawings: shapes where the numbers put them, well-formed whatever the names are."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from lab.measure.comparison import Measure, ProbeDelta, ScoredAnswer, compare, verdict_of
from lab.report.plots import BINS, deltas, distributions, entropy_curves, forest, slopes, verdict_bar
from lab.report.svg import HEIGHT, WIDTH, Scale, element, label, padded, tick_label, ticks
from store.queries.reports import CurvePoint
from tests.hostile import HOSTILE

NAMES = ("base", "tuned")
SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)


def having(root: ElementTree.Element, class_: str) -> list[ElementTree.Element]:
    return [found for found in root.iter() if class_ in (found.get("class") or "").split()]


def probe(number: int, base: float, tuned: float, name: str = "P") -> ProbeDelta:
    delta = tuned - base
    return ProbeDelta(
        probe_id=f"{name}{number}",
        domain="d",
        base=base,
        tuned=tuned,
        delta=delta,
        verdict=verdict_of(delta),
        rephrasings=1,
    )


def test_scales_and_ticks() -> None:
    assert [Scale(0, 10, 100, 200)(value) for value in (0, 5, 10)] == [100, 150, 200]
    assert Scale(3, 3, 0, 10)(3) == 5
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert ticks(-0.3, 0.31, 3) == [-0.2, 0, 0.2]
    assert ticks(7, 7) == [7]
    assert padded(2, 2) == (1.9, 2.1)
    assert tick_label(-20.0) == "−20"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_inside_and_are_a_few(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert 1 <= len(found) <= 12
    slack = 1e-6 * max(abs(low), width)
    assert all(low - slack <= tick <= low + width + slack for tick in found)


def test_whatever_is_put_in_is_text() -> None:
    drawn = element("text", '<script>&"', title='"><x onload=1', x=1.50)
    assert drawn == ('<text title="&#34;&gt;&lt;x onload=1" x="1.5">&lt;script&gt;&amp;&#34;</text>')
    assert "\x1b" not in label(0, 0, "\x1b[31m")


def test_the_bar_of_verdicts_has_the_shares() -> None:
    root = parsed(verdict_bar(60, 30, 10))
    wide = 2 * WIDTH
    assert [float(found.get("width") or 0) + 2 for found in having(root, "share")] == [
        0.6 * wide,
        0.3 * wide,
        0.1 * wide,
    ]
    assert [found.text for found in having(root, "share-label")] == ["60 improved", "30 unchanged", "10"]
    assert having(parsed(verdict_bar(0, 0, 0)), "share") == []


def test_histograms_count_every_probe_once() -> None:
    left, right = [0.0, 0.0, 10.0], [10.0, 5.0, 5.0, 4.9]
    root = parsed(distributions(left, right, NAMES, "lek-v2 1"))
    tips = {
        name: [found.findtext(f"{SVG}title") or "" for found in having(root, f"fill-{name}")]
        for name in ("left", "right")
    }
    counts = {name: sum(int(tip.split(": ")[1].split()[0]) for tip in said) for name, said in tips.items()}
    assert counts == {"left": 3, "right": 4}
    assert max(len(said) for said in tips.values()) <= BINS
    assert [found.text for found in having(root, "value-left")] == ["mean 3.33"]
    tall = {float(found.get("height") or 0) for found in having(root, "fill-left")}
    assert max(tall) == pytest.approx(2 * min(tall), abs=0.02)


def test_every_probe_is_a_line_and_a_bar() -> None:
    probes = [probe(0, 1, 4), probe(1, 3, 3.2), probe(2, 5, 1)]
    lines = having(parsed(slopes(probes, NAMES, "u")), "slope")
    assert len(lines) == 4
    rising = next(found for found in lines if "improved" in (found.get("class") or ""))
    assert float(rising.get("y1") or 0) > float(rising.get("y2") or 0)
    assert rising.findtext(f"{SVG}title") == "P0: 1.00 to 4.00 (+3.00)"
    bars = having(parsed(deltas(probes, "u")), "bar")
    assert [found.findtext(f"{SVG}title") for found in bars] == [
        "P2: 5.00 to 1.00 (−4.00)",
        "P1: 3.00 to 3.20 (+0.20)",
        "P0: 1.00 to 4.00 (+3.00)",
    ]
    zero = float(bars[2].get("y") or 0) + float(bars[2].get("height") or 0)
    assert float(bars[0].get("y") or 0) == pytest.approx(zero, abs=0.02)


def test_entropy_curves() -> None:
    points = [
        CurvePoint("left", 0, 8, 2.0, 0.5, 9),
        CurvePoint("left", 8, 8, 1.0, None, 1),
        CurvePoint("right", 0, 8, 1.5, 0.1, 9),
    ]
    root = parsed(entropy_curves(points, NAMES))
    assert len(having(root, "curve-left")) == len(having(root, "curve-right")) == 1
    assert [found.findtext(f"{SVG}title") for found in having(root, "target")] == [
        "tokens 0 to 7: 2.000 nats over 9 answers",
        "tokens 8 to 15: 1.000 nats over 1 answers",
        "tokens 0 to 7: 1.500 nats over 9 answers",
    ]
    area = (having(root, "area-left")[0].get("d") or "").strip("MZ").split("L")
    assert len(area) == 4


def test_the_forest_stands_about_zero() -> None:
    measure = Measure("i", "1")
    sides = [
        [
            ScoredAnswer(probe_id=f"P{n}", domain="ab"[n % 2], measure=measure, score=value + n)
            for n in range(8)
        ]
        for value in (0.0, 2.0)
    ]
    summary = compare(*sides)
    root = parsed(forest(summary.rows, "i 1"))
    axis = having(root, "axis")[0]
    dots = having(root, "dot-right") + having(root, "dot-open")
    # Eight probes have an interval, the four of a domain do not.
    assert (len(having(root, "dot-right")), len(dots)) == (1, 3)
    assert all(float(dot.get("cx") or 0) > float(axis.get("x1") or 0) for dot in dots)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn(name: str) -> None:
    text = HOSTILE[name]
    names = (text, text)
    probes = [probe(0, 1, 4, text), probe(1, 3, 3.2, text)]
    measure = Measure("i", "1")
    sides = [
        [ScoredAnswer(probe_id=text + str(n), domain=text, measure=measure, score=n * k) for n in (1.0, 2.0)]
        for k in (1, 2)
    ]
    drawings = (
        distributions([1.0], [2.0], names, text),
        slopes(probes, names, text),
        deltas(probes, text),
        entropy_curves([CurvePoint("left", 0, 8, 2.0, 0.5, 9)], names),
        forest(compare(*sides).rows, text),
    )
    for drawing in drawings:
        root = parsed(drawing)
        assert {found.tag.removeprefix(SVG) for found in root.iter()} <= {
            *("svg", "title", "desc", "g", "line", "rect", "circle", "path", "text"),
        }
        assert root.get("viewBox", "").startswith("0 0 480")
        assert not set("\x00\x07\x1b\x9b\u202e") & set(drawing)
    assert HEIGHT == 300
