"""The lab in a real terminal, by key and by sight."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.probes.model import probe_sha256
from screens.config import LabState, save_state
from store.home import Home
from store.ids import utc_now
from store.journal import Journal, read
from store.queries import (
    compared_answers,
    counts,
    generation,
    page_comparisons,
    ratings,
    recent_generations,
)
from store.records import ProbeRecord
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.models import tiny_model
from tests.screens.tmux import HAS_TMUX, Terminal

pytestmark = pytest.mark.skipif(not HAS_TMUX, reason="tmux is not installed")

Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def open_one(*arguments: str, **size: int) -> Terminal:
        terminal = Terminal("--model", tiny_model("llama"), *arguments, home=tmp_path, **size)
        opened.append(terminal)
        return terminal

    yield open_one
    for terminal in opened:
        terminal.close()


def stored(home: Path) -> StoreService:
    service = StoreService(Home.resolve(home))
    service.ingest()
    return service


def test_a_prompt_typed_in_live_is_answered_and_kept(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal()
    terminal.wait("P01_IDENTITY")
    terminal.wait(" ready ")
    terminal.keys("2")
    terminal.wait("Ask the model something")
    terminal.keys("p")
    terminal.wait("^q Quit")
    terminal.type("What does the river remember?")
    terminal.keys("Enter")
    terminal.wait("stored")
    terminal.keys("q")
    terminal.wait("EXIT=0")
    service = stored(tmp_path)
    (row,) = service.query(recent_generations, 10)
    kept = service.query(generation, row.generation_id)
    service.close()
    assert kept is not None
    assert kept.generation.prompt == "What does the river remember?"


def hostile_probe(probe_id: str, domain: str, prompt: str, battery: str = "hostile") -> ProbeRecord:
    probe = ProbeRecord(
        battery=battery, id=probe_id, domain=domain, prompt=prompt, sha256="", origin="user", at=utc_now()
    )
    return replace(probe, sha256=probe_sha256(probe))


def test_hostile_probes_reach_the_screen_but_not_the_terminal(open_terminal: Open, tmp_path: Path) -> None:
    with Journal.open(Home.resolve(tmp_path), "test") as journal:
        for number, (name, text) in enumerate(HOSTILE.items()):
            journal.append(hostile_probe(f"H{number:02}", name, text or " ", "core"))
    terminal = open_terminal()
    terminal.wait("P01_IDENTITY")
    terminal.keys("/")
    terminal.type("H0")
    terminal.keys("Enter")
    terminal.wait(lambda screen: "H00" in screen and "P01_IDENTITY" not in screen)
    for _ in HOSTILE:
        terminal.keys("j")
        screen = terminal.screen(styles=True)
        assert "\x1b]52" not in screen
        # The command to the terminal is text on the screen, its control codes made visible, and nothing else.
        plain = terminal.screen()
        assert "0;owned" not in plain or "␛]0;owned" in plain or "⟨9D⟩0;owned" in plain
        assert "owned" not in terminal.title()
    terminal.keys("q")
    terminal.wait("EXIT=0")


def test_the_lab_and_its_engine_leave_with_their_terminal(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal("demo")
    terminal.wait("battery 0/24")
    pid = terminal.lab_pid()
    terminal.close()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the lab outlived its terminal")
    wait_until(lambda: not engines(tmp_path), "the engine outlived its terminal")


def kill_rounds(home: Path, open_terminal: Open, rounds: int, seed: int) -> None:
    """Kill the lab at random moments of a running demo; its engine leaves and nothing finished is lost."""
    chance = random.Random(seed)
    for number in range(1, rounds + 1):
        terminal = open_terminal("demo")
        if number % 2:
            terminal.wait(lambda screen: re.search(r"battery [1-9]\d*/24", screen) is not None)
        time.sleep(chance.uniform(0.0, 3.0))
        os.kill(terminal.lab_pid(), signal.SIGKILL)
        terminal.wait("EXIT=137")
        terminal.close()
    wait_until(lambda: not engines(home), "an engine outlived its terminal")
    service = stored(home)
    kinds = [line.raw.split(b'"kind":"')[1].split(b'"')[0] for line in journal_lines(home)]
    assert kinds.count(b"generation") > 0, "no round lived long enough to finish an answer"
    rows = service.query(counts)
    service.close()
    assert rows["generation"] == kinds.count(b"generation")


def journal_lines(home: Path) -> list[object]:
    return [line for path in sorted(Home.resolve(home).journals.glob("*.jsonl")) for line in read(path, 0)]


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def engines(home: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes()
        except OSError:
            continue
        if b"lab.engine" in command and str(home).encode() in command:
            found.append(process.parent.name)
    return found


@pytest.mark.slow
def test_a_killed_terminal_takes_its_engine_along_and_loses_nothing(
    open_terminal: Open, tmp_path: Path
) -> None:
    kill_rounds(tmp_path, open_terminal, rounds=1, seed=3)


@pytest.mark.slow
def test_many_killed_terminals_lose_nothing(open_terminal: Open, tmp_path: Path) -> None:
    kill_rounds(tmp_path, open_terminal, rounds=30, seed=4)


@pytest.mark.slow
def test_two_sides_are_compared_and_rated_blind_in_a_real_terminal(
    open_terminal: Open, tmp_path: Path
) -> None:
    with Journal.open(Home.resolve(tmp_path), "test") as journal:
        for number in (1, 2):
            journal.append(
                hostile_probe(f"H{number}", "Rivers", f"What does river {number} ask? [/x] \x1b[2J")
            )
    save_state(Home.resolve(tmp_path).config, LabState(batteries=["hostile"]))
    terminal = open_terminal(columns=80, rows=24)
    terminal.wait(" ready ")
    terminal.keys("3")
    terminal.wait("None yet: N begins one")
    terminal.keys("n")
    terminal.wait("Sides: base")
    terminal.wait(lambda screen: re.search(r"battery\s+hostile", screen) is not None)
    terminal.keys("C-s")
    terminal.wait("Where they part")
    terminal.wait("The comparison is done")
    terminal.keys("v", "r")
    terminal.wait("Rate this pair")
    terminal.keys("4", "3")
    terminal.wait("● ● ● ○ ○  3")
    terminal.keys("Escape")
    terminal.keys("Escape")
    terminal.wait("Hidden while the sides are")
    terminal.keys("v")
    terminal.wait("improved")
    assert "\x1b[2J" not in terminal.screen(styles=True)
    terminal.keys("q")
    terminal.wait("EXIT=0")
    service = stored(tmp_path)
    (row,) = service.query(page_comparisons, 0, 10)
    kept = service.query(ratings, row.id)
    answers = service.query(compared_answers, row.id)
    service.close()
    assert (row.planned, row.finished) == (2, 2)
    assert sorted((rating.scale, rating.value, rating.blind, rating.shown) for rating in kept) == [
        ("depth", 4, True, "left"),
        ("insight", 3, True, "left"),
    ]
    assert len(answers) == 4 and all("total" in answer.scores for answer in answers)
