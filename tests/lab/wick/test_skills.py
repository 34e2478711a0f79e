"""Every skill's answer is checked by working it out again from the question's text alone."""

import random
import re
from pathlib import Path

import pytest
import yaml

from lab.wick import skills
from lab.wick.corpus import GRAMMAR_FOLDER

WORDS = yaml.safe_load((Path(GRAMMAR_FOLDER) / "words.yaml").read_text())


def drawn(skill: skills.Skill, count: int = 300) -> list[skills.Pair]:
    return [skill(WORDS, random.Random(seed)) for seed in range(count)]


def test_arithmetic() -> None:
    for question, answer in drawn(skills.arithmetic, 600):
        text = re.sub(r"What is|How much is|[?=]", "", question).strip().lower()
        text = re.sub(r"half of (\d+)", r"\1 // 2", text).replace("divided by", "//")
        text = text.replace("plus", "+").replace("minus", "-").replace("times", "*")
        result = eval(text, {"__builtins__": {}})
        assert re.findall(r"\d+", answer)[-1] == str(result), (question, answer)
        assert result >= 0


def test_word_problems() -> None:
    for question, answer in drawn(skills.word_problem):
        first, second = map(int, re.findall(r"\d+", question))
        expected = first + second if "more" in question else first - second
        assert re.findall(r"\d+", answer) == [str(expected)]


def test_comparison_and_order() -> None:
    for question, answer in drawn(skills.comparison):
        numbers = [int(number) for number in re.findall(r"\d+", question)]
        assert int(answer.split()[0]) == (max if "larger" in question else min)(numbers)
    for question, answer in drawn(skills.ordering):
        items = question.split(": ")[1].rstrip(".").split(", ")
        key = int if items[0].isdigit() else str
        assert answer.split(", ") == sorted(items, key=key)


def test_number_sequences_go_on_by_the_same_step() -> None:
    for question, answer in drawn(skills.number_sequence):
        shown = [int(number) for number in re.findall(r"\d+", question)]
        assert int(answer) - shown[-1] == shown[1] - shown[0]


def test_calendar() -> None:
    order = WORDS["sequences"]["days"]
    for question, answer in drawn(skills.calendar):
        if "day" in question.split()[1] and question.split()[-1].rstrip("?") in order:
            place = order.index(question.split()[-1].rstrip("?"))
            assert answer.split()[0] == order[place + (1 if "after" in question else -1)]


def test_spelling() -> None:
    for question, answer in drawn(skills.spelling):
        word = question.rstrip("?").split()[-1]
        expected = {"first": word[0], "last": word[-1]}
        for name, letter in expected.items():
            if name in question:
                assert answer.endswith(f" {letter}.")
        if "How many" in question:
            assert f" {len(word)} letters" in answer


def test_name_chains_follow_from_their_facts() -> None:
    for question, answer in drawn(skills.chain):
        above: list[tuple[str, str]] = []
        for first, more, second in re.findall(r"(\w+) is (\w+) than (\w+)\.", question):
            above.append((first, second) if more in ("taller", "older") else (second, first))
        top = ({first for first, _ in above} - {second for _, second in above}).pop()
        bottom = ({second for _, second in above} - {first for first, _ in above}).pop()
        assert answer == (top if re.search("tallest|oldest", question) else bottom)


def test_syllogisms() -> None:
    for question, answer in drawn(skills.syllogism):
        assert answer == ("Yes." if question.startswith("Every") else "No.")


def test_odd_one_out_is_of_another_kind() -> None:
    kind_of = {word: kind for kind, members in WORDS["kinds"].items() for word in members}
    for question, answer in drawn(skills.odd_one_out):
        shown = question.split(": ")[1].rstrip("?").split(", ")
        kinds = [kind_of[word] for word in shown]
        assert kinds.count(kind_of[answer]) == 1


@pytest.mark.parametrize("entry", [entry for entry in WORDS["snippets"] if entry[1].startswith("def ")])
def test_python_snippets_compile(entry: list[str]) -> None:
    compile(entry[1], "snippet", "exec")


def test_every_skill_is_in_the_list_and_gives_text() -> None:
    for skill in set(skills.SKILLS):
        for question, answer in drawn(skill, 20):
            assert question
            assert answer
