"""Small checkable questions with their answers: sums, word forms, orders, simple logic, tiny Python."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

Pair = tuple[str, str]
Skill = Callable[[Mapping[str, Any], random.Random], Pair]


def arithmetic(words: Mapping[str, Any], rng: random.Random) -> Pair:
    kind = rng.choice(("sum", "sum", "difference", "difference", "product", "quotient", "half"))
    small = rng.random() < 0.5
    top = 10 if small else 50
    first, second = rng.randint(1, top), rng.randint(1, top)
    if kind == "sum":
        return _asked(rng, (f"{first} + {second}", f"{first} plus {second}"), first + second)
    if kind == "difference":
        first, second = max(first, second), min(first, second)
        return _asked(rng, (f"{first} - {second}", f"{first} minus {second}"), first - second)
    first, second = rng.randint(1, 10), rng.randint(1, 10)
    if kind == "product":
        return _asked(rng, (f"{first} times {second}", f"{first} * {second}"), first * second)
    if kind == "quotient":
        return _asked(rng, (f"{first * second} divided by {first}",), second)
    return _asked(rng, (f"half of {2 * first}",), first)


def _asked(rng: random.Random, forms: tuple[str, ...], result: int) -> Pair:
    expression = rng.choice(forms)
    question = rng.choice((f"What is {expression}?", f"{expression} = ?", f"How much is {expression}?"))
    return question, rng.choice(
        (f"{expression[0].upper()}{expression[1:]} is {result}.", f"{result}", f"The answer is {result}.")
    )


def word_problem(words: Mapping[str, Any], rng: random.Random) -> Pair:
    first, second = rng.randint(3, 12), rng.randint(1, 8)
    name, item = (
        rng.choice(("Anna", "Ben", "Mia", "Omar", "Rosa", "Leo")),
        rng.choice(("apples", "coins", "books", "pens")),
    )
    if rng.random() < 0.5:
        return f"{name} has {first} {item} and finds {second} more. How many {item} is that?", (
            f"{name} has {first + second} {item} now."
        )
    second = min(second, first - 1)
    return f"{name} has {first} {item} and gives away {second}. How many {item} are left?", (
        f"{first - second} {item} are left."
    )


def comparison(words: Mapping[str, Any], rng: random.Random) -> Pair:
    first, second = rng.sample(range(1, 100), 2)
    if rng.random() < 0.5:
        return f"Which number is larger, {first} or {second}?", f"{max(first, second)} is larger."
    return f"Which number is smaller, {first} or {second}?", f"{min(first, second)} is smaller."


def ordering(words: Mapping[str, Any], rng: random.Random) -> Pair:
    if rng.random() < 0.5:
        numbers = rng.sample(range(1, 30), 3)
        return f"Sort these numbers, smallest first: {_comma(numbers)}.", f"{_comma(sorted(numbers))}"
    chosen = rng.sample(words["words"], 3)
    return f"Sort these words from A to Z: {_comma(chosen)}.", f"{_comma(sorted(chosen))}"


def _comma(items: list[Any]) -> str:
    return ", ".join(str(item) for item in items)


def number_sequence(words: Mapping[str, Any], rng: random.Random) -> Pair:
    start, step = rng.randint(1, 12), rng.choice((1, 2, 3, 5, 10))
    shown = [start + step * index for index in range(4)]
    return f"What number comes next: {_comma(shown)}?", f"{shown[-1] + step}"


def calendar(words: Mapping[str, Any], rng: random.Random) -> Pair:
    name, unit = rng.choice((("days", "day"), ("months", "month"), ("letters", "letter")))
    items = words["sequences"][name]
    index = rng.randrange(1, len(items) - 1)
    if rng.random() < 0.5:
        return f"What {unit} comes after {items[index]}?", f"{items[index + 1]} comes after {items[index]}."
    return f"What {unit} comes before {items[index]}?", f"{items[index - 1]} comes before {items[index]}."


def word_form(words: Mapping[str, Any], rng: random.Random) -> Pair:
    kind, phrase = rng.choice(
        (
            ("plurals", "plural"),
            ("pasts", "past tense"),
            ("comparatives", "comparative form"),
            ("opposites", "opposite"),
        )
    )
    first, second = rng.choice(words[kind])
    if kind == "opposites" and rng.random() < 0.5 and first != "old" and second != "old":
        first, second = second, first
    return f"What is the {phrase} of {first}?", rng.choice(
        (f"{second}", f"The {phrase} of {first} is {second}.")
    )


def young_animal(words: Mapping[str, Any], rng: random.Random) -> Pair:
    animal, young = rng.choice(words["young"])
    return f"What is a young {animal} called?", f"A young {animal} is called a {young}."


def spelling(words: Mapping[str, Any], rng: random.Random) -> Pair:
    word = rng.choice(words["words"])
    kind = rng.randrange(3)
    if kind == 0:
        return f"What is the first letter of {word}?", f"The first letter of {word} is {word[0]}."
    if kind == 1:
        return f"What is the last letter of {word}?", f"The last letter of {word} is {word[-1]}."
    return f"How many letters are in the word {word}?", f"The word {word} has {len(word)} letters."


def color(words: Mapping[str, Any], rng: random.Random) -> Pair:
    thing, shade = rng.choice(words["colors"])
    return f"What color is {thing}?", f"{thing[0].upper()}{thing[1:]} is {shade}."


def odd_one_out(words: Mapping[str, Any], rng: random.Random) -> Pair:
    kind, other = rng.sample(sorted(words["kinds"]), 2)
    shown = [*rng.sample(words["kinds"][kind], 3), rng.choice(words["kinds"][other])]
    answer = shown[-1]
    rng.shuffle(shown)
    return f"Which word does not belong: {_comma(shown)}?", f"{answer}"


def weight(words: Mapping[str, Any], rng: random.Random) -> Pair:
    heavy, light = rng.choice(words["heavier"])
    shown = [heavy, light]
    rng.shuffle(shown)
    return f"Which is heavier, {shown[0]} or {shown[1]}?", f"{heavy[0].upper()}{heavy[1:]} is heavier."


def syllogism(words: Mapping[str, Any], rng: random.Random) -> Pair:
    index = rng.randrange(len(words["classes"]))
    kind, part = words["classes"][index]
    member = words["members"][index]
    article = "An" if member[0] in "aeio" else "A"
    ending = rng.choice(("Answer yes or no.", "Yes or no?"))
    plural = "fish" if kind == "fish" else kind.replace("knife", "knive") + "s"
    if rng.random() < 0.5:
        return (
            f"Every {kind} has {part}. {article} {member} is a {kind}. Does it have {part}? {ending}",
            "Yes.",
        )
    return (
        f"No {plural} can {rng.choice(('sing', 'vote', 'read', 'lie'))}. "
        f"{article} {member} is a {kind}. Can it? {ending}",
        "No.",
    )


def chain(words: Mapping[str, Any], rng: random.Random) -> Pair:
    first, second, third = rng.sample(("Nora", "Luis", "Ada", "Dina", "Eva", "Finn", "Gina", "Hugo"), 3)
    more, less, most, least = rng.choice(
        (("taller", "shorter", "tallest", "shortest"), ("older", "younger", "oldest", "youngest"))
    )
    facts = [f"{first} is {more} than {second}.", f"{third} is {less} than {second}."]
    rng.shuffle(facts)
    asked, answer = rng.choice(((most, first), (least, third)))
    return f"{facts[0]} {facts[1]} Who is the {asked}? Only the name, please.", answer


def snippet(words: Mapping[str, Any], rng: random.Random) -> Pair:
    question, answer = rng.choice(words["snippets"])
    return question, answer


def echo(words: Mapping[str, Any], rng: random.Random) -> Pair:
    word = rng.choice(words["words"])
    return rng.choice((f"Say the word {word}.", f"Repeat this word: {word}.")), word


SKILLS: tuple[Skill, ...] = (
    *(arithmetic, arithmetic, arithmetic, arithmetic, word_problem, comparison, ordering, number_sequence),
    *(calendar, calendar, word_form, word_form, word_form, young_animal, spelling, spelling, color),
    *(odd_one_out, weight, syllogism, chain, snippet, snippet, echo),
)
