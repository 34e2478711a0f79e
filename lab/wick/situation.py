"""Situations: who, where, which things, and the inflected slots that prompts and answers share."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Mapping, Sequence

from lab.wick.grammar import Grammar, Literal, Slot

_TAIL = re.compile(r" (?:of|with|on|in|by|under|for|that|at|from|without|over|behind) ")
PLURAL_HEADS = ("people", "children", "those", "ones", "young", "elders", "defeated", "police")
IRREGULAR_S = {"have": "has", "be": "is", "do": "does", "go": "goes"}


def third_person(verb: str) -> str:
    """The third person singular of a verb: need → needs, carry → carries, miss → misses."""
    if verb in IRREGULAR_S:
        return IRREGULAR_S[verb]
    if verb.endswith(("s", "sh", "ch", "x", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


@dataclasses.dataclass(frozen=True)
class NounPhrase:
    """A thing: its words without a determiner, and whether it is plural or a mass."""

    words: str
    plural: bool = False
    mass: bool = False

    @classmethod
    def parse(cls, entry: str) -> NounPhrase:
        """Read a lexicon entry; see the comment at the top of domains.yaml for the marks."""
        words, _, mark = entry.partition("~")
        head = _TAIL.split(words)[0]
        ends_plural = head.endswith("s") and not head.endswith(("ss", "us", "is"))
        return cls(words, mark == "p" or (mark == "" and ends_plural), mark == "m")

    def form(self, feature: str) -> str:
        if feature == "":
            return self.words
        if feature == "the":
            return "the " + self.words
        if feature == "a":
            return self.words if self.plural or self.mass else "a " + self.words
        if feature.startswith("v:"):
            return feature[2:] if self.plural else third_person(feature[2:])
        singular, plural = NOUN_FORMS[feature]
        return plural if self.plural else singular


NOUN_FORMS = {
    "is": ("is", "are"),
    "was": ("was", "were"),
    "has": ("has", "have"),
    "it": ("it", "they"),
    "its": ("its", "their"),
    "obj": ("it", "them"),
}


@dataclasses.dataclass(frozen=True)
class Party:
    """A side in the matter, with its article: "the council", "the older members"."""

    words: str

    @property
    def plural(self) -> bool:
        head = self.words.split(" who ")[0].split(" in ")[0].split(" on ")[0]
        return (
            (head.endswith("s") and not head.endswith("ss"))
            or head.split()[-1] in PLURAL_HEADS
            or "people" in head
        )

    def form(self, feature: str) -> str:
        if feature == "":
            return self.words
        if feature == "poss":
            return self.words + ("'" if self.words.endswith("s") else "'s")
        if feature == "group":
            return self.words if self.plural else "the people around " + self.words
        if feature.startswith("v:"):
            return feature[2:] if self.plural else third_person(feature[2:])
        return {"is": ("is", "are"), "has": ("has", "have")}[feature][self.plural]


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody in the third person, or the one spoken to."""

    name: str
    full_name: str
    he: str
    obj: str
    his: str
    singular: bool

    def form(self, feature: str) -> str:
        if feature.startswith("v:"):
            return third_person(feature[2:]) if self.singular else feature[2:]
        forms = {"": self.name, "full": self.full_name, "he": self.he, "him": self.obj, "obj": self.obj}
        forms |= {"his": self.his, "poss": self.his, "is": "is" if self.singular else "are"}
        return forms[feature]


READER = Person("you", "you", "you", "you", "your", singular=False)


@dataclasses.dataclass(frozen=True)
class Domain:
    """The lexicon of one domain; noun phrases are parsed, the rest are phrases as written."""

    name: str
    subjects: tuple[NounPhrase, ...]
    things: tuple[NounPhrase, ...]
    parties: tuple[Party, ...]
    phrases: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, name: str, raw: Mapping[str, Sequence[str]], more: Sequence[str]) -> Domain:
        """Build a domain from its YAML entry and `more` subjects."""
        return cls(
            name,
            tuple(NounPhrase.parse(entry) for entry in (*raw["subjects"], *more)),
            tuple(NounPhrase.parse(entry) for entry in raw["things"]),
            tuple(Party(entry) for entry in raw["parties"]),
            {key: tuple(raw[key]) for key in ("roles", "values", "harms", "choices", "steps")},
        )


class Situations:
    """Draws situations: a mapping of slots that one prompt and its answer share."""

    def __init__(self, lexicon: Grammar, domains: Sequence[Domain]) -> None:
        self.lexicon, self.domains = lexicon, tuple(domains)

    def bind_to(self, prompt: str, slots: dict[str, Slot]) -> None:
        """Let answers speak of subjects that their prompt names; replace the others by such or known ones."""
        named = [key for key in ("s1", "s2", "s3") if slots[key].form("") in prompt]
        for key in ("s1", "s2", "s3"):
            if key in named:
                continue
            others = [other for other in named if key == "s1" or slots[other] is not slots["s1"]]
            slots[key] = slots[others[0]] if others else slots["known_" + key]

    def draw(self, voice: str, rng: random.Random) -> dict[str, Slot]:
        """Slots of a new situation. `voice`: "me" (the asker acts), "them" (a person), "place" (a group)."""
        domain = rng.choice(self.domains)
        person = self.person(rng)
        slots: dict[str, Slot] = {"p": person, "name2": Literal(self.person(rng).name)}
        for number, known in enumerate(rng.sample(domain.subjects, 3), start=1):
            slots[f"known_s{number}"] = known
            slots[f"s{number}"] = known if rng.random() < 0.6 else self.novel_phrase(rng)
        parties = self._parties(domain, rng)
        if voice == "place":
            parties.sort(key=lambda party: not party.plural)
        for number, party in enumerate(parties, start=1):
            slots[f"o{number}"] = party
        for number, thing in enumerate(rng.sample(domain.things, 2), start=1):
            slots[f"thing{number}"] = thing
        for key, count in (("values", 2), ("harms", 2), ("choices", 2), ("steps", 2)):
            for number, phrase in enumerate(rng.sample(domain.phrases[key], count), start=1):
                slots[f"{key.removesuffix('s')}{number}"] = Literal(phrase)
        slots["role"] = Literal(rng.choice(domain.phrases["roles"]))
        for key in ("place", "region", "when"):
            slots[key] = Literal(self.lexicon.pick(key, rng))
        slots["town"] = Literal(self.town(rng))
        group = parties[0].words
        slots["you"] = {
            "me": READER,
            "them": person,
            "place": Person(group, group, "they", "them", "their", singular=False),
        }[voice]
        return slots

    def _parties(self, domain: Domain, rng: random.Random) -> list[Party]:
        """Three different sides, of the domain or composed."""
        return [
            party if rng.random() < 0.55 else self._novel_party(rng)
            for party in rng.sample(domain.parties, 3)
        ]

    def _novel_party(self, rng: random.Random) -> Party:
        if rng.random() < 0.3:
            return Party("the " + self.lexicon.pick("group", rng))
        adjective = self.lexicon.pick("party_adjective", rng) + " " if rng.random() < 0.4 else ""
        return Party(f"the {adjective}{self.lexicon.pick('people', rng)}")

    def novel_phrase(self, rng: random.Random) -> NounPhrase:
        """A noun, mostly with a modifier or an invented name before it, put together at random."""
        noun = self.lexicon.pick(rng.choice(("noun", "tx_noun")), rng)
        plural = rng.random() < 0.25 and not noun.endswith(("s", "y", "x", "f", "fe", "ch", "sh", "man"))
        ending = "s" if plural else ""
        kind = rng.random()
        if kind < 0.2:
            return NounPhrase(noun + ending, plural=plural)
        if kind < 0.3:
            return NounPhrase(f"{self.town(rng)} {noun}{ending}", plural=plural)
        first = self.lexicon.pick(rng.choice(("modifier", "modifier", "tx_noun", "tx_adj")), rng)
        return NounPhrase(f"{first if first != noun else 'old'} {noun}{ending}", plural=plural)

    def syllables(self, rng: random.Random) -> str:
        count = rng.choice((1, 2, 2))
        parts = ("onset", "vowel", "coda")
        return "".join(self.lexicon.pick(part, rng) for _ in range(count) for part in parts)

    def town(self, rng: random.Random) -> str:
        return (self.syllables(rng) + self.lexicon.pick("town_tail", rng)).capitalize()

    def person(self, rng: random.Random) -> Person:
        """A woman or a man, with a given name from the list or composed, and a composed surname."""
        kind = rng.choice(("female", "male"))
        first = self.lexicon.pick(kind, rng) if rng.random() < 0.7 else self.syllables(rng).capitalize()
        surname = (self.syllables(rng) + self.lexicon.pick("surname_tail", rng)).capitalize()
        full = f"{first} {surname}" if rng.random() < 0.6 else first
        he, obj, his = ("she", "her", "her") if kind == "female" else ("he", "him", "his")
        return Person(first, full, he, obj, his, singular=True)
