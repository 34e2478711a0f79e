"""Which rows of a published card contradict its own formulas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.train.scu.lint import lint, rows_of
from lab.train.scu.quantities import LN2

CARD = """
S-ratio: 2.93% (target: 3.0%)
- Σ(w²) = 1427.60 (sum of squared LoRA weights)
- σ = 0.01
- N = 98,304,000
- Result: 0.105 bits/token

| Step | Loss | Data BPT | Param BPT | S-ratio | Lambda |
|------|------|----------|-----------|---------|--------|
| 100  | 2.588 | 3.734 | 0.091 | 2.43% | 0.995 |
| 500  | 2.459 | 3.547 | 0.094 | 2.65% | 0.967 |
| 1000 | 2.412 | 3.480 | 0.098 | 2.81% | 0.922 |
| **1500** | **2.408** | **3.475** | **0.105** | **2.93%** | **0.870** |
| 2000 | 2.441 | 3.522 | 0.109 | 2.99% | 0.870 |
| 2500 | 2.393 | 3.453 | 0.112 | 3.14% | 0.870 |

S-ratio at step 1500 (2.93%) was actually closer to the target (3.0%) than later steps.
"""


def test_seed_003_s_table() -> None:
    found = lint(CARD)
    assert [(finding.step, finding.rule) for finding in found] == [
        (100, "S = P / (D + P)"),
        (500, "S = P / (D + P)"),
        (1000, "S = P / (D + P)"),
        (1500, "closest to target"),
    ]
    assert "2.379 %" in found[0].message and "2.582 %" in found[1].message and "2.739 %" in found[2].message
    assert "step 2000 (2.99 %) is closer" in found[3].message
    assert found[0].line == 10


def test_wrong_bits_and_a_wrong_description_length_are_found() -> None:
    wrong = CARD.replace("| 2.441 | 3.522 |", "| 2.441 | 3.600 |").replace("Result: 0.105", "Result: 0.205")
    rules = [finding.rule for finding in lint(wrong)]
    assert "data_bpt = loss / ln 2" in rules and "P = Σw² / (2σ²N ln 2)" in rules


def test_texts_without_a_table_have_nothing_to_find() -> None:
    for text in ("", "# A card", "| a | b |\n|---|---|\n| 1 | 2 |", "| step | loss |\n|--|--|\n| x | y |"):
        assert lint(text) == []


@given(
    st.lists(st.tuples(st.floats(0.5, 9.0), st.floats(1e-3, 2.0)), min_size=1, max_size=8), st.integers(2, 5)
)
def test_an_honest_card_is_never_flagged(values: list[tuple[float, float]], digits: int) -> None:
    lines = ["| Step | Loss | Data BPT | Param BPT | S-ratio |", "|---|---|---|---|---|"]
    for step, (loss, bits) in enumerate(values, start=1):
        data = loss / LN2
        share = 100 * bits / (data + bits)
        lines.append(
            f"| {step} | {loss:.{digits}f} | {data:.{digits}f} | {bits:.{digits}f} | {share:.{digits}f}% |"
        )
    card = "\n".join(lines)
    assert len(rows_of(card)) == len(values)
    assert lint(card) == []


@given(st.text(max_size=400))
def test_no_text_breaks_the_reader(text: str) -> None:
    lint(text)
    lint("| Step | Data BPT | S-ratio |\n|--|--|--|\n| " + text + " |")
