"""Replay material: the code runs and does what was asked, the figures are right, the answers are compact."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.seeds.batteries import probe, probes, sentences

# What each function must do, run after its reference in a process of its own.
CODE_CHECKS: dict[str, str] = {
    "G01_CODE_SUBTRACT": "assert subtract(3, 10) == -7",
    "G02_CODE_LARGEST": "assert largest([4, 9, -2]) == 9 and largest([]) is None",
    "G03_CODE_REVERSE_WORDS": "assert reverse_words('one  two three') == 'three two one'",
    "G04_CODE_COUNT_VOWELS": "assert count_vowels('Education AXE') == 7 and count_vowels('') == 0",
    "G05_CODE_FACTORIAL": """
assert [factorial(n) for n in (0, 1, 5)] == [1, 1, 120]
try:
    factorial(-1)
except ValueError:
    pass
else:
    raise AssertionError("negative n accepted")
""",
    "G06_CODE_PALINDROME": """
assert is_palindrome('Was it a car, or a c-at I saw?') is True
assert is_palindrome('1, 2, 1') is True
assert is_palindrome('lantern') is False
""",
    "G07_CODE_WORD_COUNTS": "assert word_counts('The cat the dog THE') == {'the': 3, 'cat': 1, 'dog': 1}",
    "G08_CODE_FIZZ_BUZZ": "assert [fizz_buzz(n) for n in (1, 3, 5, 15)] == ['1', 'Fizz', 'Buzz', 'FizzBuzz']",
    "G09_CODE_FIBONACCI": """
assert list(fibonacci(8)) == [0, 1, 1, 2, 3, 5, 8, 13]
assert list(fibonacci(0)) == []
""",
    "G10_CODE_FLATTEN": "assert flatten([[1, 2], [], [3]]) == [1, 2, 3]",
    "G11_CODE_BINARY_SEARCH": """
values = [2, 3, 5, 7, 11]
assert [binary_search(values, v) for v in values] == [0, 1, 2, 3, 4]
assert [binary_search(values, v) for v in (1, 6, 12)] == [-1, -1, -1]
assert binary_search([], 1) == -1
""",
    "G12_CODE_UNIQUE_IN_ORDER": "assert unique_in_order(['b', 'a', 'b', 'c', 'a']) == ['b', 'a', 'c']",
    "G13_CODE_CELSIUS": "assert [to_fahrenheit(c) for c in (-40, 0, 100)] == [-40, 32, 212]",
    "G14_CODE_PRIMES": """
slow = lambda limit: [n for n in range(2, limit) if all(n % d for d in range(2, n))]
assert all(primes_below(limit) == slow(limit) for limit in range(-2, 130))
""",
    "G15_CODE_SAFE_DIVIDE": "assert safe_divide(7, 2) == 3.5 and safe_divide(1, 0) is None",
    "G16_CODE_GROUP_BY_LENGTH": """
assert group_by_length(['an', 'cat', 'ox']) == {2: ['an', 'ox'], 3: ['cat']}
assert group_by_length([]) == {}
""",
}
# The question as Python, and the figure as the reference states it.
FIGURES: dict[str, tuple[str, str]] = {
    "G32_REASONING_ESTIMATE": ("8 * 365 * 50", "146,000"),
    "G33_ARITHMETIC_SUM": ("38 + 46", "84"),
    "G34_ARITHMETIC_DIFFERENCE": ("71 - 39", "32"),
    "G35_ARITHMETIC_PRODUCT": ("6 * 9", "54"),
    "G36_ARITHMETIC_QUOTIENT": ("96 / 8", "12"),
    "G37_ARITHMETIC_LONG_PRODUCT": ("23 * 18", "414"),
    "G38_ARITHMETIC_PERCENT": ("350 * 12 / 100", "42"),
    "G39_ARITHMETIC_FRACTIONS": ("1/2 + 1/3", "5/6"),
    "G40_ARITHMETIC_AVERAGE": ("(4 + 9 + 11 + 16) / 4", "10"),
    "G41_ARITHMETIC_CHANGE": ("5 - 3 * 0.85", "2.45"),
    "G42_ARITHMETIC_AREA": ("14 * 6.5", "91"),
    "G43_ARITHMETIC_SPEED": ("150 / 2.5", "60"),
    "G44_ARITHMETIC_ORDER_OF_OPERATIONS": ("(8 - 3) * 4 + 6 / 2", "23"),
    "G45_ARITHMETIC_POWER": ("2 ** 10", "1024"),
    "G46_ARITHMETIC_NEGATIVE": ("-7 + 12", "5"),
    "G47_ARITHMETIC_MINUTES": ("3 * 60 + 25", "205"),
    "G48_ARITHMETIC_RATIO": ("300 / 4 * 10", "750"),
}
EQUATION = re.compile(r"(?<![\w.])(-?\d[\d.]*(?: [-+*/] \d[\d.]*)+) = (-?\d+(?:\.\d+)?(?:/\d+)?)")


def of_domain(*domains: str) -> set[str]:
    return {item["id"] for item in probes("general") if item["domain"] in domains}


def test_every_code_and_arithmetic_reference_is_checked() -> None:
    assert set(CODE_CHECKS) == of_domain("code")
    assert set(FIGURES) >= of_domain("arithmetic")


@pytest.mark.parametrize("probe_id", CODE_CHECKS)
def test_code_reference_runs_and_does_what_was_asked(probe_id: str) -> None:
    program = f"{probe('general', probe_id)['reference']}\n{CODE_CHECKS[probe_id]}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("probe_id", FIGURES)
def test_stated_figure_is_the_computed_one(probe_id: str) -> None:
    expression, stated = FIGURES[probe_id]
    reference = probe("general", probe_id)["reference"]
    assert re.search(rf"(?<![\d.,/-]){re.escape(stated)}(?![\d/]|[.,]\d)", reference)
    assert eval(stated.replace(",", "")) == pytest.approx(eval(expression))


def test_every_equation_in_a_reference_holds() -> None:
    equations = [
        (item["id"], match[1], match[2])
        for item in probes("general")
        if item["domain"] != "code"
        for match in EQUATION.finditer(item["reference"])
    ]
    assert len(equations) >= 10
    assert [entry for entry in equations if eval(entry[1]) != pytest.approx(eval(entry[2]))] == []


def test_references_are_compact() -> None:
    for item in probes("general"):
        if item["domain"] == "code":
            assert 2 <= len(item["reference"].splitlines()) <= 12, item["id"]
        else:
            assert 1 <= sentences(item["reference"]) <= 6, item["id"]
