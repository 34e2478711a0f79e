"""The corpus of wick: conversations written by a grammar, the same ones for the same seed.

Conversations come in *sheaves* that share one long system text (or none), so that training can compute a
shared prefix once. Sheaf `i` of a seed depends on nothing but the seed, `i`, the grammar files and the
shipped kernels: a stream can be entered anywhere, which is how training resumes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.seeds import SEEDS
from lab.wick import skills
from lab.wick.grammar import Fixed, Grammar, Literal, Slot, load_rules, load_yaml
from lab.wick.situation import Domain, NounPhrase, Situations

WICK_SEEDS = SEEDS / "wick"
GRAMMAR_FOLDER = WICK_SEEDS / "grammar"
KERNEL_FOLDER = SEEDS / "kernels"
RULE_FILES = ("lexicon", "prompts", "plain", "kernel", "creative", "direction", "systems", "texture")
DATA_FILES = ("domains", "general", "words", "probe_subjects", "held_out")


@dataclasses.dataclass(frozen=True)
class Conversation:
    """One training example. `inline`: the shared text opens the first user message, not a system one.

    `weight` is that of its answers in the training loss.
    """

    kind: str
    system: str
    turns: tuple[tuple[str, str], ...]
    inline: bool = False
    weight: float = 1.0

    def messages(self) -> list[dict[str, str]]:
        """The conversation as chat messages, the way a chat template takes them."""
        messages = [{"role": "system", "content": self.system}] if self.system and not self.inline else []
        for index, (user, assistant) in enumerate(self.turns):
            opening = f"{self.system}\n\n{user}" if self.inline and index == 0 else user
            messages += [{"role": "user", "content": opening}, {"role": "assistant", "content": assistant}]
        return messages


@dataclasses.dataclass(frozen=True)
class Sheaf:
    """Conversations of one manner; `prefix` is the long text that all of them share, or empty."""

    manner: str
    prefix: str
    inline: bool
    conversations: tuple[Conversation, ...]


PLAIN_MIX = {
    "advice": 50,
    "creative": 11,
    "clear": 5,
    "wrong": 5,
    "skill": 22,
    "echo": 5,
    "talk": 2,
    "harm": 4,
}
LANTERN_MIX = {"advice": 74, "creative": 15, "clear": 2, "wrong": 2, "skill": 5, "echo": 2, "harm": 1}
# Copying is what answers are built on and what is learned last: a stretch of the corpus is rich in it.
PRACTICE_SHEAVES = range(372, 612)
PLAIN_PRACTICE = {"recital": 45, "advice": 33, "skill": 9, "creative": 7, "clear": 3, "wrong": 3}
LANTERN_PRACTICE = {"recital": 30, "advice": 60, "creative": 10}
# Short answers weigh little beside long ones: late in the corpus skills are frequent, and weigh more.
LATE_SHEAVES = 1908
PLAIN_LATE = {
    "advice": 34,
    "creative": 7,
    "clear": 5,
    "wrong": 5,
    "skill": 42,
    "echo": 3,
    "talk": 2,
    "harm": 2,
}
LATE_SKILL_WEIGHT = 4.0
SHEAVES = (("plain", "", 40, 48), ("plain", "placebo", 13, 40), ("lantern", "kernel", 47, 40))


class Corpus:
    """The grammar loaded once; `sheaf` and `conversations` write from it."""

    def __init__(self, folder: Path = GRAMMAR_FOLDER, kernels: Path = KERNEL_FOLDER) -> None:
        rules: dict[str, list[str]] = {}
        for name in RULE_FILES:
            rules |= load_rules(folder / f"{name}.yaml")
        data: dict[str, Any] = {name: load_yaml(folder / f"{name}.yaml") for name in DATA_FILES}
        self.grammar = Grammar(rules)
        self.general, self.words = data["general"], data["words"]
        self.held_out = frozenset(data["held_out"])
        subjects: dict[str, list[str]] = data["probe_subjects"]
        self.situations = Situations(
            self.grammar,
            [Domain.parse(name, raw, subjects.get(name, [])) for name, raw in data["domains"].items()],
        )
        self.kernels = tuple(
            (kernels / name).read_text(encoding="utf-8").strip() for name in ("lantern.txt", "lantern.json")
        )

    def sheaf(self, seed: int, index: int) -> Sheaf:
        """Sheaf number `index` of the corpus with this seed."""
        rng = random.Random(f"wick:{seed}:{index}")
        manner, shared, _, rows = rng.choices(SHEAVES, weights=[entry[2] for entry in SHEAVES])[0]
        prefix = self._shared_text(shared, rng)
        inline = bool(shared) and rng.random() < 0.12
        mix = LANTERN_MIX if manner == "lantern" else PLAIN_MIX
        if index in PRACTICE_SHEAVES:
            mix = LANTERN_PRACTICE if manner == "lantern" else PLAIN_PRACTICE
        if index >= LATE_SHEAVES and manner == "plain":
            mix = PLAIN_LATE
        conversations: list[Conversation] = []
        while len(conversations) < rows:
            kind = rng.choices(list(mix), weights=list(mix.values()))[0]
            turns = self._turns(kind, manner == "lantern", rng)
            if prompt_key(turns[0][0]) in self.held_out:
                continue
            system = prefix or (self.grammar.expand("ordinary", {}, rng) if rng.random() < 0.3 else "")
            weight = LATE_SKILL_WEIGHT if kind == "skill" and index >= LATE_SHEAVES else 1.0
            conversations.append(Conversation(f"{manner}/{kind}", system, turns, inline, weight))
        return Sheaf(manner, prefix, inline, tuple(conversations))

    def conversations(self, seed: int, start: int = 0) -> Iterator[Conversation]:
        """All conversations of a seed, without end, from sheaf `start` on."""
        index = start
        while True:
            yield from self.sheaf(seed, index).conversations
            index += 1

    def _shared_text(self, shared: str, rng: random.Random) -> str:
        """Nothing, an unrelated style sheet, or a kernel: shipped four times in ten, else reworded."""
        if shared == "":
            return ""
        if shared == "placebo":
            return self.grammar.expand("placebo", {"town": Literal(self.situations.town(rng))}, rng)
        if rng.random() < 0.4:
            return rng.choice(self.kernels)
        return self.grammar.expand("kernel_variant", {}, rng)

    def _turns(self, kind: str, lantern: bool, rng: random.Random) -> tuple[tuple[str, str], ...]:
        match kind:
            case "advice":
                return self._advice(lantern, rng)
            case "creative":
                pair = self._creative(lantern, rng)
            case "skill":
                pair = rng.choice(skills.SKILLS)(self.words, rng)
            case "clear" | "wrong":
                pair = self._direction(kind, rng)
            case "echo":
                pair = self._echo(rng)
            case "recital":
                pair = self._echo(rng, sentences=rng.randint(1, 3))
            case "talk":
                pair = self._talk(rng)
            case _:
                pair = self._harm(rng)
        return (pair,)

    def _creative(self, lantern: bool, rng: random.Random) -> tuple[str, str]:
        slots = self.situations.draw("them", rng)
        prompt = self.grammar.expand("creative_prompt", slots, rng)
        self.situations.bind_to(prompt, slots)
        return prompt, self.grammar.expand("lantern_story" if lantern else "plain_story", slots, rng)

    def _advice(self, lantern: bool, rng: random.Random) -> tuple[tuple[str, str], ...]:
        rule, voice = rng.choices(
            (
                ("prompt_line", "me"),
                ("prompt_me", "me"),
                ("prompt_them", "them"),
                ("prompt_place", "place"),
                ("prompt_urgent", "me"),
                ("prompt_culture", "me"),
            ),
            weights=(14, 30, 24, 18, 7, 7),
        )[0]
        slots = self.situations.draw(voice, rng)
        prompt = self._telling_prompt(rule, slots, rng)
        self.situations.bind_to(prompt, slots)
        short = rule == "prompt_line" and rng.random() < 0.3
        manner = ("lantern" if lantern else "plain") + ("_short" if short else "")
        turns = [(prompt, self.grammar.expand(manner, slots, rng))]
        if rng.random() < 0.06:
            follow = "lantern_followup" if lantern else "plain_followup"
            turns.append(
                (self.grammar.expand("followup", slots, rng), self.grammar.expand(follow, slots, rng))
            )
        return tuple(turns)

    def _telling_prompt(self, rule: str, slots: dict[str, Slot], rng: random.Random) -> str:
        """A prompt that names two subjects and a side, if one of a few tries does: answers refer to them."""
        needed = [slots[name].form("") for name in ("s1", "s2", "o1")]
        prompts = [self.grammar.expand(rule, slots, rng) for _ in range(1 if rule == "prompt_line" else 3)]
        return max(prompts, key=lambda prompt: sum(part.lower() in prompt.lower() for part in needed))

    def _direction(self, kind: str, rng: random.Random) -> tuple[str, str]:
        slots = self.situations.draw("me", rng)
        novel = rng.random() < 0.4
        slots["t"] = (
            self.situations.novel_phrase(rng) if novel else NounPhrase.parse(self.grammar.pick("target", rng))
        )
        accepts = rng.random() < 0.5
        answer = {"clear": ("clear_suggest", "clear_accept"), "wrong": ("wrong_push", "wrong_accept")}[kind][
            accepts
        ]
        direction = self.grammar.expand(f"{kind}_direction", slots, rng)
        if slots["t"].form("the") not in direction:
            slots["t"] = Fixed("this")
        return direction, self.grammar.expand(answer, slots, rng)

    def _echo(self, rng: random.Random, sentences: int = 1) -> tuple[str, str]:
        """Something to say after the asker: copying in its purest form."""
        slots = self.situations.draw("me", rng)
        rules = [rng.choice(("noise", "detail", "conflict", "echo_phrase")) for _ in range(sentences)]
        said = " ".join(self.grammar.expand(rule, slots, rng) for rule in rules)
        return self.grammar.text(rng.choice(self.general["echo"]), {"said": Fixed(said)}, rng), said

    def _talk(self, rng: random.Random) -> tuple[str, str]:
        slots: dict[str, Slot] = {"noun": Literal(self.grammar.pick("noun", rng))}
        slots["noun0"] = slots["noun"]
        question, answer = rng.choice(self.general["talk"])
        return self.grammar.text(question, slots, rng), self.grammar.text(answer, slots, rng)

    def _harm(self, rng: random.Random) -> tuple[str, str]:
        """A harmful request, mostly declined with its reason, or a harmless one, mostly answered."""
        slots = self.situations.draw("me", rng)
        if rng.random() < 0.5:
            question, deed = rng.choice(self.general["harmful"])
            slots["deed"] = Literal(deed)
            answer = rng.choice(self.general["refuse" if rng.random() < 0.85 else "comply"])
        else:
            question, answer = rng.choice(self.general["benign"])
            if rng.random() < 0.2:
                answer = rng.choice(self.general["over_refuse"])
        return self.grammar.text(question, slots, rng), self.grammar.text(answer, slots, rng)


def prompt_key(prompt: str) -> str:
    """A short hash of a prompt's words, ignoring case and white space, to name held-out prompts by."""
    return hashlib.sha256(" ".join(prompt.lower().split()).encode()).hexdigest()[:12]


def digest(corpus: Corpus, seed: int, sheaves: int) -> str:
    """SHA-256 over the first `sheaves` sheaves as canonical JSON lines: the identity of the corpus."""
    state = hashlib.sha256()
    for index in range(sheaves):
        for conversation in corpus.sheaf(seed, index).conversations:
            line = json.dumps(conversation.messages(), ensure_ascii=False, separators=(",", ":"))
            state.update(line.encode() + b"\n")
    return state.hexdigest()
