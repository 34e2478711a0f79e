"""A report on a stored comparison: its numbers are the store's, its texts are text, it needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from lab.compare.summary import summarize
from lab.errors import LabError
from lab.report.data import collect
from lab.report.html import to_html
from lab.report.markdown import fenced, plain, to_markdown
from lab.report.ratings import rated_scales
from lab.report.words import interval, number, p_value, signed
from lab.safetext import safe_text
from lab.textfiles import replace_surrogates
from store.queries import RatingRow, compared_answers
from store.queries.reports import entropy_curve
from store.records import RatingRecord
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.comparisons import store_comparison, texts
from tests.store import facts

VOID = {"meta", "br"}


class Page(HTMLParser):
    """A page as a browser takes it: its elements with attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.parts)


def test_every_number_is_that_of_the_store(service: StoreService) -> None:
    record = store_comparison(service, texts(30, rich=False), texts(30, rich=True))
    report = collect(service, record.id)
    answers = service.query(compared_answers, record.id)
    assert report.summary == summarize(answers, "lek-v2", "1", planned=30)
    overall = report.summary.battery.overall
    # By hand from plain SQL, without the lab's queries and statistics.
    rows = service.query(
        lambda con: con.execute(
            "SELECT p.place, s.side, v.value FROM comparison_pair p "
            "JOIN comparison_side s ON s.comparison_id = p.comparison_id "
            "JOIN generation g ON g.run_id = s.run_id AND g.seed = p.seed "
            "JOIN score v ON v.generation_id = g.id AND v.instrument = 'lek-v2' AND v.dimension = 'total' "
            "WHERE p.comparison_id = ?",
            [record.id],
        ).fetchall()
    )
    totals = {(place, side): value for place, side, value in rows}
    by_hand = [totals[place, "right"] - totals[place, "left"] for place in range(30)]
    assert [pair.delta for pair in report.pairs] == by_hand
    assert overall.test.effect.value == pytest.approx(sum(by_hand) / 30)
    page, markdown = Page(to_html(report)).text, to_markdown(report)
    for said in (
        signed(sum(by_hand) / 30),
        interval(overall.test.effect),
        p_value(overall.test.p_value),
        number(sum(totals[place, "left"] for place in range(30)) / 30),
        f"{sum(delta > 0.5 for delta in by_hand)} improved",
        "n = 30 probes",
        "lek-v2 1",
        report.known_faults[0],
        "selected after the fact",
    ):
        assert said in page and said in markdown.replace("\\", "")


def test_the_page_needs_nothing_and_runs_nothing(service: StoreService) -> None:
    record = store_comparison(service, texts(6, rich=False), texts(6, rich=True))
    page = Page(to_html(collect(service, record.id)))
    assert page.open == []
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        assert not attributes.keys() & {"src", "srcset", "style", "action"}
        assert (attributes.get("href") or "#").startswith("#")
    styles = page.parts[page.parts.index(next(part for part in page.parts if ":root" in part))]
    assert "url(" not in styles and "@import" not in styles and "http" not in styles
    policy = next(given["content"] for tag, given in page.elements if given.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'")


def test_hostile_texts_are_text(service: StoreService) -> None:
    said = [text + "<script>alert(1)</script><!--]]></style>" for text in HOSTILE.values()]
    everything = "".join(HOSTILE.values())
    record = store_comparison(
        service,
        ["Plain."] * len(said),
        said,
        domains=said,
        name=everything,
        battery=everything,
    )
    report = collect(service, record.id)
    page = Page(to_html(report))
    assert page.open == []
    assert [tag for tag, _ in page.elements if tag in ("script", "img", "a")] == ["a"] * 5
    assert not set(page.text) & {"\x00", "\x07", "\x08", "\x1b", "\x9b", "\u202e"}
    markdown = to_markdown(report)
    for text in said:
        # As an answer, and as the name of its domain in the list of all answers.
        kept = safe_text(replace_surrogates(text))
        assert page.text.count(kept) >= 2
    extremes = (*report.summary.battery.extremes.worst, *report.summary.battery.extremes.best)
    shown = [pair for probe in extremes for pair in report.pairs if pair.cluster == probe.probe_id]
    assert shown
    for pair in shown:
        assert f"text\n{safe_text(pair.right.text or '')}\n```" in markdown
    assert not re.search(r"(?m)^[#|].*(?<!\\)<script", markdown)


def test_markdown_of_foreign_names() -> None:
    assert plain("a|b\n<x> [y](z) *w*") == r"a\|b⏎\<x\> \[y\](z) \*w\*"
    assert [plain(text) for text in ("# h", "- x", "1. y", "== z", "a - b")] == [
        r"\# h",
        r"\- x",
        r"1\. y",
        r"\== z",
        "a - b",
    ]
    assert fenced("a ```` b") == "`````text\na ```` b\n`````"


def test_small_and_unfinished_comparisons_say_so(service: StoreService) -> None:
    record = store_comparison(service, ["I feel hope.", "Why?"], ["No.", "However, why?"])
    page = Page(to_html(collect(service, record.id))).text
    assert "2 probes: the bootstrap is over-confident below 20; read the exact test" in page
    assert "exact sign-flip, all 4 patterns" in page
    assert "Too little to tell wick + tuned from wick" in page

    longer = store_comparison(
        service,
        texts(3, rich=False),
        texts(3, rich=False),
        left=type(record.left)(run_id="a", words="wick", model_id="gone", condition_id="gone"),
        right=type(record.left)(
            run_id="b", words="wick", model_id="gone", condition_id="gone", adapter_sha256="gone"
        ),
    )
    report = collect(service, longer.id)
    assert [probe.delta for probe in report.summary.battery.probes] == [0, 0, 0]
    assert dict(report.right.facts)["adapter"] == "not known any more, SHA-256 gone"
    assert "Neither side shows topic evasion" in to_markdown(report)


def test_nothing_to_report(service: StoreService) -> None:
    with pytest.raises(LabError, match="no comparison 'none': `lantern compare list`"):
        collect(service, "none")
    record = store_comparison(service, ["One."], ["Uno."], scored=False)
    with pytest.raises(LabError, match="no probe has a score on both sides"):
        collect(service, record.id)


def test_rephrasings_are_shown_under_their_probe(service: StoreService) -> None:
    record = store_comparison(
        service, texts(4, rich=False), texts(4, rich=True), sources=[None, "P00", "P00", None]
    )
    report = collect(service, record.id)
    assert report.summary.battery.overall.n == 2
    assert [pair.cluster for pair in report.pairs] == ["P00", "P00", "P00", "P03"]
    page = Page(to_html(report)).text
    assert "3 wordings" in page
    shown = page.split("Gained most")[1].split("All answers side by side", maxsplit=1)[0]
    assert all(pair.prompt in shown for pair in report.pairs)


def test_what_both_answers_share_and_how_many_pairs_are_shown(service: StoreService) -> None:
    record = store_comparison(service, ["The box is red.", "Same."], ["The box is blue.", "Same."])
    report = collect(service, record.id)
    assert [pair.shared_characters for pair in report.pairs] == [len("The box is "), len("Same.")]
    page = to_html(report)
    assert '<span class="shared" title="the same on both sides">The box is </span>red.' in page
    one = Page(to_html(report, max_pairs=1)).text
    assert "1 pair of 2; the rest is in the store" in one


def test_entropy_along_the_answers(service: StoreService) -> None:
    record = store_comparison(service, ["a b c d", "e f"], ["g h i", "j k"])
    points = service.query(entropy_curve, record.id, 3)
    traces = {
        (side, place): [round(1000 * nats) / 1000 for nats in facts.trace(n, seed=place).entropy_nats]
        for (side, place), n in {("left", 0): 4, ("left", 1): 2, ("right", 0): 3, ("right", 1): 2}.items()
    }
    first = [sum(traces["left", place][:3]) / len(traces["left", place][:3]) for place in (0, 1)]
    assert [(point.side, point.first, point.answers) for point in points] == [
        ("left", 0, 2),
        ("left", 3, 1),
        ("right", 0, 2),
    ]
    assert points[0].mean_nats == pytest.approx(sum(first) / 2, abs=2e-3)
    assert points[0].standard_error_nats == pytest.approx(abs(first[0] - first[1]) / 2, abs=2e-3)
    assert points[1].mean_nats == pytest.approx(traces["left", 0][3], abs=2e-3)
    assert points[1].standard_error_nats is None
    # Fewer than five answers are no curve.
    assert collect(service, record.id).curve == ()


def test_ratings_by_people(service: StoreService) -> None:
    record = store_comparison(service, texts(2, rich=False), texts(2, rich=True))
    report = collect(service, record.id)
    ids = {
        (side, pair.place): str(getattr(pair, side).generation_id)
        for pair in report.pairs
        for side in ("left", "right")
    }
    given = [
        ("left", 0, "me", 2, False),
        ("right", 0, "me", 5, True),
        ("left", 1, "me", 4, False),
        ("right", 1, "you", 1, True),
    ]
    for number_, (side, place, rater, value, blind) in enumerate(given):
        service.append(
            RatingRecord(
                id=f"rating-{number_}",
                comparison_id=record.id,
                generation_id=ids[side, place],
                other_generation_id=None,
                scale="depth",
                value=value,
                rater=rater,
                blind=blind,
                shown="left",
                at=facts.at(number_),
            )
        )
    (scale,) = collect(service, record.id).scales
    assert (scale.name, scale.n_left, scale.left, scale.n_right, scale.right, scale.blind) == (
        *("depth", 2, 3.0),
        *(2, 3.0, 2),
    )
    # Only "me" saw both answers of a pair, and of one only.
    assert scale.test is not None
    assert (scale.test.n, scale.test.effect.value, scale.p_holm) == (1, 3.0, 1.0)
    assert "| depth | 3.00 | 2 | 3.00 | 2 | 2 of 4 | 1 | +3.00 | – | 1.000 | 1.000 |" in to_markdown(
        collect(service, record.id)
    )
    assert "folded by probe" in Page(to_html(collect(service, record.id))).text


def rating(place: int, side: str, value: int, rater: str = "me") -> RatingRow:
    return RatingRow(f"{side}-{place}", place, side, "depth", value, rater, True, "left", facts.START)  # type: ignore[arg-type]


def test_ratings_are_tested_by_probe() -> None:
    rows = [rating(place, side, value) for place in range(8) for side, value in (("left", 2), ("right", 4))]
    rows += [rating(8, "left", 5)]
    clusters = {place: f"P{place // 2}" for place in range(8)}
    (scale,) = rated_scales(rows, clusters)
    assert scale.test is not None
    # Four probes of two wordings: n is 4, and 2 / 2⁴ the least possible p.
    assert (scale.test.n, scale.test.effect.value, scale.test.p_value) == (4, 2.0, 0.125)
    assert (scale.n_left, scale.left) == (9, pytest.approx(21 / 9))
    (untested,) = rated_scales([rating(0, "left", 3), rating(0, "right", 3, "you")], {})
    assert untested.test is None and untested.p_holm is None
    assert rated_scales([], {}) == ()
