"""Capability probes: the accepted answers are right, and the patterns take them and nothing near them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.seeds.batteries import probe, probes
from tests.seeds.matching import accepts

# The question as Python, written independently of the stored answers.
COMPUTED: dict[str, str] = {
    "CAP01_ARITHMETIC_SUM_SMALL": "3 + 4",
    "CAP02_ARITHMETIC_DIFFERENCE_SMALL": "9 - 5",
    "CAP03_ARITHMETIC_SUM_TEENS": "6 + 8",
    "CAP04_ARITHMETIC_PRODUCT_SMALL": "2 * 5",
    "CAP05_ARITHMETIC_PRODUCT_TABLE": "7 * 8",
    "CAP06_ARITHMETIC_SUM_CARRY": "25 + 17",
    "CAP07_ARITHMETIC_DIFFERENCE_BORROW": "63 - 28",
    "CAP08_ARITHMETIC_DOZEN_SQUARED": "12 * 12",
    "CAP09_ARITHMETIC_QUOTIENT": "84 // 7",
    "CAP10_ARITHMETIC_HALF": "90 // 2",
    "CAP11_ARITHMETIC_PERCENT": "200 * 15 // 100",
    "CAP12_ARITHMETIC_SUM_HUNDREDS": "408 + 597",
    "CAP13_ARITHMETIC_PRODUCT_TWO_DIGITS": "17 * 24",
    "CAP14_ARITHMETIC_PRECEDENCE": "2 + 3 * 4",
    "CAP15_ARITHMETIC_FRACTION": "48 * 3 // 4",
    "CAP16_ARITHMETIC_REMAINDER": "89 % 7",
    "CAP35_REASONING_EVEN_NUMBERS": "2 * 5",
    "CAP36_REASONING_APPLES": "3 + 2",
    "CAP39_REASONING_DOUBLING": "24 * 2",
    "CAP40_REASONING_SWEETS": "35 // 5",
    "CAP42_REASONING_TRAIN": "(11 * 60 + 10) - (9 * 60 + 40)",
    "CAP43_REASONING_SHOPPING": "2 * 12 + 3",
    "CAP44_REASONING_TANK": "60 // 4",
    "CAP45_REASONING_PAINTERS": "4 * 6 // 8",
    "CAP46_REASONING_DISCOUNT": "50 * 80 // 100",
    "CAP51_CODE_LEN": "len('cat')",
    "CAP52_CODE_PRINT_SUM": "4 + 5",
    "CAP55_CODE_REPEAT_STRING": "'ab' * 3",
    "CAP56_CODE_FLOOR_DIVISION": "7 // 2",
    "CAP57_CODE_MODULO": "17 % 5",
    "CAP58_CODE_SORTED": "sorted([3, 1, 2])",
    "CAP59_CODE_LOOP_TOTAL": "sum(range(5))",
    "CAP60_CODE_DISTINCT_LETTERS": "len(set('banana'))",
    "CAP61_CODE_EMPTY_LIST": "bool([])",
    "CAP75_WORDS_COUNT_LETTERS": "len('house')",
    "CAP80_WORDS_BACKWARDS": "'stone'[::-1]",
}
YES = (["Yes.", "yes, it does", "**Yes**"], ["No.", "Yesterday it did.", "I cannot say yes or no."])
NO = (["No.", "no, it cannot", "**No**"], ["Yes.", "Nobody knows.", "I cannot say no."])
# For each pattern: answers that must pass, and near misses that must not.
REGEX_ANSWERS: dict[str, tuple[list[str], list[str]]] = {
    "CAP17_LOGIC_ROBIN": YES,
    "CAP18_LOGIC_SINGING_FISH": NO,
    "CAP19_LOGIC_WET_STREET": YES,
    "CAP20_LOGIC_TALLEST": (["Anna", "The tallest is Anna."], ["Annabel", "Carl", "Ben, not Anna"]),
    "CAP21_LOGIC_YOUNGEST": (["Tom.", "The youngest person is Tom"], ["Tomas", "Rita", "Sam or Tom"]),
    "CAP22_LOGIC_SOME_ALL": NO,
    "CAP23_LOGIC_HALL": (["Hall", "In the hall.", "It is in the hall"], ["Hallway", "Car", "Not the hall"]),
    "CAP24_LOGIC_MIDDLE_BOX": (["Blue.", "The blue box"], ["Blueberry", "Red", "Green, then blue"]),
    "CAP25_LOGIC_BRASS_KEY": NO,
    "CAP26_LOGIC_NIGHT_SHIFT": YES,
    "CAP27_LOGIC_SHOP_LIGHT": NO,
    "CAP28_LOGIC_MUSEUM": YES,
    "CAP29_LOGIC_DISJUNCTION": (["True.", "It is true"], ["Untrue", "False", "Not true", "Truly"]),
    "CAP30_LOGIC_ONLY_IF": (["False.", "A is false."], ["Falsely", "True", "It is not false"]),
    "CAP31_LOGIC_RING": (["Mei.", "It is Mei"], ["Noor", "Meier", "Noor or Mei"]),
    "CAP32_LOGIC_SOUP": NO,
    "CAP37_REASONING_ORDER": (
        ["2, 5, 9", "2 < 5 < 9", "In order: 2, 5 and 9."],
        ["9, 5, 2", "2, 9, 5", "12, 5, 9", "2, 5, 90", "9, 2, 5 sorted: 9"],
    ),
    "CAP38_REASONING_HEAVIER": (
        ["A brick.", "The brick is heavier."],
        ["A feather", "Bricks", "Not a brick"],
    ),
    "CAP49_CODE_ADD": (
        [
            "def add(a, b):\n    return a + b",
            "```python\ndef add(a: int, b: int) -> int:\n    return (b + a)\n```",
            "def add(a, b):\n    return sum([a, b])",
        ],
        [
            "def add(a, b):\n    return a - b",
            "def add(a, b):\n    print(a + b)",
            "def add(a, b):\n    return a + bc",
            "def padd(x, y): return x",
            "return a + b",
        ],
    ),
    "CAP58_CODE_SORTED": (["[1, 2, 3]", "It gives [1,2,3]."], ["[3, 2, 1]", "[1, 2, 30]", "[11, 2, 3]"]),
    "CAP63_CODE_IS_EVEN": (
        [
            "def is_even(n):\n    return n % 2 == 0",
            "def is_even(n: int) -> bool:\n    return not n % 2",
            "def is_even(n):\n    if n % 2 == 0:\n        return True\n    return False",
        ],
        [
            "def is_even(n):\n    return n % 2 == 1",
            "def is_even(n):\n    return n / 2 == 0",
            "n % 2 == 0",
        ],
    ),
    "CAP64_CODE_SQUARES": (
        ["[x ** 2 for x in range(10)]", "[i*i for i in range(0, 10)]", "squares = [n**2 for n in range(10)]"],
        ["[x * 2 for x in range(10)]", "[x ** 2 for x in range(9)]", "[x ** 2 for y in range(10)]"],
    ),
    "CAP78_WORDS_ODD_ONE_OUT": (
        ["Hammer", "The odd one out is hammer.", "the hammer"],
        ["Hammers", "Apple", "Not the hammer"],
    ),
    "CAP79_WORDS_ALPHABETICAL": (
        ["apple, fig, pear", "Apple, fig and pear."],
        ["pear, apple, fig", "apple, pear, fig", "apple, fig, pearl", "pineapple, fig, pear"],
    ),
}


def of_match(*kinds: str) -> list[dict[str, Any]]:
    return [item for item in probes("capability") if item["match"] in kinds]


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_every_arithmetic_answer_is_computed_here() -> None:
    assert {item["id"] for item in probes("capability") if item["domain"] == "arithmetic"} <= set(COMPUTED)


@pytest.mark.parametrize("probe_id", COMPUTED)
def test_computed_answer_is_accepted(probe_id: str) -> None:
    value = eval(COMPUTED[probe_id])
    assert accepts(probe("capability", probe_id), str(value))
    if type(value) is int:
        assert not accepts(probe("capability", probe_id), str(value + 1))


def test_program_in_the_question_prints_what_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    item = probe("capability", "CAP59_CODE_LOOP_TOTAL")
    exec(item["prompt"].split("\n", 1)[1], {})
    assert accepts(item, capsys.readouterr().out)


def test_answers_are_texts_and_distinct() -> None:
    for item in probes("capability"):
        assert item["answers"], item["id"]
        assert all(isinstance(answer, str) and answer for answer in item["answers"]), item["id"]
        assert len(set(item["answers"])) == len(item["answers"]), item["id"]


@pytest.mark.parametrize("item", of_match("word", "exact"), ids=ids(of_match("word", "exact")))
def test_literal_answers_pass_alone_and_in_a_sentence(item: dict[str, Any]) -> None:
    for answer in item["answers"]:
        assert accepts(item, answer)
        assert accepts(item, f" {answer.upper()}.\n")
        assert accepts(item, f'"{answer}"')
        assert accepts(item, f"The answer is {answer}, I think.") is (item["match"] == "word")


@pytest.mark.parametrize("item", of_match("word", "exact"), ids=ids(of_match("word", "exact")))
def test_longer_words_and_numbers_that_contain_the_answer_fail(item: dict[str, Any]) -> None:
    for answer in item["answers"]:
        containing = [f"t{answer}", f"{answer}x", f"qu{answer}ly"]
        if answer.isdigit():
            containing += [
                f"1{answer}",
                f"{answer}0",
                f"{answer}.5",
                f"3.{answer}",
                f"1,{answer}",
                f"-{answer}",
            ]
        for near_miss in containing:
            assert not accepts(item, f"It is {near_miss}."), near_miss


@pytest.mark.parametrize("item", of_match("regex"), ids=ids(of_match("regex")))
def test_patterns_compile_take_good_answers_and_leave_near_misses(item: dict[str, Any]) -> None:
    for pattern in item["answers"]:
        re.compile(pattern)
    good, bad = REGEX_ANSWERS[item["id"]]
    assert [answer for answer in good if not accepts(item, answer)] == []
    assert [answer for answer in bad if accepts(item, answer)] == []


def test_repeating_the_question_or_saying_nothing_never_passes() -> None:
    for item in probes("capability"):
        for empty in (item["prompt"], "", "I am not able to say much about this."):
            assert not accepts(item, empty), item["id"]


def test_always_saying_yes_or_always_no_wins_no_more_than_half() -> None:
    closed = [item for item in probes("capability") if item["prompt"].endswith("Answer yes or no.")]
    for reply in ("Yes.", "No."):
        right = sum(accepts(item, reply) for item in closed)
        assert 0.3 <= right / len(closed) <= 0.7
