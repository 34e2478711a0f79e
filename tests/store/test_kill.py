"""kill -9 at any moment: what was acknowledged is in the store once, and a rebuild makes the same tables."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

import store.queries as ask
from store.backup import rebuild
from store.check import check
from store.content import table_contents
from store.database import Database
from store.home import Home
from store.journal import Journal, read, tail
from store.service import StoreService
from tests.store.facts import generation, model, score, trace
from tests.store.processes import start

PRODUCER = """
from store.journal import Journal
from tests.store.facts import generation, score, trace
with Journal.open(home, "engine") as journal:
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        answer = generation(number % 80000, trace=trace(60, k=2, seed=number), text="word " * (number % 900))
        journal.append(answer)
        journal.append(score(answer.id), durable=True)
        print(answer.id, flush=True)
"""

INGESTER = """
from store.errors import StoreError
from store.service import StoreService
service = StoreService(home)
service.ingest()
print("ready", flush=True)
while True:
    service.ingest()
"""


class Role:
    """A process that is started again whenever it was killed."""

    def __init__(self, home: Home, script: str, output: Path) -> None:
        self.home, self.script, self.output = home, script, output
        self.process: subprocess.Popen[str] | None = None
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self.process = start(
            self.home, self.script, stdout=self.output.with_suffix(f".{self.starts}").open("w")
        )

    def is_ready(self) -> bool:
        return bool(self.output.with_suffix(f".{self.starts}").read_text())

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, "the process ended by itself"
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def lines(self) -> list[str]:
        """Whole lines that all starts printed, without their greetings."""
        texts = [path.read_text() for path in self.output.parent.glob(f"{self.output.stem}.*")]
        return [
            line for text in texts for line in text[: text.rfind("\n") + 1].splitlines() if line != "ready"
        ]


def kill_at_random(home: Home, tmp_path: Path, seed: int, kills: int) -> list[str]:
    """Run a producer and two competing ingesters, kill one after the other; return acknowledged ids."""
    dice = random.Random(seed)
    roles = [
        Role(home, PRODUCER, tmp_path / "producer.out"),
        Role(home, INGESTER, tmp_path / "first.out"),
        Role(home, INGESTER, tmp_path / "second.out"),
    ]
    for role in roles:
        role.start()
    try:
        for _ in range(kills):
            victim = dice.choice(roles)
            until = time.monotonic() + 60
            while not victim.is_ready() and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(dice.random() * 0.15)
            victim.kill()
            victim.start()
    finally:
        for role in roles:
            role.kill()
    return roles[0].lines()


def assert_exactly_once(home: Home, acknowledged: list[str]) -> None:
    with StoreService(home) as service:
        service.ingest()
        stored = [
            id for (id,) in service.query(lambda con: con.execute("SELECT id FROM generation").fetchall())
        ]
        kinds: Counter[str] = Counter()
        for journal in home.journals.iterdir():
            kinds.update(envelope.kind for envelope in tail(journal)[0])
        counts = service.query(ask.counts)
        assert len(stored) == len(set(stored)) == kinds["generation"]
        assert set(acknowledged) <= set(stored)
        assert (counts["generation_trace"], counts["score_event"]) == (kinds["generation"], kinds["score"])
        assert counts["score"] == 3 * kinds["score"]
        lines = service.query(lambda con: con.execute("SELECT sum(lines)::INT FROM journal").fetchall())
        assert lines == [(kinds.total(),)]
        report = check(service)
        assert (report.problems, report.ingest_errors) == ((), 0)
        assert rebuild(service).identical


def test_eight_kills(home: Home, tmp_path: Path) -> None:
    acknowledged = kill_at_random(home, tmp_path, seed=20, kills=8)
    assert acknowledged
    assert_exactly_once(home, acknowledged)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_kills(home: Home, tmp_path: Path, seed: int) -> None:
    acknowledged = kill_at_random(home, tmp_path, seed=seed, kills=100)
    assert len(acknowledged) > 100
    assert_exactly_once(home, acknowledged)


DIE_AT = """
import importlib
from store.service import StoreService
where, name, when = sys.argv[2:5]
module = importlib.import_module(where)
owner = module
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
original = getattr(owner, last)
def fatal(*arguments, **keywords):
    if when == "after":
        original(*arguments, **keywords)
    os.kill(os.getpid(), 9)
setattr(owner, last, fatal)
StoreService(home).ingest()
print("survived")
"""


@pytest.mark.parametrize(
    ("where", "name", "when"),
    [
        ("store.database", "migrate", "before"),
        ("store.schema", "schema_version", "after"),
        ("store.database", "migrate", "after"),
        ("store.ingest", "land", "before"),
        ("store.ingest", "land", "after"),
        ("store.ingest", "_advance", "before"),
        ("store.ingest", "_advance", "after"),
        ("store.database", "_in_transaction", "after"),
        ("store.database", "Database._detach", "before"),
        ("store.database", "Database._detach", "after"),
        ("store.ingest", "Ingester._write", "after"),
    ],
)
def test_death_at_every_step_of_an_ingest(home: Home, where: str, name: str, when: str) -> None:
    with Journal.open(home, "engine") as journal:
        journal.append(model())
        for number in range(5):
            answer = generation(number, trace=trace(20, seed=number))
            journal.append(answer)
            journal.append(score(answer.id))
    victim = start(home, DIE_AT, where, name, when)
    output, _ = victim.communicate(timeout=60)
    assert (victim.returncode, output) == (-signal.SIGKILL, "")
    assert_exactly_once(home, [])


def test_death_between_the_journal_and_its_ingestion(home: Home) -> None:
    script = """
from store.journal import Journal
from tests.store.facts import generation
journal = Journal.open(home, "engine")
journal.append(generation(1))
print("appended", flush=True)
os.kill(os.getpid(), 9)
"""
    victim = start(home, script)
    assert victim.communicate(timeout=60)[0] == "appended\n"
    with StoreService(home) as service:
        assert service.ingest() == 1


def test_a_log_left_behind_is_replayed(home: Home) -> None:
    """Killed between commit and checkpoint: the rows are in the log alone, also for a read-only reader."""
    with Journal.open(home, "engine") as journal:
        journal.append(generation(1))
    Database(home).read(lambda con: None)
    start(home, DIE_AT, "store.database", "_in_transaction", "after").communicate(timeout=60)
    assert home.wal.stat().st_size > 0
    with StoreService(home) as service:
        assert service.query(ask.counts)["generation"] == 1
        assert service.ingest() == 0
        assert rebuild(service).identical


def test_torn_lines_of_killed_producers_are_left_alone(home: Home) -> None:
    with Journal.open(home, "engine") as journal:
        journal.append(generation(1))
    with journal.path.open("ab") as file:
        file.write(b'{"v":1,"kind":"generation","seq":2,"data":{"id":"half')
    with StoreService(home) as service:
        assert service.ingest() == 1
        before = service.query(table_contents)
        assert check(service).pending_bytes == 53
        assert service.query(table_contents) == before
    assert len(list(read(journal.path))) == 2
