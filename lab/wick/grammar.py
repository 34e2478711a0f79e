"""A small text grammar: rules with choices, bound slots and inflection.

A rule is a list of alternatives. In an alternative `[a|b]` is a choice (nestable, a bare `|` splits the whole
alternative), `{name}` expands a rule or a slot, `{name.feature}` asks a slot for an inflected form,
`{name.cap}` capitalizes, `{n:2-90}` draws a whole number. `\\[` and `\\]` are literal brackets; a brace that
opens no name is literal.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import yaml

from lab.errors import LabError

_TOKEN = re.compile(r"\\[\[\]]|\{[a-z][a-z0-9_]*(?:[.:][a-z0-9_:.\-]+)*\}|[\[\]|]")
_SENTENCE_START = re.compile(r"((?:[.!?]\"?\s+)|^)([a-z])")
_ARTICLE = re.compile(r"\b([Aa]) (?=(?:[aeiouAEIOU]|hour|honest|heir))(?!one\b|uni|use|eu|once)")


class Slot(Protocol):
    """Something that a situation binds to a name: it renders itself in a requested form."""

    def form(self, feature: str) -> str: ...


class Literal:
    """A slot of fixed text; its only form is itself."""

    def __init__(self, text: str) -> None:
        self.text = text

    def form(self, feature: str) -> str:
        if feature:
            raise LabError(f"grammar: {self.text!r} is plain text and has no form {feature!r}")
        return self.text


class Fixed(Literal):
    """A slot that is the same text in every form, as "this" is."""

    def form(self, feature: str) -> str:
        return self.text


class _Choice:
    def __init__(self, options: list[list[_Node]]) -> None:
        self.options = options


class _Symbol:
    def __init__(self, text: str) -> None:
        self.text = text
        name, _, self.number = text.partition(":") if text.startswith("n:") else (text, "", "")
        self.capitalize = name.endswith(".cap")
        self.name, _, self.feature = name.removesuffix(".cap").partition(".")


_Node: TypeAlias = "str | _Choice | _Symbol"


def _parse(text: str) -> _Choice:
    """Compile one alternative into a choice over its top-level `|` parts."""
    stack: list[list[list[_Node]]] = [[[]]]
    position = 0
    for match in _TOKEN.finditer(text):
        if match.start() > position:
            stack[-1][-1].append(text[position : match.start()])
        position = match.end()
        mark = match.group()
        if mark == "[":
            stack.append([[]])
        elif mark == "]":
            if len(stack) == 1:
                raise LabError(f"grammar: unbalanced ']' in {text!r}")
            options = stack.pop()
            stack[-1][-1].append(_Choice(options))
        elif mark == "|":
            stack[-1].append([])
        elif mark.startswith("\\"):
            stack[-1][-1].append(mark[1])
        else:
            stack[-1][-1].append(_Symbol(mark[1:-1]))
    if len(stack) != 1:
        raise LabError(f"grammar: unbalanced '[' in {text!r}")
    stack[-1][-1].append(text[position:])
    return _Choice(stack[0])


class Grammar:
    """Rules compiled once, expanded many times with a caller's random generator."""

    def __init__(self, rules: Mapping[str, Sequence[str]]) -> None:
        self.words = {name: list(options) for name, options in rules.items()}
        self._rules = {name: [_parse(option) for option in options] for name, options in rules.items()}

    def pick(self, name: str, rng: random.Random) -> str:
        """One alternative of rule `name`, as written."""
        return rng.choice(self.words[name])

    def expand(self, name: str, slots: Mapping[str, Slot], rng: random.Random) -> str:
        """Expand rule `name`; sentences start with capitals and articles fit what follows them."""
        out: list[str] = []
        self._rule(name, slots, rng, out)
        return tidy("".join(out))

    def text(self, template: str, slots: Mapping[str, Slot], rng: random.Random) -> str:
        """Expand a template that is not a rule of its own."""
        out: list[str] = []
        self._choice(_parse(template), slots, rng, out)
        return tidy("".join(out))

    def _rule(self, name: str, slots: Mapping[str, Slot], rng: random.Random, out: list[str]) -> None:
        self._choice(rng.choice(self._rules[name]), slots, rng, out)

    def _choice(self, choice: _Choice, slots: Mapping[str, Slot], rng: random.Random, out: list[str]) -> None:
        for node in rng.choice(choice.options):
            if isinstance(node, str):
                out.append(node)
            elif isinstance(node, _Choice):
                self._choice(node, slots, rng, out)
            else:
                out.append(self._symbol(node, slots, rng))

    def _symbol(self, symbol: _Symbol, slots: Mapping[str, Slot], rng: random.Random) -> str:
        if symbol.number:
            low, high = symbol.number.split("-")
            return str(rng.randint(int(low), int(high)))
        if symbol.name in slots:
            text = slots[symbol.name].form(symbol.feature)
        elif symbol.name in self._rules:
            inner: list[str] = []
            self._rule(symbol.name, slots, rng, inner)
            text = "".join(inner)
        else:
            raise LabError(f"grammar: '{{{symbol.text}}}' is neither a rule nor a slot")
        return text[:1].upper() + text[1:] if symbol.capitalize else text


def tidy(text: str) -> str:
    """Capitalize sentence starts, turn 'a' into 'an' before a vowel sound, drop doubled blanks."""
    text = re.sub(r" +([.,;:?! ])", r"\1", text).strip()
    text = _ARTICLE.sub(lambda match: match.group(1) + "n ", text)
    return _SENTENCE_START.sub(lambda match: match.group(1) + match.group(2).upper(), text)


def load_yaml(path: Path) -> Any:
    """Read a YAML file, with the C loader (ten times faster) where PyYAML was built with it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe loaders


def load_rules(path: Path) -> dict[str, list[str]]:
    """Rules of one YAML file; every value must be a list of strings."""
    raw = load_yaml(path)
    rules: dict[str, list[str]] = {}
    for name, options in raw.items():
        if not isinstance(options, list):
            raise LabError(
                f"{path}: rule {name!r}: expected a list of alternatives, found {type(options).__name__}"
            )
        rules[name] = [str(option) for option in options]
    return rules
